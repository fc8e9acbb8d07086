"""Logs in by SSH, as steps that are reported. Can be cancelled at any time."""

from __future__ import annotations

import logging
import selectors
import socket
import time

import paramiko
from paramiko.ssh_exception import IncompatiblePeer

from ..errors import RemoteFailed
from .ssh import Connection, close_quietly, error_text
from .ssh_config import SshRoute
from .ssh_keys import NamedKey, authenticate, check_host_key, order_host_keys
from .steps import OpenStep, RemoteQuestions, Steps

__all__ = ["connect"]

_THROUGH_S = 15.0
_SILENCE_S = 30.0
_HANDSHAKE_S = 20.0
_PARAMIKOS_LOG = logging.getLogger("kq.paramiko")
# What paramiko logs, it raises as well. Its tracebacks would be errors in the messages of Katana.
_PARAMIKOS_LOG.propagate = False
_PARAMIKOS_LOG.addHandler(logging.NullHandler())


def connect(
    route: SshRoute,
    steps: Steps,
    questions: RemoteQuestions,
    *,
    prefix: str = "",
    connect_s: float,
    before: Connection | None = None,
) -> Connection:
    """Log in, first on the jump host if the route has one. Blocks.

    Args:
        prefix: before the names of the steps, for a jump host.
        connect_s: seconds that name lookup and TCP connection may each take.
        before: an earlier connection by the same route, whose key is tried first.

    Raises:
        RemoteFailed: a step failed; the message includes what to do.
        Cancelled: the user cancelled.
    """
    between, address = None, ""
    if route.notes and not prefix:
        with steps.step("SSH config") as step:
            step.note("; ".join(route.notes))
    if route.jump is not None:
        between = connect(
            route.jump,
            steps,
            questions,
            prefix=f"{route.jump.name}: ",
            connect_s=connect_s,
            before=before.between if before is not None else None,
        )
    sock: socket.socket | paramiko.Channel
    try:
        if between is not None:
            sock = _through(between, route, steps, prefix)
        else:
            sock, address = _reach(route, steps, prefix, connect_s)
        key = before.key if before is not None else None
        return _log_in(sock, address, route, steps, questions, prefix, between, key)
    except BaseException:
        if between is not None:
            between.close()
        raise


def _reach(route: SshRoute, steps: Steps, prefix: str, connect_s: float) -> tuple[socket.socket, str]:
    with steps.step(f"{prefix}Name") as step:
        try:
            found = steps.wait(
                lambda: socket.getaddrinfo(route.host, route.port, type=socket.SOCK_STREAM),
                connect_s,
                f"the name {route.host} could not be looked up within {connect_s:.0f} s: use its address",
                step,
            )
        except (socket.gaierror, UnicodeError) as error:
            raise RemoteFailed(
                f"{route.host} is not a known name: correct it, or use the machine's address"
            ) from error
        addresses = list(dict.fromkeys(str(each[4][0]) for each in found))
        step.done(f"{route.host} is {', '.join(addresses)}")
    with steps.step(f"{prefix}Port") as step:
        failures = []
        for family, kind, protocol, _, target in found:
            try:
                sock = _open(family, kind, protocol, target, steps, step, connect_s)
            except OSError as error:
                failures.append(f"{target[0]} port {route.port}: {_why_unreachable(error, connect_s)}")
                continue
            step.done(f"{target[0]} port {route.port} is open")
            return sock, str(target[0])
        raise RemoteFailed(failures[0])
    raise AssertionError("a step that fails raises")


def _open(
    family: int, kind: int, protocol: int, target: object, steps: Steps, step: OpenStep, timeout_s: float
) -> socket.socket:
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        number = sock.connect_ex(target)  # type: ignore[arg-type]  # as getaddrinfo gave it
        if number in (115, 36, 10035):  # EINPROGRESS on Linux, macOS and Windows
            _await_answer(sock, steps, step, timeout_s)
            number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number:
            raise OSError(number, "")
        sock.setblocking(True)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            # To detect a dead connection after 30 s; the default is a quarter of an hour.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(_SILENCE_S * 1000))
    except BaseException:
        sock.close()
        raise
    return sock


