"""`kq remote`: checks, starts and stops Agents on other machines from a terminal."""

from __future__ import annotations

import argparse
import getpass
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import ConnectionLost
from ..settings import Settings
from .host_store import HostStore
from .hosts import RemoteHost
from .launcher import RemoteLauncher
from .steps import RemoteResult, RemoteStep, StepState

if TYPE_CHECKING:
    from .preflight import Queue

__all__ = ["add_remote_commands"]

_CANCELLED, _FAILED = 130, 1
_ANSWER_S = 15.0
_FIELDS = ("katana_root", "kq_root", "python", "data_root", "kq_host")
Connect = Callable[[argparse.Namespace], "AbstractContextManager[Queue]"]


def add_remote_commands(commands: Any, common: argparse.ArgumentParser, connect: Connect) -> None:
    """Add `remote` to the parsers of the kq command.

    Args:
        commands: what `add_subparsers` returned.
        connect: a context manager for the session's client; raises ConnectionLost when no session runs.
    """
    summary = "launch and stop Agents on other machines, over SSH"
    remote = commands.add_parser("remote", help=summary, description=summary)
    actions = remote.add_subparsers(required=True, metavar="ACTION")
    for name, text in (
        ("check", "run all preflight checks of a machine, and change nothing there"),
        ("start", "start Agents on a machine"),
        ("stop", "stop this session's Agents on a machine"),
        (
            "key",
            "print the connection file with which StartAgents.sh or .ps1 starts Agents on a machine by hand",
        ),
    ):
        action = actions.add_parser(name, parents=[common], help=text, description=text)
        action.set_defaults(run=lambda options: _run(options, connect), action=name)
        _add_options(action)
    listed = "list the machines on which Agents were started before"
    action = actions.add_parser("hosts", help=listed, description=listed)
    action.set_defaults(run=_hosts)


def _add_options(action: argparse.ArgumentParser) -> None:
    action.add_argument("host", metavar="HOST", help="[USER@]NAME[:PORT], or a Host of ~/.ssh/config")
    action.add_argument(
        "-n",
        "--agents",
        type=int,
        metavar="N",
        help="number of Agents; default: as started there before, or else 2",
    )
    action.add_argument(
        "-i", "--private-key", metavar="FILE", help="private key; default: those of ssh-agent and ~/.ssh"
    )
    action.add_argument(
        "--katana-root", metavar="DIR", help="Katana's folder on that machine; default: as on this one"
    )
    action.add_argument(
        "--kq-root",
        metavar="DIR",
        help="the folder that contains kq on that machine; default: as on this one",
    )
    action.add_argument(
        "--python", metavar="FILE", help="Python on that machine; default: the newest that is found"
    )
    action.add_argument("--remote-data-root", dest="remote_data_root", metavar="DIR",
                        help="KQ_DATA_ROOT on that machine; default: as on this one")  # fmt: skip
    action.add_argument(
        "--kq-host",
        metavar="ADDRESS",
        help="address of this machine, to which the Agents connect; default: detected",
    )
    action.add_argument(
        "--tunnel",
        action=argparse.BooleanOptionalAction,
        help="tunnel the queue's ports through SSH; default: ask, if the machine cannot connect directly",
    )
    action.add_argument(
        "--accept-host-key",
        action="store_true",
        help="accept the host key of an unknown machine without a question",
    )


def _run(options: argparse.Namespace, connect: Connect) -> int:
    host = _asked(options)
    settings = Settings.from_environment(data_root=options.data_root)
    cancelled = threading.Event()
    # Ctrl-C cancels, which undoes a partial launch; a KeyboardInterrupt would not.
    before = {number: signal.signal(number, lambda _number, _frame: cancelled.set())
              for number in (signal.SIGINT, signal.SIGTERM)}  # fmt: skip
    try:
        try:
            with connect(options) as queue:
                return _act(options, host, queue, settings, cancelled)
        except ConnectionLost:
            if options.action != "check":
                raise
            return _act(options, host, None, settings, cancelled)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _asked(options: argparse.Namespace) -> RemoteHost:
    named = RemoteHost.parse(options.host)
    host = HostStore().find(named.host) if options.host == named.host else None
    host = host or named
    given = {
        "num_agents": options.agents,
        "private_key": options.private_key,
        "tunnel": options.tunnel,
        "data_root": options.remote_data_root,
        **{name: getattr(options, name) for name in _FIELDS if name != "data_root"},
    }
    return msgspec.structs.replace(host, **{key: value for key, value in given.items() if value is not None})


