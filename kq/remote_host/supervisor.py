"""Supervises a session's Agents on a remote machine: restarts dead ones, ends all with the session.

It has the part that guardian and server have on the desktop's machine.
"""

from __future__ import annotations

import os
import secrets
import signal
import sys
import threading
import time
from pathlib import Path

from .. import process
from ..agent_config import AgentConfig
from ..errors import KqError
from ..own_files import open_to_append
from ..restart_limit import RestartLimit
from ..states import AgentExit
from .folder import HostFolder, SupervisorRecord

__all__ = ["Supervisor", "log_line"]

_AGENT_FILE = Path(__file__).resolve().parents[1] / "agent" / "__main__.py"
_TURN_S = 0.2
_ASKED_TIMEOUT_S = 4.0
_RESTART_LIMIT = 5
_RESTART_WINDOW_S = 30.0
_LETTERS = "bcdfghjkmnpqrstvwxz23456789"
"""Letters of the random part of Agent ids: none that look alike, no vowels that form words."""
_PERMANENT = (AgentExit.NO_CONNECTION_FILE, AgentExit.KEY_REFUSED, AgentExit.PROTOCOL_MISMATCH)
"""Exit codes after which an Agent is not restarted, because the next would end alike."""


class _Agent:
    """One Agent's process, and the thread that reads the bytes that it writes as a sign of life."""

    def __init__(self, agent_id: str, child: process.Child, pulse: int) -> None:
        self.id = agent_id
        self.child = child
        self.last_pulse = time.monotonic()
        self.frozen = False
        self._pulse = pulse
        threading.Thread(target=self._listen, name=f"kq-pulse-{agent_id}", daemon=True).start()

    def _listen(self) -> None:
        while os.read(self._pulse, 4096):
            self.last_pulse = time.monotonic()
        os.close(self._pulse)