def _await_answer(sock: socket.socket, steps: Steps, step: OpenStep, timeout_s: float) -> None:
    began, shown = time.monotonic(), 0
    with selectors.DefaultSelector() as poll:
        poll.register(sock, selectors.EVENT_WRITE)
        while not poll.select(0.05):
            steps.raise_if_cancelled()
            waited = time.monotonic() - began
            if waited > timeout_s:
                raise TimeoutError
            if int(waited) > shown:
                shown = int(waited)
                step.update(f"no answer for {shown} s (time limit {timeout_s:.0f} s)")


def _why_unreachable(error: OSError, waited_s: float) -> str:
    if isinstance(error, TimeoutError):
        return (
            f"no answer for {waited_s:.0f} s. Is the machine on, is this its address, and does no firewall "
            f"drop the packets?"
        )
    if error.errno in (111, 61, 10061):
        return "the connection was refused. Is an SSH server installed and running there, on this port?"
    if error.errno in (113, 101, 65, 51, 10065, 10051):
        return "no route to this address. Is the machine on, and in the same network?"
    return error_text(error)


def _through(between: Connection, route: SshRoute, steps: Steps, prefix: str) -> paramiko.Channel:
    with steps.step(f"{prefix}Port") as step:
        try:
            channel = steps.wait(
                lambda: between.transport.open_channel(
                    "direct-tcpip", (route.host, route.port), ("127.0.0.1", 0), timeout=_THROUGH_S
                ),
                _THROUGH_S,
                f"{between.route.name} did not reach {route.host} port {route.port}",
                step,
            )
        except (paramiko.SSHException, EOFError) as error:
            raise RemoteFailed(
                f"{between.route.name} does not reach {route.host} port {route.port}: {error_text(error)}"
            ) from error
        step.done(f"{route.host} port {route.port} is open, through {between.route.name}")
        return channel
    raise AssertionError("a step that fails raises")


def _log_in(
    sock: socket.socket | paramiko.Channel,
    address: str,
    route: SshRoute,
    steps: Steps,
    questions: RemoteQuestions,
    prefix: str,
    between: Connection | None,
    key: NamedKey | None,
) -> Connection:
    transport = None
    try:
        with steps.step(f"{prefix}Host key") as step:
            transport = paramiko.Transport(sock)
            transport.set_log_channel(_PARAMIKOS_LOG.name)
            transport.daemon = True
            transport.banner_timeout = _HANDSHAKE_S
            order_host_keys(transport, route)
            _shake_hands(transport, route, steps, step)
            check_host_key(transport, route, steps, questions, step)
        with steps.step(f"{prefix}Login") as step:
            key = authenticate(transport, route, steps, questions, step, key)
            transport.set_keepalive(15)
        return Connection(transport, route, address, between, key)
    except BaseException:
        if transport is not None:
            # WORKAROUND https://github.com/paramiko/paramiko/blob/main/paramiko/packet.py: a handshake that
            # failed leaves a timer for 15 s, which delays the end of the program.
            transport.packetizer.complete_handshake()
            close_quietly(transport)
        close_quietly(sock)
        raise


def _shake_hands(transport: paramiko.Transport, route: SshRoute, steps: Steps, step: OpenStep) -> None:
    try:
        steps.wait(
            lambda: transport.start_client(timeout=_HANDSHAKE_S),
            _HANDSHAKE_S,
            f"port {route.port} of {route.host} is open, but no SSH server answers: is the port correct?",
            step,
            lambda: close_quietly(transport),
        )
    except IncompatiblePeer as error:
        raise RemoteFailed(_nothing_in_common(transport, route, error_text(error))) from error
    except (paramiko.SSHException, EOFError, OSError) as error:
        text = error_text(error)
        if "banner" in text.lower() or isinstance(error, EOFError):
            text = "no SSH server answers there, or it closed the connection: is the port correct?"
        raise RemoteFailed(f"no SSH with {route.host} port {route.port}: {text}") from error


def _nothing_in_common(transport: paramiko.Transport, route: SshRoute, text: str) -> str:
    here = transport.get_security_options()
    known = {"kex": ("KexAlgorithms", here.kex), "host key": ("HostKeyAlgorithms", here.key_types),
             "cipher": ("Ciphers", here.ciphers), "mac": ("MACs", here.digests)}  # fmt: skip
    option, names = next((value for word, value in known.items() if word in text), ("", ()))
    if not option:
        return f"no SSH with {route.host} port {route.port}: {text}"
    return (
        f"{route.host} and this machine have no SSH algorithm in common: its administrator may add one of "
        f"{', '.join(names)} to {option} in sshd_config"
    )
