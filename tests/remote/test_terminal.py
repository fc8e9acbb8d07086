"""`kq remote` at a terminal: questions that are answered, given up, and cancelled."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import re
import select
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kq.remote.command import _Terminal
from tests.remote.machines import RemoteMachine
from tests.support.live_queue import ROOT, clean_environment, until

pty = pytest.importorskip("pty", reason="Windows has no such terminals")

_ON_TERMINAL = "import os, sys; os.login_tty(int(sys.argv[1])); os.execv(sys.argv[2], sys.argv[2:])"


class Terminal:
    """Somebody who types, and reads what is shown."""

    def __init__(self, home: Path, *arguments: str) -> None:
        self._near, far = pty.openpty()
        command = [sys.executable, "-m", "kq", "remote", *arguments]
        environment = {**clean_environment(home / "root", {}), "HOME": str(home), "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            [sys.executable, "-c", _ON_TERMINAL, str(far), *command], env=environment, pass_fds=[far]
        )
        os.close(far)
        self.shown = ""

    def _read(self) -> None:
        while select.select([self._near], [], [], 0)[0]:
            try:
                data = os.read(self._near, 65536)
            except OSError:  # the other end is closed
                return
            self.shown += data.decode(errors="replace")

    def await_text(self, pattern: str) -> str:
        def look() -> re.Match[str] | None:
            self._read()
            return re.search(pattern, self.shown)

        until(lambda: look() or self.process.poll() is not None, pattern)
        found = look()
        assert found, self.shown
        return found[0]

    def type(self, text: str) -> None:
        os.write(self._near, text.encode())

    def interrupt(self) -> None:
        """Press Ctrl-C, and again where it came before the question was read, as on a busy machine it may."""
        until(lambda: self.type("\x03") or self._has_ended_within(5.0), "the command to end")

    def _has_ended_within(self, seconds: float) -> bool:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
        return self.process.poll() is not None

    def end(self) -> int:
        """Its exit code."""
        until(lambda: (self._read(), self.process.poll() is not None)[1], "the command to end")
        self._read()
        return self.process.wait()

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        os.close(self._near)


@pytest.fixture
def terminal(machine: RemoteMachine, own_home: Path) -> Iterator[Terminal]:
    """Where the host's key is asked about."""
    (own_home / ".ssh" / "config").write_text(f"Host farm-b\n  HostName 127.0.0.1\n  Port {machine.port}\n")
    locked = own_home / ".ssh" / "id_ed25519"
    machine.make_key(locked, "correct horse")
    machine.authorize(locked)
    made = Terminal(own_home, "check", "farm-b")
    yield made
    made.close()


def test_questions_are_answered(terminal: Terminal) -> None:
    """The key of the host, and the passphrase, which is not shown."""
    terminal.await_text(r"\[y/N\] ")
    terminal.type("y\n")
    terminal.await_text(r"Passphrase of .*: ")
    terminal.type("correct horse\n")
    assert terminal.end() == 0, terminal.shown
    assert "correct horse" not in terminal.shown


@pytest.mark.parametrize("keys", ["\n", "n\n", "\x04"], ids=["enter", "n", "ctrl-d"])
def test_a_host_is_not_accepted_by_chance(terminal: Terminal, own_home: Path, keys: str) -> None:
    """Only by saying so."""
    terminal.await_text(r"\[y/N\] ")
    terminal.type(keys)
    assert terminal.end() == 1
    assert "not accepted" in terminal.shown and "Traceback" not in terminal.shown
    assert not (own_home / ".ssh" / "known_hosts").exists()


@pytest.mark.parametrize("question", [r"\[y/N\] ", r"Passphrase of .*: "])
def test_ctrl_c_at_a_question_is_enough(terminal: Terminal, question: str) -> None:
    """Nobody has to press another key."""
    terminal.await_text(r"\[y/N\] ")
    if "Passphrase" in question:
        terminal.type("y\n")
        terminal.await_text(question)
    terminal.interrupt()
    assert terminal.end() == 130, terminal.shown
    assert "Cancelled." in terminal.shown and "Traceback" not in terminal.shown


def test_a_passphrase_is_given_up_by_ctrl_d(terminal: Terminal) -> None:
    """It says so, and tries no more."""
    terminal.await_text(r"\[y/N\] ")
    terminal.type("y\n")
    terminal.await_text(r"Passphrase of .*: ")
    terminal.type("\x04")
    assert terminal.end() == 1
    assert "passphrase" in terminal.shown and "Traceback" not in terminal.shown


def test_a_tunnel_that_connects_again_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """On its own thread no Ctrl-C would end a question: the careful answer is given."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\ny\ny\n"))
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    asks = _Terminal(argparse.Namespace(accept_host_key=False), threading.Event())
    with ThreadPoolExecutor(1) as keepalive:
        assert not keepalive.submit(asks.accept_host_key, "farm-b", "ssh-ed25519", "SHA256:x").result(60)
        assert keepalive.submit(asks.passphrase, "key", False).result(60) is None
        assert not keepalive.submit(asks.use_tunnel, "why").result(60)
    assert asks.accept_host_key("farm-b", "ssh-ed25519", "SHA256:x"), "here somebody sits at the terminal"
