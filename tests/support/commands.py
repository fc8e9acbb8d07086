"""What jobs of tests run: commands that every system has, and no shell. No expectation lives here."""

from __future__ import annotations

import sys
from pathlib import Path

__all__ = ["NOTHING", "SLEEP", "fails", "held", "noting", "python", "saying", "steps"]


def python(code: str, *arguments: str) -> tuple[str, ...]:
    """Python without site-packages, which starts in a few milliseconds. It can import kq's leaves."""
    return (sys.executable, "-S", "-c", code, *arguments)


SLEEP = python("import time; time.sleep(600)")
NOTHING = python("")
"""A command that succeeds at once."""


def saying(text: str, code: int = 0) -> tuple[str, ...]:
    """A command that writes a line to its log, and ends with `code`."""
    return python("import sys; print(sys.argv[1]); sys.exit(int(sys.argv[2]))", text, str(code))


def fails(until_attempt: int, how: str = "sys.exit(1)") -> tuple[str, ...]:
    """A command that does `how` in its attempts before `until_attempt`, and succeeds in that one."""
    return python(f"import os, sys, time\nif int(os.environ['KQ_ATTEMPT']) < {until_attempt}: {how}")


def steps(code: str, *arguments: str) -> tuple[str, ...]:
    """A command of lines of Python, which have `note(path, text)`, see `noting`, and os, sys and time."""
    return python(f"{_NOTE}\n{code}", *arguments)


def held(gate: Path, before: str = "", after: str = "") -> tuple[str, ...]:
    """A command that runs until the file `gate` is there; `before` and `after` are lines of Python.

    See `steps`.
    """
    wait = "while not os.path.exists(sys.argv[1]): time.sleep(0.005)"
    return steps(f"{before}\n{wait}\n{after}", str(gate))


def noting(path: Path, word: str) -> tuple[str, ...]:
    """A command that appends the line `word` to a file, as several may at once."""
    return steps("note(*sys.argv[1:])", str(path), word)


_NOTE = """\
import os, sys, time
from kq.own_files import open_to_append
def note(path, text): os.write(open_to_append(path), (text + chr(10)).encode())"""
