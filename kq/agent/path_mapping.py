"""Translates paths between the desktop's machine and the Agent's. Accesses no files."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PureWindowsPath

import msgspec

from ..messages import AssignOrder

__all__ = ["PathMap"]


class PathMap:
    """Translates paths between the desktop's machine and this one, wherever they occur in a text."""

    def __init__(self, pairs: Iterable[tuple[str, str]], returned: Iterable[tuple[str, str]] = ()) -> None:
        """
        Args:
            pairs: folders or files, as (path on the desktop's machine, path on this machine).
            returned: pairs that only `to_desktop` uses, for a desktop folder that may hold other files too.
        """
        self._pairs = _longest_first(pairs)
        self._here = _pattern(there for there, _ in self._pairs)
        back = _longest_first([*self._pairs, *returned])
        self._forth = {_key(there): here for there, here in self._pairs}
        self._back = {_key(here): there for there, here in back}
        self._there = _pattern(here for _, here in sorted(back, key=lambda pair: -len(pair[1])))

    def to_local(self, text: str) -> str:
        """Return `text` with the desktop's paths replaced by this machine's."""
        return _replace(self._here, self._forth, text)

    def to_desktop(self, text: str) -> str:
        """Return `text` with this machine's paths replaced by the desktop's."""
        return _replace(self._there, self._back, text)

    def order(self, order: AssignOrder) -> AssignOrder:
        """Return `order` with all its paths translated to this machine's."""
        to_local = self.to_local
        return msgspec.structs.replace(
            order,
            commands=tuple(map(self._command, order.commands)),
            cwd=to_local(order.cwd),
            environment={key: to_local(value) for key, value in order.environment.items()},
            log_file=to_local(order.log_file),
            picture=to_local(order.picture),
            temp_dir=to_local(order.temp_dir),
            standby=self._command(order.standby),
        )

    def _command(self, command: tuple[str, ...]) -> tuple[str, ...]:
        words = tuple(map(self.to_local, command))
        if words and words[0].startswith("/") and not command[0].startswith("/"):
            # A program of Windows, by another system's name.
            return (words[0].removesuffix(".exe"), *words[1:])
        return words


def _longest_first(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Longest first, because a folder within another may be mapped on its own."""
    return sorted(
        ((there.rstrip("/\\") or there, here.rstrip("/\\") or here) for there, here in pairs if there),
        key=lambda pair: -len(pair[0]),
    )


def _pattern(folders: Iterable[str]) -> re.Pattern[str] | None:
    names = list(map(_spellings, folders))
    if not names:
        return None
    # Whole folders only: /data/shot must leave /data/shots and /mnt/data/shot alone.
    return re.compile(rf"(?<![\w./\\-])(?:{'|'.join(names)})(?![\w.-])")


def _is_windows(path: str) -> bool:
    return bool(PureWindowsPath(path).drive)


def _key(path: str) -> str:
    """Return what is the same for all spellings of a path: on Windows, either slash and either case."""
    return path.replace("/", "\\").lower() if _is_windows(path) else path


def _spellings(folder: str) -> str:
    """Return an expression for all spellings of a folder."""
    if not _is_windows(folder):
        return re.escape(folder)
    letters = "".join(r"[\\/]" if letter in "\\/" else re.escape(letter) for letter in folder)
    if folder.endswith(":"):
        letters += r"(?=[\\/]|\Z)"  # of a whole drive, P: is a path, and `step p: 5` is not
    elif letters.startswith("["):
        letters = f"(?!(?<=:)//){letters}"  # http://server/share is no path
    return f"(?i:{letters})"


_REST = re.compile(r"""(?:(?!\s+(?:[A-Za-z]:)?[\\/])[^:*?"<>|;\r\n])*""")
"""The rest of a Windows path: up to a character that is invalid in names there, or to the next path."""


def _replace(pattern: re.Pattern[str] | None, table: dict[str, str], text: str) -> str:
    if pattern is None:
        return text
    parts, end = [], 0
    for match in pattern.finditer(text):
        if match.start() < end:
            continue  # inside a path that was replaced already
        folder = table.get(_key(match[0]))
        if folder is None:
            continue  # a letter of which `re` knows another case, and `lower` does not
        parts += [text[end : match.start()], folder]
        end = match.end()
        if folder.startswith("/") and _is_windows(match[0]):
            # Windows accepts both separators; elsewhere a backslash is part of a name.
            rest = _REST.match(text, end)
            assert rest is not None
            parts.append(rest[0].replace("\\", "/"))
            end = rest.end()
    return "".join([*parts, text[end:]])
