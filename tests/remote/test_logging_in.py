"""Keys of every kind, certificates, servers with rules of their own, and shells that are not bash."""

from __future__ import annotations

import getpass
import logging
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from kq.remote import RemoteLauncher
from kq.settings import Settings
from tests.remote.machines import Answers, RemoteMachine, Reports
from tests.remote.test_connecting import broken
from tests.support.live_queue import until


@pytest.fixture
def checker(tmp_path: Path, answers: Answers) -> RemoteLauncher:
    """A launcher without a queue."""
    settings = Settings.from_environment({"KQ_DATA_ROOT": str(tmp_path / "root")})
    return RemoteLauncher(None, settings, answers, connect_s=5.0)


def make(path: Path, *options: str, passphrase: str = "") -> Path:
    subprocess.run(["ssh-keygen", "-q", *options, "-N", passphrase, "-f", str(path)], check=True)
    return path


KINDS = [
    ("-t", "ed25519"),
    ("-t", "ecdsa", "-b", "256"),
    ("-t", "ecdsa", "-b", "521"),
    ("-t", "rsa", "-b", "2048"),
    ("-t", "ecdsa", "-m", "PEM"),
    ("-t", "ecdsa", "-m", "PKCS8"),
    ("-t", "rsa", "-b", "2048", "-m", "PEM"),
    ("-t", "rsa", "-b", "2048", "-m", "PKCS8"),
]


@pytest.mark.parametrize("options", KINDS, ids=[" ".join(each[1:]) for each in KINDS])
@pytest.mark.parametrize("passphrase", ["", "schöne Worte"])
def test_keys_of_every_kind_are_read(
    checker: RemoteLauncher, machine: RemoteMachine, answers: Answers, tmp_path: Path,
    options: tuple[str, ...], passphrase: str,
) -> None:  # fmt: skip
    """In every form that ssh-keygen writes; a wrong passphrase is asked for once more."""
    key = make(tmp_path / "key", *options, passphrase=passphrase)
    machine.authorize(key)
    answers.passphrases = ["wrong", passphrase] if passphrase else []
    reports = Reports()
    assert checker.check(machine.target(private_key=str(key)), reports).ok, reports.text()
    asked = [each for each in answers.asked if each.startswith("passphrase")]
    assert asked == ([f"passphrase of {key}", f"passphrase of {key}, again"] if passphrase else [])


@pytest.mark.parametrize("passphrase", ["", "schöne Worte"])
def test_a_key_of_openssl_is_read(
    checker: RemoteLauncher, machine: RemoteMachine, answers: Answers, tmp_path: Path, passphrase: str
) -> None:
    """Ed25519 as PKCS #8, which ssh-keygen writes too since it is version 9.6."""
    made = Ed25519PrivateKey.generate()
    locked = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    key = tmp_path / "key"
    key.write_bytes(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked))
    public = made.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    Path(f"{key}.pub").write_bytes(public + b"\n")
    machine.authorize(key)
    answers.passphrases = [passphrase]
    reports = Reports()
    assert checker.check(machine.target(private_key=str(key)), reports).ok, reports.text()


class Authority:
    """Signs keys; a machine that trusts it lets their owners in."""

    def __init__(self, folder: Path) -> None:
        self.key = make(folder / "authority", "-t", "ed25519")

    def sign(self, key: Path, valid: str = "-1h:+1h") -> Path:
        subprocess.run(
            [
                "ssh-keygen",
                "-q",
                "-s",
                str(self.key),
                "-I",
                "me",
                "-n",
                getpass.getuser(),
                "-V",
                valid,
                f"{key}.pub",
            ],
            check=True,
        )
        return Path(f"{key}-cert.pub")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def trusting(authority: Authority, tmp_path: Path) -> Iterator[RemoteMachine]:
    """Lets in whom the authority signed, and knows no key by itself."""
    with RemoteMachine(tmp_path / "trusting", settings=f"TrustedUserCAKeys {authority.key}.pub") as machine:
        yield machine


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_certificate_beside_the_key_is_shown(
    checker: RemoteLauncher, trusting: RemoteMachine, authority: Authority, tmp_path: Path, kind: str
) -> None:
    """As ssh does without a word about it."""
    key = make(tmp_path / "key", "-t", kind)
    assert not checker.check(trusting.target(private_key=str(key)), Reports()).ok
    authority.sign(key)
    reports = Reports()
    assert checker.check(trusting.target(private_key=str(key)), reports).ok, reports.text()


