"""Whose key is whose: the host's against known_hosts, and ours against the host. No passphrase is kept."""

from __future__ import annotations

import base64
import hashlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import paramiko

from kq.errors import RemoteFailed
from kq.remote.ssh_config import SshRoute
from kq.remote.steps import OpenStep, RemoteQuestions, Steps

__all__ = ["authenticate", "check_host_key", "fingerprint", "order_host_keys"]

_LOGIN_S = 20.0
_PASSPHRASES = 3
_CLASSES = (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey)


def fingerprint(key: paramiko.PKey) -> str:
    """As `ssh-keygen -l` shows it."""
    digest = hashlib.sha256(key.asbytes()).digest()
    return "SHA256:" + base64.b64encode(digest).decode("ascii").rstrip("=")


# --- the host's key ----------------------------------------------------------------------


def _known(route: SshRoute) -> dict[str, paramiko.PKey]:
    """The host's keys that somebody accepted, by kind; the user's own file wins."""
    found: dict[str, paramiko.PKey] = {}
    for path in route.known_hosts:
        if not Path(path).is_file():
            continue
        hosts = paramiko.HostKeys()
        try:
            hosts.load(path)
        except (OSError, paramiko.SSHException) as error:
            raise RemoteFailed(f"{path} cannot be read: {error}") from error
        entries = hosts.lookup(route.host_key_name)
        for kind in entries or ():
            key = entries[kind] if entries is not None else None
            if key is not None:
                found.setdefault(kind, key)
    return found


def order_host_keys(transport: paramiko.Transport, route: SshRoute) -> None:
    """Ask for the kinds of key that are known first: another kind would look like an unknown host."""
    known = _known(route)
    options = transport.get_security_options()

    def is_known(kind: str) -> bool:
        return (kind if not kind.startswith("rsa-sha2") else "ssh-rsa") in known

    options.key_types = tuple(sorted(options.key_types, key=lambda kind: not is_known(kind)))


def check_host_key(
    transport: paramiko.Transport, route: SshRoute, questions: RemoteQuestions, step: OpenStep
) -> None:
    """See that the host is the one that was known, or have somebody accept it.

    Raises:
        RemoteFailed: it is another one, or was not accepted.
    """
    key = transport.get_remote_server_key()
    shown = fingerprint(key)
    known = _known(route)
    if known.get(key.get_name()) == key:
        step.done(f"known: {key.get_name()} {shown}")
        return
    if known:
        place = route.known_hosts[0]
        raise RemoteFailed(
            f"THE HOST KEY OF {route.host} HAS CHANGED: it now shows {key.get_name()} {shown}, which is not "
            f"the one in {place}. Somebody may be listening in. Ask its administrator; if the machine was "
            f"installed anew, remove the old key with: ssh-keygen -f {place} -R '{route.host_key_name}'"
        )
    step.tell(f"not known yet: {key.get_name()} {shown}")
    if not questions.accept_host_key(route.host_key_name, key.get_name(), shown):
        raise RemoteFailed(
            f"the host key of {route.host} is not known, and was not accepted ({key.get_name()} {shown}): "
            f"compare it with `ssh-keygen -lf /etc/ssh/ssh_host_{_short(key)}_key.pub` over there"
        )
    _write(Path(route.known_hosts[0]), route.host_key_name, key)
    step.done(f"accepted, and written to {route.known_hosts[0]}: {key.get_name()} {shown}")


def _short(key: paramiko.PKey) -> str:
    name = key.get_name()
    return "ed25519" if "ed25519" in name else "ecdsa" if "ecdsa" in name else "rsa"


def _write(path: Path, name: str, key: paramiko.PKey) -> None:
    line = f"{name} {key.get_name()} {key.get_base64()}\n"
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(fd, "r+b") as file:
            size = file.seek(0, os.SEEK_END)
            if size:
                file.seek(size - 1)
                if file.read(1) != b"\n":
                    line = "\n" + line
            file.write(line.encode())
    except OSError as error:
        raise RemoteFailed(f"{path} cannot be written: {error.strerror}") from error


# --- our keys ----------------------------------------------------------------------------


