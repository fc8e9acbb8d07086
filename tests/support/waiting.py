"""Waiting for what real processes do, and what Wine does not do yet. No test lives here."""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Callable

import pytest

__all__ = ["IS_WINE", "not_on_wine", "wait_until"]

IS_WINE = sys.platform == "win32" and hasattr(ctypes.WinDLL("ntdll"), "wine_get_version")


def not_on_wine(reason: str) -> pytest.MarkDecorator:
    """Skips a test where Wine stands for Windows, and has not what it needs."""
    return pytest.mark.skipif(IS_WINE, reason=f"Wine: {reason}")


def wait_until(condition: Callable[[], object], timeout_s: float = 60.0) -> None:
    """Return as soon as `condition()` is true; fail when that takes longer than any machine should need."""
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.002)
