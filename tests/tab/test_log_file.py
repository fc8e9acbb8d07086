"""A log of any size, line by line: what is read of it is what is in it, whatever becomes of the file."""

from __future__ import annotations

import os
import random
import re
import sys
from itertools import pairwise
from pathlib import Path

import pytest
from katana_queue.kq.api import Severity, load_patterns
from katana_queue.plugins.Tabs.KatanaQueue.models.log_file import (
    CHUNK,
    LONG,
    LONGEST,
    FileChange,
    LogFile,
    LogProblem,
    as_text,
)
from katana_queue.plugins.Tabs.KatanaQueue.models.log_scan import (
    BLOCK,
    LINES_PER_STEP,
    LONGEST_MATCHED,
    BadPattern,
    LineMarks,
    Search,
    SeverityScan,
    TextScan,
)


def opened(path: Path) -> LogFile:
    file = LogFile(str(path))
    file.check()
    while not file.is_complete:
        file.advance(CHUNK * 3 + 17)
    return file


@pytest.mark.parametrize("seed", range(6))
def test_every_line_is_found(tmp_path: Path, seed: int) -> None:
    """Lines of any length, at any place, read as they were written; also across the index's chunks."""
    rnd = random.Random(seed)
    lines = [
        "x" * rnd.choice([0, 0, 3, 80, 200, 3000]) + str(number)
        for number in range(rnd.choice([1, 900, 4000]))
    ]
    path = tmp_path / "log"
    path.write_text("\n".join(lines) + ("\n" if seed % 2 else ""))
    file = opened(path)
    assert file.line_count == len(lines)
    for _ in range(60):
        first, count = rnd.randrange(len(lines)), rnd.randrange(1, 300)
        assert file.lines(first, count) == lines[first : first + count]
    assert file.tail(5) == lines[-5:]


def test_empty_lines_only(tmp_path: Path) -> None:
    """A file of nothing but line ends has as many empty lines."""
    path = tmp_path / "log"
    path.write_bytes(b"\n" * (CHUNK + 5))
    file = opened(path)
    assert file.line_count == CHUNK + 5
    assert file.lines(CHUNK - 2, 10) == [""] * 7


def test_growing_file(tmp_path: Path) -> None:
    """What is appended is seen; a line that was half written is whole afterwards."""
    path = tmp_path / "log"
    path.write_bytes(b"one\ntw")
    file = opened(path)
    assert file.lines(0, 9) == ["one", "tw"]
    with path.open("ab") as more:
        more.write(b"o\nthree\n")
    assert file.check() == FileChange.GREW
    file.advance(1000)
    assert file.lines(0, 9) == ["one", "two", "three"]
    assert file.check() == FileChange.NONE


def test_truncated_and_replaced(tmp_path: Path) -> None:
    """A log that is cut off, replaced, or cut off and written again is begun anew."""
    path = tmp_path / "log"
    path.write_text("old line\n" * 100)
    file = opened(path)
    path.write_text("new\n")
    assert file.check() == FileChange.RESTARTED
    file.advance(1000)
    assert file.lines(0, 5) == ["new"]
    other = tmp_path / "other"
    other.write_text("replaced, and longer\n" * 10)
    other.replace(path)
    assert file.check() == FileChange.RESTARTED
    with path.open("r+b") as same_file:  # same file, longer, other content
        same_file.truncate(0)
        same_file.write(b"rewritten in place\n" * 200)
    assert file.check() == FileChange.RESTARTED
    file.advance(10_000)
    assert file.lines(0, 1) == ["rewritten in place"]


def test_what_cannot_be_shown_is_told_in_words(tmp_path: Path) -> None:
    """No file, a folder, a pipe, which Windows has none of in folders: each has its message."""
    path = tmp_path / "log"
    with pytest.raises(LogProblem, match=re.escape(str(path))) as missing:
        LogFile(str(path)).check()
    assert isinstance(missing.value.__cause__, FileNotFoundError)
    with pytest.raises(LogProblem, match="folder"):
        LogFile(str(tmp_path)).check()
    if sys.platform != "win32":
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(LogProblem, match="regular"):
            LogFile(str(tmp_path / "pipe")).check()
    path.write_text("a\n")
    file = opened(path)
    path.unlink()
    for _look in range(2):  # it goes on saying so: that there was none would be another story
        with pytest.raises(LogProblem, match=re.escape(str(path))) as removed:
            file.check()
        assert isinstance(removed.value.__cause__, FileNotFoundError)
        assert str(removed.value) != str(missing.value)