def test_a_certificate_that_the_config_names(
    checker: RemoteLauncher, trusting: RemoteMachine, authority: Authority, tmp_path: Path, own_home: Path
) -> None:
    """Elsewhere than beside the key."""
    key = make(tmp_path / "key", "-t", "ed25519")
    moved = authority.sign(key).rename(tmp_path / "elsewhere.pub")
    (own_home / ".ssh" / "config").write_text(f"CertificateFile {moved}\n")
    reports = Reports()
    assert checker.check(trusting.target(private_key=str(key)), reports).ok, reports.text()


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_certificate_in_the_ssh_agent_is_shown(
    checker: RemoteLauncher, trusting: RemoteMachine, authority: Authority, tmp_path: Path, kind: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Where the files are gone."""
    key, where = make(tmp_path / "key", "-t", kind), tmp_path / "agent"
    authority.sign(key)
    agent = subprocess.Popen(["ssh-agent", "-D", "-a", str(where)], stdout=subprocess.DEVNULL)
    try:
        until(where.exists, "the ssh-agent")
        monkeypatch.setenv("SSH_AUTH_SOCK", str(where))
        subprocess.run(["ssh-add", "-q", str(key)], env=dict(os.environ), check=True, capture_output=True)
        for file in tmp_path.glob("key*"):
            file.unlink()
        reports = Reports()
        assert checker.check(trusting.target(private_key=""), reports).ok, reports.text()
    finally:
        agent.terminate()
        agent.wait()


def test_a_certificate_that_is_over_is_named(
    checker: RemoteLauncher, trusting: RemoteMachine, authority: Authority, tmp_path: Path
) -> None:
    """Such as yesterday's: it says what to do about that."""
    key = make(tmp_path / "key", "-t", "ed25519")
    authority.sign(key, "-2d:-1d")
    name, message = broken(checker, trusting.target(private_key=str(key)))
    assert name == "Login" and "key-cert.pub expired" in message


# --- servers with rules of their own -------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "step", "words"),
    [
        ("PubkeyAuthentication no", "Login", "PubkeyAuthentication yes"),
        ("AuthenticationMethods publickey,publickey", "Login", "asks"),
        ("MaxSessions 0", "System", "MaxSessions"),
        ("KexAlgorithms sntrup761x25519-sha512@openssh.com", "Host key", "KexAlgorithms"),
        ("Ciphers chacha20-poly1305@openssh.com", "Host key", "Ciphers"),
        ("ForceCommand /usr/sbin/nologin", "System", "not available"),
    ],
)
def test_a_server_that_does_not_do_says_why(
    checker: RemoteLauncher, tmp_path: Path, settings: str, step: str, words: str
) -> None:
    """With the line that its administrator can change."""
    with RemoteMachine(tmp_path / "machine", settings=settings) as machine:
        name, message = broken(checker, machine.target())
    assert name == step and words in message


def test_one_session_at_a_time_is_enough(
    checker: RemoteLauncher, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The next one is asked for again while the last one is not over there; nothing is printed about it."""
    logging.getLogger("paramiko")  # as it is in a program that sets up no logging
    with RemoteMachine(tmp_path / "machine", settings="MaxSessions 1") as machine:
        reports = Reports()
        assert checker.check(machine.target(), reports).ok, reports.text()
    assert "Secsh" not in capfd.readouterr().err


def test_a_windows_server_is_told_of_in_its_own_paths(checker: RemoteLauncher, tmp_path: Path) -> None:
    """By its greeting: where administrators' keys are, and where its own."""
    with RemoteMachine(tmp_path / "machine", settings="VersionAddendum OpenSSH_for_Windows_9.5") as machine:
        name, message = broken(checker, machine.target(user="nobody-of-ours"))
        assert (
            name == "Login" and "administrators_authorized_keys" in message and "ssh-copy-id" not in message
        )
        name, message = broken(checker, machine.target())
        assert name == "System" and "PowerShell" in message


# --- shells --------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["dash", "tcsh", "fish", "zsh"])
def test_whatever_the_login_shell_is(
    checker: RemoteLauncher, tmp_path: Path, own_home: Path, shell: str
) -> None:
    """It only has /bin/sh run what is asked for, with names that it would take for more."""
    path = shutil.which(shell)
    if path is None:
        pytest.skip(f"{shell} is not installed")
    login = tmp_path / "login"
    # sshd's own sftp cannot be run by a shell; the program that comes with it can.
    login.write_text(
        "#!/bin/sh\n"
        'case "$SSH_ORIGINAL_COMMAND" in internal-sftp*) exec /usr/lib/openssh/sftp-server ;; esac\n'
        f'exec {path} -c "$SSH_ORIGINAL_COMMAND"\n'
    )
    login.chmod(0o755)
    odd = tmp_path / "it's! a 'root' of \\\\' and \\"
    odd.symlink_to(Path(__file__).resolve().parents[2])
    with RemoteMachine(tmp_path / "machine", settings=f"ForceCommand {login}") as machine:
        reports = Reports()
        result = checker.check(machine.target(kq_root=str(odd)), reports)
    assert result.ok, reports.text()
    found = next(step.message for step in result.steps if step.name == "Katana Queue")
    assert found.startswith(str(odd))
