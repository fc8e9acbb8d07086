"""An open SSH connection: runs commands and transfers files, both of which can be cancelled."""

from __future__ import annotations

import logging
import selectors
import socket
import threading
import time
from collections.abc import Callable

import msgspec
import paramiko

from ..errors import RemoteFailed
from .ssh_config import SshRoute
from .ssh_keys import NamedKey, is_windows
from .steps import Cancelled, OpenStep, Steps

__all__ = ["Connection", "Output", "close_quietly", "error_text"]

_COMMAND_S = 30.0
_MAX_OUTPUT = 1 << 20
_WHOLE_FILE_S = 3.0
_CLOSED_THERE_S = 3.0
# Callers report errors; without a handler Python would print them as well.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


class Output(msgspec.Struct, frozen=True):
    """Exit code and output of a command; -1 is an unknown exit code."""

    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The last line of its standard error, else of its output, for a message."""
        lines = (self.err.strip() or self.out.strip()).splitlines()
        return " ".join(lines[-1].split())[:400] if lines else f"exit code {self.code}, no error output"


class Connection:
    """A login on a machine. Methods block: not for a UI's thread."""

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
            address: IP address of the machine; empty when a jump host resolves its name.
            between: the connection to the jump host, if there is one.
            key: the key of the login, if it was read from a file. It is kept in memory so that a reconnect
                does not prompt for its passphrase.
        """
        self.transport = transport
        self.route = route
        self.address = address
        self.between = between
        self.key = key

    @property
    def is_windows(self) -> bool:
        """Whether its SSH server is OpenSSH for Windows."""
        return is_windows(self.transport)

    def close(self) -> None:
        """Disconnect. Commands that run on the machine continue."""
        close_quietly(self.transport)
        if self.between is not None:
            self.between.close()

    def run(
        self,
        command: str,
        steps: Steps,
        *,
        stdin: bytes = b"",
        timeout_s: float = _COMMAND_S,
        step: OpenStep | None = None,
        unbroken_s: float = 0.0,
    ) -> Output:
        """Run a command line on the machine, and wait for its end.

        Args:
            stdin: content of its standard input.
            timeout_s: time limit, in seconds.
            step: shows the progress.
            unbroken_s: seconds to wait for its end even after a cancel or the time limit: a command continues
                after a disconnect, and what it does then could not be undone.

        Raises:
            RemoteFailed: it did not end in time, or the connection was lost.
            Cancelled: the user cancelled.
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
                close_quietly(channel)
                ended.set()

        def abort() -> None:
            if unbroken_s and step is not None:
                step.update("waiting for it to end there, to undo it")
            unwanted.set()  # if it has not started, it does not start
            ended.wait(unbroken_s)
            for channel in channels:
                close_quietly(channel)

        late = (
            f"a command on {self.route.name} did not end within {timeout_s:.0f} s: "
            f"check the shell profile of {self.route.user} there"
        )
        try:
            return steps.wait(call, timeout_s, late, step, abort)
        except (paramiko.SSHException, OSError, EOFError) as error:
            raise RemoteFailed(
                f"the SSH connection to {self.route.name} was lost: {error_text(error)}"
            ) from error

    def _open_session(self, timeout_s: float) -> paramiko.Channel:
        until = time.monotonic() + _CLOSED_THERE_S
        while True:
            try:
                return self.transport.open_session(timeout=timeout_s)
            except paramiko.ChannelException as error:
                # With `MaxSessions 1` the previous session may not have ended on the server yet.
                if time.monotonic() > until:
                    raise RemoteFailed(
                        f"{self.route.name} opens no session for {self.route.user} ({error.text}): its "
                        f"administrator may allow some with `MaxSessions` in sshd_config"
                    ) from error
                time.sleep(0.1)

    def with_files(
        self, steps: Steps, call: Callable[[paramiko.SFTPClient], None], step: OpenStep | None = None
    ) -> None:
        """Call `call` with an SFTP client, on a thread of its own. A cancel waits up to 3 s for its end.

        Raises:
            RemoteFailed: SFTP failed, or the connection was lost.
            Cancelled: the user cancelled.
        """

        ended, unwanted = threading.Event(), threading.Event()

        def run() -> None:
            try:
                channel = self._open_session(_COMMAND_S)
                try:
                    client = self._sftp_client(channel)
                    if not unwanted.is_set():
                        call(client)
                finally:
                    close_quietly(channel)
            finally:
                ended.set()

        def abort() -> None:
            unwanted.set()
            ended.wait(_WHOLE_FILE_S)  # so that no partial file stays behind

        late = f"SFTP on {self.route.name} did not answer within {_COMMAND_S:.0f} s"
        try:
            steps.wait(run, _COMMAND_S, late, step, abort)
        except (paramiko.SSHException, OSError, EOFError) as error:
            why = error_text(error).rstrip(".:")
            if not isinstance(error, OSError) or not self.transport.is_active():
                raise RemoteFailed(f"the SSH connection to {self.route.name} was lost: {why}") from error
            hint = ""
            if isinstance(error, PermissionError):
                hint = f"; may {self.route.user} write to the home folder there?"
            elif why == "Failure":  # all that SFTP says of most causes
                hint = "; is its disk full?"
            raise RemoteFailed(
                f"files cannot be written on {self.route.name} by SFTP: {why}{hint}"
            ) from error

    def _sftp_client(self, channel: paramiko.Channel) -> paramiko.SFTPClient:
        try:
            channel.invoke_subsystem("sftp")
            return paramiko.SFTPClient(channel)
        except (paramiko.SSHException, EOFError) as error:
            if not self.transport.is_active():
                raise
            raise RemoteFailed(
                f"the SFTP subsystem of {self.route.name} is off, by which the scripts are copied. Its "
                f"administrator switches it on with `Subsystem sftp internal-sftp` in sshd_config"
            ) from error


