"""The commands of kq.remote_host: start, stop, report, probe, supervise.

StartAgents and StopAgents call it. The output is for the user; the line with MARK is for programs.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from .. import messages, process
from ..agent_config import AgentConfig, Site
from ..errors import BadInput, KqError, NotFound, RemoteFailed
from ..own_files import OwnFolder, read_own, remove_own, write_private
from ..settings import MAX_AGENTS
from .folder import HostFolder, SupervisorRecord, base_folder, one_start_at_a_time, shares_data_root
from .supervisor import Supervisor, log_line

__all__ = ["MARK", "main"]

MARK = "kq-remote: "
_PROGRAM = Path(__file__).resolve().parent / "__main__.py"
_START_TIMEOUT_S = 15.0
_BOM = b"\xef\xbb\xbf"
"""UTF-8 byte order mark, which some Windows programs write before text."""
_STOP_GRACE_S = 6.0


def main(argv: Sequence[str]) -> int:
    """Run the command `argv[0]` with the other arguments. Returns the exit code."""
    options = _parser().parse_args(argv)
    try:
        return int(options.run(options))
    except KqError as error:
        print(f"kq: {error}", file=sys.stderr)
    except OSError as error:
        where = error.filename or base_folder()
        what = f"{where} cannot be written: {error.strerror or error}"
        print(f"kq: {what}; KQ_REMOTE_DIR may name another place", file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kq.remote_host", description="Agents on this machine.")
    commands = parser.add_subparsers(required=True)
    start = commands.add_parser("start")
    start.set_defaults(run=_start)
    start.add_argument("--connection", default="", help="the session's key; - reads standard input")
    start.add_argument("--katana-root", default="")
    start.add_argument("--desktop-root", default="", help="the same folder on the desktop's machine")
    start.add_argument("--data-root", default="")
    start.add_argument("--host", default="")
    start.add_argument("--ports", nargs=3, type=int, default=(0, 0, 0))
    start.add_argument("--agents", type=int, required=True)
    start.add_argument("--first-log", type=int, default=0)
    stop = commands.add_parser("stop")
    stop.set_defaults(run=_stop)
    stop.add_argument("session", nargs="?", default="", help="its name, or the last part of its folder's")
    stop.add_argument("--all", action="store_true", help="of all sessions")
    report = commands.add_parser("report")
    report.set_defaults(run=_report)
    probe = commands.add_parser("probe")
    probe.set_defaults(run=_probe)
    probe.add_argument("--timeout", type=float, default=6.0)
    supervise = commands.add_parser("supervise")
    supervise.set_defaults(run=_supervise)
    supervise.add_argument("--folder", type=Path, required=True)
    supervise.add_argument("--katana-root", default="")
    supervise.add_argument("--log-folder", type=Path, required=True)
    supervise.add_argument("--first-log", type=int, default=0)
    supervise.add_argument("--data-root", type=Path, required=True)
    supervise.add_argument("--own-log", type=Path, required=True)
    supervise.add_argument("--shared", action="store_true")
    return parser


def _answer(value: object) -> None:
    """Print `value` as JSON on the line for programs: in ASCII, which is the same in every locale."""
    print(MARK + json.dumps(msgspec.to_builtins(value)), flush=True)


def _read_input() -> bytes:
    return sys.stdin.buffer.read().removeprefix(_BOM)


# --- Start ---


def _start(options: argparse.Namespace) -> int:
    if not 1 <= options.agents <= MAX_AGENTS:
        raise BadInput(f"Invalid number of Agents: {options.agents}. Use 1 to {MAX_AGENTS}")
    config = _with_address(_read_config(options.connection), options)
    with one_start_at_a_time(_START_TIMEOUT_S):
        return _start_session(config, options)


def _start_session(config: AgentConfig, options: argparse.Namespace) -> int:
    folder = HostFolder.of(config.connection.session)
    living = folder.read_running()
    if living is not None:
        left = living.wanted - living.ended
        wanted = living.wanted + max(options.agents - left, 0)
        folder.write_wanted(wanted)
        folder.write_connection(config)
        _print_agents(_wait_for(folder, max(options.agents, left), wanted), already=True)
        return 0
    if folder.path.exists():
        # The supervisor was killed or the machine switched off: end the processes that are left.
        folder.end(0.0)
    folder.make()
    try:
        arguments = _lay_out(folder, config, options)
        marked = {**os.environ, "KQ_REMOTE": folder.mark}
        # The supervisor must outlive the SSH session that starts it.
        child = process.spawn_service(arguments, environment=marked, leaves_job=True)
        supervised = _wait_for(folder, options.agents, options.agents, child)
    except BaseException:
        folder.end(1.0)
        raise
    _print_agents(supervised, already=False)
    return 0


def _read_config(named: str) -> AgentConfig:
    chosen = named or os.environ.get("KQ_CONNECTION", "")
    place = chosen or str(base_folder() / "connection.json")
    try:
        if place == "-":
            content = _read_input()
        else:
            content = (Path(place).read_bytes() if chosen else read_own(Path(place))).removeprefix(_BOM)
        config = msgspec.json.decode(content, type=AgentConfig)
    except OSError as error:
        raise NotFound(
            f"there is no key for this session in {place} ({error.strerror}): start the Agents from the "
            f"desktop (Launch Remote Agents), or put into this file what `kq remote key HOST` prints there"
        ) from error
    except msgspec.DecodeError as error:
        raise BadInput(
            f"{'standard input' if place == '-' else place} is not a connection file: {error}"
        ) from error
    if config.connection.protocol != messages.PROTOCOL_VERSION:
        raise RemoteFailed(
            f"the desktop speaks protocol version {config.connection.protocol}, Katana Queue here "
            f"{messages.PROTOCOL_VERSION}: install the same version on both"
        )
    return config


def _with_address(config: AgentConfig, options: argparse.Namespace) -> AgentConfig:
    """Return `config` with the address and ports of the options, where given."""
    given = {"host": options.host} if options.host else {}
    names = ("request_port", "update_port", "broadcast_port")
    for port in options.ports:
        if not 0 <= port <= 65535:
            raise BadInput(f"Invalid port: {port}. Use 1 to 65535")
    ports = {name: port for name, port in zip(names, options.ports, strict=True) if port}
    connection = msgspec.structs.replace(config.connection, **given, **ports)
    return msgspec.structs.replace(config, connection=connection, local=False)


def _lay_out(folder: HostFolder, config: AgentConfig, options: argparse.Namespace) -> list[str]:
    """Write the files of supervisor and Agents. Returns the supervisor's command line. Raises OSError."""
    there = config.connection.data_root
    data_root = Path(options.data_root or there)
    shared = shares_data_root(config, data_root)
    paths = []
    if shared and str(data_root) != there:
        paths.append((there, str(data_root)))
    if options.desktop_root and options.katana_root and options.desktop_root != options.katana_root:
        paths.append((options.desktop_root, options.katana_root))
    # For StopAgents, which has no arguments for them.
    python = os.environ.get("KQ_PYTHON") or sys.executable
    write_private(base_folder() / "python", python.encode(), create_folder=True)
    write_private(base_folder() / "root", str(_PROGRAM.parents[2]).encode())
    folder.write_connection(config)
    folder.write_site(Site(streams=not shared, work=str(folder.work), paths=tuple(paths)))
    folder.write_wanted(options.agents)
    remove_own(folder.stop)
    log_folder = (data_root if shared else base_folder()) / "logs"
    return [
        sys.executable, "-P", str(_PROGRAM), "supervise", "--folder", str(folder.path),
        "--katana-root", options.katana_root, "--log-folder", str(log_folder),
        "--first-log", str(options.first_log), "--data-root", str(data_root if shared else folder.work),
        "--own-log", str(_log_of(folder)), *(["--shared"] if shared else []),
    ]  # fmt: skip


