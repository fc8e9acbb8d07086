"""An SSH connection that can be cancelled at any moment, and says in one sentence why there is none."""

from __future__ import annotations

import logging
import selectors
import socket
import threading
import time
from collections.abc import Callable

import msgspec
import paramiko
from paramiko.ssh_exception import IncompatiblePeer

from kq.errors import RemoteFailed
from kq.remote.ssh_config import SshRoute
from kq.remote.ssh_keys import NamedKey, authenticate, check_host_key, is_windows, order_host_keys
from kq.remote.steps import Cancelled, OpenStep, RemoteQuestions, Steps

__all__ = ["Connection", "Output", "connect", "hang_up"]

_THROUGH_S = 15.0
_SILENCE_S = 30.0
HANDSHAKE_S = 20.0
COMMAND_S = 30.0
_MOST_OUTPUT = 1 << 20
_WHOLE_FILE_S = 3.0
_CLOSED_THERE_S = 3.0
# What goes wrong is told by whoever asked; without a handler Python would print it, too.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


class Output(msgspec.Struct, frozen=True):
    """What a command on the other machine did."""

    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The last line that it wrote about what is wrong."""
        lines = (self.err.strip() or self.out.strip()).splitlines()
        return " ".join(lines[-1].split())[:400] if lines else f"exit code {self.code}, and no word why"


class Connection:
    """A machine to which we are logged in. Methods wait, on a thread that may."""

    def __init__(
        self,
        transport: paramiko.Transport,
        route: SshRoute,
        address: str,
        between: Connection | None,
        key: NamedKey | None,
    ) -> None:
        """
        Args:
            address: of the other machine, in numbers; empty when another machine looks it up.
            key: what let us in, where it was read from a file. It is kept in memory for `connect_again`: a
                passphrase is not asked for in the midst of a night.
        """
        self.transport = transport
        self.route = route
        self.address = address
        self._between = between
        self._key = key

    @property
    def is_windows(self) -> bool:
        """Whether its SSH server is OpenSSH for Windows."""
        return is_windows(self.transport)

    def close(self) -> None:
        """Hang up. What runs over there goes on."""
        hang_up(self.transport)
        if self._between is not None:
            self._between.close()

    def connect_again(self, steps: Steps, questions: RemoteQuestions, *, connect_s: float) -> Connection:
        """Another connection by the same way. Raises as `connect` does."""
        return connect(self.route, steps, questions, connect_s=connect_s, before=self)

    def run(
        self,
        command: str,
        steps: Steps,
        *,
        stdin: bytes = b"",
        timeout_s: float = COMMAND_S,
        step: OpenStep | None = None,
        unbroken_s: float = 0.0,
    ) -> Output:
        """Run a command line there, and wait for its end.

        Args:
            unbroken_s: how long its end is waited for even when it was cancelled or is late, in seconds. What
                is hung up on goes on over there: nobody could undo what it has yet to do.

        Raises:
            RemoteFailed: it did not end in time, or the connection was lost. Cancelled.
        """
        channels: list[paramiko.Channel] = []
        ended, unwanted = threading.Event(), threading.Event()

        def call() -> Output:
            channel = self._open_session(timeout_s)
            channels.append(channel)
            try:
                if unwanted.is_set():
                    raise Cancelled("cancelled")
                return _run(channel, command, stdin)
            finally:
                hang_up(channel)
                ended.set()

        def abort() -> None:
            if unbroken_s and step is not None:
                step.tell("waiting until it has ended there, to undo it")
            unwanted.set()  # where it has not begun, it does not any more
            ended.wait(unbroken_s)
            for channel in channels:
                hang_up(channel)

        late = (
            f"a command on {self.route.name} did not end within {timeout_s:.0f} s: "
            f"look at the shell profile of {self.route.user} there"
        )
        try:
            return steps.wait(call, timeout_s, late, step, abort)
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise RemoteFailed(
                f"the SSH connection to {self.route.name} was lost: {_words(error)}"
            ) from error

    def _open_session(self, timeout_s: float) -> paramiko.Channel:
        until = time.monotonic() + _CLOSED_THERE_S
        while True:
            try:
                return self.transport.open_session(timeout=timeout_s)
            except paramiko.ChannelException as error:
                # Where one is allowed at a time, the last one may not be over yet on that side.
                if time.monotonic() > until:
                    raise RemoteFailed(
                        f"{self.route.name} opens no session for {self.route.user} ({error.text}): its "
                        f"administrator may allow some with `MaxSessions` in sshd_config"
                    ) from error
                time.sleep(0.1)

    def with_files(
        self, steps: Steps, call: Callable[[paramiko.SFTPClient], None], step: OpenStep | None = None
    ) -> None:
        """Do something with the files there, by SFTP. It is not broken off in the midst, if it takes no time.

        Raises:
            RemoteFailed: says which file, and why. Cancelled.
        """

        ended, unwanted = threading.Event(), threading.Event()

        def run() -> None:
            try:
                client = self.transport.open_sftp_client()
                if client is None:
                    raise RemoteFailed(f"{self.route.name} refuses SFTP")
                with client:
                    if not unwanted.is_set():
                        call(client)
            finally:
                ended.set()

        def abort() -> None:
            unwanted.set()
            ended.wait(_WHOLE_FILE_S)  # half a file would stay behind

        late = f"SFTP on {self.route.name} did not answer within {COMMAND_S:.0f} s"
        try:
            steps.wait(run, COMMAND_S, late, step, abort)
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise RemoteFailed(
                f"files cannot be written on {self.route.name} by SFTP: {_words(error)}; is its disk full, "
                f"or its SFTP subsystem off?"
            ) from error


def hang_up(end: paramiko.Transport | paramiko.Channel | socket.socket) -> None:
    """Close it. Whoever is at the other end may be gone, and the machine that leads there."""
    try:
        end.close()
    except (EOFError, OSError):
        pass  # it cannot be told, and knows


def _run(channel: paramiko.Channel, command: str, stdin: bytes) -> Output:
    """On a thread of its own, which the end of the channel ends."""
    channel.exec_command(command)
    sender = threading.Thread(target=_send, args=(channel, stdin), name="kq-ssh-stdin", daemon=True)
    sender.start()
    out, err = bytearray(), bytearray()
    with selectors.DefaultSelector() as poll:  # a desktop may have more files open than select() counts
        poll.register(channel, selectors.EVENT_READ)
        _collect(channel, poll, out, err)
    code = channel.recv_exit_status() if channel.exit_status_ready() else -1
    return Output(code, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))


def _collect(channel: paramiko.Channel, poll: selectors.BaseSelector, out: bytearray, err: bytearray) -> None:
    """Add what the command writes, until it has ended."""
    while True:
        progressed = False
        while channel.recv_ready():
            out += channel.recv(65536)
            progressed = True
        while channel.recv_stderr_ready():
            err += channel.recv_stderr(65536)
            progressed = True
        del out[_MOST_OUTPUT:], err[_MOST_OUTPUT:]
        if channel.closed or (channel.exit_status_ready() and channel.eof_received and not progressed):
            return
        if not progressed:
            poll.select(0.05)


def _send(channel: paramiko.Channel, stdin: bytes) -> None:
    try:
        channel.sendall(stdin)
        channel.shutdown_write()
    except OSError:
        pass  # it ended without reading: its exit code says why


# --- connecting ------------------------------------------------------------------------------


def connect(
    route: SshRoute,
    steps: Steps,
    questions: RemoteQuestions,
    *,
    prefix: str = "",
    connect_s: float,
    before: Connection | None = None,
) -> Connection:
    """Log in, step by step.

    Args:
        before: an earlier connection by the same route, with whose keys it is tried first.

    Raises:
        RemoteFailed: the sentence says what to do about it. Cancelled.
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
            before=before._between if before is not None else None,
        )
    sock: socket.socket | paramiko.Channel
    try:
        if between is not None:
            sock = _through(between, route, steps, prefix)
        else:
            sock, address = _reach(route, steps, prefix, connect_s)
        key = before._key if before is not None else None
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
                f"{route.host} is no known name: correct it, or use the machine's address"
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
            # A connection that died without a word is noticed, rather than tried for a quarter of an hour.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(_SILENCE_S * 1000))
    except BaseException:
        sock.close()
        raise
    return sock


