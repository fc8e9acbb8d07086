"""Authentication: checks the host's key against known_hosts, and logs in with a key. Stores no passphrase."""

from __future__ import annotations

import base64
import copy
import hashlib
import io
import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    SSHCertificate,
    load_pem_private_key,
    load_ssh_private_key,
    load_ssh_public_identity,
)
from paramiko.pkey import PublicBlob
from paramiko.ssh_exception import PartialAuthentication

from ..errors import RemoteFailed
from .known_hosts import add_known_key, find_known_keys
from .ssh_config import SshRoute
from .steps import OpenStep, RemoteQuestions, Steps

__all__ = ["NamedKey", "authenticate", "check_host_key", "fingerprint", "is_windows", "order_host_keys"]

NamedKey = tuple[str, paramiko.PKey]
"""A key with its name for display."""

_LOGIN_S = 20.0
_PASSPHRASES = 3


def fingerprint(key: paramiko.PKey) -> str:
    """Return the SHA256 fingerprint in the form of `ssh-keygen -l`."""
    digest = hashlib.sha256(key.asbytes()).digest()
    return "SHA256:" + base64.b64encode(digest).decode("ascii").rstrip("=")


# --- The host's key ---


def order_host_keys(transport: paramiko.Transport, route: SshRoute) -> None:
    """Prefer key types that known_hosts has for the host: with another type it would seem unknown."""
    known = find_known_keys(route.known_hosts, route.host_key_name).kinds
    options = transport.get_security_options()

    def is_known(kind: str) -> bool:
        return (kind if not kind.startswith("rsa-sha2") else "ssh-rsa") in known

    options.key_types = tuple(sorted(options.key_types, key=lambda kind: not is_known(kind)))


def check_host_key(
    transport: paramiko.Transport,
    route: SshRoute,
    steps: Steps,
    questions: RemoteQuestions,
    step: OpenStep,
) -> None:
    """Check the host's key against known_hosts; ask the user about an unknown one, and add it if accepted.

    Raises:
        RemoteFailed: the key is revoked, has changed, or was not accepted.
        Cancelled: the user cancelled.
    """
    key = transport.get_remote_server_key()
    kind, shown = key.get_name(), fingerprint(key)
    known = find_known_keys(route.known_hosts, route.host_key_name)
    if (kind, key.asbytes()) in known.revoked:
        raise RemoteFailed(
            f"THE HOST KEY OF {route.host} IS REVOKED: {kind} {shown} is marked so in known_hosts. Whoever "
            f"has it may pretend to be that machine: ask its administrator"
        )
    if (kind, key.asbytes()) in known.accepted:
        step.done(f"known: {kind} {shown}")
        return
    if known.accepted:
        raise RemoteFailed(
            f"THE HOST KEY OF {route.host} HAS CHANGED: it now shows {kind} {shown}, which is not the one in "
            f"{known.place}. An attacker may be listening in. Ask its administrator; if the machine was "
            f"installed anew, remove the old key with: ssh-keygen -f {known.place} -R '{route.host_key_name}'"
        )
    if route.only_known_hosts:
        raise RemoteFailed(
            f"the host key of {route.host} is not known ({kind} {shown}), and ~/.ssh/config says "
            f"`StrictHostKeyChecking yes`: have it added to {route.known_hosts[0]}"
        )
    step.update(f"not known yet: {kind} {shown}")
    if not questions.accept_host_key(route.host_key_name, kind, shown):
        steps.raise_if_cancelled()
        raise RemoteFailed(
            f"the host key of {route.host} is not known, and was not accepted ({kind} {shown}): "
            f"compare it with `ssh-keygen -lf {_place_of(key, is_windows(transport))}` over there"
            + ("; certificates of host keys, which known_hosts asks for, are not read" * known.has_authority)
        )
    if route.new_hosts_to:
        add_known_key(route.new_hosts_to, route.host_key_name, (kind, key.asbytes()))
    step.done(f"accepted, and written to {route.new_hosts_to or 'no file'}: {kind} {shown}")


def is_windows(transport: paramiko.Transport) -> bool:
    """Whether the server is OpenSSH for Windows."""
    return "windows" in transport.remote_version.lower()


def _place_of(key: paramiko.PKey, windows: bool) -> str:
    name = key.get_name()
    short = "ed25519" if "ed25519" in name else "ecdsa" if "ecdsa" in name else "rsa"
    file = f"ssh_host_{short}_key.pub"
    return f"C:\\ProgramData\\ssh\\{file}" if windows else f"/etc/ssh/{file}"


# --- The user's keys ---


