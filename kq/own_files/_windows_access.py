"""Access lists of folders on Windows: the twin of modes there."""

from __future__ import annotations

import ctypes
import sys
from ctypes import byref, c_uint32, c_void_p, c_wchar_p
from pathlib import Path

assert sys.platform == "win32"  # so that mypy checks this file for the system that it is for

__all__ = ["access_list", "own_sid", "restrict"]

_TOKEN_QUERY, _TOKEN_USER = 0x8, 1
_FILE_OBJECT, _SDDL_REVISION = 1, 1
_DACL, _PROTECTED_DACL = 0x4, 0x8000_0000


def restrict(folder: Path) -> None:
    """Give the folder to this user, the system and administrators alone, with what will be made in it.

    Raises:
        OSError: the disk has no access lists, or this user may not change the folder's.
    """
    text = f"D:P(A;OICI;FA;;;{own_sid()})(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)"
    descriptor = c_void_p()
    convert = _advapi32.ConvertStringSecurityDescriptorToSecurityDescriptorW
    _check(convert(c_wchar_p(text), _SDDL_REVISION, byref(descriptor), None))
    try:
        _check(
            _advapi32.SetFileSecurityW(c_wchar_p(str(folder)), c_uint32(_DACL | _PROTECTED_DACL), descriptor)
        )
    finally:
        _kernel32.LocalFree(descriptor)


def access_list(path: Path) -> str:
    """Return the access list of a file or folder in SDDL. Raises OSError."""
    descriptor, text = c_void_p(), c_wchar_p()
    code = _advapi32.GetNamedSecurityInfoW(
        c_wchar_p(str(path)), _FILE_OBJECT, _DACL, None, None, None, None, byref(descriptor)
    )
    if code:
        raise OSError(0, ctypes.FormatError(code), str(path), code)
    try:
        convert = _advapi32.ConvertSecurityDescriptorToStringSecurityDescriptorW
        _check(convert(descriptor, _SDDL_REVISION, _DACL, byref(text), None))
        content = text.value or ""
        _kernel32.LocalFree(text)
        return content
    finally:
        _kernel32.LocalFree(descriptor)


def own_sid() -> str:
    """Return this process's user as a string: `S-1-5-21-...`. Raises OSError."""
    token, size, text = c_void_p(), c_uint32(), c_wchar_p()
    _check(_advapi32.OpenProcessToken(c_void_p(_kernel32.GetCurrentProcess()), _TOKEN_QUERY, byref(token)))
    try:
        found = ctypes.create_string_buffer(256)
        _check(_advapi32.GetTokenInformation(token, _TOKEN_USER, found, len(found), byref(size)))
        # TOKEN_USER begins with a pointer to the SID.
        _check(_advapi32.ConvertSidToStringSidW(c_void_p.from_buffer(found), byref(text)))
        sid = text.value or ""
        _kernel32.LocalFree(text)
        return sid
    finally:
        _kernel32.CloseHandle(token)


def _check(succeeded: int) -> None:
    if not succeeded:
        raise ctypes.WinError(ctypes.get_last_error())


_kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
_advapi32 = ctypes.WinDLL("advapi32", use_last_error=True)
_kernel32.GetCurrentProcess.restype = c_void_p
_kernel32.LocalFree.argtypes = (c_void_p,)
_kernel32.CloseHandle.argtypes = (c_void_p,)
