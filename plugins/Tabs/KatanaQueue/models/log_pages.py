"""The lines of a log that are known to a view, page by page, and which to ask for. Pure; no Qt, no file."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable

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

    def wanted(self, lines: Iterable[int]) -> tuple[int, int] | None:
        """These lines are visible: the first line and the count to ask for; None: nothing.

        What is beyond a page that is known is asked for next: folded lines may be between them.
        """
        missing = range(0)
        for page in dict.fromkeys(line // PAGE for line in lines):
            if page in self._asked:
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
        self._asked = missing
        return missing.start * PAGE, len(missing) * PAGE
