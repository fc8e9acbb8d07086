"""The list of machines that worked: written by several, edited, damaged, of other versions and users."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kq.errors import BadInput, Refused
from kq.files import try_lock
from kq.own_files import OwnFolder
from kq.remote import HostStore, RemoteHost, RemoteLauncher, host_store, remote_choices
from kq.settings import Settings
from tests.remote.machines import Answers, RemoteMachine, Reports
from tests.support.live_queue import ROOT, clean_environment

DAMAGED = [
    pytest.param(b'{"hosts": [', id="cut off"),
    pytest.param(b'{"hosts": [{"host": {"host": "farm-a", "port": "22"}, "used": 1}]}', id="a wrong field"),
    pytest.param(b'{"hosts": [{"host": {"host": "f\xff\xfe"}, "used": 1}]}', id="no UTF-8"),
    pytest.param(b"", id="empty"),
    pytest.param(b"[]", id="no object"),
    pytest.param(b'{"hosts": ' + b"[" * 9000, id="without end"),
    pytest.param(b'{"version": "2", "hosts": []}', id="a version that is no number"),
    pytest.param(b'{"version": 0, "hosts": []}', id="an unknown version"),
]


DATA = Path(__file__).with_name("data")


@pytest.fixture
def path(own_home: Path) -> Path:
    """Where the user's list is by default."""
    folder = own_home / ".config" / "katana-queue"
    folder.mkdir(parents=True)
    return folder / "hosts.json"


def test_a_file_of_the_first_version_is_read_and_written_anew(path: Path) -> None:
    """With all that it says of each machine; the next one who remembers a host gives it its version."""
    path.write_bytes((DATA / "hosts-1.json").read_bytes())
    store = HostStore()
    first, second = store.hosts()
    assert store.problem == ""
    assert first == RemoteHost(
        host="render-07", user="lights", port=2222, private_key="/home/a/.ssh/id_ed25519", num_agents=4,
        katana_root="/opt/Katana8", data_root="/mnt/show/kq", kq_host="10.0.0.5", tunnel=True,
    )  # fmt: skip
    assert second == RemoteHost(host="farm-b", kq_root="/opt/kq", python="/usr/bin/python3.12")
    assert store.remember(RemoteHost(host="farm-c"), worked=False) == ""
    assert json.loads(path.read_bytes())["version"] == host_store._VERSION
    assert [host.host for host in HostStore().hosts()] == ["render-07", "farm-c", "farm-b"]
    assert beside(path) == {path}


def test_every_version_has_a_step_to_the_next() -> None:
    """And a file of it in data/."""
    assert set(host_store._MIGRATIONS) == set(range(1, host_store._VERSION))
    assert all((DATA / f"hosts-{version}.json").is_file() for version in host_store._MIGRATIONS)


def test_a_file_of_a_newer_version_is_refused_and_stays_untouched(path: Path) -> None:
    """A newer program of the same user can read it; an older one would lose what it does not know."""
    content = b'{"version": 99, "machines": {}}'
    path.write_bytes(content)
    store = HostStore()
    assert store.hosts() == [] and "99" in store.problem
    with pytest.raises(Refused, match="99"):
        store.remember(RemoteHost(host="farm-b"), worked=True)
    assert path.read_bytes() == content and beside(path) == {path}


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_another_user_is_refused_and_stays_untouched(path: Path) -> None:
    """A list that another user can write decides where keys are sent."""
    content = b'{"hosts": []}'
    path.write_bytes(content)
    os.chown(path, 65534, 65534)
    store = HostStore()
    assert store.hosts() == [] and "65534" in store.problem
    with pytest.raises(Refused, match="65534"):
        store.remember(RemoteHost(host="farm-b"), worked=True)
    assert path.read_bytes() == content


def beside(path: Path) -> set[Path]:
    """All in the list's folder but its lock."""
    return {*path.parent.iterdir()} - {path.with_name(".hosts.json.lock")}


@pytest.mark.parametrize("content", DAMAGED)
def test_an_invalid_file_is_kept_aside(path: Path, content: bytes) -> None:
    """Somebody's list of fifty machines may be in it, behind one comma too many."""
    path.write_bytes(content)
    store = HostStore()
    assert store.hosts() == []
    assert str(path) in store.problem
    assert path.read_bytes() == content, "reading changes nothing"
    told = store.remember(RemoteHost(host="farm-b"), worked=True)
    [aside] = path.parent.glob("hosts.json.unusable-*")
    assert aside.read_bytes() == content
    assert aside.name in told and str(path) in told
    assert [host.host for host in HostStore().hosts()] == ["farm-b"]
    assert HostStore().remember(RemoteHost(host="farm-c"), worked=True) == ""


def test_a_file_that_cannot_be_read_is_not_written_over(path: Path) -> None:
    """Nobody knows what is in it."""
    path.mkdir()
    store = HostStore()
    assert store.hosts() == [] and str(path) in store.problem
    with pytest.raises(Refused, match=r"hosts\.json cannot be read"):
        store.remember(RemoteHost(host="farm-b"), worked=True)
    assert path.is_dir() and beside(path) == {path}