class _Slot:
    """One of the wanted Agents, across restarts of its process."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.agent: _Agent | None = None
        self.start_at = 0.0
        self.restarts = RestartLimit(
            restart_limit=_RESTART_LIMIT, window_s=_RESTART_WINDOW_S, immediate=1, delay_s=1.0
        )
        self.replaces: tuple[str, str] | None = None
        self.over = False


class Supervisor:
    """Supervises one session's Agents on this machine. To be used from the main thread."""

    def __init__(
        self,
        folder: HostFolder,
        config: AgentConfig,
        *,
        environment: dict[str, str],
        log_folder: Path,
        first_log: int,
        data_root: Path,
        shared: bool,
    ) -> None:
        """
        Args:
            environment: variables of the Agents and their renders, added to this process's own.
            log_folder: the folder of the Agents' own logs.
            first_log: number in the name of the first Agent's log.
            data_root: KQ_DATA_ROOT of the Agents.
            shared: whether the desktop's machine shares it.
        """
        self._folder = folder
        self._config = config
        self._log_folder = log_folder
        self._first_log = first_log
        self._data_root = data_root
        self._shared = shared
        self._slots: list[_Slot] = []
        self._granted = 0
        """How many Agents were asked for since the start; one that ended for good may be asked for again."""
        self._next_id = 1
        # Ids are never reused: late messages about earlier Agents of this label must not reach later ones.
        self._run = "".join(secrets.choice(_LETTERS) for _ in range(4))
        self._ending = ""
        self._asked_until: float | None = None
        self._signalled = False
        self._written: SupervisorRecord | None = None
        self._write_failed = False
        """Whether the last attempt to write the pid file failed."""
        self._problem = ""
        self._own = process.own_id()
        self._environment = {
            **os.environ,
            **environment,
            "KQ_REMOTE": folder.mark,
            "KQ_SESSION": config.connection.session,
            "KQ_DATA_ROOT": str(data_root),
            "KQ_ROLE": "agent",
        }
        for key in ("KQ_CONNECTION", "KQ_AGENT", "KQ_JOB", "KQ_TASK", "KQ_ATTEMPT"):
            self._environment.pop(key, None)

    def run(self) -> int:
        """Run until all Agents have ended for good. Returns the process's exit code."""
        for name in ("SIGTERM", "SIGINT", "SIGHUP"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), self._on_signal)
        log_line(f"{self._config.host_label}: supervising, session {self._config.connection.session}")
        try:
            while not self._turn():
                time.sleep(_TURN_S)
        finally:
            self._clean_up()
        return 0

    def _on_signal(self, _number: int, _frame: object) -> None:
        self._signalled = True

    def _turn(self) -> bool:
        """Do what is due. Returns whether the supervisor has to end."""
        now = time.monotonic()
        if not self._ending and (self._signalled or self._folder.stop.exists()):
            self._begin_end("asked to stop", now)
        if not self._ending and not self._folder.connection.exists():
            self._begin_end("its connection file was removed, as StopAgents does", now)
        wanted = self._folder.read_wanted()
        while not self._ending and self._granted < wanted:
            self._add_slot()
        for slot in self._slots:
            self._look_after(slot, now)
        self._sweep()
        self._write()
        running = [slot for slot in self._slots if slot.agent is not None]
        if self._ending:
            return not running or (self._asked_until is not None and now > self._asked_until)
        if all(slot.over for slot in self._slots):
            self._begin_end("no Agent is left", now)
        return False

    def _add_slot(self) -> None:
        """Add a slot, or start that of an Agent again which has ended for good."""
        self._granted += 1
        self._problem = ""
        number = next((slot.number for slot in self._slots if slot.over), len(self._slots))
        self._slots[number : number + 1] = [_Slot(number)]

    def _begin_end(self, why: str, now: float) -> None:
        log_line(f"ending: {why}")
        self._ending = why
        self._asked_until = now + _ASKED_TIMEOUT_S
        for slot in self._slots:
            if slot.agent is not None:
                process.ask_to_stop(slot.agent.child)

    # --- One Agent ---

    def _look_after(self, slot: _Slot, now: float) -> None:
        agent = slot.agent
        if agent is None:
            if not self._ending and not slot.over and now >= slot.start_at:
                self._start(slot, now)
            return
        ended = agent.child.poll()
        if ended is not None:
            agent.child.close()
            slot.agent = None
            self._after_end(slot, agent, ended.code, now)
        elif now - agent.last_pulse > self._config.lease_s and not agent.frozen:
            # Suspended or hung: its lease has expired, and it cannot end its render itself.
            log_line(
                f"Agent {agent.id} is unresponsive for {self._config.lease_s:g} s: ending it with its render"
            )
            agent.frozen = True
            process.end_tree([agent.child.id])

    def _after_end(self, slot: _Slot, agent: _Agent, code: int | None, now: float) -> None:
        # End its orphans, which this process adopted, before the Agent is reported as ended.
        process.end_strays({each.agent.child.pid for each in self._slots if each.agent is not None})
        if code == AgentExit.ENDED:
            log_line(f"Agent {agent.id} ended on request")
            slot.over = True
            return
        if code == AgentExit.RESTART:
            log_line(f"Agent {agent.id} ended to be restarted")
            slot.start_at = now
            return
        if code == AgentExit.SERVER_SILENT:
            log_line(f"Agent {agent.id} ended: no heartbeat from the desktop")
            slot.over = True
            return
        if code in _PERMANENT:
            self._problem = f"Agent {agent.id} cannot work: see {self._log_of(slot)}"
            slot.over = True
            return
        how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        log_line(f"Agent {agent.id} died ({how})")
        if not slot.restarts.record_death(now):
            self._problem = f"an Agent died {_RESTART_LIMIT} times ({how}): see {self._log_of(slot)}"
            log_line(self._problem)
            slot.over = True
            return
        slot.replaces = (agent.id, f"its Agent died ({how})")
        slot.start_at = slot.restarts.restart_at

    def _start(self, slot: _Slot, now: float) -> None:
        agent_id = f"{self._config.host_label}:{self._next_id}-{self._run}"
        self._next_id += 1
        arguments = [
            sys.executable, "-P", str(_AGENT_FILE), "--connection", str(self._folder.connection),
            "--agent-id", agent_id, "--lifeline", "--pulse", "--site", str(self._folder.site),
            "--log", str(self._log_of(slot)),
        ]  # fmt: skip
        if slot.replaces is not None:
            arguments += ["--replaces", *slot.replaces]
        read_end, write_end = os.pipe()
        log = self._open_log(slot, agent_id)
        try:
            child = process.spawn_service(
                arguments,
                environment=self._environment,
                stdin=process.LIFELINE,
                stdout=write_end,
                stderr=log if log >= 0 else process.NOWHERE,
            )
        except KqError as error:
            os.close(read_end)
            self._problem = str(error)
            log_line(f"an Agent cannot be started: {error}")
            slot.over = not slot.restarts.record_death(now)
            slot.start_at = slot.restarts.restart_at
            return
        finally:
            os.close(write_end)
            if log >= 0:
                os.close(log)
        slot.replaces = None
        slot.agent = _Agent(agent_id, child, read_end)

    def _log_of(self, slot: _Slot) -> Path:
        return self._log_folder / f"remote_agent_{self._first_log + slot.number}.log"

    def _open_log(self, slot: _Slot, agent_id: str) -> int:
        try:
            return open_to_append(self._log_of(slot), create_folder=True)
        except OSError as error:
            log_line(f"Agent {agent_id} has no log: {error}")
            return -1

    # --- All Agents ---

    def _sweep(self) -> None:
        keep = {slot.agent.child.pid for slot in self._slots if slot.agent is not None}
        process.reap_adopted(keep)
        if process.has_strays(keep):
            process.end_strays(keep)

    def _write(self) -> None:
        content = SupervisorRecord(
            session=self._config.connection.session,
            label=self._config.host_label,
            pid=self._own.pid,
            started=self._own.start_time,
            wanted=self._granted,
            ended=self._granted - sum(not slot.over for slot in self._slots),
            agents=tuple(
                (slot.agent.id, *slot.agent.child.id) for slot in self._slots if slot.agent is not None
            ),
            data_root=str(self._data_root),
            shared=self._shared,
            log=str(self._log_folder),
            problem=self._problem,
        )
        if content == self._written:
            return
        try:
            self._folder.write_record(content)
        except OSError as error:
            if not self._write_failed:
                log_line(f"the pid file cannot be written; will retry: {error}")
            self._write_failed = True
        else:
            self._written, self._write_failed = content, False

    def _clean_up(self) -> None:
        process.end_strays()
        try:
            self._folder.remove()
        except OSError as error:
            log_line(f"{self._folder.path} cannot be removed: {error}")
        log_line(f"ended: {self._ending}" if self._ending else "ended")


def log_line(message: str) -> None:
    """Write a line to the supervisor's log, with the time."""
    try:
        print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} supervisor: {message}", file=sys.stderr, flush=True)
    except OSError:
        pass  # the log's disk is full, which must not stop the supervisor
