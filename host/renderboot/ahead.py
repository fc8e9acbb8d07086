"""Making, while a process waits for its render, what that likely needs: parts of the scene rendered before.

Whatever goes wrong here is no error: the render makes itself what it does not find.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from host.renderboot.arguments import Arguments, parse
from host.renderboot.errors import ArgumentError, RenderBootError
from host.renderboot.findings import Findings
from host.renderboot.renderers import Renderer
from host.renderboot.stash import Stash

BEFORE_VARIABLE = "KQ_STANDBY_BEFORE"
_MEMORY_SHARE = 0.8
"""Of the memory that may be held: reading an image takes more for a moment than what is kept of it."""


@dataclass(frozen=True)
class Before:
    """The render before: its arguments, and how many bytes this process may hold."""

    arguments: Arguments
    memory_limit: int


class _EnoughError(Exception):
    """Not an error: the render has come, or the memory is used up."""


def read_before(text: str) -> Before | None:
    """What the environment says of the render before; None: nothing that could be prepared for.

    Args:
        text: JSON, `{"argv": [...], "cwd": DIR, "memory": BYTES}`.
    """
    try:
        data = json.loads(text)
        arguments = parse(data["argv"], os.environ)
        stage = Path(data["cwd"], arguments.stage)
        return Before(replace(arguments, stage=stage), int(data["memory"]))
    except (ValueError, KeyError, TypeError, AttributeError, ArgumentError):
        return None


class Ahead:
    """Prepares on a thread of its own from the moment it is made until `finish`."""

    def __init__(self, before: Before, renderer: Renderer) -> None:
        """
        Args:
            before: the render before.
            renderer: loaded; nothing else may use it before `finish`.
        """
        self._before = before
        self._renderer = renderer
        self._process = psutil.Process()
        self._is_wanted = threading.Event()
        self._stash = Stash(self._look_up)
        self._thread = threading.Thread(target=self._run, name="ahead", daemon=True)
        self._thread.start()

    def finish(self) -> Stash:
        """End it and return all that is ready; waits for what is just being made."""
        self._is_wanted.set()
        self._thread.join()
        self._stash.close()
        return self._stash

    def _look_up(self) -> None:
        """Between two things: whether to go on. The render must not wait, nor the process grow too large."""
        if self._is_wanted.is_set():
            raise _EnoughError
        if self._process.memory_info().rss > _MEMORY_SHARE * self._before.memory_limit:
            raise _EnoughError

    def _run(self) -> None:
        try:
            self._prepare()
        except (_EnoughError, RenderBootError):
            return
        # Whatever else a scene can do to a renderer, the render will meet it too, and word it.
        except Exception as error:  # noqa: BLE001
            sys.stderr.write(f"nothing more is prepared: {type(error).__name__}: {error}\n")

    def _prepare(self) -> None:
        from host.renderboot.stage.reader import read_scene

        # The stage is gone when this returns: USD knows layers by their names while somebody holds them, and
        # the render's may have the same name and other content.
        scene = read_scene(self._before.arguments, Findings(), self._stash)
        self._renderer.prepare_ahead(scene, self._before.arguments.threads, self._stash)
