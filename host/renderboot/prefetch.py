"""While a standby process waits for its job, prepares what the job likely needs from the previous scene.

Failures here are not errors: the render makes whatever is not in the cache.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from .arguments import Arguments, parse
from .cache import PartCache
from .diagnostics import Diagnostics
from .errors import ArgumentError, RenderBootError
from .renderers import Renderer

BEFORE_VARIABLE = "KQ_STANDBY_BEFORE"
_MEMORY_SHARE = 0.8
"""Share of the memory limit to fill: decoding an image briefly takes more than its cached pixels."""


@dataclass(frozen=True)
class Before:
    """The previous render: its arguments, and this process's memory limit in bytes."""

    arguments: Arguments
    memory_limit: int


class _EnoughError(Exception):
    """Ends the prefetch: the job has arrived, or the memory is used up."""


def read_before(text: str) -> Before | None:
    """Parse the description of the previous render; None: nothing to prepare.

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


class Prefetch:
    """Prepares on a thread of its own from the moment it is made until `finish`."""

    def __init__(self, before: Before, renderer: Renderer, on_all_made: Callable[[], None]) -> None:
        """
        Args:
            before: the previous render.
            renderer: loaded; nothing else may use it before `finish`.
            on_all_made: called on the prefetch thread when all is prepared before the job arrives.
        """
        self._before = before
        self._renderer = renderer
        self._on_all_made = on_all_made
        self._process = psutil.Process()
        self._is_wanted = threading.Event()
        self._cache = PartCache(self._look_up)
        self._thread = threading.Thread(target=self._run, name="prefetch", daemon=True)
        self._thread.start()

    def hurry(self) -> None:
        """Start nothing more: the job has arrived. Returns at once."""
        self._is_wanted.set()

    def finish(self) -> PartCache:
        """Wait for the part being made, and return the cache."""
        self.hurry()
        self._thread.join()
        self._cache.close()
        return self._cache

    def _look_up(self) -> None:
        """Raise _EnoughError between two parts if the job has arrived or memory is used up."""
        if self._is_wanted.is_set():
            raise _EnoughError
        if self._process.memory_info().rss > _MEMORY_SHARE * self._before.memory_limit:
            raise _EnoughError

    def _run(self) -> None:
        try:
            self._prepare()
        except (_EnoughError, RenderBootError):
            pass
        # Any other error of the scene will recur in the render, which reports it.
        except Exception as error:  # noqa: BLE001
            sys.stderr.write(f"nothing more is prepared: {type(error).__name__}: {error}\n")
        if not self._is_wanted.is_set():
            self._on_all_made()

    def _prepare(self) -> None:
        from .stage.reader import read_scene

        # The stage is gone when this returns: USD knows layers by their names while they are held, and
        # the render's may have the same name and other content.
        scene = read_scene(self._before.arguments, Diagnostics(), self._cache)
        self._renderer.prefetch_parts(scene, self._before.arguments.threads, self._cache)
