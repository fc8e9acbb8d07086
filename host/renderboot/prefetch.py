"""Making, while a process waits for its render, what that likely needs: parts of the scene rendered before.

Whatever goes wrong here is no error: the render makes itself what it does not find.
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


class Prefetch:
    """Prepares on a thread of its own from the moment it is made until `finish`."""

    def __init__(self, before: Before, renderer: Renderer, on_all_made: Callable[[], None]) -> None:
        """
        Args:
            before: the render before.
            renderer: loaded; nothing else may use it before `finish`.
            on_all_made: called on the thread when nothing is left to do and the render has not come.
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
        """The render has come: begin nothing more."""
        self._is_wanted.set()

    def finish(self) -> PartCache:
        """All that is ready, once what is just being made is ready too."""
        self.hurry()
        self._thread.join()
        self._cache.close()
        return self._cache

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
            pass
        # Whatever else a scene can do to a renderer, the render will meet it too, and word it.
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
