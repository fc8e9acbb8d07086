"""The texts with which Windows starts a process: program, command line, environment. No system call."""

from __future__ import annotations

import ntpath
import subprocess
from collections.abc import Callable, Mapping, Sequence

from ..errors import BadInput
from ..plain_text import quoted

__all__ = ["build_command_line", "build_environment", "find_program", "past_launcher"]

_MAX_COMMAND_LINE = 32_767
_BATCH_ENDINGS = (".bat", ".cmd")
_SHELL_LETTERS = frozenset('"%!^&|<>()\r\n')


def find_program(name: str, environment: Mapping[str, str], cwd: str, exists: Callable[[str], bool]) -> str:
    """The whole path of the program that `name` means, as a shell would find it, or empty.

    The system's own search would look into the current folder of this process first, and on this process's
    PATH; and it would know no ending but .exe.

    Args:
        name: the first word of a command.
        environment: that of the new process: its PATH and PATHEXT count.
        cwd: the new process's folder, from which a relative path counts.
        exists: whether a path names a file.
    """
    variables = {key.upper(): value for key, value in environment.items()}
    endings = [ending for ending in variables.get("PATHEXT", ".COM;.EXE;.BAT;.CMD").split(";") if ending]
    has_ending = any(name.lower().endswith(ending.lower()) for ending in endings)
    names = [name] if has_ending else [name + ending for ending in endings] + [name]
    if ntpath.dirname(name):
        folders = [cwd]
    else:
        folders = [folder.strip('"') for folder in variables.get("PATH", "").split(";") if folder]
    for folder in folders:
        for each in names:
            path = ntpath.join(folder, each)
            if exists(path):
                return path
    return ""


def build_command_line(program: str, argv: Sequence[str]) -> str:
    """The one text that CreateProcess takes, from which the program's C library makes arguments again.

    Raises:
        BadInput: it is too long, or `program` is a batch file and an argument holds what its shell acts on.
    """
    if program.lower().endswith(_BATCH_ENDINGS):
        # Windows hands these to cmd.exe, which reads the line by other rules: no quoting is safe there.
        for argument in argv[1:]:
            if not _SHELL_LETTERS.isdisjoint(argument):
                raise BadInput(
                    f"{quoted(program)} is a batch file, and its argument {quoted(argument[:60])} holds a "
                    f'character that its shell acts on: leave out all of " % ! ^ & | < > ( ), '
                    f"or start the program itself"
                )
    line = subprocess.list2cmdline([program, *argv[1:]])
    if len(line) >= _MAX_COMMAND_LINE:
        raise BadInput(
            f"the command {quoted(argv[0])} has {len(line):,} letters with its arguments, and Windows allows "
            f"{_MAX_COMMAND_LINE:,}: pass long lists in a file"
        )
    return line


def build_environment(environment: Mapping[str, str]) -> str:
    """The environment as one block: `name=value` each ended by a NUL, sorted, and a NUL behind the last.

    Of names that differ only in case, which Windows takes for one, the last wins.
    """
    variables = {name.upper(): (name, value) for name, value in environment.items()}
    # Windows keeps such names for the current folder of each drive ("=C:"); they may begin with "=".
    for name, value in variables.values():
        if not name or "=" in name[1:] or "\0" in name or "\0" in value:
            raise BadInput(
                f"environment variable {quoted(name)} cannot be used: its name or value holds '=' or NUL"
            )
    texts = [f"{name}={value}\0" for _, (name, value) in sorted(variables.items())]
    # An empty block still needs the two NULs that end it.
    return "".join(texts) + "\0" if texts else "\0\0"


def past_launcher(
    argv: Sequence[str], environment: Mapping[str, str], executable: str, interpreter: str
) -> tuple[list[str], dict[str, str]]:
    """The command and environment that start a Python without the launcher of its virtual environment.

    The launcher starts the interpreter as a process of its own. Its pid would be the one that we know, and
    the interpreter, which tells another, could be neither asked to stop nor told from a stranger.

    Args:
        executable: the Python of this process, as it was started: a launcher, where that is used.
        interpreter: the one that it launches, or the same.
    """
    if list(argv[:1]) != [executable] or executable == interpreter:
        return list(argv), dict(environment)
    # As multiprocessing does it; the interpreter takes the variable out of its environment.
    return [interpreter, *argv[1:]], {**environment, "__PYVENV_LAUNCHER__": executable}