def _act(
    options: argparse.Namespace,
    host: RemoteHost,
    queue: Queue | None,
    settings: Settings,
    cancelled: threading.Event,
) -> int:
    if options.action == "key":
        return _print_key(host, queue, settings)
    launcher = RemoteLauncher(queue, settings, _Terminal(options, cancelled))
    progress = _Progress()
    try:
        action: Callable[..., RemoteResult] = getattr(launcher, options.action)
        result = action(host, progress.show, cancelled)
        progress.end()
        print(result.message, file=sys.stdout if result.ok else sys.stderr, flush=True)
        if result.ok and options.action == "start" and launcher.has_tunnel:
            print(
                "The tunnel is kept open until this command ends (Ctrl-C); the Agents end with it.",
                flush=True,
            )
            launcher.wait_tunnels(cancelled)
            launcher.stop(host, progress.show)
            progress.end()
    finally:
        launcher.close()
    return 0 if result.ok else _CANCELLED if result.cancelled else _FAILED


def _print_key(host: RemoteHost, queue: Queue | None, settings: Settings) -> int:
    from .addresses import choose_addresses

    assert queue is not None
    configured = "" if settings.host == "127.0.0.1" else settings.host
    call, bind = choose_addresses(host.kq_host or configured, "")
    try:
        answer = queue.admit_host(host.label, bind, host.num_agents, by_hand=True).result(_ANSWER_S)
    except TimeoutError as error:  # an OSError, which the caller would take for one of the output
        raise ConnectionLost(f"the queue did not answer within {_ANSWER_S:g} s") from error
    content = msgspec.json.decode(answer)
    content["connection"]["host"] = call
    print(msgspec.json.encode(content).decode())
    connection = content["connection"]
    ports = " ".join(str(connection[f"{name}_port"]) for name in ("request", "update", "broadcast"))
    print(
        f"Put the line into ~/.katana-queue/connection.json on {host.host}, readable by its owner alone "
        f"(umask 077), then run there:\n"
        f"./StartAgents.sh KATANA_ROOT KQ_DATA_ROOT {call} {ports} {host.num_agents}\n"
        f"The key is valid for {host.num_agents} Agents at a time (-n).",
        file=sys.stderr,
    )
    return 0


def _hosts(_options: argparse.Namespace) -> int:
    store = HostStore()
    hosts = store.hosts()
    for host in hosts:
        through = ", through SSH" if host.tunnel else ""
        print(f"{host.title}: {host.num_agents} Agents{through}")
    if not hosts and not store.problem:
        print("no machine is saved yet: `kq remote start` saves it", file=sys.stderr)
    if store.problem:
        print(store.problem, file=sys.stderr)
    return _FAILED if store.problem else 0


class _Progress:
    """Prints steps: updated in place on a terminal, else line by line."""

    def __init__(self) -> None:
        self._live = sys.stdout.isatty()
        self._open = False

    def show(self, step: RemoteStep) -> None:
        """Print a step. Called on the thread that runs the steps, here the main thread."""
        if step.state is not StepState.RUNNING:
            self._clear()
            print(step.line, flush=True)
        elif self._live:
            self._clear()
            print(f"   ...  {step.name}: {step.message}"[:110], end="", flush=True)
            self._open = True

    def end(self) -> None:
        """Clear the line of an unfinished step."""
        self._clear()

    def _clear(self) -> None:
        if self._open:
            print("\r\033[K", end="")
            self._open = False


class _Terminal:
    """RemoteQuestions at the terminal; without one, each question is answered with no."""

    def __init__(self, options: argparse.Namespace, cancelled: threading.Event) -> None:
        self._accept = bool(options.accept_host_key)
        self._cancelled = cancelled
        self._can_ask = sys.stdin.isatty()

    def accept_host_key(self, host: str, kind: str, fingerprint: str) -> bool:
        if self._accept:
            return True
        return self._yes(f"{host} is not known yet. Its {kind} key is {fingerprint}. Accept it?")

    def passphrase(self, key_file: str, again: bool) -> str | None:
        prompt = f"{'Wrong passphrase. ' if again else ''}Passphrase of {key_file}: "
        return self._ask(lambda: getpass.getpass(prompt)) or None

    def use_tunnel(self, why: str) -> bool:
        return self._yes(f"{why}.\nTunnel the ports through SSH?")

    def _yes(self, question: str) -> bool:
        return self._ask(lambda: input(f"{question} [y/N] ")).strip().lower() in ("y", "yes")

    def _ask(self, read: Callable[[], str]) -> str:
        """Return the line that the user typed; empty without a terminal, or when cancelled."""
        if not self._can_ask or self._cancelled.is_set():
            return ""
        if threading.current_thread() is not threading.main_thread():
            return ""  # a tunnel reconnects: only the main thread, which gets the signals, may prompt
        print()
        # A handler that only sets a flag does not interrupt a read from the terminal.
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = [signal.signal(number, self._interrupt) for number in numbers]
        try:
            return read()
        except (EOFError, KeyboardInterrupt):
            print()
            return ""
        finally:
            for number, handler in zip(numbers, before, strict=True):
                signal.signal(number, handler)

    def _interrupt(self, _number: int, _frame: object) -> None:
        self._cancelled.set()
        raise KeyboardInterrupt
