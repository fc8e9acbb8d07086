"""Files of this user's where another user moves folders away, and plants links, pipes and second names.

Two real users: needs root, which may become others.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

if sys.platform == "win32" or os.geteuid() != 0:
    pytest.skip("only root can become two other users", allow_module_level=True)

from kq.logs import MAX_BYTES, KqLogHandler
from kq.own_files import (
    NotOwn,
    OwnFolder,
    make_room,
    open_lock_file,
    open_to_append,
    read_own,
    remove_own,
    remove_own_tree,
    write_private,
)
from kq.own_files import _posix as posix
from tests.support.strangers import STRANGER, as_stranger

MINE, TREE = b"mine\n", "tree"
NAMES = ("server.log", "server.log.1", "client.json", "hosts.json", "agent-a1.log", "agent-a2.log")


class Share:
    """A folder to which all may write, with one of mine; and my private folder, to which a stranger leads."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.chmod(0o777)
        os.chown(root, STRANGER, STRANGER)
        self.folder = root / "mine" / "logs"
        with OwnFolder(self.folder, create=True):
            pass
        self.away = ".away"
        self.private = root.parent / f"{root.name}.private"
        for folder in (self.private / "logs", self.private / "logs" / TREE):
            folder.mkdir(parents=True)
            for name in NAMES:
                (folder / name).write_bytes(MINE)

    def leads_away(self) -> None:
        """Put a link to my private folder in the place of my folder in the share."""
        (self.root / "mine").rename(self.root / self.away)
        (self.root / "mine").symlink_to(self.private)

    def leads_back(self) -> None:
        """Undo `leads_away`."""
        (self.root / "mine").unlink()
        (self.root / self.away).rename(self.root / "mine")

    def check(self) -> None:
        """Assert that nothing in my private folder was changed, added or removed."""
        expected = {"logs", f"logs/{TREE}", *(f"logs/{name}" for name in NAMES)}
        expected |= {f"logs/{TREE}/{name}" for name in NAMES}
        found = {str(path.relative_to(self.private)) for path in self.private.rglob("*")}
        assert found == expected
        for path in self.private.rglob("*"):
            assert path.is_dir() or (path.read_bytes(), path.stat().st_nlink) == (MINE, 1)


@pytest.fixture
def share() -> Iterator[Share]:
    """Outside the tests' own folder, which others cannot enter."""
    top = Path(tempfile.mkdtemp(prefix="kq own "))
    top.chmod(0o755)
    (top / "share").mkdir()
    yield Share(top / "share")
    shutil.rmtree(top)


def append(path: Path) -> None:
    fd = open_to_append(path, create_folder=True)
    os.write(fd, b"written")
    os.close(fd)


def rotate(path: Path) -> None:
    """Write a line into a log that is full."""
    handler = KqLogHandler(path, {})
    handler._write("x" * MAX_BYTES)
    handler._write("the next line")
    handler.close()


def lock(path: Path) -> None:
    with open_lock_file(path) as file:
        file.write(b"\n")
        file.truncate(0)


ACTIONS: dict[str, Callable[[Path], object]] = {
    "append to a log": lambda folder: append(folder / "server.log"),
    "create a folder and a log": lambda folder: append(folder / "new" / "render.log"),
    "rotate a log": lambda folder: rotate(folder / "server.log"),
    "remove old logs": lambda folder: make_room(folder, "agent-*.log", 1),
    "replace keys": lambda folder: write_private(folder / "client.json", b"written"),
    "remove keys": lambda folder: remove_own(folder / "client.json"),
    "lock": lambda folder: lock(folder / "hosts.json"),
    "remove a job's logs": lambda folder: remove_own_tree(folder / TREE),
}