def authenticate(
    transport: paramiko.Transport,
    route: SshRoute,
    steps: Steps,
    questions: RemoteQuestions,
    step: OpenStep,
    before: NamedKey | None = None,
) -> NamedKey | None:
    """Log in with the first key that is accepted.

    Args:
        before: the result for an earlier connection of this process, tried first, without a prompt.

    Returns:
        The decrypted key, if it was read from a file; else None.

    Raises:
        RemoteFailed: no key is accepted.
        Cancelled: the user cancelled.
    """
    tried: list[str] = []
    for name, key in _keys(route, steps, questions, tried, before):
        step.update(f"{route.user}, with {name}")
        try:
            _try_key(transport, route.user, key, steps)
        except paramiko.SSHException as error:
            tried.append(name)
            _check_for_more(error, route, name)
            if not transport.is_active():
                count = f"{len(tried)} {'key' if len(tried) == 1 else 'keys'}"
                raise RemoteFailed(
                    f"{route.host} closed the connection after {count} of {route.user} ({', '.join(tried)}): "
                    f"choose the right private key"
                ) from error
            continue
        step.done(f"{route.user}, with {name}")
        # A key of an ssh-agent needs the connection to the agent, which is closed here.
        return None if isinstance(key, paramiko.AgentKey) else (name, key)
    offered = ", ".join(tried) if tried else "there is none in ~/.ssh, nor in an ssh-agent"
    raise RemoteFailed(
        f"{route.host} does not let {route.user} in ({offered}). Is the user right, and is the public key in "
        f"{_where_public_keys_are(route, is_windows(transport))}"
    )


def _check_for_more(error: paramiko.SSHException, route: SshRoute, name: str) -> None:
    """Raise RemoteFailed when no other key could succeed either."""
    if isinstance(error, PartialAuthentication):
        raise RemoteFailed(
            f"{route.host} accepts {name} and asks {route.user} for more ({', '.join(error.allowed_types)}), "
            f"which cannot be given when a tunnel reconnects: have its administrator accept a key alone"
        ) from error
    if isinstance(error, paramiko.BadAuthenticationType) and "publickey" not in error.allowed_types:
        others = f", only by {', '.join(error.allowed_types)}" if any(error.allowed_types) else ""
        raise RemoteFailed(
            f"{route.host} accepts no login by key{others}: have its administrator set "
            f"`PubkeyAuthentication yes` in sshd_config"
        ) from error


def _where_public_keys_are(route: SshRoute, windows: bool) -> str:
    if windows:
        return (
            ".ssh\\authorized_keys of the user's folder over there, or for an administrator in "
            "C:\\ProgramData\\ssh\\administrators_authorized_keys?"
        )
    port = "" if route.port == 22 else f"-p {route.port} "
    return f"~/.ssh/authorized_keys over there? `ssh-copy-id {port}{route.user}@{route.host}` puts it there"


def _try_key(transport: paramiko.Transport, user: str, key: paramiko.PKey, steps: Steps) -> None:
    done = threading.Event()
    transport.auth_publickey(user, key, done)
    waited = 0.0
    while not done.wait(0.05):
        steps.raise_if_cancelled()
        waited += 0.05
        if waited > _LOGIN_S:
            raise RemoteFailed(f"the SSH server did not answer the login of {user} within {_LOGIN_S:.0f} s")
    if not transport.is_authenticated():
        failure = transport.get_exception()
        raise failure if isinstance(failure, paramiko.SSHException) else paramiko.SSHException(str(failure))


def _keys(
    route: SshRoute, steps: Steps, questions: RemoteQuestions, failed: list[str], before: NamedKey | None
) -> Iterator[NamedKey]:
    """Yield the keys to try. Keys that cannot be used are added to `failed`, with the reason."""
    if before is not None:
        yield before
    agent = steps.wait(_agent_keys, 5.0, "the ssh-agent does not answer: restart it, or unset SSH_AUTH_SOCK")
    try:
        offered: set[bytes] = set()
        for path in route.key_files:
            public = _public_part(path)
            held = next((key for key in agent.get_keys() if key.asbytes() == public), None) if agent else None
            key: paramiko.PKey | None = held
            name = f"{path} (in the ssh-agent)" if held is not None else path
            if key is None and _is_public(path):
                failed.append(f"{path}: a public key, whose private key the ssh-agent does not hold")
            elif key is None:
                key = _load(path, steps, questions, failed)
            if key is not None:
                offered.add(key.asbytes())
                for certificate in _certificates(path, route):
                    certified = _certified(key, certificate, failed)
                    if certified is not None:
                        yield f"{name} and its certificate {certificate}", certified
                yield name, key
        if not route.only_these_keys and agent is not None:
            for held in agent.get_keys():
                if held.asbytes() not in offered:
                    yield f"the ssh-agent's {getattr(held, 'comment', '') or held.get_name()}", held
    finally:
        if agent is not None:
            agent.close()