def authenticate(
    transport: paramiko.Transport,
    route: SshRoute,
    steps: Steps,
    questions: RemoteQuestions,
    step: OpenStep,
) -> None:
    """Log in with the first key that is accepted.

    Raises:
        RemoteFailed: none is. Cancelled.
    """
    tried: list[str] = []
    for name, key in _keys(route, steps, questions, tried):
        step.tell(f"{route.user}, with {name}")
        try:
            _try_key(transport, route.user, key, steps)
        except paramiko.SSHException as error:
            tried.append(name)
            if not transport.is_active():
                raise RemoteFailed(
                    f"{route.host} hung up after {len(tried)} keys of {route.user} ({', '.join(tried)}): "
                    f"choose the right private key"
                ) from error
            continue
        step.done(f"{route.user}, with {name}")
        return
    offered = ", ".join(tried) if tried else "there is none in ~/.ssh, nor in an ssh-agent"
    port = "" if route.port == 22 else f"-p {route.port} "
    raise RemoteFailed(
        f"{route.host} does not let {route.user} in ({offered}). Is the user right, and is the public key in "
        f"~/.ssh/authorized_keys over there? "
        f"`ssh-copy-id {port}{route.user}@{route.host}` puts it there"
    )


def _try_key(transport: paramiko.Transport, user: str, key: paramiko.PKey, steps: Steps) -> None:
    done = threading.Event()
    transport.auth_publickey(user, key, done)
    waited = 0.0
    while not done.wait(0.05):
        steps.check()
        waited += 0.05
        if waited > _LOGIN_S:
            raise RemoteFailed(f"the SSH server did not answer the login of {user} within {_LOGIN_S:.0f} s")
    if not transport.is_authenticated():
        failure = transport.get_exception()
        raise failure if isinstance(failure, paramiko.SSHException) else paramiko.SSHException(str(failure))


def _keys(
    route: SshRoute, steps: Steps, questions: RemoteQuestions, failed: list[str]
) -> Iterator[tuple[str, paramiko.PKey]]:
    """Keys to try, each with a name for people. What cannot be used is added to `failed`, with the reason."""
    agent = steps.wait(_agent_keys, 5.0, "the ssh-agent does not answer: restart it, or unset SSH_AUTH_SOCK")
    try:
        offered: set[bytes] = set()
        for path in route.key_files:
            public = _public_part(path)
            held = next((key for key in agent.get_keys() if key.asbytes() == public), None) if agent else None
            key: paramiko.PKey | None = held
            name = f"{path} (in the ssh-agent)" if held is not None else path
            if key is None:
                key = _load(path, steps, questions, failed)
            if key is not None:
                offered.add(key.asbytes())
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
        return paramiko.Agent()
    except (paramiko.SSHException, OSError):
        return None  # none runs: the keys in files are what there is


def _public_part(path: str) -> bytes | None:
    try:
        words = Path(f"{path}.pub").read_text(encoding="utf-8", errors="replace").split()
        return base64.b64decode(words[1])
    except (OSError, IndexError, ValueError):
        return None  # the private key tells as well, once it is open


def _load(path: str, steps: Steps, questions: RemoteQuestions, failed: list[str]) -> paramiko.PKey | None:
    passphrase: str | None = None
    for attempt in range(_PASSPHRASES + 1):
        try:
            return _read(path, passphrase)
        except paramiko.PasswordRequiredException:
            steps.check()
            passphrase = questions.passphrase(path, attempt > 0) if attempt < _PASSPHRASES else None
            if passphrase is None:
                failed.append(f"{path}: its passphrase was not given")
                return None
        except (paramiko.SSHException, OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error) or "it is no private key"
            failed.append(f"{path}: {reason}")
            return None
    return None


def _read(path: str, passphrase: str | None) -> paramiko.PKey:
    """The key in the file. Raises PasswordRequiredException also when the passphrase is wrong."""
    content = Path(path).read_text(encoding="utf-8", errors="replace")
    if "PRIVATE KEY" not in content:
        raise paramiko.SSHException("it is no private key")
    failure: Exception = paramiko.SSHException("its kind of key is not known here")
    for kind in _CLASSES:
        try:
            return kind.from_private_key_file(path, passphrase or None)
        except paramiko.PasswordRequiredException:
            raise
        except (paramiko.SSHException, ValueError, TypeError, IndexError) as error:
            if passphrase is not None and _is_wrong_passphrase(error):
                failure = paramiko.PasswordRequiredException("wrong passphrase")
            elif not isinstance(failure, paramiko.PasswordRequiredException):
                failure = paramiko.SSHException(f"{error}")
    raise failure


def _is_wrong_passphrase(error: Exception) -> bool:
    text = str(error).lower()
    return any(word in text for word in ("decrypt", "password", "checkint", "corrupt", "padding", "check"))
