"""Files that come from other machines part by part: byte for byte, in one step, whoever reads meanwhile."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import msgspec
import pytest

from kq import messages as m
from kq.server.file_workers import Answers, FileWork, FileWorkers, _Files
from kq.server.returned_files import ReturnedPaths
from kq.server.stream_files import FolderLists, FreeSpace, IncomingFiles, append_log, read_part
from kq.wire.frames import encode

_BYTES = b"one\ntwo\r\nthree\r\x1a\x00\xff\n"
"""What Windows would change, or take for an end, in a file of text."""


def test_a_log_grows_by_what_was_sent(tmp_path: Path) -> None:
    """Its length is what is told as received; what came twice is there once, and a gap is not bridged."""
    log = tmp_path / "job" / "0.log"
    assert append_log(log, 0, _BYTES) == len(_BYTES)
    assert append_log(log, 0, _BYTES) == len(_BYTES)
    assert append_log(log, len(_BYTES) + 1, b"late") == len(_BYTES)
    assert append_log(log, len(_BYTES), _BYTES) == 2 * len(_BYTES)
    assert log.read_bytes() == 2 * _BYTES


def part(content: bytes, offset: int, data: bytes) -> m.FileUpdate:
    digest = hashlib.sha256(content).hexdigest()
    return m.FileUpdate(
        agent="farm:1",
        attempt="job/0/1",
        path="p",
        offset=offset,
        data=data,
        size=len(content),
        digest=digest,
    )


def test_a_file_appears_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over one that somebody reads at that moment, too."""
    target = tmp_path / "beauty.png"
    target.write_bytes(b"old")
    files = IncomingFiles()
    assert files.take(target, part(_BYTES, 0, _BYTES[:5])) == (5, "")
    assert target.read_bytes() == b"old"
    reader = target.open("rb")
    monkeypatch.setattr(time, "sleep", lambda _s: reader.close())  # it reads on until it is waited for
    assert files.take(target, part(_BYTES, 5, _BYTES[5:])) == (len(_BYTES), "")
    reader.close()
    assert target.read_bytes() == _BYTES
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_that_cannot_take_its_place_leaves_nothing(tmp_path: Path) -> None:
    """No half file stays beside its target."""
    (tmp_path / "beauty.png" / "a folder").mkdir(parents=True)
    files = IncomingFiles()
    with pytest.raises(OSError, match="beauty"):
        files.take(tmp_path / "beauty.png", part(_BYTES, 0, _BYTES))
    assert [path.name for path in tmp_path.iterdir()] == ["beauty.png"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_log_is_written_to_a_file_of_ones_own_alone(tmp_path: Path) -> None:
    """Not through a link, which leads anywhere, nor into a pipe, which waits for a reader."""
    (tmp_path / "private").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "private")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe"):
        with pytest.raises(OSError):  # which one differs by what is in the way
            append_log(tmp_path / name, 0, b"over it")
    assert (tmp_path / "private").read_text() == "mine"
    with pytest.raises(OSError, match="regular"):
        read_part(tmp_path / "pipe", 0)
    with pytest.raises(OSError, match="regular"):
        IncomingFiles().take(tmp_path / "pipe", part(_BYTES, 0, _BYTES))


