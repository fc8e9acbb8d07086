"""Reads and searches logs on a worker thread: index, lines, errors and warnings, matches.

It works in bursts of a millisecond, since a busy Python thread delays every call from Qt to Python.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from PySide6.QtCore import QObject, Signal

from .....kq.api import OutputPatterns, load_patterns
from ....qt_dispatch import post
from .file_thread import FileThread
from .log_file import FileChange, LogFile, LogLine, LogProblem
from .log_scan import FoldScan, LineMarks, Search, SeverityScan, TextScan

__all__ = ["LogReader", "LogState"]

POLL_S = 0.2
"""Seconds between two checks of a visible log for changes."""
BURST_S, REST_S = 0.001, 0.001
"""How long the thread works and then sleeps, in turn, so that Qt's thread can run."""
_SHORT_REST_S = 0.0002
"""Sleep between batches of lines that the view or the clipboard waits for."""
_LINES_AT_ONCE = 64
_INDEX_STEP_BYTES = 1 << 18
_FIRST_STEP_BYTES = 1 << 20
_COPIED_AT_ONCE = 512
_TAIL_FIRST_BYTES = 8 << 20
"""If more bytes than this must be indexed, the last lines are sent first."""
_TAIL_LINES = 200
MAX_COPIED = 200_000
"""Most lines that are put on the clipboard."""
MAX_FOLDED = 64 << 20
"""Largest size of a log, in bytes, whose progress lines are folded; matching a larger one takes too long."""


@dataclass(frozen=True)
class LogState:
    """The state of the log that is followed."""

    path: str
    generation: int
    """Increases whenever line numbers and marks start over: for another file, a rewritten one, other
    patterns, or a new problem."""
    line_count: int = 0
    """0 until `is_complete`, and when there is a problem."""
    size: int = 0
    is_complete: bool = True
    """Whether the whole file is indexed; until then only the last lines can be shown."""
    problem: str = ""
    """The error message if the log cannot be read, else empty."""
    note: str = ""
    """A message about what happened to the file, for example that it was overwritten."""
    errors: LineMarks = field(default_factory=LineMarks, compare=False)
    warnings: LineMarks = field(default_factory=LineMarks, compare=False)
    folded: LineMarks = field(default_factory=LineMarks, compare=False)
    """Lines that only report progress or a picture."""
    folded_count: int = 0
    is_too_large_to_fold: bool = False
    """Whether it has more bytes than MAX_FOLDED: lines that were not scanned before are not folded."""
    is_scanned: bool = False
    """Whether all lines were scanned for errors and warnings."""


