"""Scans a log block by block for errors and warnings, lines to fold, and matches of a search.

No Qt and no thread. Its methods block, so they are called on a worker thread.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import islice

from .....kq.api import OutputPatterns, Severity
from .log_file import LONG, LONGEST, LogFile, last_state, without_escapes

__all__ = ["BadPattern", "FoldScan", "LineMarks", "Search", "SeverityScan", "TextScan"]

BLOCK = 64 * 1024
"""Bytes read at once. To find words in them takes half a millisecond."""
LINES_PER_STEP = 64
"""Most lines matched in one step, during which Qt's thread may have to wait."""
MAX_MARKS = 500_000
"""Most line numbers that are kept; further lines are only counted."""
LONGEST_MATCHED = 1024
"""Characters of one line that a regular expression is matched with. `re` keeps Python's lock, for which Qt's
thread waits, for a time that grows with their square: for 16 KiB and `.+x` it was seconds."""


class BadPattern(Exception):
    """A regular expression cannot be used. Its text is a message for the user."""


class LineMarks:
    """A set of line numbers, sorted in ascending order. Read on any thread, changed on one."""

    def __init__(self) -> None:
        self.lines = array("Q")
        """Never shortened: `cut` sets another one, so what another thread has found in it stays valid."""
        self.count = 0
        """The number of lines, including those beyond MAX_MARKS."""

    def add(self, line: int) -> None:
        """Add a line number, which must be greater than all before."""
        self.count += 1
        if len(self.lines) < MAX_MARKS:
            self.lines.append(line)

    def cut(self, line: int) -> None:
        """Remove `line` and all greater numbers."""
        keep = bisect_left(self.lines, line)
        if self.count == len(self.lines):
            self.count = keep
        self.lines = self.lines[:keep]

    def next(self, line: int) -> int | None:
        """Return the first number after `line`, or else the first of all; None when there are none."""
        lines = self.lines
        if not lines:
            return None
        at = bisect_right(lines, line)
        return lines[at if at < len(lines) else 0]

    def previous(self, line: int) -> int | None:
        """Return the last number before `line`, or else the last of all; None when there are none."""
        lines = self.lines
        return lines[bisect_left(lines, line) - 1] if lines else None

    def __contains__(self, line: object) -> bool:
        if not isinstance(line, int):
            return False
        lines = self.lines
        at = bisect_left(lines, line)
        return at < len(lines) and lines[at] == line

    def place(self, line: int) -> int:
        """Return how many numbers there are up to `line`, itself included."""
        return bisect_right(self.lines, line)


class LineSearch:
    """Finds the lines that contain one of `words`, which must not be empty.

    Without `match_case`, the letters A to Z and a to z match each other.
    """

    def __init__(self, words: Iterable[bytes], match_case: bool = False) -> None:
        self._match_case = match_case
        self._words = [word if match_case else word.lower() for word in words]

    def lines(self, data: bytes, first_line: int) -> Iterator[tuple[int, int, int]]:
        """Yield the number of each line that has one of the words, and its start and end in `data`, in order.

        Args:
            data: whole lines.
            first_line: the number of the first line.
        """
        searched = data if self._match_case else data.lower()
        ends: dict[int, int] = {}  # the end of each matching line, by its start
        for word in self._words:
            found = searched.find(word)
            while found >= 0:
                start = data.rfind(b"\n", 0, found) + 1
                end = data.find(b"\n", found)
                end = len(data) if end < 0 else end
                ends[start] = end
                found = searched.find(word, end)
        line, counted = first_line, 0
        for start in sorted(ends):
            line += data.count(b"\n", counted, start)
            counted = start
            yield line, start, ends[start]


class _Scan:
    """Scans a file in steps, line by line. The last line is scanned again when it may have grown."""

    def __init__(self) -> None:
        self.next_line = 0
        self._start: int | None = 0  # the offset of that line, if known
        self._rest: Iterator[None] | None = None  # scans the rest of a block
        self._after: tuple[int, int | None] = (0, None)  # `next_line` and `_start` after that block

    def step(self, file: LogFile) -> bool:
        """Scan some lines. Returns whether there are more. Raises LogProblem."""
        if self._rest is None:
            if self.next_line and self.next_line >= file.line_count:
                return False
            data, lines, end = file.block(self.next_line, BLOCK, self._start)
            if not lines:
                return False
            self._rest = self.look_at(data, self.next_line)
            self._after = self.next_line + lines, end
        if next(islice(self._rest, LINES_PER_STEP - 1, None), self) is self:
            self._rest = None
            self.next_line, self._start = self._after
        return self.next_line < file.line_count

    def grown(self, last_line: int) -> None:
        """Scan `last_line`, the last line before the file grew, again: it may be longer now."""
        if self._rest is not None and self._after[0] > last_line:
            self._rest = None  # that line is in the current block
            self.forget(self.next_line)
        if self.next_line > last_line >= 0:
            self.next_line, self._start = last_line, None
            self.forget(last_line)

    def look_at(self, data: bytes, first_line: int) -> Iterator[None]:
        """Scan the lines of `data`, or those that may match; yield after each."""
        raise NotImplementedError

    def forget(self, line: int) -> None:
        """Drop the results for `line` and all following lines."""
        raise NotImplementedError


