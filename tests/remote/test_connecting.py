"""The preflight checks of another machine: each failure has a message with what to do about it."""

from __future__ import annotations

import logging
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import BufferingHandler
from pathlib import Path

import pytest

from kq.remote import HostStore, RemoteHost, RemoteLauncher, StepState
from kq.remote.ssh_config import route_to
from kq.settings import Settings
from tests.remote.machines import Answers, RemoteMachine, Reports, silent_port
from tests.support.live_queue import ROOT, until
from tests.support.ports import free_port


@pytest.fixture
def checker(tmp_path: Path, answers: Answers, own_home: Path) -> RemoteLauncher:
    """Checks without a queue: as far as SSH, Python and kq."""
    settings = Settings.from_environment({"KQ_DATA_ROOT": str(tmp_path / "root")})
    return RemoteLauncher(None, settings, answers, HostStore(own_home / "hosts.json"))


def broken(launcher: RemoteLauncher, host: RemoteHost) -> tuple[str, str]:
    """Name and message of the step that fails."""
    reports = Reports()
    result = launcher.check(host, reports)
    assert not result.ok, reports.text()
    last = result.steps[-1]
    assert last.state is StepState.FAILED and last.message == result.message
    assert all(step.state is not StepState.FAILED for step in result.steps[:-1])
    assert last.message in result.text(host.title)
    return last.name, last.message


def test_a_ready_machine(checker: RemoteLauncher, machine: RemoteMachine) -> None:
    """All checks that need no session pass, and the second time there is no prompt."""
    reports = Reports()
    assert checker.check(machine.target(), reports).ok, reports.text()
    names = [step.name for step in reports.steps if step.state is not StepState.RUNNING]
    assert names == ["Name", "Port", "Host key", "Login", "System", "Python", "Katana Queue",
                     "Render program", "Machine", "SFTP", "Clock", "Disk"]  # fmt: skip
    again = Reports()
    assert checker.check(machine.target(), again).ok
    assert any("known: ssh-ed25519" in step.message for step in again.steps)


def test_a_name_that_is_none(checker: RemoteLauncher) -> None:
    """It says which name."""
    name, message = broken(checker, RemoteHost(host="no-such-machine.invalid"))
    assert name == "Name" and "no-such-machine.invalid" in message


def test_a_wrong_port(checker: RemoteLauncher, machine: RemoteMachine) -> None:
    """Nobody listens there: it asks for the SSH server."""
    name, message = broken(checker, machine.target(port=free_port()))
    assert name == "Port" and "SSH" in message


def test_a_machine_that_swallows_packets_is_counted_out(tmp_path: Path, answers: Answers) -> None:
    """The seconds are shown; then it is given up."""
    settings = Settings.from_environment({"KQ_DATA_ROOT": str(tmp_path / "root")})
    impatient = RemoteLauncher(None, settings, answers, connect_s=3.0)
    with silent_port() as port:
        reports = Reports()
        result = impatient.check(RemoteHost(host="127.0.0.1", port=port), reports)
    assert "3 s" in result.message
    counted = [step.message for step in reports.steps if step.state is StepState.RUNNING and step.message]
    # On a busy machine a second may be passed over.
    assert counted and {re.findall(r"\d+ s", each)[0] for each in counted} <= {"1 s", "2 s"}


def test_cancelled_while_nothing_answers(checker: RemoteLauncher) -> None:
    """Nobody has to wait for a time-out."""
    with silent_port() as port:
        reports = Reports(cancel_at="Port")
        result = checker.check(RemoteHost(host="127.0.0.1", port=port), reports, reports.cancelled)
    assert result.cancelled