def _log_of(folder: HostFolder) -> Path:
    return base_folder() / "logs" / f"supervisor-{folder.path.name}.log"


def _wait_for(
    folder: HostFolder, agents: int, wanted: int, child: process.Child | None = None
) -> SupervisorRecord:
    """Wait until the supervisor has started its Agents. Raises RemoteFailed when it fails or takes 15 s.

    Args:
        agents: how many are to run.
        wanted: for how many it was asked since its start.
        child: its process, if it was started just now.
    """
    until = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < until:
        supervised = folder.read_running()
        is_new = supervised is not None and supervised.wanted >= wanted  # else its problem is an earlier one
        if supervised is not None and is_new and (len(supervised.agents) >= agents or supervised.problem):
            if supervised.problem and not supervised.agents:
                raise RemoteFailed(supervised.problem)
            return supervised
        ended = child.poll() if child is not None else None
        if ended is not None:
            killed = ended.code is not None and ended.code < 0 and not folder.path.exists()
            why = "StopAgents ended them while they started" if killed else _tail(_log_of(folder))
            raise RemoteFailed(f"the Agents ended at once: {why}")
        time.sleep(0.02)
    raise RemoteFailed(
        f"the Agents did not start within {_START_TIMEOUT_S:.0f} s: see {base_folder() / 'logs'}"
    )


