"""Files that others read while they are replaced, and paths that others name."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kq import files
from kq.files import create_file, is_safe_relative_path, replace_file
from kq.own_files import open_to_append
from tests.support.waiting import IS_WINE


def test_a_reader_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows replaces no file that is open, and the reader has it open for a moment only."""
    path, draft = tmp_path / "picture.png", tmp_path / ".picture.png.part"
    path.write_text("old")
    draft.write_text("new")
    reader = path.open()
    monkeypatch.setattr(time, "sleep", lambda _s: reader.close())
    replace_file(draft, path)
    assert path.read_text() == "new"
    assert reader.closed == (sys.platform == "win32")
    assert not draft.exists()
    reader.close()


def test_a_reader_that_stays_is_not_waited_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The old file stays as it is then, and so does the draft."""
    path, draft = tmp_path / "picture.png", tmp_path / ".picture.png.part"
    path.write_text("old")
    draft.write_text("new")
    now = [0.0]
    monkeypatch.setattr(files, "time", Clock(now))
    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(PermissionError):
        replace_file(draft, path)
    assert now[0] == pytest.approx(1.0, abs=0.05) if sys.platform == "win32" else now[0] == 0
    assert (path.read_text(), draft.read_text()) == ("old", "new")


def test_what_no_waiting_helps_fails_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder in its place, or no draft."""
    (tmp_path / "a folder").mkdir()
    draft = tmp_path / "draft"
    draft.touch()
    monkeypatch.setattr(time, "sleep", pytest.fail)
    with pytest.raises(OSError, match="a folder"):
        replace_file(draft, tmp_path / "a folder")
    with pytest.raises(FileNotFoundError):
        replace_file(tmp_path / "no draft", tmp_path / "path")


class Clock:
    """Stands for the module `time`: sleeping takes none."""

    def __init__(self, now: list[float]) -> None:
        self._now = now

    def monotonic(self) -> float:
        return self._now[0]

    def sleep(self, seconds: float) -> None:
        self._now[0] += seconds


def refuse(self: Path, target: Path) -> Path:
    raise PermissionError(13, "Permission denied", str(self), 5, str(target))


def test_all_who_append_write_at_the_end(tmp_path: Path) -> None:
    """Also a child, which knows of its standard error only that it is open; and no byte is changed."""
    path = tmp_path / "agent.log"
    child, own = open_to_append(path), open_to_append(path)
    os.write(own, b"first\n")
    program = "import os; os.write(2, b'second\\n')"
    subprocess.run([sys.executable, "-c", program], stderr=child, check=True)
    os.write(own, b"third\n")
    os.write(child, b"fourth\n")
    os.close(child)
    os.close(own)
    assert path.read_bytes() == b"first\nsecond\nthird\nfourth\n"


def test_a_log_can_be_removed_while_it_is_written(tmp_path: Path) -> None:
    """A job's files go when it is removed, whether its render has let go of them or not."""
    fd = open_to_append(tmp_path / "render.log")
    (tmp_path / "render.log").unlink()
    os.write(fd, b"nobody reads this")
    os.close(fd)
    assert list(tmp_path.iterdir()) == []


def test_errors_of_opening_are_distinguished(tmp_path: Path) -> None:
    """A missing folder is made by who asked; all else is an error."""
    with pytest.raises(FileNotFoundError):
        open_to_append(tmp_path / "no folder" / "render.log")
    with pytest.raises(OSError, match=tmp_path.name) as caught:
        open_to_append(tmp_path)
    assert not isinstance(caught.value, FileNotFoundError)


@pytest.mark.parametrize("path", ["a", "a/b.usd", "a b/.hidden", "..a/b..", "日/ü"])
def test_a_path_that_stays_in_the_folder(path: str) -> None:
    """Whatever else its names are made of."""
    assert is_safe_relative_path(path, windows=False)
    assert is_safe_relative_path(path, windows=True)


@pytest.mark.parametrize("path", ["", "/a", "../a", "a/../../b", "a/./b", "a//b", "a/", "a\\..\\b", "a\0b"])
def test_a_path_that_may_lead_elsewhere(path: str) -> None:
    """By its root, by dots, or by what another system takes for a slash."""
    assert not is_safe_relative_path(path, windows=False)
    assert not is_safe_relative_path(path, windows=True)


@pytest.mark.parametrize("path", ["C:/Windows/a", "C:a", "a/b:stream"])
def test_a_drive_or_a_stream_is_no_path_below_a_folder_on_windows(path: str) -> None:
    """Elsewhere a colon is a letter."""
    assert is_safe_relative_path(path, windows=False)
    assert not is_safe_relative_path(path, windows=True)


def test_a_hidden_file_is_made_anew(tmp_path: Path) -> None:
    """What a killed program left there is no obstacle, though Windows writes over nothing that is hidden."""
    draft = tmp_path / ".picture.png.part"
    draft.write_bytes(b"half of an older one")
    if sys.platform == "win32":
        import ctypes

        assert ctypes.windll.kernel32.SetFileAttributesW(str(draft), 2)
        if not IS_WINE:  # which writes over it
            with pytest.raises(PermissionError):
                draft.open("wb")
    with create_file(draft) as file:
        file.write(b"new")
    assert draft.read_bytes() == b"new"