@pytest.mark.skipif(os.name == "nt", reason="rights are no bits of a file there")
def test_no_permission(own_log: Path) -> None:
    """A log that may not be read says so, also when there is nothing in it."""
    for content in ("", "a\n"):
        own_log.write_text(content)
        own_log.chmod(0)
        with pytest.raises(LogProblem, match="permission"):
            opened(own_log)
        own_log.chmod(0o600)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"plain", "plain"),
        (b"dos line\r", "dos line"),
        ("Größe ✓".encode(), "Größe ✓"),
        (b"latin \xe9t\xe9", "latin \\xe9t\\xe9"),
        (b"10%\r20%\r99%", "99%"),
        (b"10%\r20%\r", "20%"),
        (b"10%\r20%\r\r", "20%"),
        (b"\x1b[31mred\x1b[0m text", "red text"),
        (b"\x1b]0;title\x07rest", "rest"),
        (b"nul\x00bell\x07del\x7f", "nul␀bell␇del␡"),
        (b"a\tb", "a       b"),
    ],
)
def test_odd_bytes_are_readable(raw: bytes, shown: str) -> None:
    """Progress with carriage returns shows its last state; what is no text is spelled out."""
    assert as_text(raw, raw, len(raw)) == shown


def test_line_without_end(tmp_path: Path) -> None:
    """A line of megabytes shows its beginning; one that was written over shows its last state."""
    path = tmp_path / "log"
    progress = b"".join(b"%d of 999999 done\r" % n for n in range(200_000))
    path.write_bytes(b"first\n" + b"A" * 5_000_000 + b"\n" + progress + b"999999 of 999999 done\nlast\n")
    file = opened(path)
    first, long, over, last = file.lines(0, 10)
    assert (first, last, over) == ("first", "last", "999999 of 999999 done")
    assert long.startswith("A" * LONGEST)
    assert f"{5_000_000 - LONGEST:,}" in long
    path.write_bytes(b"A" * 5_000_000 + b"\r" + b"not yet ended")
    assert opened(path).lines(0, 10) == ["not yet ended"]


@pytest.mark.parametrize("is_regex", [False, True])
def test_search_counts_lines(tmp_path: Path, is_regex: bool) -> None:
    """Every line that holds what is sought is found once, also across blocks, also what comes later."""
    path = tmp_path / "log"
    rnd = random.Random(5)
    hits = sorted(rnd.sample(range(30_000), 400))
    marked = set(hits)
    with path.open("w") as out:
        for number in range(30_000):
            out.write(f"line {number} " + ("Needle needle" if number in marked else "hay") + "\n")
    file = opened(path)
    scan = TextScan(Search("ne+dle$" if is_regex else "needle", is_regex))
    while scan.step(file):
        pass
    assert list(scan.found.lines) == hits
    with path.open("a") as out:
        out.write("a needle\nhay\n")
    last = file.line_count - 1
    file.check()
    file.advance(100)
    scan.grown(last)
    while scan.step(file):
        pass
    assert list(scan.found.lines) == [*hits, 30_000]
    assert scan.found.count == 401


@pytest.mark.parametrize("is_regex", [False, True])
def test_a_log_that_grows_while_a_block_is_looked_at(tmp_path: Path, is_regex: bool) -> None:
    """Its last line, half written when the block was read, is looked at as it is now; none counts twice."""
    path = tmp_path / "log"
    lines = 3 * LINES_PER_STEP
    path.write_text("needle\n" * lines + "need")
    file = opened(path)
    scan = TextScan(Search("needle", is_regex))
    scan.step(file)
    assert 0 < scan.found.count <= LINES_PER_STEP
    with path.open("a") as out:
        out.write("le\nneedle")
    last = file.line_count - 1
    file.check()
    file.advance(100)
    scan.grown(last)
    while scan.step(file):
        pass
    assert list(scan.found.lines) == list(range(lines + 2))
    assert scan.found.count == lines + 2


