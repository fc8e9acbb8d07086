"""Lists the files of the checkout that the checks cover. Reads names and first lines only."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

__all__ = ["ROOT", "files", "python_files", "shell_scripts"]

ROOT = Path(__file__).resolve().parent.parent

# Made by tools or by running the project; a checkout without git has to know them too.
_NOT_OURS = {"out", "dist", "build", "mutants", "__pycache__", "node_modules"}
_SHELL = re.compile(rb"#!.*\b(?:ba|da)?sh\b")


def files(*suffixes: str, root: Path = ROOT) -> Iterator[Path]:
    """Files below `root` whose names end in one of `suffixes` (all when none is given), sorted."""
    for path in sorted(root.iterdir()):
        if path.is_symlink():
            continue
        if path.is_dir():
            hidden = path.name.startswith(".") and path.name != ".ci"
            if not hidden and path.name not in _NOT_OURS and not path.name.endswith(".egg-info"):
                yield from files(*suffixes, root=path)
        elif not suffixes or path.name.endswith(suffixes):
            yield path


def python_files(*folders: str, root: Path = ROOT) -> Iterator[Path]:
    """The Python files below the named folders of the checkout; a folder that is not there has none."""
    for folder in folders:
        if (root / folder).is_dir():
            yield from files(".py", root=root / folder)


def shell_scripts(root: Path = ROOT) -> list[Path]:
    """Files that a POSIX shell or bash runs: by their ending, or by their first line."""
    found = []
    for path in files(root=root):
        if path.suffix == ".sh":
            found.append(path)
        elif not path.suffix:
            with path.open("rb") as script:
                if _SHELL.match(script.readline(200)):
                    found.append(path)
    return found