def test_an_agent_has_one_file_under_way(tmp_path: Path) -> None:
    """Another takes its place, and other Agents' stay; what is not whole goes when the Agent does."""
    files = IncomingFiles()
    half = part(_BYTES, 0, _BYTES[:5])
    other = msgspec.structs.replace(half, agent="farm:2")
    files.take(tmp_path / "a", half)
    files.take(tmp_path / "b", other)
    files.take(tmp_path / "c", half)
    assert files.take(tmp_path / "a", part(_BYTES, 5, _BYTES[5:])) == (0, "")
    assert len(list(tmp_path.iterdir())) == 2
    files.forget("farm:1")
    assert files.take(tmp_path / "b", msgspec.structs.replace(part(_BYTES, 5, _BYTES[5:]), agent="farm:2"))
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_a_list_is_made_in_turns(tmp_path: Path) -> None:
    """Others come in between; one attempt has it made anew some times, and not without end."""
    for name in ("a", "b", "kq-returned/c", "d/e"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    lists = FolderLists(turn_s=0.0)
    turns = 1
    while (page := lists.page("job/0/1", tmp_path, 0, frozenset({"b"}))) is None:
        turns += 1
    assert turns > 4
    assert [entry.path for entry in page[0]] == ["a", "d/e"] and not page[1]
    (tmp_path / "later").write_text("x")
    page = None
    for _ in range(100):
        page = lists.page("job/0/1", tmp_path, 0, frozenset()) or page
    assert page is not None and [entry.path for entry in page[0]] == ["a", "b", "later", "d/e"]
    (tmp_path / "last").write_text("x")
    assert lists.page("job/0/1", tmp_path, 0, frozenset()) == page, "it was made anew often enough"
    lists.forget("job/0/1")
    assert lists.page("job/0/1", tmp_path, 0, frozenset()) is None


def test_a_file_that_goes_while_a_folder_is_listed_or_sent_fails_no_agent(tmp_path: Path) -> None:
    """Renders of the job on this machine replace their pictures there, by files of other names."""

    class Known(dict[Path, Any]):
        """The hashes made before, which are looked up between two accesses to a file."""

        def get(self, path: Path, default: Any = None) -> Any:
            if path.name == "new.tmp":
                path.replace(tmp_path / "picture")
            return super().get(path, default)

    (tmp_path / "new.tmp").write_bytes(b"new")
    (tmp_path / "scene").write_bytes(b"scene")
    lists = FolderLists(known=Known())
    page = lists.page("job/0/1", tmp_path, 0, frozenset())
    assert page is not None and [entry.path for entry in page[0]] == ["scene"]

    files = _Files(IncomingFiles(), lists, FreeSpace(0), ReturnedPaths())
    (tmp_path / "scene").unlink()
    fetch = m.FetchUpdate(agent="a", attempt="job/0/1", path="scene", offset=0, receipt=0)
    answer = files.handle(FileWork("a", fetch, tmp_path, tmp_path))
    assert isinstance(answer, m.FilePartOrder) and (answer.data, answer.refused) == (b"", "")


def test_a_name_that_is_not_utf8_fails_the_request_alone(tmp_path: Path) -> None:
    """Whatever is done with the file, the answer names it, and a message can carry that."""
    name = "caf\udce9.png"
    (tmp_path / name).mkdir()
    (tmp_path / name / "scene").write_bytes(b"scene")
    (tmp_path / "job").mkdir()
    (tmp_path / "job" / name).write_bytes(b"picture")
    answers = Answers(Mock())
    workers = FileWorkers(0, ReturnedPaths(), answers)
    fetch = m.FetchUpdate(agent="a", attempt="job/0/1", path="", offset=0, receipt=0)
    log = m.LogUpdate(agent="a", attempt="job/0/1", offset=0, data=b"line")
    workers.put("", FileWork("a", fetch, tmp_path / "job", tmp_path / "job"))
    workers.put("", FileWork("a", log, tmp_path / name / "scene" / "log", None))
    workers.close()
    refused = [answer for _agent, answer in answers.take()]
    assert len(refused) == 2
    for answer in refused:
        assert "caf\\udce9" in answer.refused
        encode(answer)


def test_some_room_is_left_on_a_disk(tmp_path: Path) -> None:
    """What was written since the system was asked counts; what does not fit is refused before it is begun."""
    now, asked = 0.0, 0

    def free(_folder: Path) -> int:
        nonlocal asked
        asked += 1
        return 1000

    space = FreeSpace(400, free, lambda: now)
    for _ in range(6):
        space.claim(tmp_path / "new" / "log", 100, 100)
    assert asked == 1
    with pytest.raises(OSError, match="KQ_MIN_FREE_BYTES"):
        space.claim(tmp_path / "new" / "log", 1, 1)
    now = 2.0
    with pytest.raises(OSError, match="KQ_MIN_FREE_BYTES"):
        space.claim(tmp_path / "picture", 601, 10)
    space.claim(tmp_path / "picture", 600, 10)