@pytest.mark.parametrize("what", ACTIONS)
def test_a_folder_is_swapped_before_each_system_call(
    share: Share, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Whenever a link to my private folder takes the place of a folder on the way, nothing there changes."""
    calls, swap_at = 0, 0
    real = {name: getattr(os, name) for name in ("open", "mkdir", "stat", "unlink", "replace", "readlink")}

    def swapping(name: str) -> Callable[..., object]:
        def call(*arguments: object, **keywords: object) -> object:
            nonlocal calls
            calls += 1
            if calls == swap_at:
                share.leads_away()
            return real[name](*arguments, **keywords)

        return call

    while calls >= swap_at:
        calls, swap_at = 0, swap_at + 1
        (share.folder / TREE).mkdir(parents=True, exist_ok=True)
        for name in NAMES:
            (share.folder / name).write_bytes(b"a log")
        with monkeypatch.context() as patched:
            for name in real:
                patched.setattr(os, name, swapping(name))
            with contextlib.suppress(OSError):
                ACTIONS[what](share.folder)
        share.check()
        if (share.root / ".away").exists():
            shutil.rmtree(share.root / ".away")
            (share.root / "mine").unlink()
        else:
            shutil.rmtree(share.root / "mine")
        share.folder.mkdir(parents=True)
    assert swap_at > 5, "nothing was swapped"


def test_a_folder_is_swapped_again_and_again(share: Share) -> None:
    """A stranger renames as fast as possible while logs and keys are written: some hundred rounds."""
    pid = os.fork()
    if pid == 0:
        os.setgroups([])
        os.setgid(STRANGER)
        os.setuid(STRANGER)
        for number in itertools.count():
            share.away = f".away {number}"
            with contextlib.suppress(OSError):  # the other process has made that folder again
                share.leads_away()
            with contextlib.suppress(OSError):
                share.leads_back()
    try:
        done = refused = 0
        until = time.monotonic() + 60
        while time.monotonic() < until and (done < 200 or refused < 200):
            for action in ACTIONS.values():
                try:
                    action(share.folder)
                    done += 1
                except OSError:
                    refused += 1
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
    assert done >= 200 and refused >= 200
    share.check()


@pytest.mark.parametrize(
    "kind", ["link", "dangling link", "pipe", "hard link", "device", "socket", "foreign"]
)
def test_what_is_planted_in_the_place_of_a_file_is_refused(share: Share, kind: str) -> None:
    """At once, for keys, logs and their rotations; what it leads to is untouched, also when it is removed."""
    for number, (name, action) in enumerate(ACTIONS.items()):
        for planted in ("client.json", "server.log", "server.log.1", "hosts.json", "agent-a1.log"):
            path, victim = share.folder / planted, share.private / "logs" / planted
            path.unlink(missing_ok=True)
            if kind == "link":
                path.symlink_to(victim)
            elif kind == "dangling link":
                path.symlink_to(share.private / f"made by {number}")
            elif kind == "pipe":
                os.mkfifo(path)
            elif kind == "hard link":
                path.hardlink_to(_foreign_file(share.root / f"second {number} {planted}"))
            elif kind == "device":
                os.mknod(path, 0o020666, os.makedev(1, 3))
            elif kind == "socket":
                os.mknod(path, 0o140777)
            else:
                _foreign_file(path)
            if kind != "hard link":
                os.chown(path, STRANGER, STRANGER, follow_symlinks=False)
        with contextlib.suppress(OSError):
            action(share.folder)
        for each in share.root.glob("second *"):
            assert each.read_bytes() == b"theirs", name
    with pytest.raises(OSError):
        os.close(open_to_append(share.folder / "server.log"))
    with pytest.raises(OSError):
        read_own(share.folder / "hosts.json")
    share.check()


def _foreign_file(path: Path) -> Path:
    path.write_bytes(b"theirs")
    os.chown(path, STRANGER, STRANGER)
    return path


def test_a_folder_of_a_stranger_is_not_used(share: Share) -> None:
    """Also one in which all may write: nothing is created in it."""
    folder = share.root / "theirs"
    folder.mkdir()
    folder.chmod(0o777)
    os.chown(folder, STRANGER, STRANGER)
    with pytest.raises(NotOwn, match=f"user {STRANGER}"):
        write_private(folder / "client.json", b"secret")
    assert list(folder.iterdir()) == []


def test_links_of_ones_own_and_of_root_are_followed_above(share: Share) -> None:
    """Homes and data roots are often links; not where others could have made them."""
    home = share.private.parent / "home"
    home.mkdir()
    (home / "data").symlink_to("elsewhere")
    (home / "elsewhere").mkdir()
    (home / "loop").symlink_to("loop")
    write_private(home / "data" / "a" / "client.json", b"key", create_folder=True)
    assert (home / "elsewhere" / "a" / "client.json").read_bytes() == b"key"
    with pytest.raises(OSError):
        write_private(home / "loop" / "client.json", b"key")
    sticky = share.private.parent / "sticky"
    sticky.mkdir()
    sticky.chmod(0o1777)
    for name, owner in (("mine", 0), ("theirs", STRANGER)):
        (sticky / name).symlink_to(home / "elsewhere")
        os.chown(sticky / name, owner, owner, follow_symlinks=False)
    assert read_own(sticky / "mine" / "a" / "client.json") == b"key"
    with pytest.raises(NotOwn, match="theirs"):
        read_own(sticky / "theirs" / "a" / "client.json")


def test_a_user_needs_no_right_to_list_the_folders_above(share: Share) -> None:
    """As in `/home` of mode 0711."""
    closed = share.private.parent / "closed"
    (closed / "home").mkdir(parents=True)
    os.chown(closed / "home", STRANGER, STRANGER)
    closed.chmod(0o711)

    def use() -> None:
        write_private(closed / "home" / "keys" / "client.json", b"key", create_folder=True)
        assert read_own(closed / "home" / "keys" / "client.json") == b"key"
        assert (closed / "home" / "keys").stat().st_mode & 0o777 == 0o700

    as_stranger(use)


def test_on_a_share_that_gives_all_files_to_one_user_they_are_ones_own(
    share: Share, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As NFS does with `all_squash`: known by the owner of what one creates there."""
    monkeypatch.setattr(posix, "_owners", {})
    real = os.fstat

    def squashed(fd: int) -> os.stat_result:
        found = list(real(fd))
        found[4] = 65534
        return os.stat_result(found)

    monkeypatch.setattr(os, "fstat", squashed)
    write_private(share.folder / "client.json", b"key")
    assert read_own(share.folder / "client.json") == b"key"


def test_an_error_has_the_whole_path(tmp_path: Path) -> None:
    """Not the bare name that was opened in its folder: a user could not find the file by it."""
    path = tmp_path / "a folder"
    path.mkdir()
    for wrong, missing in (
        (lambda: read_own(tmp_path / "none"), tmp_path / "none"),
        (lambda: append(path), path),
        (lambda: append(Path("/proc/none/log")), Path("/proc/none")),
    ):
        with pytest.raises(OSError) as caught:
            wrong()
        assert caught.value.filename == str(missing)
