"""Translates paths between the desktop's machine and the Agent's. Nothing is opened."""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from ..messages import AssignOrder

__all__ = ["PathMap"]


class PathMap:
    """Translates paths between the desktop's machine and this one, wherever they occur in a text."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        # The longest first: a folder within another may have a place of its own.
        self._pairs = sorted(
            ((there.rstrip("/\\") or there, here.rstrip("/\\") or here) for there, here in pairs if there),
            key=lambda pair: -len(pair[0]),
        )
        self._here = _pattern(there for there, _ in self._pairs)
        self._there = _pattern(here for _, here in self._pairs)

    def here(self, text: str) -> str:
        """`text` with the desktop's folders replaced by this machine's."""
        return _replace(self._here, dict(self._pairs), text)

    def there(self, text: str) -> str:
        """`text` with this machine's folders replaced by the desktop's."""
        return _replace(self._there, {here: there for there, here in self._pairs}, text)

    def order(self, order: AssignOrder) -> AssignOrder:
        """The order as this machine can carry it out."""
        here = self.here
        return msgspec.structs.replace(
            order,
            commands=tuple(tuple(map(here, command)) for command in order.commands),
            cwd=here(order.cwd),
            environment={key: here(value) for key, value in order.environment.items()},
            log_file=here(order.log_file),
            picture=here(order.picture),
            temp_dir=here(order.temp_dir),
            standby=tuple(map(here, order.standby)),
        )


def _pattern(folders: Iterable[str]) -> re.Pattern[str] | None:
    names = [re.escape(folder) for folder in folders]
    if not names:
        return None
    # Whole folders only: /data/shot must leave /data/shots and /mnt/data/shot alone.
    return re.compile(rf"(?<![\w./\\-])(?:{'|'.join(names)})(?![\w.-])")


def _replace(pattern: re.Pattern[str] | None, table: dict[str, str], text: str) -> str:
    return text if pattern is None else pattern.sub(lambda match: table[match[0]], text)
