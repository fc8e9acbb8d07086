"""Which keys of hosts are taken for known: as ssh itself reads its files, and never a revoked one."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from kq.errors import RemoteFailed
from kq.remote import RemoteLauncher
from kq.remote.known_hosts import find_known_keys
from kq.settings import Settings
from tests.remote.machines import Answers, RemoteMachine, Reports


@pytest.fixture
def known(own_home: Path) -> Path:
    """The user's own file; it is not there yet."""
    return own_home / ".ssh" / "known_hosts"


def connect(machine: RemoteMachine, tmp_path: Path) -> tuple[bool, str, list[str]]:
    """Whether a check got past the host key, what it said of it, and what it asked: nobody accepts any."""
    answers = Answers(accept=False)
    settings = Settings.from_environment({"KQ_DATA_ROOT": str(tmp_path / "root")})
    result = RemoteLauncher(None, settings, answers).check(machine.target(user="nobody-of-ours"), Reports())
    step = next(step for step in result.steps if step.name == "Host key")
    return any(each.name == "Login" for each in result.steps), step.message, answers.asked


def key_of(machine: RemoteMachine) -> str:
    return " ".join((machine.folder / "hostkey.pub").read_text().split()[:2])


def other_key(machine: RemoteMachine, tmp_path: Path) -> str:
    machine.make_key(tmp_path / "other")
    return " ".join((tmp_path / "other.pub").read_text().split()[:2])


@pytest.mark.parametrize(
    "lines",
    [
        ["[127.0.0.*]:{port} {key}"],
        ["*:{port},[127.?.0.1]:* {key}"],
        ["[127.0.0.1]:{port}\t{key}\tsomebody's comment"],
        ["[127.0.0.1]:{port} {other}", "[127.0.0.1]:{port} {key}"],
        ["rubbish", "# comment", "[127.0.0.1]:{port} ssh-ed25519 !!!", "[127.0.0.1]:{port} {key}"],
        ["@revoked [127.0.0.1]:{port} {other}", "[127.0.0.1]:{port} {key}"],
    ],
    ids=[
        "a pattern",
        "patterns",
        "tabs and a comment",
        "the second of two",
        "among rubbish",
        "another revoked",
    ],
)
def test_what_ssh_takes_for_known_is_known(
    machine: RemoteMachine, known: Path, tmp_path: Path, lines: list[str]
) -> None:
    """Nobody is asked; ssh-keygen's own reading agrees wherever it reads such lines."""
    values = {"port": machine.port, "key": key_of(machine), "other": other_key(machine, tmp_path)}
    known.write_text("".join(f"{line.format(**values)}\n" for line in lines))
    passed, message, asked = connect(machine, tmp_path)
    assert passed and message.startswith("known:") and not asked


@pytest.mark.parametrize(
    "lines", [["@revoked * {key}"], ["[127.0.0.1]:{port} {key}", "@revoked [127.0.0.1]:{port} {key}"]]
)
def test_a_revoked_key_is_refused_loudly(
    machine: RemoteMachine, known: Path, tmp_path: Path, lines: list[str]
) -> None:
    """Also where the same key was accepted before; nobody is asked."""
    values = {"port": machine.port, "key": key_of(machine)}
    known.write_text("".join(f"{line.format(**values)}\n" for line in lines))
    passed, message, asked = connect(machine, tmp_path)
    assert not passed and "REVOKED" in message and not asked


def test_an_authority_is_not_taken_for_the_key(machine: RemoteMachine, known: Path, tmp_path: Path) -> None:
    """Certificates of hosts are not read: the key itself is shown, and why."""
    known.write_text(f"@cert-authority * {key_of(machine)}\n")
    passed, message, asked = connect(machine, tmp_path)
    assert not passed and "certificates" in message and len(asked) == 1


def test_a_name_that_is_excepted_is_not_known(machine: RemoteMachine, known: Path, tmp_path: Path) -> None:
    """A pattern after an exclamation mark wins over the others of its line."""
    known.write_text(f"[127.*]:*,![127.0.0.1]:* {key_of(machine)}\n")
    passed, _, asked = connect(machine, tmp_path)
    assert not passed and len(asked) == 1


def test_a_strict_user_is_not_asked(machine: RemoteMachine, own_home: Path, tmp_path: Path) -> None:
    """StrictHostKeyChecking yes: who may add keys is decided elsewhere."""
    (own_home / ".ssh" / "config").write_text("StrictHostKeyChecking yes\n")
    passed, message, asked = connect(machine, tmp_path)
    assert not passed and "StrictHostKeyChecking" in message and not asked


def test_hashed_names_are_those_of_ssh_keygen(tmp_path: Path, machine: RemoteMachine) -> None:
    """Names of any port, as ssh-keygen hashes them."""
    file = tmp_path / "hashed"
    file.write_text(f"farm-b {key_of(machine)}\n[farm-c]:2200 {key_of(machine)}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(file)], check=True, capture_output=True)
    assert "farm" not in file.read_text()
    assert find_known_keys([str(file)], "farm-b").kinds == {"ssh-ed25519"}
    assert find_known_keys([str(file)], "[farm-c]:2200").kinds == {"ssh-ed25519"}
    assert not find_known_keys([str(file)], "farm-c").kinds


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Rather than taken for one that knows nobody."""
    (tmp_path / "known_hosts").mkdir()
    with pytest.raises(RemoteFailed, match=r"[/\\]known_hosts cannot be read"):
        find_known_keys([str(tmp_path / "known_hosts")], "farm-b")
