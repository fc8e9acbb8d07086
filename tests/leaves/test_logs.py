"""Logs of kq's own programs: lines for tools and users, files that stay small, problems reported once."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kq import logs, own_files

ROOT = Path(__file__).resolve().parents[2]
LOG = logging.getLogger("kq.test")
FIELD = re.compile(r'([a-z]+)=("(?:[^"\\]|\\.)*"|[^ "]+)(?: |$)')


def fields_of(line: str) -> dict[str, str]:
    """What a line says, read as docs/architecture.md describes it."""
    said = {}
    at = 0
    while at < len(line):
        found = FIELD.match(line, at)
        assert found, f"not understood from {line[at:]!r}"
        said[found[1]] = json.loads(found[2]) if found[2].startswith('"') else found[2]
        at = found.end()
    return said


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """No test leaves a log open."""
    yield
    logs.close_log()


def test_a_line_has_its_time_program_and_subject(tmp_path: Path) -> None:
    """Time, level, program and session in every line; Agent, job and attempt where there is one."""
    logs.open_log(tmp_path / "deep" / "a.log", "info", program="server", session="host:1:2")
    LOG.info("failed: %s", "no cheese", extra={"agent": "a1", "job": "j", "attempt": "j/0/1"})
    LOG.debug("not at this level")
    LOG.warning("plain")
    first, second = (fields_of(line) for line in (tmp_path / "deep" / "a.log").read_text().splitlines())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first.pop("time"))
    assert first == {
        "level": "info", "program": "server", "session": "host:1:2",
        "agent": "a1", "job": "j", "attempt": "j/0/1", "text": "failed: no cheese",
    }  # fmt: skip
    assert list(second) == ["time", "level", "program", "session", "text"]


@given(st.text())
def test_any_text_is_one_line_and_comes_back(text: str) -> None:
    """Line ends, quotation marks, and what would steer a terminal that shows the log."""
    record = logging.LogRecord("kq", logging.INFO, "", 0, "%s", (text,), None)
    line = logs.KqLogHandler(None, {}).format(record)
    assert len(line.splitlines()) == 1
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", line)
    assert fields_of(line)["text"] == text


def test_a_log_begins_anew_when_it_is_large(tmp_path: Path) -> None:
    """What came before is kept once, so that both together stay below twice the limit; nothing is cut."""
    path = tmp_path / "a.log"
    logs.open_log(path, "info")
    for number in range(3000):
        LOG.info("%d %s", number, "x" * 1000)
    kept = path.with_name("a.log.1")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.log", "a.log.1"]
    assert 0 < path.stat().st_size <= logs.MAX_BYTES
    assert 0 < kept.stat().st_size <= logs.MAX_BYTES
    numbers = [int(fields_of(line)["text"].split()[0])
               for line in (kept.read_text() + path.read_text()).splitlines()]  # fmt: skip
    assert numbers == list(range(numbers[0], 3000))


@pytest.mark.skipif(sys.platform == "win32", reason="a file is emptied by its name there")
def test_a_log_that_was_removed_is_made_again(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Who looks at the open file reads it; and what stands under its name by now is not emptied."""
    path = tmp_path / "a.log"
    logs.open_log(path, "info", program="agent")
    reader = path.open()
    path.unlink()
    path.write_text("somebody else's")
    for _ in range(30):
        LOG.info("x" * (logs.MAX_BYTES // 20))
    LOG.info("the last")
    assert capfd.readouterr().err == ""
    assert path.read_text() == "somebody else's"
    assert "the last" in reader.read()
    reader.close()


def test_two_may_write_to_one_file(tmp_path: Path) -> None:
    """An Agent's standard error is its log: what comes that way stands between the lines."""
    path = tmp_path / "a.log"
    with path.open("ab", buffering=0) as stderr:
        logs.open_log(path, "info")
        LOG.info("%s", "x" * (logs.MAX_BYTES - 200))
        stderr.write(b"Segmentation fault\n")
        LOG.info("%s", "y" * 200)
        stderr.write(b"and after\n")
    assert b"Segmentation fault" in path.with_name("a.log.1").read_bytes()
    assert path.read_bytes().startswith(b"time=")
    assert path.read_bytes().endswith(b"y\nand after\n")


def test_without_a_log_there_is_a_message_and_standard_error(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The data root is a file, say, or read-only."""
    (tmp_path / "logs").write_text("not a folder")
    logs.open_log(tmp_path / "logs" / "a.log", "info", program="server")
    LOG.info("one")
    message, line = capfd.readouterr().err.splitlines()
    assert message.startswith("kq: ") and str(tmp_path / "logs" / "a.log") in message
    assert fields_of(line)["text"] == "one"


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
def test_a_full_disk_is_reported_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Whoever logs goes on."""
    logs.open_log(tmp_path / "a.log", "info")
    [handler] = [each for each in logging.getLogger("kq").handlers if isinstance(each, logs.KqLogHandler)]
    with open("/dev/full", "wb") as full:
        os.dup2(full.fileno(), handler._fd)
    for _ in range(5):
        LOG.info("lost")
    [message] = capfd.readouterr().err.splitlines()
    assert "No space left on device" in message


@pytest.mark.skipif(sys.platform == "win32", reason="the size of files has no limit there")
def test_lost_lines_are_counted(tmp_path: Path) -> None:
    """Once there is room again, the log says how many are missing."""
    path = tmp_path / "a.log"
    program = (
        "import resource, logging, sys; from pathlib import Path; from kq import logs\n"
        "log = logging.getLogger('kq.x'); logs.open_log(Path(sys.argv[1]), 'info')\n"
        "log.info('before')\n"
        "_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))\n"
        "log.info('lost'); log.info('lost too')\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))\n"
        "log.info('after')\n"
    )
    done = run(program, path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(str(path)) == 1
    texts = [fields_of(line)["text"] for line in path.read_text().splitlines()]
    assert (texts[0], texts[1].split()[0], texts[2:]) == ("before", "2", ["after"])


@pytest.mark.parametrize("where", ["thread", "main"])
def test_an_uncaught_exception_is_in_the_log(tmp_path: Path, where: str) -> None:
    """With its traceback, in one line."""
    path = tmp_path / "a.log"
    program = (
        "import sys, threading; from pathlib import Path; from kq import logs\n"
        "logs.open_log(Path(sys.argv[1]), 'info', program='server')\n"
        "def fall(): return {}['cheese']\n"
    ) + ("fall()" if where == "main" else "t = threading.Thread(target=fall); t.start(); t.join()")
    done = run(program, path)
    assert done.returncode == (1 if where == "main" else 0)
    [line] = path.read_text().splitlines()
    said = fields_of(line)
    assert said["level"] == "critical"
    assert said["text"].startswith("KeyError: 'cheese'\nTraceback")


def test_the_oldest_logs_make_room(tmp_path: Path) -> None:
    """Of Agents that died one after the other the latest are kept, and nobody else's."""
    for number in range(6):
        path = tmp_path / f"agent-a{number}.log"
        path.touch()
        os.utime(path, (number, number))
    (tmp_path / "server.log").touch()
    own_files.make_room(tmp_path, "agent-*.log*", 4)
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "agent-a3.log", "agent-a4.log", "agent-a5.log", "server.log",
    ]  # fmt: skip
    own_files.make_room(tmp_path / "nowhere", "*", 4)


def run(program: str, *arguments: Path) -> subprocess.CompletedProcess[str]:
    """A Python of its own that runs `program`."""
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