def _await_answer(sock: socket.socket, steps: Steps, step: OpenStep, timeout_s: float) -> None:
    began, told = time.monotonic(), 0
    with selectors.DefaultSelector() as poll:
        poll.register(sock, selectors.EVENT_WRITE)
        while not poll.select(0.05):
            steps.check()
            waited = time.monotonic() - began
            if waited > timeout_s:
                raise TimeoutError
            if int(waited) > told:
                told = int(waited)
                step.tell(f"no answer for {told} s, {timeout_s:.0f} s at most")


def _why_unreachable(error: OSError, waited_s: float) -> str:
    if isinstance(error, TimeoutError):
        return (
            f"no answer for {waited_s:.0f} s. Is the machine on, is this its address, and does no firewall "
            f"drop the packets?"
        )
    if error.errno in (111, 61, 10061):
        return "the connection was refused. Is an SSH server installed and running there, on this port?"
    if error.errno in (113, 101, 65, 51, 10065, 10051):
        return "there is no way to this address. Is the machine on, and in the same network?"
    return _words(error)


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
                f"{between.route.name} does not reach {route.host} port {route.port}: {_words(error)}"
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
            transport.daemon = True
            transport.banner_timeout = HANDSHAKE_S
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
            # failed leaves a timer for 15 s, which no program ends before.
            transport.packetizer.complete_handshake()
            hang_up(transport)
        hang_up(sock)
        raise


def _shake_hands(transport: paramiko.Transport, route: SshRoute, steps: Steps, step: OpenStep) -> None:
    try:
        steps.wait(
            lambda: transport.start_client(timeout=HANDSHAKE_S),
            HANDSHAKE_S,
            f"port {route.port} of {route.host} is open, and no SSH server answers there: is the port right?",
            step,
            lambda: hang_up(transport),
        )
    except IncompatiblePeer as error:
        raise RemoteFailed(_nothing_in_common(transport, route, _words(error))) from error
    except (paramiko.SSHException, EOFError, OSError) as error:
        text = _words(error)
        if "banner" in text.lower() or isinstance(error, EOFError):
            text = "what answers there is no SSH server, or it hung up; is the port right?"
        raise RemoteFailed(f"no SSH with {route.host} port {route.port}: {text}") from error


def _nothing_in_common(transport: paramiko.Transport, route: SshRoute, text: str) -> str:
    here = transport.get_security_options()
    known = {"kex": ("KexAlgorithms", here.kex), "host key": ("HostKeyAlgorithms", here.key_types),
             "cipher": ("Ciphers", here.ciphers), "mac": ("MACs", here.digests)}  # fmt: skip
    option, names = next((value for word, value in known.items() if word in text), ("", ()))
    if not option:
        return f"no SSH with {route.host} port {route.port}: {text}"
    return (
        f"{route.host} and this machine have no algorithm of SSH in common: its administrator may add one of "
        f"{', '.join(names)} to {option} in sshd_config"
    )


def _words(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())
