"""The `kq` command: a queue without a desktop, and a hand on the one that runs. Others script against it.

Here is what all commands share: standard streams, exit codes, what became of errors.
"""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Sequence

__all__ = ["main"]

_BAD_INPUT, _INTERRUPTED = 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code. 2: bad input, or no such job; the message is on stderr."""
    _open_closed_standard_streams()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that does not know a letter of a job's name shows its number.
            stream.reconfigure(errors="backslashreplace")
    try:
        # In here, so that Ctrl-C meanwhile ends it as quietly as later.
        from ..errors import KqError
        from .options import make_parser

        options = make_parser().parse_args(_joined_frames(sys.argv[1:] if argv is None else argv))
        try:
            code = int(options.run(options))
            sys.stdout.flush()  # here, where a reader that has gone is no error
        except KqError as error:
            print(f"kq: {error}", file=sys.stderr)
            return _BAD_INPUT
        return code
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        _drop_output()  # whoever read it has gone
        return 0
    except OSError as error:
        _drop_output()
        what = error.filename or "the output cannot be written"
        print(f"kq: {what}: {error.strerror or error}", file=sys.stderr)
        return _BAD_INPUT


def _joined_frames(arguments: Sequence[str]) -> list[str]:
    """`--frames -3-2` as `--frames=-3-2`: argparse takes what begins with a dash for an option."""
    joined: list[str] = []
    for index, argument in enumerate(arguments):
        if argument == "--":
            return [*joined, *arguments[index:]]
        if joined and joined[-1] == "--frames" and re.match(r"-\d", argument):
            joined[-1] = f"--frames={argument}"
        else:
            joined.append(argument)
    return joined


def _open_closed_standard_streams() -> None:
    """Standard streams that were closed when we were started: a socket must not get such a number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            fd = os.open(os.devnull, os.O_RDWR)  # the lowest number that is free: this one
            setattr(sys, name, open(fd, "w" if number else "r", encoding="utf-8"))  # noqa: SIM115


def _drop_output() -> None:
    """Nothing is written at exit either, which would fail like what was written before."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
