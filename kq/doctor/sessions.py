"""The sessions of a data root: which live and answer, with how many Agents; what dead ones left running."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec

from .. import process
from ..client.discovery import live_sessions
from ..client.mirror import ConnectionStatus
from ..client.queue_client import QueueClient
from ..guardian.session_id import is_session_alive
from ..messages import PROTOCOL_VERSION
from ..own_files import read_own
from ..own_folders import keys_folder
from ..records import SessionRecord
from ..states import AgentState
from ..wire.probe import PortAnswer, probe_ports
from .report import Finding, Verdict, guarded
from .storage import check_queue_folder, is_held

__all__ = ["check_leftovers", "check_sessions"]

_ANSWER_S = 10.0
"""How long a session may take to answer. On a machine whose renders use all cores, seconds pass."""
_LAST_LINES = 3
_MAX_OF_LOG = 64 * 1024
_PROBLEM = re.compile(r"^time=\S+ level=(?:warning|error|critical) ")


def check_sessions(root: Path) -> Iterator[Finding]:
    """Every folder of `queues` that is this user's to look into, and the session in it if one lives."""
    alive = {Path(record.queue_dir).name: record for record in live_sessions(root)}
    if not alive:
        yield Finding(
            Verdict.OK, "sessions", "no queue runs here: the desktop starts one, and so does `kq serve`"
        )
    try:
        folders = sorted(Path(each.path) for each in os.scandir(root / "queues") if each.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return  # there was no session yet, or check_data_root has reported what the root is
    for folder in folders:
        # One that cannot be read is another user's, as any session that holds it is.
        yield from guarded(folder.name, _check_folder(folder, alive.get(folder.name), root), Verdict.NOTE)


def _check_folder(folder: Path, record: SessionRecord | None, root: Path) -> Iterator[Finding]:
    held = is_held(folder)
    if record is not None:
        yield from _check_session(record)
    elif held:
        yield Finding(
            Verdict.NOTE, folder.name, "a session is starting or ending there, or runs on another machine"
        )
    else:
        yield from _check_remains(folder)
    yield from check_queue_folder(folder, in_use=held or record is not None)
    yield from _last_problems(root / "logs" / folder.name)


def _check_session(record: SessionRecord) -> Iterator[Finding]:
    topic = Path(record.queue_dir).name
    if record.protocol != PROTOCOL_VERSION:
        yield Finding(
            Verdict.WRONG,
            topic,
            f"its session {record.session} speaks protocol {record.protocol}, this kq {PROTOCOL_VERSION}",
            "use the kq that the desktop uses, or restart the desktop with this one",
        )
        return
    connected = threading.Event()
    client = QueueClient(history=False)
    try:
        client.add_listener(
            lambda change: connected.set() if change.status is ConnectionStatus.CONNECTED else None
        )
        client.connect(record)
        if connected.wait(_ANSWER_S):
            yield from _check_queue(topic, record, client)
        else:
            yield _why_silent(topic, record)
    finally:
        client.close()
        client.join(2.0)


def _check_queue(topic: str, record: SessionRecord, client: QueueClient) -> Iterator[Finding]:
    queue, jobs, agents = client.queue(), client.jobs(), client.agents()
    ports = f"{record.request_port}, {record.update_port} and {record.broadcast_port}"
    running = sum(1 for job in jobs if not job.state.is_terminal)
    yield Finding(
        Verdict.OK,
        topic,
        f"its session {record.session} runs: server process {record.pid}, ports {ports} of {record.host}; "
        f"{len(jobs)} jobs, {running} of them have not ended" + ("; paused" if queue.paused else ""),
    )
    if queue.problem:
        yield Finding(Verdict.WRONG, topic, queue.problem, f"see {Path(record.data_root, 'logs', topic)}")
    local = [each for each in agents if each.local]
    there = [each for each in local if each.state in (AgentState.IDLE, AgentState.BUSY)]
    remote = len(agents) - len(local)
    text = (
        f"{len(there)} of {queue.agents_wanted} local Agents are registered, and {remote} on other machines"
    )
    if len(there) < queue.agents_wanted:
        logs = Path(record.data_root, "logs", topic)
        yield Finding(
            Verdict.WRONG, topic, text, f"wait a moment; if they do not register, see {logs / 'agent-*.log'}"
        )
    else:
        yield Finding(Verdict.OK, topic, text)
    for each in agents:
        if each.state is AgentState.LOST:
            yield Finding(
                Verdict.WRONG, topic, f"no heartbeat from Agent {each.id} on {each.host}",
                "check that machine and its network; its task is assigned to another Agent after a while",
            )  # fmt: skip


def _why_silent(topic: str, record: SessionRecord) -> Finding:
    names = ("request", "update", "broadcast")
    numbers = (record.request_port, record.update_port, record.broadcast_port)
    answers = probe_ports(record, 1.0)
    ports = ", ".join(
        f"{name} port {number}: {answer.value}"
        for name, number, answer in zip(names, numbers, answers, strict=True)
    )
    if all(each is PortAnswer.OPEN for each in answers):
        advice = "try again: the queue was busy"
    else:
        advice = (
            f"check whether its server, process {record.pid}, is suspended, and whether a firewall blocks "
            f"{record.host}; ending the desktop or `kq serve` ends it"
        )
    return Finding(Verdict.WRONG, topic, f"its session {record.session} does not answer ({ports})", advice)


def _check_remains(folder: Path) -> Iterator[Finding]:
    try:
        record = msgspec.json.decode(read_own(keys_folder(folder) / "client.json"), type=SessionRecord)
    except OSError:
        return  # it ended well, or the folder is another user's
    except msgspec.DecodeError:
        yield Finding(Verdict.NOTE, folder.name, f"{keys_folder(folder) / 'client.json'} cannot be read",
                      "no action needed: the next session there writes it again")  # fmt: skip
        return
    yield Finding(
        Verdict.NOTE,
        folder.name,
        f"its session {record.session} was interrupted",
        "no action needed: the next session there cleans up, and its jobs can be started again",
    )


def check_leftovers() -> Iterator[Finding]:
    """Do processes run whose session is over? Of this user, on this machine."""
    left: dict[str, list[int]] = {}
    for each in process.find_marked("KQ_SESSION"):
        if is_session_alive(each.value) is False:
            left.setdefault(each.value, []).append(each.id.pid)
    for session, pids in left.items():
        yield Finding(
            Verdict.WRONG,
            "processes",
            f"{len(pids)} processes of session {session} still run, although it has ended: "
            f"{', '.join(map(str, sorted(pids)[:20]))}",
            "start a session (`kq serve` and Ctrl-C are enough): it ends them first",
        )


def _last_problems(logs: Path) -> Iterator[Finding]:
    """The latest warnings of guardian and server: they may explain a problem, though they are over."""
    for name in ("guardian.log", "server.log"):
        try:
            with (logs / name).open("rb") as file:
                file.seek(max((logs / name).stat().st_size - _MAX_OF_LOG, 0))
                lines = file.read().decode("utf-8", "replace").splitlines()
        except OSError:
            continue  # there was no session yet
        for line in [line for line in lines if _PROBLEM.match(line)][-_LAST_LINES:]:
            yield Finding(Verdict.NOTE, logs.name, f"{name}: {line}")
