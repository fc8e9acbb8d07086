"""The lines of a log that are known to a view, page by page, and which to ask for. Pure; no Qt, no file."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from .log_file import LogLine

__all__ = ["PAGE", "LogPages"]

PAGE = 256
MAX_PAGES = 64


class LogPages:
    """Keeps the pages that were visible last. Its owner asks for the lines that `wanted` returns."""

    def __init__(self, measure: Callable[[str], int] = len) -> None:
        self.measure = measure
        self.count = 0
        """Lines that there are."""
        self.size = 0
        """Bytes that they are."""
        self.longest = 0
        """The length of the longest line seen, by `measure`."""
        self._pages: OrderedDict[int, list[LogLine]] = OrderedDict()
        self._asked = range(0)  # pages of the latest request: the reader serves no earlier one
        self._stale: set[int] = set()  # pages whose last line may read otherwise now

    def update(self, count: int, size: int) -> bool:
        """There are so many lines of so many bytes now; returns whether that is a change.

        The last line known may have grown, so its page will be asked for again.
        """
        if (count, size) == (self.count, self.size):
            return False
        if self.count:
            self._stale.add((self.count - 1) // PAGE)
            self._asked = range(0)
        self.count, self.size = count, size
        return True

    def put(self, first: int, lines: list[LogLine]) -> None:
        """Lines that were asked for, in whole pages."""
        for at in range(0, len(lines), PAGE):
            page = (first + at) // PAGE
            self._pages[page] = lines[at : at + PAGE]
            self._pages.move_to_end(page)
            self._stale.discard(page)
        self._asked = range(0)
        while len(self._pages) > MAX_PAGES:
            self._pages.popitem(last=False)
        self.longest = max(self.longest, max((self.measure(line.text) for line in lines), default=0))

    def line(self, number: int) -> LogLine | None:
        """A line, when it is known."""
        page = self._pages.get(number // PAGE)
        at = number % PAGE
        return page[at] if page is not None and at < len(page) else None

    def wanted(self, top: int, last: int) -> tuple[int, int] | None:
        """Lines `top` to `last` are in sight: what to ask for, first line and count; None: nothing."""
        last = min(last, self.count - 1)
        for page in range(top // PAGE, last // PAGE + 1):
            known = self._pages.get(page)
            whole = known is not None and len(known) >= min(PAGE, self.count - page * PAGE)
            if (not whole or page in self._stale) and page not in self._asked:
                # One request for all that is visible: the reader keeps only the last.
                self._asked = range(top // PAGE, last // PAGE + 1)
                return self._asked.start * PAGE, len(self._asked) * PAGE
        return None