def test_a_log_that_grows_elsewhere_does_not_hold_up_a_block(tmp_path: Path) -> None:
    """What is begun far from the end is gone on with, and not begun again at each look."""
    path = tmp_path / "log"
    path.write_text("needle\n" * (3 * BLOCK // len("needle\n")))
    file = opened(path)
    scan = TextScan(Search("needle"))
    scan.step(file)
    with path.open("a") as out:
        out.write("needle\n")
    last = file.line_count - 1
    file.check()
    file.advance(100)
    scan.grown(last)
    assert scan.found.count == LINES_PER_STEP
    while scan.step(file):
        pass
    assert scan.found.count == file.line_count


def test_a_step_looks_at_few_lines(tmp_path: Path) -> None:
    """Where every line tells of an error: Qt's thread may wait for the end of a step."""
    path = tmp_path / "log"
    path.write_text("Error: no such texture\n" * 2000)
    file = opened(path)
    scan = SeverityScan(load_patterns(""))
    counts = []
    while scan.step(file):
        counts.append(scan.errors.count)
    assert max(b - a for a, b in pairwise(counts)) == LINES_PER_STEP
    assert scan.errors.count == 2000


@pytest.mark.parametrize("length", [BLOCK - 1, BLOCK, BLOCK + 1, LONG - 10, LONG, LONG + 1, 3 * LONG])
def test_long_lines_are_searched_and_counted_right(tmp_path: Path, length: int) -> None:
    """A line longer than a block is one line: what follows it is found in its place; and what it ends with,
    unless it is very long.
    """
    path = tmp_path / "log"
    long_line = "x" * (length - 6) + "needle"
    lines = ["needle", "hay", long_line, "", "needle", long_line, "needle", "hay " * 5000, "needle"]
    path.write_text("\n".join(lines) + "\n")
    scan = TextScan(Search("needle"))
    file = opened(path)
    while scan.step(file):
        pass
    seen = {2, 5} if length <= LONG else set()
    assert list(scan.found.lines) == sorted({0, 4, 6, 8} | seen)
    assert scan.next_line == file.line_count == len(lines)


@pytest.mark.parametrize(("pattern", "line"), [("light$", 0), ("lumière$", 2)])
def test_a_pattern_sees_no_end_of_a_line_of_windows(tmp_path: Path, pattern: str, line: int) -> None:
    """A carriage return before the line feed is no part of what a person sees of the line."""
    path = tmp_path / "log"
    path.write_bytes("no light\r\nlight is there\r\nno lumière\r\n".encode())
    scan = TextScan(Search(pattern, is_regex=True))
    scan.step(opened(path))
    assert list(scan.found.lines) == [line]


def test_search_matches_case_when_told(tmp_path: Path) -> None:
    """Upper and lower case are the same unless *Match case* is on."""
    path = tmp_path / "log"
    path.write_text("Error\nerror\n")
    for match_case, count in ((False, 2), (True, 1)):
        scan = TextScan(Search("Error", match_case=match_case))
        scan.step(opened(path))
        assert scan.found.count == count


@pytest.mark.parametrize("pattern", ["(", "[a-", "(a+)+b", "*x"])
def test_bad_pattern_is_refused_in_words(pattern: str) -> None:
    """What cannot be understood, or could take years, is not tried."""
    with pytest.raises(BadPattern):
        Search(pattern, is_regex=True)


def test_severity_by_the_queues_patterns(tmp_path: Path) -> None:
    """Errors and warnings are found where the queue's own patterns see them."""
    path = tmp_path / "log"
    lines = ["fine, 0 errors", "Error: no such texture", "WARNING: slow", "error.exr written"] * 3000
    path.write_text("\n".join(lines) + "\n")
    patterns = load_patterns("")
    scan = SeverityScan(patterns)
    file = opened(path)
    while scan.step(file):
        pass
    expected = [patterns.classify(line) for line in lines]
    assert list(scan.errors.lines) == [n for n, found in enumerate(expected) if found is Severity.ERROR]
    assert list(scan.warnings.lines) == [n for n, found in enumerate(expected) if found is Severity.WARNING]
    assert scan.errors.count == 3000


def test_what_was_written_over_is_neither_an_error_nor_a_warning(tmp_path: Path) -> None:
    """The marks are of lines as they are shown."""
    path = tmp_path / "log"
    path.write_bytes(b"error: no file\r100% done\nwarning: slow\r\n20%\rerror: no file\r\n")
    scan = SeverityScan(load_patterns(""))
    scan.step(opened(path))
    assert (list(scan.errors.lines), list(scan.warnings.lines)) == ([2], [1])


def test_marks_go_round() -> None:
    """After the last comes the first again, and the other way round."""
    marks = LineMarks()
    for line in (3, 8, 20):
        marks.add(line)
    assert [marks.next(line) for line in (0, 3, 8, 20)] == [3, 8, 20, 3]
    assert [line for line in range(30) if line in marks] == [3, 8, 20]
    assert [marks.previous(line) for line in (0, 3, 8, 21)] == [20, 20, 3, 20]
    assert (marks.place(8), LineMarks().next(1)) == (2, None)
    found_by_another_thread = marks.lines
    marks.cut(8)
    assert (list(marks.lines), marks.count) == ([3], 1)
    assert list(found_by_another_thread) == [3, 8, 20]


@pytest.mark.parametrize("is_regex", [False, True])
def test_a_search_finds_what_is_shown_and_nothing_else(tmp_path: Path, is_regex: bool) -> None:
    """A terminal's colours part no words, and progress that was written over is not found."""
    path = tmp_path / "log"
    path.write_bytes(b"plain\r\n\x1b[31mERROR\x1b[0m: no file\n10% done\r20% done\nERROR: no file\r\n")
    file = opened(path)
    for text, lines in (("error: no", [1, 3]), ("31m", []), ("10%", []), ("20%", [2]), ("plain", [0])):
        scan = TextScan(Search(text, is_regex=is_regex))
        while scan.step(file):
            pass
        assert list(scan.found.lines) == lines, text


@pytest.mark.parametrize(
    ("line", "found", "not_found"),
    [
        (b"needle\r" + b"b" * 2 * LONGEST, "needle", "hay"),
        (b"needle\r" * (LONG // 7 + LONGEST) + b"hay", "hay", "needle"),
        (b"needle" + b"b" * 2 * LONG + b"\r", "needle", "hay"),
    ],
)
@pytest.mark.parametrize("end", [b"", b"\n", b"\r\nlast\n"])
def test_a_search_finds_what_is_shown_of_a_long_line(
    tmp_path: Path, line: bytes, found: str, not_found: str, end: bytes
) -> None:
    """What overwrites a line is looked for in its end alone, by the view and by the search."""
    path = tmp_path / "log"
    path.write_bytes(line + end)
    file = opened(path)
    assert found in file.lines(0, 1)[0] and not_found not in file.lines(0, 1)[0]
    for text, lines in ((found, [0]), (not_found, [])):
        scan = TextScan(Search(text))
        while scan.step(file):
            pass
        assert list(scan.found.lines) == lines
        assert scan.next_line == file.line_count


@pytest.mark.parametrize("text", ["needle", "lumière"])
def test_a_pattern_is_matched_with_the_beginning_of_a_long_line(tmp_path: Path, text: str) -> None:
    """Its time, for which Qt's thread waits, grows with the square of the length; that of a text does not."""
    path = tmp_path / "log"
    lines = [" " * (LONGEST_MATCHED - len(text.encode())) + text, " " * LONGEST_MATCHED + text]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    for is_regex, found in ((True, [0]), (False, [0, 1])):
        search = Search(text, is_regex)
        scan = TextScan(search)
        scan.step(opened(path))
        assert list(scan.found.lines) == found
        assert [n for n, line in enumerate(lines) if list(search.matches(line))] == found, "highlighted"
