"""Waiting for what real processes do. No test lives here."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["wait_until"]


def wait_until(condition: Callable[[], object], patience_s: float = 30.0) -> None:
    """Return as soon as `condition()` is true; fail when that takes longer than any machine should need."""
    end = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.002)