class SeverityScan(_Scan):
    """Finds the errors and warnings of a log, by the patterns of its renderer."""

    def __init__(self, patterns: OutputPatterns) -> None:
        super().__init__()
        self.errors = LineMarks()
        self.warnings = LineMarks()
        self._patterns = patterns
        words = {*patterns.keywords["error"], *patterns.keywords["warning"]}
        # Without words that contain another one: a line with "error:" is found by "error".
        self._search = LineSearch(
            sorted(word for word in words if not any(o in word for o in words if o != word))
        )

    def look_at(self, data: bytes, first_line: int) -> Iterator[None]:
        # Only lines with one of the words are decoded and matched; most have none.
        for number, start, end in self._search.lines(data, first_line):
            severity = self._patterns.classify(_shown(data[start:end])[:LONGEST].decode("utf-8", "replace"))
            if severity is Severity.ERROR:
                self.errors.add(number)
            elif severity is Severity.WARNING:
                self.warnings.add(number)
            yield

    def forget(self, line: int) -> None:
        self.errors.cut(line)
        self.warnings.cut(line)


class FoldScan(_Scan):
    """Finds lines that only report progress or the picture's path, which the view can fold away."""

    def __init__(self, patterns: OutputPatterns) -> None:
        super().__init__()
        self.lines = LineMarks()
        self._patterns = patterns
        self._search = LineSearch(sorted({*patterns.keywords["progress"], *patterns.keywords["picture"]}))

    def look_at(self, data: bytes, first_line: int) -> Iterator[None]:
        for number, start, end in self._search.lines(data, first_line):
            line = _shown(data[start:end])[:LONGEST]
            is_folded = self._patterns.progress(line) is not None or self._patterns.picture(line) is not None
            if is_folded and self._patterns.classify(line.decode("utf-8", "replace")) is None:
                self.lines.add(number)
            yield

    def forget(self, line: int) -> None:
        self.lines.cut(line)


class Search:
    """A text or regular expression to search for. Raises BadPattern if it is invalid or too slow.

    A regular expression is matched with the first LONGEST_MATCHED characters of a line.
    """

    def __init__(self, text: str, is_regex: bool = False, match_case: bool = False) -> None:
        self.text, self.is_regex, self.match_case = text, is_regex, match_case
        flags = 0 if match_case else re.IGNORECASE
        if is_regex and re.search(r"\([^()]*[+*}][^()]*\)[+*{]", text):
            # Such an expression can take years on one line, and Python cannot be interrupted in it.
            raise BadPattern("The pattern has nested repetitions, which can take forever: simplify it.")
        try:
            pattern = text if is_regex else re.escape(text)
            self._pattern = re.compile(pattern, flags)
            self._pattern_bytes = re.compile(pattern.encode("utf-8"), flags)
        except (re.error, OverflowError, RecursionError) as error:
            raise BadPattern(f"Invalid regular expression: {error}.") from error
        self._longest = LONGEST_MATCHED if is_regex else LONG

    def matches(self, text: str) -> Iterator[re.Match[str]]:
        """Yield the matches in a line's text."""
        return self._pattern.finditer(text, 0, self._longest)

    def is_in(self, line: bytes) -> bool:
        """Whether a line, as read from the log, has a match."""
        if self.text.isascii():
            return self._pattern_bytes.search(line, 0, self._longest) is not None
        text = line.decode("utf-8", "backslashreplace")
        return self._pattern.search(text, 0, self._longest) is not None


class TextScan(_Scan):
    """Finds the lines that match a search."""

    def __init__(self, search: Search) -> None:
        super().__init__()
        self.search = search
        self.found = LineMarks()
        self._words = LineSearch([search.text.encode("utf-8")], search.match_case)
        # bytes.lower changes only A to Z: for other letters, and for expressions, match each line.
        self.is_by_line = search.is_regex or not (search.match_case or search.text.isascii())

    def look_at(self, data: bytes, first_line: int) -> Iterator[None]:
        # Colours and what was written over are not shown, so they must neither be found nor part a word.
        is_as_shown = b"\x1b" not in data and data.count(b"\r") == data.count(b"\r\n")
        if is_as_shown and not self.is_by_line:
            for number, _start, _end in self._words.lines(data, first_line):
                self.found.add(number)
                yield
            return
        for number, text in enumerate(data.split(b"\n"), first_line):
            if text and self.search.is_in(without_escapes(_shown(text))):
                self.found.add(number)
            yield

    def forget(self, line: int) -> None:
        self.found.cut(line)


def _shown(line: bytes) -> bytes:
    """Return what the view shows of a line, with escape sequences, and without a limit to its length."""
    return last_state(line, line[-LONGEST:])
