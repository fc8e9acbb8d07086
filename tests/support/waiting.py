"""Waits for conditions of real processes, and skips tests on Wine. Holds no test."""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Callable

import pytest

__all__ = ["IS_WINE", "not_on_wine", "wait_until"]

IS_WINE = sys.platform == "win32" and hasattr(ctypes.WinDLL("ntdll"), "wine_get_version")


def not_on_wine(reason: str) -> pytest.MarkDecorator:
    """Return a mark that skips a test on Wine, which lacks what it needs."""
    return pytest.mark.skipif(IS_WINE, reason=f"Wine: {reason}")


def wait_until(condition: Callable[[], object], timeout_s: float = 60.0) -> None:
    """Return as soon as `condition()` is true; fail after `timeout_s` seconds."""
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.002)