def _tail(path: Path) -> str:
    try:
        lines = read_own(path).decode(errors="replace").strip().splitlines()
    except OSError as error:
        return f"and {path} cannot be read: {error.strerror}"
    return lines[-1] if lines else f"{path} is empty"


def _print_agents(supervised: SupervisorRecord, *, already: bool) -> None:
    for agent_id, pid, _ in supervised.agents:
        print(f"Agent {agent_id} {'already runs' if already else 'launched'}, process {pid}")
    where = (
        "shared with the desktop"
        if supervised.shared
        else "not shared: logs and pictures are sent to the desktop"
    )
    print(f"KQ_DATA_ROOT is {where}; the Agents' own logs are in {supervised.log}")
    _answer(supervised)


# --- Stop ---


def _stop(options: argparse.Namespace) -> int:
    found = HostFolder.all_of_this_machine()
    if options.session:
        wanted = {options.session, HostFolder.of(options.session).path.name}
        found = [each for each in found if wanted & {each.path.name, each.path.name.rpartition("-")[2]}]
    elif len(found) > 1 and not options.all:
        names = ", ".join(each.path.name.rpartition("-")[2] for each in found)
        raise BadInput(
            f"{len(found)} sessions have Agents here, possibly of other users: "
            f"name one ({names}), or use --all"
        )
    ended: list[str] = []
    failed: Exception | None = None
    for folder in found:
        supervised = folder.read_running()
        agents = [agent_id for agent_id, _, _ in supervised.agents] if supervised is not None else []
        try:
            killed = folder.end(_STOP_GRACE_S)
        except (KqError, OSError) as error:
            failed = failed or error  # the other sessions are to be ended all the same
            continue
        ended_now = f"{len(agents)} {'Agent' if len(agents) == 1 else 'Agents'}"
        print(f"session {folder.path.name}: {ended_now} ended, {killed} processes had to be killed")
        ended += agents
    if failed is not None:
        raise failed
    if not found:
        print("no Agents of that session run here" if options.session else "no Agents run here")
    _answer({"ended": ended})
    return 0


# --- Report ---


def _report(_options: argparse.Namespace) -> int:
    from .. import wire as _wire  # noqa: F401  # Agents need zmq: this check must fail without it
    from .report import report

    _answer(report(_read_input()))
    return 0


def _probe(options: argparse.Namespace) -> int:
    from ..wire.probe import probe_ports

    config = _read_config("-")
    answers = [answer.value for answer in probe_ports(config.connection, options.timeout)]
    _answer({"ports": answers})
    return 0


# --- Supervise ---


def _supervise(options: argparse.Namespace) -> int:
    folder = HostFolder(options.folder)
    _redirect_to(options.own_log)
    try:
        config = msgspec.json.decode(read_own(folder.connection), type=AgentConfig)
    except (OSError, msgspec.DecodeError) as error:
        log_line(f"the connection file {folder.connection} cannot be used: {error}")
        return 2
    process.become_subreaper()
    # As for local Agents: the renders of all Agents share the machine's cores.
    threads = max(process.usable_cores() // max(folder.read_wanted(), 1), 1)
    environment = {"PYTHONPATH": _python_path(), "KQ_THREADS": str(threads)}
    if options.katana_root:
        environment["KATANA_ROOT"] = options.katana_root
    return Supervisor(
        folder,
        config,
        environment=environment,
        log_folder=options.log_folder,
        first_log=options.first_log,
        data_root=options.data_root,
        shared=options.shared,
    ).run()


def _redirect_to(path: Path) -> None:
    """Redirect standard output and error to the file `path`."""
    with OwnFolder(path.parent, create=True) as folder:
        fd = folder.create(path.name)
    for stream in (1, 2):
        os.dup2(fd, stream)
    os.close(fd)


def _python_path() -> str:
    """Return PYTHONPATH with kq's root first, so that renders can import it."""
    root = str(Path(__file__).resolve().parents[2])
    inherited = [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part and part != root]
    return os.pathsep.join([root, *inherited])