def _agent_keys() -> paramiko.Agent | None:
    try:
        agent = paramiko.Agent()
    except (paramiko.SSHException, OSError):
        return None  # no ssh-agent runs
    for key in agent.get_keys():
        if "-cert-" in key.get_name():
            # WORKAROUND https://github.com/paramiko/paramiko/blob/main/paramiko/agent.py: it would offer the
            # public key of an RSA certificate under the certificate's type.
            key.public_blob = PublicBlob.from_message(paramiko.Message(key.blob))  # type: ignore[assignment]  # AgentKey's own stubs know only None
    return agent


def _is_public(path: str) -> bool:
    """Whether `path` is a public key: with `IdentityFile id.pub` the ssh-agent has the private one."""
    try:
        with Path(path).open("rb") as file:
            head = file.read(256)
    except OSError:
        return False
    return b"PRIVATE KEY" not in head and re.match(rb"(?:ssh|ecdsa|sk)-[\w@.-]+ AAAA", head) is not None


def _public_part(path: str) -> bytes | None:
    try:
        public = path if _is_public(path) else f"{path}.pub"
        words = Path(public).read_text(encoding="utf-8", errors="replace").split()
        return base64.b64decode(words[1])
    except (OSError, IndexError, ValueError):
        return None  # the private key contains it as well


def _certificates(path: str, route: SshRoute) -> list[str]:
    """Certificate files that may belong to the key of `path`: configured ones, and the one next to it."""
    return [each for each in (*route.certificates, f"{path}-cert.pub") if Path(each).is_file()]


def _certified(key: paramiko.PKey, certificate: str, failed: list[str]) -> paramiko.PKey | None:
    """Return a copy of the key with `certificate`; None, and an entry in `failed`, if that is not usable."""
    certified = copy.copy(key)
    try:
        certified.load_certificate(certificate)
        content = load_ssh_public_identity(Path(certificate).read_bytes())
    except (paramiko.SSHException, OSError, ValueError, UnsupportedAlgorithm) as error:
        failed.append(f"{certificate}: {error}")
        return None
    if isinstance(content, SSHCertificate) and content.valid_before <= time.time():
        ended = time.strftime("%Y-%m-%d %H:%M", time.localtime(content.valid_before))
        failed.append(f"{certificate} expired at {ended}: have it signed again")
        return None
    return certified


def _load(path: str, steps: Steps, questions: RemoteQuestions, failed: list[str]) -> paramiko.PKey | None:
    passphrase: str | None = None
    for attempt in range(_PASSPHRASES + 1):
        try:
            return _read(path, passphrase)
        except paramiko.PasswordRequiredException:
            steps.raise_if_cancelled()
            passphrase = questions.passphrase(path, attempt > 0) if attempt < _PASSPHRASES else None
            if passphrase is None:
                steps.raise_if_cancelled()
                failed.append(f"{path}: its passphrase was not given")
                return None
        except (paramiko.SSHException, OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error) or "it is not a private key"
            failed.append(f"{path}: {reason}")
            return None
    return None


def _read(path: str, passphrase: str | None) -> paramiko.PKey:
    """Read a key file. Raises PasswordRequiredException for a missing or wrong passphrase."""
    content = Path(path).read_bytes()
    if b"PRIVATE KEY" not in content:
        raise paramiko.SSHException("it is not a private key")
    # Not with paramiko, which tries one class after the other, and does not support PKCS #8.
    read = load_ssh_private_key if b"BEGIN OPENSSH" in content else load_pem_private_key
    try:
        loaded = read(content, passphrase.encode() if passphrase is not None else None)
    except TypeError as error:  # it needs a passphrase, and none was given
        raise paramiko.PasswordRequiredException("it needs a passphrase") from error
    except ValueError as error:
        if passphrase is not None:
            raise paramiko.PasswordRequiredException("wrong passphrase") from error
        raise paramiko.SSHException("it is not a private key that can be read") from error
    except UnsupportedAlgorithm as error:
        raise paramiko.SSHException(
            "its kind cannot be read here; a key of a security token is used through an ssh-agent"
        ) from error
    if isinstance(loaded, RSAPrivateKey):
        return paramiko.RSAKey(key=loaded)
    if isinstance(loaded, EllipticCurvePrivateKey):
        return paramiko.ECDSAKey(vals=(loaded, loaded.public_key()))
    if isinstance(loaded, Ed25519PrivateKey):
        # paramiko can create an Ed25519 key only from text of this form.
        text = loaded.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode("ascii")
        return paramiko.Ed25519Key.from_private_key(io.StringIO(text))
    raise paramiko.SSHException("its kind cannot be read here: use ed25519, ecdsa or rsa")
