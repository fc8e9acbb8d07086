"""Ends a render process at once, with the intended exit code.

Skips all clean-up, which takes longer than a stop is allowed to.
"""

from __future__ import annotations

import os
import sys
from typing import NoReturn

__all__ = ["leave"]

if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    _kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
    _kernel32.GetCurrentProcess.argtypes = []
    _kernel32.GetCurrentProcess.restype = wintypes.HANDLE
    _kernel32.TerminateProcess.argtypes = [wintypes.HANDLE, wintypes.UINT]
    _kernel32.TerminateProcess.restype = wintypes.BOOL


def leave(code: int) -> NoReturn:
    """End this process with `code`. What Python has not written yet is written; nothing else is done."""
    sys.stdout.flush()
    sys.stderr.flush()
    if sys.platform == "win32":
        # os._exit would run the libraries' own ends after their threads are gone, and there Dr.Jit's calls
        # abort(): every render would end with code 3.
        _kernel32.TerminateProcess(_kernel32.GetCurrentProcess(), code)
    os._exit(code)