def test_something_else_listens(checker: RemoteLauncher) -> None:
    """A web server is no SSH server. The messages of the desktop show no traceback of paramiko's."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            client, _ = server.accept()
            with client:
                client.recv(100)
                client.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        desktops = BufferingHandler(1000)
        logging.getLogger().addHandler(desktops)
        try:
            name, _message = broken(checker, RemoteHost(host="127.0.0.1", port=server.getsockname()[1]))
        finally:
            logging.getLogger().removeHandler(desktops)
        thread.join()
    assert name == "Host key"
    assert not [each.getMessage() for each in desktops.buffer if each.levelno >= logging.WARNING]


# --- the host's key ------------------------------------------------------------------------


def test_an_unknown_host_key_that_is_refused(
    checker: RemoteLauncher, machine: RemoteMachine, answers: Answers, own_home: Path
) -> None:
    """The fingerprint is shown; no login is tried, and nothing is written."""
    answers.accept = False
    name, message = broken(checker, machine.target())
    assert name == "Host key" and machine.host_fingerprint in message
    assert machine.host_fingerprint in answers.asked[0]
    assert not (own_home / ".ssh" / "known_hosts").exists()


def test_an_accepted_host_key_is_one_that_ssh_knows(
    checker: RemoteLauncher, machine: RemoteMachine, own_home: Path
) -> None:
    """It is written as OpenSSH reads it, after what stood there."""
    known = own_home / ".ssh" / "known_hosts"
    known.write_text("# mine, without an end of line")
    assert checker.check(machine.target(), Reports()).ok
    assert known.read_text().startswith("# mine, without an end of line\n[127.0.0.1]:")
    found = subprocess.run(
        ["ssh-keygen", "-F", f"[127.0.0.1]:{machine.port}", "-f", str(known)], capture_output=True, text=True
    )
    assert "ssh-ed25519" in found.stdout


def test_a_changed_host_key_is_refused_loudly(
    checker: RemoteLauncher, tmp_path: Path, answers: Answers
) -> None:
    """There is no prompt: the message has what it means, and what to do when it is right."""
    with RemoteMachine(tmp_path / "machine") as machine:
        assert checker.check(machine.target(), Reports()).ok
        machine.drop_connections()
        machine.new_host_key()
        machine.start()
        asked = len(answers.asked)
        name, message = broken(checker, machine.target())
    assert name == "Host key" and "ssh-keygen -f" in message
    assert len(answers.asked) == asked


def test_hashed_names_in_known_hosts_are_found(
    checker: RemoteLauncher, machine: RemoteMachine, answers: Answers, own_home: Path
) -> None:
    """Debian hashes them by default."""
    assert checker.check(machine.target(), Reports()).ok
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", str(own_home / ".ssh" / "known_hosts")], check=True,
                   capture_output=True)  # fmt: skip
    answers.accept = False
    assert checker.check(machine.target(), Reports()).ok


# --- our key -------------------------------------------------------------------------------


def test_a_wrong_user(checker: RemoteLauncher, machine: RemoteMachine) -> None:
    """It says who was not let in, and how to be."""
    name, message = broken(checker, machine.target(user="nobody-of-ours"))
    assert name == "Login" and "nobody-of-ours" in message
    assert f"ssh-copy-id -p {machine.port} nobody-of-ours@127.0.0.1" in message


def test_a_wrong_key(checker: RemoteLauncher, machine: RemoteMachine, tmp_path: Path) -> None:
    """It names the key that was offered."""
    other = machine.make_key(tmp_path / "id_other")
    name, message = broken(checker, machine.target(private_key=str(other)))
    assert name == "Login" and str(other) in message


def test_no_key_at_all(checker: RemoteLauncher, machine: RemoteMachine) -> None:
    """It says where one would be."""
    name, message = broken(checker, machine.target(private_key=""))
    assert name == "Login" and "~/.ssh" in message


def test_a_file_that_is_no_key(checker: RemoteLauncher, machine: RemoteMachine, tmp_path: Path) -> None:
    """A public key, or a holiday picture."""
    name, message = broken(checker, machine.target(private_key=f"{machine.key}.pub"))
    assert name == "Login" and ".pub" in message
    name, message = broken(checker, machine.target(private_key=str(tmp_path / "missing")))
    assert name == "Login" and "No such file" in message


@pytest.fixture
def locked(machine: RemoteMachine, tmp_path: Path) -> Path:
    """A key with a passphrase, which is let in."""
    key = machine.make_key(tmp_path / "id_locked", "correct horse")
    machine.authorize(key)
    return key


def test_a_passphrase_is_asked_for_until_it_is_right(
    checker: RemoteLauncher, machine: RemoteMachine, answers: Answers, locked: Path, own_home: Path
) -> None:
    """Asked again after a mistake, and kept nowhere."""
    answers.passphrases = ["wrong", "correct horse"]
    reports = Reports()
    assert checker.check(machine.target(private_key=str(locked)), reports).ok, reports.text()
    asked = [each for each in answers.asked if each.startswith("passphrase")]
    assert asked == [f"passphrase of {locked}", f"passphrase of {locked}, again"]
    kept = [path for path in own_home.rglob("*") if path.is_file() and b"correct horse" in path.read_bytes()]
    assert not kept


def test_a_passphrase_that_is_not_given(
    checker: RemoteLauncher, machine: RemoteMachine, locked: Path
) -> None:
    """Giving up is an answer."""
    name, message = broken(checker, machine.target(private_key=str(locked)))
    assert name == "Login" and "passphrase" in message


def test_an_ssh_agent_makes_the_question_needless(
    checker: RemoteLauncher, machine: RemoteMachine, answers: Answers, locked: Path,
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """A key that is unlocked there is used, with a file named or without one."""
    where = tmp_path / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(where)], stdout=subprocess.DEVNULL)
    try:
        until(where.exists, "the ssh-agent")
        monkeypatch.setenv("SSH_AUTH_SOCK", str(where))
        askpass = tmp_path / "askpass"
        askpass.write_text("#!/bin/sh\necho correct horse\n")
        askpass.chmod(0o755)
        environment = {**os.environ, "SSH_ASKPASS": str(askpass), "SSH_ASKPASS_REQUIRE": "force"}
        subprocess.run(["ssh-add", str(locked)], env=environment, check=True, capture_output=True)
        for key in (str(locked), ""):
            reports = Reports()
            assert checker.check(machine.target(private_key=key), reports).ok, reports.text()
        assert not [each for each in answers.asked if each.startswith("passphrase")]
    finally:
        agent.terminate()
        agent.wait()


@contextmanager
def ssh_agent(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One of this test's own, which holds no key yet."""
    where = folder / "agent"
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(where)], stdout=subprocess.DEVNULL)
    try:
        until(where.exists, "the ssh-agent")
        monkeypatch.setenv("SSH_AUTH_SOCK", str(where))
        yield
    finally:
        agent.terminate()
        agent.wait()


