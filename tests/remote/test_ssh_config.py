"""What ~/.ssh/config says of a machine: as ssh understands it, or said to be passed over, or refused."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import Mock

import pytest

from kq.errors import BadInput
from kq.remote import RemoteHost, RemoteLauncher, StepState
from kq.remote.ssh_config import SshRoute, configured_host, configured_hosts, route_to
from kq.settings import Settings
from tests.remote.machines import Answers, RemoteMachine, Reports


@pytest.fixture
def ssh(own_home: Path) -> Path:
    """The user's folder."""
    return own_home / ".ssh"


def route(ssh: Path, text: str, name: str = "farm-7", **asked: object) -> SshRoute:
    (ssh / "config").write_text(text)
    return route_to(RemoteHost(host=name, **asked))  # type: ignore[arg-type]  # by name, as the struct has them


@pytest.mark.parametrize("error", [KeyError, OSError, ImportError])
def test_a_user_without_a_name(ssh: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]) -> None:
    """As in a container, or on Windows without USERNAME."""
    with monkeypatch.context() as nameless:
        nameless.setattr("getpass.getuser", Mock(side_effect=error("no name")))
        with pytest.raises(BadInput, match="LOGNAME"):
            route(ssh, "", user="named")
    monkeypatch.setenv("LOGNAME", "artist")
    assert route(ssh, "").user == "artist"


def test_files_are_included_in_their_place(ssh: Path) -> None:
    """By patterns, relative to ~/.ssh; what stands behind belongs to the block that it stands in."""
    (ssh / "conf.d").mkdir()
    (ssh / "conf.d" / "a.conf").write_text("Host farm-*\n  Port 2201\n  User a\n")
    (ssh / "conf.d" / "b.conf").write_text("Host farm-7\n  HostName 10.0.0.7\n  Port 2202\n")
    found = route(ssh, "Include conf.d/*.conf missing.conf\nUser everybody\nHost other\n  User o\n")
    assert (found.host, found.port, found.user) == ("10.0.0.7", 2201, "a")
    assert route_to(RemoteHost(host="other")).user == "everybody"
    assert [host.host for host in configured_hosts()] == ["farm-7", "other"]


@pytest.mark.parametrize("between", [" ", "\t", " \t ", "=", " = ", "\t=\t"])
def test_words_and_values_are_apart_as_ssh_takes_them(ssh: Path, between: str) -> None:
    """Blanks, tabulators, and an equals sign: a Host that is not seen belongs to the block before it."""
    (ssh / "farm.conf").write_text(f"Port{between}2201\n")
    text = f"Host{between}other\n\tUser{between}o\nHost{between}farm-7\n\tInclude{between}farm.conf\n"
    found = route(ssh, f"{text}Match{between}tagged x\n\tUser{between}x\nHost *\n\tUser{between}everybody\n")
    assert (found.port, found.user) == (2201, "everybody")
    other = route_to(RemoteHost(host="other"))
    assert (other.port, other.user) == (22, "o")
    assert len(found.notes) == 1


def test_a_file_that_is_included_for_one_host(ssh: Path) -> None:
    """Its options count for that host alone, and the next line is that host's again."""
    (ssh / "farm.conf").write_text("Port 2201\n")
    text = "Host farm-7\n  Include farm.conf\n  User a\nHost *\n  User everybody\n"
    found = route(ssh, text)
    assert (found.port, found.user) == (2201, "a")
    other = route_to(RemoteHost(host="other"))
    assert (other.port, other.user) == (22, "everybody")


@pytest.mark.parametrize(
    ("text", "included", "words"),
    [
        ("Include config\n", "", "without end"),
        ("Host a\n  Include farm.conf\n", "Host b\n  Port 1\n", "a Host of its own"),
        ('UserKnownHostsFile "open\n', "", "quotation mark"),
        ("Host farm-7\n  ProxyCommand nc %h %p\n", "", "ProxyJump"),
        ("Host farm-7\n  rubbish\n", "", "cannot be read"),
    ],
)
def test_what_is_not_supported_is_refused(ssh: Path, text: str, included: str, words: str) -> None:
    """Rather than something else done."""
    (ssh / "farm.conf").write_text(included)
    with pytest.raises(BadInput, match=words):
        route(ssh, text)


