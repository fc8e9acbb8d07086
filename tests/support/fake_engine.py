"""A fake farm engine in this process, for tests of decisions and views: the test sets what it lists.

Its tasks run only where a test has `run` start the real task runner. The real engines are in tests/farms.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from katana_queue.kq.errors import ConnectionLost, Refused
from katana_queue.kq.farms.decide import EngineState, EngineStatus
from katana_queue.kq.farms.engine import EngineTask, Option
from katana_queue.kq.farms.job_folder import RUNNER

__all__ = ["FakeEngine"]


class FakeEngine:
    """Lists the tasks of `states`; records each call. Called on a farm's thread, controlled by the test's."""

    options = (Option("max_parallel", "most at once"), Option("minutes", "time limit in minutes"))

    def __init__(self) -> None:
        self.calls: list[str] = []
        """The names of the methods that were called."""
        self.is_silent = False
        """Whether calls fail as if the engine did not respond."""
        self.bug: Exception | None = None
        """What calls raise that no adapter is meant to raise."""
        self.refusal = ""
        """The error with which jobs are rejected; empty: they are accepted."""
        self.stopped: list[tuple[str, tuple[int, ...] | None]] = []
        self.folders: dict[str, Path] = {}
        """Of each submission, by its engine id."""
        self.options_of: dict[str, dict[str, str]] = {}
        self.tokens: dict[str, str] = {}
        self.states: dict[tuple[str, int], EngineState] = {}
        """By engine id and task."""
        self.hold = threading.Event()
        """Calls wait for this event: clear it to make the engine hang."""
        self.hold.set()

    def _called(self, name: str) -> None:
        self.calls.append(name)
        assert self.hold.wait(60)
        if self.bug is not None:
            raise self.bug
        if self.is_silent:
            raise ConnectionLost("the engine does not answer")

    def check(self, options: Mapping[str, str]) -> list[str]:
        self._called("check")
        if self.refusal:
            raise Refused(self.refusal)
        return []

    def max_array(self) -> int:
        return 1000

    def submit(
        self,
        folder: Path,
        name: str,
        token: str,
        tasks: Sequence[int],
        offset: int,
        options: Mapping[str, str],
    ) -> str:
        self._called("submit")
        engine_id = str(len(self.tokens) + 1)
        self.tokens[engine_id], self.folders[engine_id] = token, folder
        self.options_of[engine_id] = dict(options)
        for task in tasks:
            self.states[engine_id, task - offset] = EngineState.PENDING
        return engine_id

    def list_tasks(self) -> list[EngineTask]:
        self._called("list_tasks")
        return [
            EngineTask(
                engine_id, self.tokens[engine_id], task, EngineStatus(state, _REASONS.get(state, ""), "n1")
            )
            for (engine_id, task), state in list(self.states.items())
        ]

    def stop(self, engine_ids: Sequence[str]) -> None:
        self._called("stop")
        for engine_id in engine_ids:
            self.stopped.append((engine_id, None))
            self._forget(engine_id, None)

    def stop_tasks(self, engine_id: str, indexes: Sequence[int]) -> None:
        self._called("stop_tasks")
        self.stopped.append((engine_id, tuple(indexes)))
        self._forget(engine_id, indexes)

    def start_now(self, engine_id: str, index: int) -> None:
        self._called("start_now")

    def _forget(self, engine_id: str, indexes: Sequence[int] | None) -> None:
        for key in list(self.states):
            if key[0] == engine_id and (indexes is None or key[1] in indexes):
                del self.states[key]

    def run(self, engine_id: str, task: int, within: Sequence[str] = ()) -> int:
        """Run a task to its end as an engine's node would, by the job's own task runner.

        Args:
            engine_id, task: which one.
            within: a command prefix to run it with, such as one that changes the visible file systems.
        """
        folder = self.folders[engine_id]
        done = subprocess.run(
            [*within, sys.executable, "-I", str(folder / RUNNER.name), str(task)],
            env={"PATH": os.environ["PATH"], "KQ_TOKEN": self.tokens[engine_id], "SLURMD_NODENAME": "n1"},
            stdin=subprocess.DEVNULL,
            timeout=60,
            check=False,
        )
        self.states[engine_id, task] = EngineState.COMPLETED if not done.returncode else EngineState.FAILED
        return done.returncode


_REASONS = {EngineState.PENDING: "waits for a free node"}