def test_a_public_key_as_identity_file_chooses_one_of_the_ssh_agents(
    checker: RemoteLauncher, machine: RemoteMachine, own_home: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """As with ssh: the private key need not be on this machine. Without it the message says so."""
    public = own_home / ".ssh" / "id.pub"
    public.write_text(machine.key.with_suffix(".pub").read_text())
    (own_home / ".ssh" / "config").write_text(
        f"Host farm-7\n  HostName 127.0.0.1\n  Port {machine.port}\n  IdentityFile {public}\n"
        "  IdentitiesOnly yes\n"
    )
    with ssh_agent(tmp_path, monkeypatch):
        name, message = broken(checker, RemoteHost(host="farm-7"))
        assert name == "Login" and "id.pub" in message
        subprocess.run(["ssh-add", "-q", str(machine.key)], check=True)
        reports = Reports()
        assert checker.check(RemoteHost(host="farm-7"), reports).ok, reports.text()


def test_a_passphrase_is_asked_for_once(
    launcher: RemoteLauncher, machine: RemoteMachine, answers: Answers, locked: Path
) -> None:
    """Check, start and stop of one session prompt for it one time."""
    answers.passphrases = ["correct horse"]
    target = machine.target(private_key=str(locked), num_agents=1)
    for do in (launcher.check, launcher.start, launcher.stop):
        reports = Reports()
        assert do(target, reports).ok, reports.text()
    assert len([each for each in answers.asked if each.startswith("passphrase")]) == 1


def test_sftp_is_a_check_of_its_own(checker: RemoteLauncher, tmp_path: Path) -> None:
    """Some administrators switch it off: known before anything is launched."""
    with RemoteMachine(tmp_path / "machine", sftp=False) as machine:
        name, message = broken(checker, machine.target())
    assert name == "SFTP" and "sshd_config" in message


# --- ~/.ssh/config -------------------------------------------------------------------------


def test_the_ssh_config_is_honoured(checker: RemoteLauncher, machine: RemoteMachine, own_home: Path) -> None:
    """Name, port, user, key and another file of known hosts, by one word."""
    (own_home / ".ssh" / "config").write_text(
        f"Host farm-*\n  HostName 127.0.0.1\n  Port {machine.port}\n  User {os.environ.get('USER', 'root')}\n"
        f"  IdentityFile {machine.key}\n  UserKnownHostsFile {own_home}/elsewhere\n"
    )
    reports = Reports()
    assert checker.check(RemoteHost(host="farm-7"), reports).ok, reports.text()
    assert (own_home / "elsewhere").exists()


def test_a_machine_in_between(
    checker: RemoteLauncher, machine: RemoteMachine, own_home: Path, tmp_path: Path
) -> None:
    """ProxyJump: each machine shows its key, and is logged in to."""
    with RemoteMachine(tmp_path / "bastion") as bastion:
        (own_home / ".ssh" / "config").write_text(
            f"Host bastion\n  HostName 127.0.0.1\n  Port {bastion.port}\n  IdentityFile {bastion.key}\n"
            f"Host inner\n  HostName localhost\n  Port {machine.port}\n  IdentityFile {machine.key}\n"
            "  ProxyJump bastion\n"
        )
        reports = Reports()
        assert checker.check(RemoteHost(host="inner"), reports).ok, reports.text()
        names = [step.name for step in reports.steps]
        assert "bastion: Login" in names and "Login" in names
        bastion_log = bastion.log()
    assert "Accepted publickey" in bastion_log


def test_what_the_config_asks_for_and_is_not_done_is_said(own_home: Path) -> None:
    """A ProxyCommand is refused with what to write instead."""
    (own_home / ".ssh" / "config").write_text("Host odd\n  ProxyCommand nc %h %p\n")
    with pytest.raises(Exception, match="ProxyJump"):
        route_to(RemoteHost(host="odd"))


@pytest.mark.parametrize(
    ("text", "user", "host", "port"),
    [
        ("farm-b", "", "farm-b", 22),
        ("anna@farm-b:2200", "anna", "farm-b", 2200),
        ("[fe80::1%eth0]:2200", "", "fe80::1%eth0", 2200),
        ("2001:db8::7", "", "2001:db8::7", 22),
        ("farm:", "", "farm", 22),
    ],
)
def test_addresses_as_people_write_them(text: str, user: str, host: str, port: int) -> None:
    """With user and port, in any form that ssh takes."""
    parsed = RemoteHost.parse(text)
    assert (parsed.user, parsed.host, parsed.port) == (user, host, port)


@pytest.mark.parametrize("text", ["", "@farm", "farm:ssh", "farm:99999", "-oProxyCommand=x", "a b"])
def test_what_is_no_address_is_refused(text: str) -> None:
    """Before anything is tried."""
    from kq.errors import BadInput

    with pytest.raises(BadInput):
        RemoteHost.parse(text)


# --- what runs there -----------------------------------------------------------------------


@pytest.fixture
def odd_python(tmp_path: Path) -> Iterator[Path]:
    """A python of 3.8, which knows no -P."""
    path = tmp_path / "python3.8"
    path.write_text("#!/bin/sh\necho 3.8.20\n")
    path.chmod(0o755)
    yield path


def test_a_python_that_is_too_old(checker: RemoteLauncher, machine: RemoteMachine, odd_python: Path) -> None:
    """It says which one it is, and which is needed."""
    name, message = broken(checker, machine.target(python=str(odd_python)))
    assert name == "Python" and "3.8.20" in message and "3.11" in message


def test_no_python(checker: RemoteLauncher, machine: RemoteMachine) -> None:
    """It says where it was looked for."""
    name, message = broken(checker, machine.target(python="/nowhere/python3"))
    assert name == "Python" and "/nowhere/python3" in message


def test_katanas_own_python(checker: RemoteLauncher, machine: RemoteMachine, tmp_path: Path) -> None:
    """Katana's `bin` has python.sh alone; it is preferred to that of the PATH."""
    launcher = tmp_path / "Katana 9" / "bin" / "python.sh"
    launcher.parent.mkdir(parents=True)
    launcher.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    launcher.chmod(0o755)
    reports = Reports()
    checker.check(machine.target(katana_root=str(tmp_path / "Katana 9"), kq_root=str(ROOT)), reports)
    assert f"{launcher}, version 3." in reports.text()


def test_a_python_without_what_kq_needs(
    checker: RemoteLauncher, machine: RemoteMachine, tmp_path: Path
) -> None:
    """It names the package, and how to install it."""
    bare = tmp_path / "bare python"
    bare.write_text(
        "#!/bin/sh\ncase $1 in -c) echo 3.11.4 ;; "
        "*) echo \"ModuleNotFoundError: No module named 'zmq'\" >&2; exit 1 ;; esac\n"
    )
    bare.chmod(0o755)
    name, message = broken(checker, machine.target(python=str(bare)))
    assert name == "Katana Queue" and "pip install pyzmq" in message


def test_a_kq_of_another_protocol(checker: RemoteLauncher, machine: RemoteMachine, tmp_path: Path) -> None:
    """Both versions are named."""
    other = tmp_path / "kq of yesterday"
    (other / "kq" / "remote_host").mkdir(parents=True)
    (other / "kq" / "remote_host" / "__main__.py").write_text(
        'print(\'kq-remote: {"protocol": 99, "version": "0.0.9"}\')\n'
    )
    name, message = broken(checker, machine.target(kq_root=str(other)))
    assert name == "Katana Queue" and "version 99" in message


def test_fifty_agents_on_a_small_machine_are_warned_of(
    checker: RemoteLauncher, machine: RemoteMachine
) -> None:
    """It is said, and not refused."""
    result = checker.check(machine.target(num_agents=900), Reports())
    step = next(step for step in result.steps if step.name == "Machine")
    assert result.ok and step.state is StepState.NOTE and "900 Agents" in step.message


def test_a_profile_that_talks_and_takes_its_time(checker: RemoteLauncher, machine: RemoteMachine) -> None:
    """Bash reads ~/.bashrc for commands over SSH: what that prints is no answer of ours."""
    profile = machine.home / ".bashrc"
    profile.write_text("echo 'Welcome to farm-b'; echo 'kq-remote: {}'; sleep 0.2; echo oops >&2\n")
    try:
        reports = Reports()
        assert checker.check(machine.target(), reports).ok, reports.text()
    finally:
        profile.unlink()


def test_a_login_that_runs_nothing(checker: RemoteLauncher, tmp_path: Path) -> None:
    """An account for SFTP only, or one whose shell is gone."""
    with RemoteMachine(tmp_path / "machine", settings="ForceCommand echo only files here") as machine:
        name, message = broken(checker, machine.target())
    assert name == "System" and "only files here" in message