class LogReader(FileThread):
    """Follows one log at a time. Public methods: Qt's thread; they return at once.

    Signals, on Qt's thread:
        state_changed(LogState): the new state.
        lines_ready(int, int, list): generation, number of the first line, and the LogLines from there on.
        tail_ready(int, list): generation, and the last LogLines; only sent before the file is indexed.
        found_changed(Search, LineMarks, bool): a search, its matches so far, whether it is finished.
        copied(str): the text that `copy` requested; empty when it has too many lines.
    """

    state_changed = Signal(object)
    lines_ready = Signal(int, int, object)
    tail_ready = Signal(int, object)
    found_changed = Signal(object, object, bool)
    copied = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__("kq-log-reader", parent)
        self._commands: list[Callable[[], None]] = []
        self._wanted: tuple[int, int, int] | None = None  # generation, first line, count
        self._is_active = True
        # Used on the worker thread only:
        self._file: LogFile | None = None
        self._generation = 0
        self._patterns: OutputPatterns = load_patterns("")
        self._severity = SeverityScan(self._patterns)
        self._folds = FoldScan(self._patterns)
        self._search: TextScan | None = None
        self._was_complete = False  # whether this generation was once fully indexed
        self._published: LogState | None = None
        self._problem = ""
        self._note = ""
        self._next_poll_s = 0.0
        self._last_published_s = 0.0

    def open(self, path: str) -> None:
        """Follow the log at `path`; none if it is empty."""
        self._post(lambda: self._open(path))

    def set_renderer(self, renderer: str) -> None:
        """Recognise errors by this renderer's patterns from now on."""
        self._post(lambda: self._set_patterns(load_patterns(renderer)))

    def request_lines(self, generation: int, first: int, count: int) -> None:
        """Request `count` lines from `first` on; replaces a request that was not served yet.

        `lines_ready` is emitted with the lines, unless the generation is an old one.
        """
        with self._condition:
            self._wanted = (generation, first, count)
            self._condition.notify()
        self._start()

    def search(self, search: Search | None) -> None:
        """Search all lines, including those written later; None ends the search."""
        self._post(lambda: self._set_search(search))

    def copy(self, generation: int, first: int, last: int, from_column: int, to_column: int) -> None:
        """Request the text from a column of line `first` to a column of line `last`, all counted from 0.

        `copied` is emitted with it, unless the generation is old or the lines cannot be read.
        """
        self._post(lambda: self._copy(generation, first, last, from_column, to_column))

    def set_active(self, is_active: bool) -> None:
        """Set whether the log is visible. While it is not, only requests are served: no polling, no scans."""
        with self._condition:
            self._is_active = is_active
            self._next_poll_s = 0.0
            self._condition.notify()

    def _post(self, command: Callable[[], None]) -> None:
        with self._condition:
            self._commands.append(command)
            self._condition.notify()
        self._start()

    def _emit(self, signal: str, *arguments: object) -> None:
        """Emit a signal on Qt's thread. By name: a bound signal may be deleted before the call runs."""
        getattr(self, signal).emit(*arguments)

    # --- Worker thread ---

    def _run(self) -> None:
        while True:
            self._sleep_until_due()
            with self._condition:
                if self._ending.is_set():
                    return
                commands, self._commands = self._commands, []
                wanted, self._wanted = self._wanted, None
                active = self._is_active
            for command in commands:
                command()
            if self._file is None:
                continue
            try:
                self._look_for_change()
                if wanted is not None:
                    self._read(*wanted)
                if active:
                    self._work()
            except LogProblem as problem:
                self._give_up(str(problem))

    def _sleep_until_due(self) -> None:
        with self._condition:
            while not (self._ending.is_set() or self._commands or self._wanted):
                if not self._is_active or self._file is None:
                    self._condition.wait()
                    continue
                if self._has_work():
                    break
                left_s = self._next_poll_s - time.monotonic()
                if left_s <= 0:
                    break
                self._condition.wait(left_s)
        if self._has_work():
            time.sleep(REST_S)

    def _has_work(self) -> bool:
        file = self._file
        if file is None or self._problem:
            return False
        if not file.is_complete:
            return True
        if self._folds_more(file):
            return True
        last = file.line_count
        return self._severity.next_line < last or (self._search is not None and self._search.next_line < last)

    def _folds_more(self, file: LogFile) -> bool:
        return file.size <= MAX_FOLDED and self._folds.next_line < file.line_count

    def _open(self, path: str) -> None:
        self._file = LogFile(path) if path else None
        self._problem, self._note = "", ""
        self._begin()
        if self._file is None:
            self._publish(LogState("", self._generation, is_scanned=True))

    def _begin(self) -> None:
        self._generation += 1
        self._was_complete = False
        self._severity = SeverityScan(self._patterns)
        self._folds = FoldScan(self._patterns)
        self._search_anew()
        self._next_poll_s = 0.0

    def _search_anew(self) -> None:
        if self._search is not None:
            self._search = TextScan(self._search.search)

    def _set_patterns(self, patterns: OutputPatterns) -> None:
        if patterns is not self._patterns:
            self._patterns = patterns
            if self._file is not None:
                self._begin()

    def _look_for_change(self) -> None:
        file = self._file
        if file is None or time.monotonic() < self._next_poll_s:
            return
        self._next_poll_s = time.monotonic() + POLL_S
        last_line = file.line_count - 1
        was_there = file.was_there
        change = file.check()
        if self._problem:
            self._problem, self._note = "", "The log file is back." if was_there else ""
            self._begin()
        elif change == FileChange.RESTARTED:
            self._note = "The log file was overwritten: this is the new content."
            self._begin()
        elif change == FileChange.GREW:
            self._severity.grown(last_line)
            self._folds.grown(last_line)
            if self._search is not None:
                self._search.grown(last_line)
        if not (file.is_complete or self._was_complete) and file.size - file.indexed > _TAIL_FIRST_BYTES:
            self._publish_state()  # first, since the receiver of the tail needs the new generation
            post(self._emit, "tail_ready", self._generation, self._classified(file.tail(_TAIL_LINES)))
        # Index the first part at once, so that a small log is complete when it is first published.
        if not file.is_complete:
            file.advance(_FIRST_STEP_BYTES)
        self._publish_state()

    def _work(self) -> None:
        """Do one burst of pending work, in this order: index, search, folded lines, errors and warnings."""
        file = self._file
        if file is None:
            return
        end_s = time.perf_counter() + BURST_S
        while time.perf_counter() < end_s:
            if not file.is_complete:
                file.advance(_INDEX_STEP_BYTES)
            elif self._search is not None and self._search.next_line < file.line_count:
                self._search.step(file)
                if self._search.next_line >= file.line_count:
                    self._publish_found()
            elif self._folds_more(file):
                self._folds.step(file)
            elif self._severity.next_line < file.line_count:
                self._severity.step(file)
            else:
                break
        if time.monotonic() - self._last_published_s > 0.05 or not self._has_work():
            self._publish_state()
            if self._search is not None and self._search.next_line < file.line_count:
                self._publish_found()

    def _read(self, generation: int, first: int, count: int) -> None:
        if self._file is not None and generation == self._generation:
            lines = self._classified(self._file.lines(first, count))
            post(self._emit, "lines_ready", generation, first, lines)

    def _classified(self, texts: list[str]) -> list[LogLine]:
        lines: list[LogLine] = []
        for at in range(0, len(texts), _LINES_AT_ONCE):
            if at:
                time.sleep(_SHORT_REST_S)
            some = texts[at : at + _LINES_AT_ONCE]
            lines += [LogLine(text, self._patterns.classify(text)) for text in some]
        return lines

    def _set_search(self, search: Search | None) -> None:
        self._search = TextScan(search) if search is not None else None
        if self._search is not None and (self._file is None or not self._has_work()):
            self._publish_found()

    def _copy(self, generation: int, first: int, last: int, from_column: int, to_column: int) -> None:
        if self._file is None or generation != self._generation:
            return
        if last - first >= MAX_COPIED:
            post(self._emit, "copied", "")
            return
        try:
            lines: list[str] = []
            for at in range(first, last + 1, _COPIED_AT_ONCE):
                time.sleep(_SHORT_REST_S)
                lines += self._file.lines(at, min(_COPIED_AT_ONCE, last + 1 - at))
        except LogProblem as problem:
            self._give_up(str(problem))
            return
        if lines:
            lines[-1] = lines[-1][:to_column]
            lines[0] = lines[0][from_column:]
            post(self._emit, "copied", "\n".join(lines))

    def _give_up(self, message: str) -> None:
        if message != self._problem:
            self._problem = message
            self._generation += 1
            self._severity = SeverityScan(self._patterns)
            self._folds = FoldScan(self._patterns)
            self._search_anew()
            self._publish_state()
        self._next_poll_s = time.monotonic() + POLL_S

    def _publish_state(self) -> None:
        file = self._file
        if file is None:
            return
        self._was_complete = self._was_complete or file.is_complete
        scanned = file.is_complete and self._severity.next_line >= file.line_count
        shown = not self._problem
        state = LogState(
            path=file.path,
            generation=self._generation,
            line_count=file.line_count if shown and file.is_complete else 0,
            size=file.size,
            is_complete=file.is_complete,
            problem=self._problem,
            note=self._note,
            errors=self._severity.errors,
            warnings=self._severity.warnings,
            folded=self._folds.lines,
            folded_count=self._folds.lines.count,
            is_too_large_to_fold=file.size > MAX_FOLDED,
            is_scanned=scanned,
        )
        self._last_published_s = time.monotonic()
        if state != self._published or not scanned:
            self._publish(state)

    def _publish(self, state: LogState) -> None:
        self._published = state
        post(self._emit, "state_changed", state)
        if self._search is not None and not self._has_work():
            self._publish_found()  # a log without lines has no work, whose end would publish it

    def _publish_found(self) -> None:
        search, file = self._search, self._file
        if search is not None:
            is_finished = file is None or (file.is_complete and search.next_line >= file.line_count)
            post(self._emit, "found_changed", search.search, search.found, is_finished)
