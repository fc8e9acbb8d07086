"""Reading logs while they grow."""

from __future__ import annotations

import os
import sys
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kq.agent import output
from kq.agent.exit_reasons import why_failed
from kq.agent.output import MAX_LINE, OutputReader, OutputUpdate
from kq.own_files import open_to_append
from kq.patterns import load_patterns

posix = pytest.mark.skipif(
    sys.platform == "win32", reason="what is open there can be neither moved nor deleted"
)

LINES = [
    b"ALF_PROGRESS 12%",
    b"ALF_PROGRESS 99%",
    b"openjd_progress: 5",
    b"kq_picture: /show/a b.png",
    b"kq_picture: /show/b.png",
    b"Error: no camera",
    b"Error: no light",
    b"Traceback (most recent call last):",
    b"ValueError: too bright",
    b"Warning: error reading wood.tx",
    b"0 errors",
    b"",
    b"   ",
    "ünïcode ☃".encode(),
    b"\xff\xfe\x00\x01",
    b"x" * (MAX_LINE - 5),
    b"Error: " + b"y" * (MAX_LINE + 100),
    b" " * (MAX_LINE + 5) + b"ALF_PROGRESS 55%",
]


def reader_of(path: Path) -> OutputReader:
    return OutputReader(path, load_patterns())


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def test_news_come_as_the_log_grows(tmp_path: Path) -> None:
    """Each reading tells all that is known; a log that is not there yet has not grown."""
    log = tmp_path / "log"
    reader = reader_of(log)
    assert reader.read() == OutputUpdate()
    append(log, b"start\nALF_PROGRESS 5%\n")
    assert reader.read() == OutputUpdate(progress=0.05, last_line="start", grew=True)
    assert reader.read() == OutputUpdate(progress=0.05, last_line="start")
    append(log, b"kq_picture: a.png\nALF_PROGRESS 10%\nError: no light\n")
    assert reader.finish() == OutputUpdate(
        progress=0.1, picture="a.png", last_error="Error: no light", last_line="Error: no light", grew=True
    )


def test_progress_and_pictures_are_not_the_reason_of_a_crash(tmp_path: Path) -> None:
    """After a signal the reason names it first, and then the last line that says something."""
    log = tmp_path / "log"
    append(log, b"scene translated\nALF_PROGRESS 5%\nkq_picture: /a.png\n" + b"ALF_PROGRESS 6%\n" * 60)
    update = reader_of(log).finish()
    assert why_failed(-11, update, str(log)).startswith("ended by signal 11")
    append(log, b"kq_picture: /a.png\nALF_PROGRESS 7%\n")
    reader = reader_of(log)
    for _ in range(3):
        update = reader.read()
    assert "kq_picture" not in update.last_line and "ALF" not in update.last_line
    append(log, b"Error: no light\n")
    assert why_failed(-6, reader.finish(), str(log)).startswith("Error: no light (")


def test_carriage_returns_end_lines(tmp_path: Path) -> None:
    """A progress bar that redraws itself is read, though no line feed ever comes."""
    log = tmp_path / "log"
    reader = reader_of(log)
    append(log, b"Rendered 1 of 4 pixels (25%)\rRendered 2 of 4 pixels (50%)\rRendered 3 of")
    assert reader.read().progress == 0.5
    append(log, b" 4 pixels (75%)\r")
    assert reader.read().progress == 0.75
    assert reader.finish().progress == 0.75


def test_a_line_without_an_end_counts_once_it_rests(tmp_path: Path) -> None:
    """Not while it grows, when a number may be cut in two; finish takes it for whole."""
    log = tmp_path / "log"
    reader = reader_of(log)
    append(log, b"openjd_progress: 1")
    assert reader.read().progress is None
    append(log, b"7")
    assert reader.read().progress is None
    assert reader.read().progress == 0.17
    append(log, b".5\nError: no li")
    assert reader.read().progress == 0.175
    append(log, b"ght")
    assert reader.finish().last_error == "Error: no light"