def test_a_list_that_cannot_be_written_stays_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And no half file beside it."""
    HostStore().remember(RemoteHost(host="farm-a"), worked=True)

    def refuse(_self: OwnFolder, _draft: str, name: str) -> None:
        raise OSError(28, "No space left on device", name)

    monkeypatch.setattr(OwnFolder, "replace", refuse)
    with pytest.raises(Refused, match="No space left on device"):
        HostStore().remember(RemoteHost(host="farm-b"), worked=True)
    assert [host.host for host in HostStore().hosts()] == ["farm-a"]
    assert beside(path) == {path}


def test_of_machines_that_are_launched_at_once_each_is_remembered(path: Path) -> None:
    """Each launcher has a book of its own, and all of them one file."""
    names = [f"farm-{number}" for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(lambda name: HostStore().remember(RemoteHost(host=name), worked=True), names))
    assert not any(told)
    assert {host.host for host in HostStore().hosts()} == set(names)
    assert beside(path) == {path}


def test_of_two_desktops_that_remember_at_once_each_is_heard(path: Path) -> None:
    """Processes of one user, each with machines of its own."""
    code = """
import sys
from kq.remote import HostStore, RemoteHost
print("here", flush=True)
sys.stdin.readline()
for number in range(24):
    told = HostStore().remember(RemoteHost(host=f"{sys.argv[1]}-{number}"), worked=True)
    assert told == "", told
"""
    desktops = [
        subprocess.Popen(
            [sys.executable, "-c", code, name], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for name in ("farm", "node")
    ]
    for each in desktops:
        assert each.stdout is not None and each.stdout.readline().strip() == b"here"
    for each in desktops:
        assert each.stdin is not None
        each.stdin.write(b"go\n")
        each.stdin.flush()
    for each in desktops:
        each.communicate(timeout=60)
        assert each.returncode == 0
    names = {f"{name}-{number}" for name in ("farm", "node") for number in range(24)}
    assert {host.host for host in HostStore().hosts()} == names


def test_a_desktop_that_stands_still_in_the_midst_is_told_of(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it has yet to write would undo ours: nothing is written, and that is reported."""
    HostStore().remember(RemoteHost(host="farm-a"), worked=True)
    monkeypatch.setattr(host_store, "_TIMEOUT_S", 0.1)
    with path.with_name(".hosts.json.lock").open("ab") as other:
        assert try_lock(other)
        with pytest.raises(Refused, match=re.escape(str(path))):
            HostStore().remember(RemoteHost(host="farm-b"), worked=True)
    assert HostStore().remember(RemoteHost(host="farm-c"), worked=True) == ""
    assert {host.host for host in HostStore().hosts()} == {"farm-a", "farm-c"}


def test_an_empty_list_says_what_would_be_in_it(path: Path, tmp_path: Path) -> None:
    """On stderr: a script that reads the output gets no lines."""
    environment = clean_environment(tmp_path / "root", {}) | {
        name: os.environ[name] for name in ("HOME", "XDG_CONFIG_HOME")
    }
    listed = subprocess.run(
        [sys.executable, "-m", "kq", "remote", "hosts"],
        env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert not path.exists()
    assert (listed.returncode, listed.stdout) == (0, "")
    assert listed.stderr and "Traceback" not in listed.stderr


def test_a_damaged_list_is_reported_in_dialog_check_and_command(
    path: Path, machine: RemoteMachine, tmp_path: Path
) -> None:
    """In the dialog's choices, by `kq remote hosts`, and as a step of the check that begins a new list."""
    path.write_text("hosts: farm-a")
    assert str(path) in remote_choices().problem
    environment = clean_environment(tmp_path / "root", {}) | {
        name: os.environ[name] for name in ("HOME", "XDG_CONFIG_HOME")
    }
    listed = subprocess.run(
        [sys.executable, "-m", "kq", "remote", "hosts"],
        env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (listed.returncode, listed.stdout) == (1, "") and str(path) in listed.stderr
    settings = Settings.from_environment({"KQ_DATA_ROOT": str(tmp_path / "root")})
    reports = Reports()
    result = RemoteLauncher(None, settings, Answers()).check(machine.target(), reports)
    assert result.ok, reports.text()
    assert (result.steps[-1].name, result.steps[-1].state) == ("Hosts list", "note")
    assert "kept as hosts.json.unusable-" in result.steps[-1].message


def test_a_key_whose_path_no_list_can_hold_is_refused_before_a_launch() -> None:
    """It failed as the host was remembered, when its Agents ran already."""
    with pytest.raises(BadInput, match="private key"):
        RemoteHost(host="farm-a", private_key="/home/u/\udcff").check()


def test_an_invalid_ssh_config_hides_no_key_and_no_other_problem(path: Path, tmp_path: Path) -> None:
    """What could be read is offered, and all that could not is said."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"no list")
    folder = tmp_path / "ssh"
    folder.mkdir()
    (folder / "id_ed25519").write_text("a key")
    (folder / "config").write_text("Host farm-7\n  rubbish\n")
    choices = remote_choices(HostStore(path), folder)
    assert choices.keys == (str(folder / "id_ed25519"),)
    assert str(path) in choices.problem and str(folder / "config") in choices.problem
