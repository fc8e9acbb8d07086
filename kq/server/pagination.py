"""Divides records among messages, so that none outgrows what the other side accepts. Data only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

import msgspec

__all__ = ["pages"]

_BUDGET_BYTES = 4 * 1024 * 1024
"""Half of what a message may hold."""
_encode = msgspec.msgpack.Encoder().encode

T = TypeVar("T", bound=msgspec.Struct)


def pages(records: Iterable[T], most: int) -> Iterator[tuple[T, ...]]:
    """The records in their order, in groups of at most `most` that fit into one message; one empty group
    when there are none."""
    page: list[T] = []
    size = 0
    any_at_all = False
    for record in records:
        # To encode it twice takes a microsecond; to add up the lengths of its texts took twenty.
        taken = len(_encode(record))
        if page and (len(page) >= most or size + taken > _BUDGET_BYTES):
            yield tuple(page)
            page, size = [], 0
        page.append(record)
        size += taken
        any_at_all = True
    if page or not any_at_all:
        yield tuple(page)