def test_the_reason_is_the_last_error_that_is_a_cause(tmp_path: Path) -> None:
    """A renderer's closing words, which only say that something was wrong, do not hide what was."""
    log = tmp_path / "log"
    reader = OutputReader(log, load_patterns("povray"))
    append(log, b"Fatal error in parser: Cannot parse input.\n")
    assert reader.read().last_error == "Fatal error in parser: Cannot parse input."
    append(log, b"Parse Error: Expected 'pigment'\n")
    assert reader.read().last_error == "Parse Error: Expected 'pigment'"
    append(log, b"Fatal error in parser: Cannot parse input.\nRender failed\n")
    update = reader.finish()
    assert update.last_error == "Parse Error: Expected 'pigment'"
    assert update.warning == "Fatal error in parser: Cannot parse input."


def test_warnings_are_counted_and_the_first_is_named(tmp_path: Path) -> None:
    """Without the word itself, which the row of the job has before it; a failure is named before them."""
    log = tmp_path / "log"
    append(log, b"[  0.10 s] start\nWARNING: cannot find wood.png\nALF_PROGRESS 50%\n")
    reader = reader_of(log)
    update = reader.read()
    assert (update.warnings, update.warning) == (1, "cannot find wood.png")
    append(log, b"00:00:03 | WARNING | cannot find oak.png\n0 warnings\nError: no light\n")
    update = reader.finish()
    assert (update.warnings, update.warning) == (2, "cannot find wood.png")


def test_messages_are_cleaned_for_display(tmp_path: Path) -> None:
    """No colours, no control characters, no end without end."""
    log = tmp_path / "log"
    append(log, b"\x1b[31mError:\x1b[0m\t no\x07 light \xff" + b"z" * 5000 + b"\n")
    update = reader_of(log).finish()
    assert update.last_error.startswith("Error: no light \ufffdzzz")
    assert len(update.last_error) == 500


def test_a_gigabyte_without_a_line_feed_costs_no_memory(tmp_path: Path) -> None:
    """The start of the line is remembered, and nothing else of it."""
    log = tmp_path / "log"
    append(log, b"Error: no light ")
    os.truncate(log, 1 << 30)  # a sparse file: NULs, as a truncated log has
    append(log, b"x" * (5 << 20))
    reader = reader_of(log)
    tracemalloc.start()
    update = reader.read()
    while update.more:
        update = reader.read()
    update = reader.finish()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 << 20
    assert update.skipped > 900 << 20


def test_a_burst_is_read_to_the_end_bit_by_bit(tmp_path: Path) -> None:
    """Nothing of it is passed over: `more` asks for another reading."""
    log = tmp_path / "log"
    append(log, b"Error: no light\n" + b"line\n" * 400_000)
    reader = reader_of(log)
    readings = 1
    while (update := reader.read()).more:
        readings += 1
    assert readings > 4
    assert update.skipped == 0
    assert update.last_error == "Error: no light"
    reader.close()


def test_a_flood_is_read_at_its_newest_part(tmp_path: Path) -> None:
    """And that something was passed over is said."""
    log = tmp_path / "log"
    append(log, b"chatter " * 12 + b"\n")
    os.truncate(log, 100 << 20)
    append(log, b"chatter\n" * 40_000 + b"ALF_PROGRESS 80%\n")
    reader = reader_of(log)
    update = reader.read()
    assert update.progress == 0.8
    assert update.skipped > 90 << 20
    assert not update.more
    reader.close()


def test_what_follows_a_gap_is_not_taken_for_a_line(tmp_path: Path) -> None:
    """The rest of a line whose start was passed over means nothing by itself."""
    log = tmp_path / "log"
    append(log, b"x" * (100 << 10) + b" openjd_progress: 50\nALF_PROGRESS 7%\n")
    reader = reader_of(log)
    update = reader.finish(budget_bytes=37)
    assert update.progress == 0.07
    assert update.skipped > 0


