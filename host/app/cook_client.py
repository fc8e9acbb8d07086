"""Client of the cook process: starts it, sends requests, and restarts it after a crash.

For worker threads only: each request blocks until its answer.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
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

    def warm_up(self) -> None:
        """Start the process before the first request. Blocks while a request runs; never on Qt's thread."""
        with self._turn:
            self._ensure()

    def request(self, **request: Any) -> dict[str, Any]:
        """Send a request (see host.nodes.cook_service) and return its answer. Never on Qt's thread.

        Raises CookError where the cook fails, times out, or the process dies.
        """
        with self._turn:
            process = self._ensure()
            assert process.stdin is not None
            assert process.stdout is not None
            expired = threading.Event()
            timer = threading.Timer(COOK_TIMEOUT_S, _end_late, (process, expired))
            timer.start()
            try:
                process.stdin.write(json.dumps(request) + "\n")
                process.stdin.flush()
                line = process.stdout.readline()
            except (OSError, ValueError):  # it has died, or `close` has closed its stdin
                line = ""
            finally:
                timer.cancel()
                timer.join()
            if not line:
                code = process.wait()
                self._process = None
                if expired.is_set():
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
            # Only after the thread with a running request has read its answer or the end of the stream.
            if process.stdout is not None:
                process.stdout.close()

    def _ensure(self) -> subprocess.Popen[str]:
        if self._closed:
            raise CookError("The desktop is closing.")
        if self._process is None or self._process.poll() is not None:
            environment = {**os.environ, **session.render_environment()}
            self._process = subprocess.Popen(
                [sys.executable, "-m", "host.nodes.cook_service"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment,
                encoding="utf-8",
                errors="replace",
            )
            self._relaying = threading.Thread(
                target=self._relay, args=(self._process,), name="cook-messages", daemon=True
            )
            self._relaying.start()
        return self._process

    @staticmethod
    def _relay(process: subprocess.Popen[str]) -> None:
        """Log what USD prints to stderr at debug level; messages for artists are in the answers."""
        assert process.stderr is not None
        with process.stderr:
            for line in process.stderr:
                _log.debug("%s", line.rstrip())


def _end_late(process: subprocess.Popen[str], expired: threading.Event) -> None:
    expired.set()
    process.kill()
