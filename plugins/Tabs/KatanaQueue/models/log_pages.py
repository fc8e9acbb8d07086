"""A cache of a log's lines in pages, which also decides what to request next. Pure; no Qt, no file."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable

from .log_file import LogLine

__all__ = ["PAGE", "LogPages"]

PAGE = 256
"""Lines in a page."""
MAX_PAGES = 64
"""Most pages that are kept."""


class LogPages:
    """Keeps the pages that were used last. The owner requests the lines that `wanted` returns.

    Args:
        measure: returns the length of a line's text, in any unit.
    """

    def __init__(self, measure: Callable[[str], int] = len) -> None:
        self.measure = measure
        self.count = 0
        """Lines in the log."""
        self.size = 0
        """Bytes in the log."""
        self.longest = 0
        """The length of the longest line seen, by `measure`."""
        self._pages: OrderedDict[int, list[LogLine]] = OrderedDict()
        self._requested = range(0)  # pages of the latest request: the reader serves no earlier one
        self._stale: set[int] = set()  # pages whose last line may have grown

    def update(self, count: int, size: int) -> bool:
        """Set the numbers of lines and bytes; returns whether one has changed.

        The page of the last known line, which may have grown, is then requested again.
        """
        if (count, size) == (self.count, self.size):
            return False
        if self.count:
            self._stale.add((self.count - 1) // PAGE)
            self._requested = range(0)
        self.count, self.size = count, size
        return True

    def put(self, first: int, lines: list[LogLine]) -> None:
        """Store requested lines: whole pages, from line `first` on."""
        for at in range(0, len(lines), PAGE):
            page = (first + at) // PAGE
            self._pages[page] = lines[at : at + PAGE]
            self._pages.move_to_end(page)
            self._stale.discard(page)
        self._requested = range(0)
        while len(self._pages) > MAX_PAGES:
            self._pages.popitem(last=False)
        self.longest = max(self.longest, max((self.measure(line.text) for line in lines), default=0))

    def line(self, number: int) -> LogLine | None:
        """Return a line, or None while it is not loaded."""
        page = self._pages.get(number // PAGE)
        at = number % PAGE
        return page[at] if page is not None and at < len(page) else None

    def wanted(self, lines: Iterable[int]) -> tuple[int, int] | None:
        """Return the first line and the number of lines to request for these visible lines; None: nothing.

        A request is one range of pages. Missing pages after a loaded one are part of the next request.
        """
        missing = range(0)
        for page in dict.fromkeys(line // PAGE for line in lines):
            if page in self._requested:
                return None  # the reader keeps only the last request
            known = self._pages.get(page)
            whole = known is not None and len(known) >= min(PAGE, self.count - page * PAGE)
            if not whole or page in self._stale:
                if missing and page != missing.stop:
                    break
                missing = range(missing.start if missing else page, page + 1)
            elif missing:
                break
        if not missing:
            return None
        self._requested = missing
        return missing.start * PAGE, len(missing) * PAGE
