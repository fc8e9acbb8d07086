"""Files of this user's on Windows: what cannot be moved while it is open, and what is refused."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from kq.own_files import NotOwn, OwnFolder, open_to_append, read_own
from kq.own_folders import sessions_folder
from tests.support.waiting import IS_WINE

pytestmark = pytest.mark.skipif(sys.platform != "win32", reason="for the twin of Windows")


def test_an_open_folder_is_not_moved_or_removed(tmp_path: Path) -> None:
    """So what is done by path meanwhile is done there; and what is in it can be written."""
    folder = tmp_path / "above" / "logs"
    with OwnFolder(folder, create=True) as opened:
        for action in (lambda: folder.rename(tmp_path / "moved"), folder.rmdir):
            with pytest.raises(PermissionError):
                action()
        if not IS_WINE:  # which lets a folder above be renamed
            with pytest.raises(PermissionError):
                folder.parent.rename(tmp_path / "moved")
        opened.write("client.json", b"key")
        assert opened.read("client.json") == b"key"
    folder.rename(tmp_path / "moved")


def test_what_is_planted_in_the_place_of_a_file_is_refused(tmp_path: Path) -> None:
    """A second name, a folder, a link and a junction; what they lead to is untouched."""
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "mine").write_bytes(b"mine")
    (tmp_path / "hard link").hardlink_to(victim / "mine")
    (tmp_path / "folder").mkdir()
    planted = ["hard link", "folder"]
    if not IS_WINE:  # it knows neither junctions nor what it has made a link
        import _winapi

        _winapi.CreateJunction(str(victim), str(tmp_path / "junction"))
        planted.append("junction")
        with pytest.raises(NotOwn):
            read_own(tmp_path / "junction" / "mine")
    for name in planted:
        with pytest.raises(OSError):
            os.close(open_to_append(tmp_path / name))
    assert (victim / "mine").read_bytes() == b"mine"


def test_a_file_in_the_place_of_a_folder_is_no_folder(tmp_path: Path) -> None:
    """As an error of its own, so that the caller can say what is in the way."""
    (tmp_path / "logs").touch()
    with pytest.raises(NotADirectoryError):
        OwnFolder(tmp_path / "logs")


def test_a_private_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    """By its access list: no entry for all users, nothing inherited; the user, the system, administrators."""
    from kq.own_files._windows_access import access_list, own_sid

    with OwnFolder(tmp_path / "keys", create=True) as folder:
        if IS_WINE:  # where the folder above lets all read, as here folders do
            assert ";;;WD)" in access_list(tmp_path / "keys")
        folder.make_private()
        folder.write("client.json", b"key")
        assert folder.read("client.json") == b"key"
    found = access_list(tmp_path / "keys")
    own = own_sid()
    entries = {each.rstrip(")").split(";")[-1] for each in found.split("(")[1:]}
    assert own in entries or (own.endswith("-500") and "LA" in entries)
    assert entries <= {own, "LA", "SY", "BA"}
    if not IS_WINE:  # it keeps modes, not lists: it inherits none, and knows no protected one
        assert found.startswith("D:P")
        assert ";;;WD)" not in access_list(tmp_path / "keys" / "client.json")


def test_the_keys_folder_of_a_session_is_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In %LOCALAPPDATA%, also where that is readable by others."""
    from kq.own_files._windows_access import access_list

    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "Local"))
    folder = sessions_folder()
    assert folder == tmp_path / "Local" / "katana-queue" / "run" / "katana-queue"
    assert ";;;WD)" not in access_list(folder)
    assert ";;;BU)" not in access_list(folder)