@pytest.mark.parametrize("how", ["truncated", "replaced"])
def test_a_log_that_starts_anew_is_read_anew(how: str, tmp_path: Path) -> None:
    """Whether it was cut to nothing in place, or another file was put there."""
    log = tmp_path / "log"
    append(log, b"ALF_PROGRESS 50% and some more words\nALF_PROGR")
    reader = reader_of(log)
    reader.read()
    if how == "truncated":
        os.truncate(log, 0)
    else:
        log.replace(tmp_path / "log.old")
    append(log, b"ALF_PROGRESS 3%\n")
    assert reader.read().progress == 0.03
    append(log, b"ALF_PROGRESS 4%\n")
    assert reader.finish().progress == 0.04


def test_a_deleted_log_is_read_on(tmp_path: Path) -> None:
    """The render still writes into it."""
    log = tmp_path / "log"
    with open(open_to_append(log), "wb", buffering=0) as file:
        file.write(b"ALF_PROGRESS 1%\n")
        reader = reader_of(log)
        reader.read()
        log.unlink()
        file.write(b"ALF_PROGRESS 2%\n")
        assert reader.finish().progress == 0.02


@pytest.mark.skipif(sys.platform == "win32", reason="descriptors are not listed there")
def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    """Neither after finish nor after close."""
    log = tmp_path / "log"
    append(log, b"x\n")
    before = len(list(Path("/dev/fd").iterdir()))
    for _ in range(20):
        reader_of(log).finish()
        reader = reader_of(log)
        reader.read()
        reader.close()
    assert len(list(Path("/dev/fd").iterdir())) == before


@given(
    st.lists(st.tuples(st.sampled_from(LINES), st.sampled_from([b"\n", b"\r", b"\r\n", b"\0"]))),
    st.sampled_from([b"", b"Error: cut", b"openjd_progress: 4"]),
    st.lists(st.integers(1, 3 * MAX_LINE), max_size=30),
)
def test_how_the_bytes_arrive_does_not_matter(
    tmp_path_factory: pytest.TempPathFactory, lines: list[tuple[bytes, bytes]], rest: bytes, cuts: list[int]
) -> None:
    """A log read in any pieces gives the same news as the log read whole."""
    data = b"".join(line + end for line, end in lines) + rest
    folder = tmp_path_factory.mktemp("chunks")
    (folder / "whole").write_bytes(data)
    whole = reader_of(folder / "whole").finish()
    pieces = reader_of(folder / "pieces")
    at = 0
    for cut in cuts:
        append(folder / "pieces", data[at : at + cut])
        at += cut
        while pieces.read().more:
            pass
    append(folder / "pieces", data[at:])
    in_pieces = pieces.finish()
    assert _what(in_pieces) == _what(whole)
    assert whole == OutputUpdate(*_by_hand(data), grew=bool(data)), "and as one line after the other"


def _what(update: OutputUpdate) -> tuple[object, ...]:
    return (
        update.progress, update.picture, update.warning, update.warnings, update.last_error, update.last_line,
    )  # fmt: skip


def _by_hand(data: bytes) -> tuple[float | None, str, str, int, str, str]:
    """The same, the slow and plain way."""
    patterns = load_patterns()
    progress: float | None = None
    picture = failure = warning = error = last = ""
    warnings = 0
    has_cause = False
    for whole_line in data.replace(b"\r", b"\n").replace(b"\0", b"\n").split(b"\n"):
        line = whole_line[:MAX_LINE]
        progress = found if (found := patterns.progress(line)) is not None else progress
        picture = patterns.picture(line) or picture
        if patterns.is_warning(line):
            warnings += 1
            warning = warning or output._WARNING_WORD.sub("", output._message(line))
        if patterns.is_failure(line) and not failure:
            failure = output._message(line)
            warnings += not patterns.is_warning(line)
        if patterns.is_error(line) and not (patterns.is_consequence(line) and has_cause):
            error = output._message(line)
            has_cause = not patterns.is_consequence(line)
        is_step = patterns.progress(line) is not None or patterns.picture(line) is not None
        last = output._message(line) if line.strip() and not is_step else last
    return progress, picture, failure or warning, warnings, error, last
