"""Runs code as another user, for tests that run as root. Holds no test."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable

__all__ = ["STRANGER", "as_stranger"]

STRANGER = 54321
"""A user id without an account on this machine."""


def as_stranger(action: Callable[[], None]) -> None:
    """Run `action` as another user, in a process of its own."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.setgroups([])
            os.setgid(os.getgid())
            os.setuid(STRANGER)
            action()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, "see what it printed"