def test_a_match_with_unknown_terms_is_passed_over_and_said_to_be(ssh: Path) -> None:
    """Taken for every machine's it would send artists' Agents to wherever it says."""
    text = "Match localnetwork 10.0.0.0/8\n  User a\n  Port 1\nMatch !host nobody user=x tagged z\n  Port 2\n"
    found = route(ssh, f"{text}Match host farm-* !originalhost nobody\n  User b\n")
    assert (found.user, found.port) == ("b", 22)
    assert [note.split("`")[1] for note in found.notes] == [
        "Match localnetwork 10.0.0.0/8",
        "Match !host nobody user=x tagged z",
    ]


def test_several_machines_in_between(ssh: Path) -> None:
    """From the first to the last; their own ProxyJump does not count on a way that is named."""
    text = "Host inner\n  ProxyJump one,anna@two:2202\nHost two\n  ProxyJump elsewhere\n"
    inner = route(ssh, text, "inner")
    assert inner.jump is not None and inner.jump.jump is not None
    assert (inner.jump.host, inner.jump.user, inner.jump.port) == ("two", "anna", 2202)
    assert inner.jump.jump.host == "one" and inner.jump.jump.jump is None


def test_the_machine_in_between_is_reached_directly(ssh: Path) -> None:
    """`Host *` sends all through it, and it cannot be sent through itself."""
    inner = route(ssh, "Host *\n  ProxyJump bastion\n", "inner")
    assert inner.jump is not None and inner.jump.host == "bastion" and inner.jump.jump is None


def test_files_of_known_hosts(ssh: Path) -> None:
    """Several, none, and an alias, which stands there without a port."""
    found = route(ssh, f'UserKnownHostsFile "{ssh}/a b" ~/c\nHostKeyAlias farm\nPort 2200\n')
    assert [Path(each) for each in found.known_hosts[:2]] == [ssh / "a b", ssh.parent / "c"]
    assert found.new_hosts_to == f"{ssh}/a b" and found.host_key_name == "farm"
    found = route(ssh, "UserKnownHostsFile none\nGlobalKnownHostsFile none\nPort 2200\n")
    assert found.known_hosts == () and not found.new_hosts_to and found.host_key_name == "[farm-7]:2200"


def test_keys_that_are_named_are_tried_in_turn(ssh: Path) -> None:
    """Also where one is not there: it is told of when none is accepted."""
    text = "IdentityFile ~/.ssh/one\nIdentityFile ~/.ssh/two\nIdentitiesOnly yes\n"
    found = route(ssh, text)
    assert [Path(each) for each in found.key_files] == [ssh / "one", ssh / "two"] and found.only_these_keys
    assert configured_host("farm-7")[0].private_key == "", "none of them is chosen for the dialog"
    assert route(ssh, text, private_key="/else/key").key_files == ("/else/key",)


def test_through_two_machines_and_with_a_note(own_home: Path, machine: RemoteMachine, tmp_path: Path) -> None:
    """For real: each is logged in to, and what was passed over is a step of its own."""
    with RemoteMachine(tmp_path / "one") as one, RemoteMachine(tmp_path / "two") as two:
        hosts = {"one": one, "two": two, "inner": machine}
        blocks = [
            f"Host {name}\n  HostName 127.0.0.1\n  Port {each.port}\n  IdentityFile {each.key}\n"
            for name, each in hosts.items()
        ]
        text = f"{''.join(blocks)}  ProxyJump one,two\nMatch tagged x\n  User nobody-of-ours\n"
        (own_home / ".ssh" / "config").write_text(text)
        settings = Settings.from_environment({"KQ_DATA_ROOT": str(tmp_path / "root")})
        reports = Reports()
        result = RemoteLauncher(None, settings, Answers()).check(RemoteHost(host="inner"), reports)
        assert result.ok, reports.text()
        assert (result.steps[0].name, result.steps[0].state) == ("SSH config", StepState.NOTE)
        names = [step.name for step in result.steps if step.name.endswith("Login")]
        assert names == ["one: Login", "two: Login", "Login"]
        assert all("Accepted publickey" in each.log() for each in (one, two))
