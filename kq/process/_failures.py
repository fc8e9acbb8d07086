"""Why a process could not be started, worded for people. It only reads the file system."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence

from ..errors import BadInput, KqError, Refused
from ..plain_text import quoted

__all__ = ["check_arguments", "explain_failure"]

_NO_ROOM_WINDOWS = (14, 1450, 1455)
"""ERROR_OUTOFMEMORY, ERROR_NO_SYSTEM_RESOURCES and ERROR_COMMITMENT_LIMIT: Python gives them EINVAL."""


def check_arguments(argv: Sequence[str]) -> None:
    """Raise BadInput when `argv` can start nothing on any system."""
    if not argv or not argv[0].strip():
        raise BadInput("the command is empty: name the program to run")
    if any("\0" in argument for argument in argv):
        raise BadInput(f"an argument of {quoted(argv[0])} contains a NUL character: remove it")


def explain_failure(
    error: OSError, argv: Sequence[str], cwd: str | None, searched: Sequence[str] | None = None
) -> KqError:
    """What to raise for `error`, which starting `argv` in the folder `cwd` gave.

    Args:
        error: of the system.
        argv: the command.
        cwd: its folder.
        searched: the folders of PATH, where the system looks through them. Of a program that is in none of
            them it says that it may not be executed, if it may not look into one.

    Returns:
        BadInput when the command or the folder is wrong, Refused when the machine has no room for it now.
    """
    program = argv[0]
    # os.path, for pathlib raises where a folder on the way may not be read.
    if cwd and not os.path.isdir(cwd):  # noqa: PTH112
        what = "is not a folder" if os.path.exists(cwd) else "does not exist, or is not visible to this user"  # noqa: PTH110
        return BadInput(f"the working folder {what}: make {quoted(cwd)}, or choose another")
    if cwd and not os.access(cwd, os.X_OK):
        return BadInput(
            f"this user may not enter the working folder: change the permissions of {quoted(cwd)}"
        )
    number = error.errno
    if number == errno.E2BIG:
        return BadInput(
            f"more arguments and environment than a process can start with: pass long lists of "
            f"{quoted(program)} in a file"
        )
    if (
        number in (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE)
        or getattr(error, "winerror", None) in _NO_ROOM_WINDOWS
    ):
        return Refused(
            f"{quoted(program)} could not be started: "
            f"this machine is out of memory or processes ({error.strerror})"
        )
    has_folder = os.sep in program or bool(os.altsep and os.altsep in program)
    path = os.path.join(cwd or ".", program) if has_folder else None  # noqa: PTH118
    if path is not None and os.path.isdir(path):  # noqa: PTH112
        return BadInput(f"the program is a folder: write the path of a program, and not {quoted(program)}")
    if number == errno.ENOENT:
        if path is None:
            return BadInput(
                f"the program {quoted(program)} is not found on PATH: install it, or write its whole path"
            )
        if os.path.exists(path):  # noqa: PTH110
            return BadInput(
                f"the interpreter that it names is not installed: see the first line of {quoted(program)}"
            )
        return BadInput(f"the program does not exist: check the path {quoted(program)}")
    if number == errno.EACCES and path is None and searched is not None and not _is_in(program, searched):
        return BadInput(
            f"the program {quoted(program)} is not found on PATH, and some of its folders this user may not "
            f"look into: install it, or write its whole path"
        )
    if number in (errno.EACCES, errno.EPERM):
        return BadInput(
            f"the program may not be executed by this user: check the permissions of {quoted(program)}"
        )
    if number == errno.ENOEXEC:
        hint = "start its interpreter" if os.name == "nt" else "a script needs a first line such as #!/bin/sh"
        return BadInput(f"this system cannot execute the program: {hint} ({quoted(program)})")
    return BadInput(f"the program could not be started: {error.strerror or error} ({quoted(program)})")


def _is_in(program: str, folders: Sequence[str]) -> bool:
    return any(os.path.isfile(os.path.join(folder, program)) for folder in folders)  # noqa: PTH113, PTH118