def close_quietly(end: paramiko.Transport | paramiko.Channel | socket.socket) -> None:
    """Close `end`, and ignore the errors of a connection that is lost already."""
    try:
        end.close()
    except (paramiko.SSHException, EOFError, OSError):
        pass  # the other end is gone


def error_text(error: BaseException) -> str:
    """Return the text of an error on one line."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split())


def _run(channel: paramiko.Channel, command: str, stdin: bytes) -> Output:
    """Run `command` on an open channel. Blocks until it ends or the channel is closed."""
    channel.exec_command(command)
    sender = threading.Thread(target=_send, args=(channel, stdin), name="kq-ssh-stdin", daemon=True)
    sender.start()
    out, err = bytearray(), bytearray()
    with selectors.DefaultSelector() as poll:  # select() fails for descriptors above 1023
        poll.register(channel, selectors.EVENT_READ)
        _collect(channel, poll, out, err)
    code = channel.recv_exit_status() if channel.exit_status_ready() else -1
    return Output(code, out.decode("utf-8", "replace"), err.decode("utf-8", "replace"))


def _collect(channel: paramiko.Channel, poll: selectors.BaseSelector, out: bytearray, err: bytearray) -> None:
    """Append the command's output to `out` and `err`, at most 1 MiB each, until it has ended."""
    while True:
        progressed = False
        while channel.recv_ready():
            out += channel.recv(65536)[: _MAX_OUTPUT - len(out)]
            progressed = True
        while channel.recv_stderr_ready():
            err += channel.recv_stderr(65536)[: _MAX_OUTPUT - len(err)]
            progressed = True
        if channel.closed or (channel.exit_status_ready() and channel.eof_received and not progressed):
            return
        if not progressed:
            poll.select(0.05)


def _send(channel: paramiko.Channel, stdin: bytes) -> None:
    try:
        channel.sendall(stdin)
        channel.shutdown_write()
    except OSError:
        pass  # the command ended without reading its input; its exit code is reported
