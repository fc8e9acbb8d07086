"""Client of the cook process: starts it, sends requests, and restarts it after a crash.

For worker threads only: each request blocks until its answer.
"""

from __future__ import annotations

import json
import logging
import math
import os
import subprocess
import sys
import threading
import time
from typing import Any

from .. import session
from ..nodes.errors import CookError

_log = logging.getLogger("Katana.Cooking")

COOK_TIMEOUT_S = 300.0
"""Limit for a cook in seconds; then the process is killed. USD may block for ever on a pipe or a share."""


class CookClient:
    """One cook process, shared by all threads; requests are serialized."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._turn = threading.Lock()
        self._relaying: threading.Thread | None = None
        self._closed = False
        self._watch: _Watch | None = None

    def warm_up(self) -> None:
        """Start the process before the first request. Blocks while a request runs; never on Qt's thread.

        Raises CookError where it does not start.
        """
        with self._turn:
            self._ensure()

    def request(self, **request: Any) -> dict[str, Any]:
        """Send a request (see host.nodes.cook_service) and return its answer. Never on Qt's thread.

        Raises CookError where the cook fails or times out, or the process dies or does not start.
        """
        with self._turn:
            process = self._ensure()
            watch = self._watch
            assert process.stdin is not None
            assert process.stdout is not None
            assert watch is not None
            watch.begin(process)
            try:
                process.stdin.write(json.dumps(request) + "\n")
                process.stdin.flush()
                line = process.stdout.readline()
            except (OSError, ValueError):  # it has died, or `close` has closed its stdin
                line = ""
            finally:
                is_late = watch.end()
            if not line.endswith("\n"):  # none, or the start of one that its death has cut off
                code = process.wait()
                self._process = None
                if is_late:
                    raise CookError(
                        f"Cooking did not end within {COOK_TIMEOUT_S:.0f} s and was given up: a file of the "
                        f"scene may be a named pipe, or be on a share that does not answer."
                    )
                raise CookError(
                    f"Cooking ended the cook process (exit code {code}): a file of the scene may be damaged, "
                    "or the scene needs more memory than the machine has."
                )
        answer: dict[str, Any] = json.loads(line)
        if not answer["ok"]:
            raise CookError(str(answer["error"]))
        return answer

    def close(self) -> None:
        """End the process; a running request raises CookError. Any thread."""
        self._closed = True
        process = self._process
        if process is None:
            return
        # The end of its stdin ends it; one that is deep in a large stage would take its time.
        if process.stdin is not None:
            try:
                process.stdin.close()
            except OSError:
                pass  # the process has exited already
        try:
            process.wait(0.5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if self._relaying is not None:
            self._relaying.join()
        with self._turn:
            if self._watch is not None:
                self._watch.close()
            # Only after the thread with a running request has read its answer or the end of the stream.
            if process.stdout is not None:
                process.stdout.close()

    def _ensure(self) -> subprocess.Popen[str]:
        if self._closed:
            raise CookError("The desktop is closing.")
        if self._process is None or self._process.poll() is not None:
            environment = {**os.environ, **session.render_environment()}
            try:
                process = subprocess.Popen(
                    [sys.executable, "-m", "host.nodes.cook_service"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    env=environment,
                    encoding="utf-8",
                    errors="replace",
                )
            except OSError as error:
                raise CookError(f"The cook process does not start: {error.strerror or error}.") from error
            relaying = threading.Thread(
                target=self._relay, args=(process,), name="cook-messages", daemon=True
            )
            try:
                relaying.start()
                self._watch = self._watch or _Watch()
            except RuntimeError as error:  # the system has no thread left
                process.kill()
                if relaying.ident is not None:
                    relaying.join()
                with process:
                    pass  # closes its pipes
                raise CookError(f"The cook process does not start: {error}.") from error
            self._process, self._relaying = process, relaying
        return self._process

    @staticmethod
    def _relay(process: subprocess.Popen[str]) -> None:
        """Log what USD prints to stderr at debug level; messages for artists are in the answers."""
        assert process.stderr is not None
        with process.stderr:
            for line in process.stderr:
                _log.debug("%s", line.rstrip())


class _Watch:
    """Kills a process whose answer is late. One thread for all requests: starting one for each delays it.

    It sleeps until the deadline of an answered request, too: waking it would delay the next one.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._process: subprocess.Popen[str] | None = None
        self._deadline = 0.0
        self._wakes_at = math.inf
        """When the thread looks again, on the monotonic clock."""
        self._is_late = self._closed = False
        self._thread = threading.Thread(target=self._run, name="cook-watch", daemon=True)
        self._thread.start()

    def begin(self, process: subprocess.Popen[str]) -> None:
        """Begin the time of a request to `process`."""
        with self._changed:
            self._process, self._deadline = process, time.monotonic() + COOK_TIMEOUT_S
            self._is_late = False
            if self._deadline < self._wakes_at:
                self._changed.notify()

    def end(self) -> bool:
        """End the request's time. Returns whether its process was killed."""
        with self._changed:
            self._process = None
            return self._is_late

    def close(self) -> None:
        """End the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        with self._changed:
            while not self._closed:
                left_s = self._deadline - time.monotonic()
                if left_s <= 0 and self._process is not None:
                    self._is_late = True
                    self._process.kill()
                    self._process = None
                self._wakes_at = self._deadline if left_s > 0 else math.inf
                self._changed.wait(left_s if left_s > 0 else None)
