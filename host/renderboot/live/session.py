"""A live render as a process: one thread renders, one receives changes, the main one decides.

What is to be done is `machine`'s to say.
"""

from __future__ import annotations

import queue
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ..arguments import Arguments
from ..diagnostics import Diagnostics
from ..errors import EXIT_FAILED, EXIT_STOPPED, RenderBootError
from ..picture import Header, Pixels, framed, png, write_encoded, write_exr
from ..pixel_stream import PixelSender, Shown, open_sender
from ..renderers import LivePicture, Renderer, load_renderer
from ..report import Report
from ..scene import Window
from ..threads import MemoryLimit, start_render_thread, stop_signals
from .machine import Apply, Cancel, Complete, Instruction, LiveMachine, Refine, RenderFirst
from .scene import LiveScene
from .state import MalformedUpdateError, Update, decoded

_FIRST_UPDATE_S = 20.0
"""How long the desktop may take to send the scene."""
_POLL_INTERVAL_S = 1.0
"""How often the memory is looked at."""
_CANCEL_AGAIN_S = 0.02
"""A cancel that comes while a pass is only just beginning may be lost, so it is repeated."""
_STOP_TIMEOUT_S = 1.0
"""How long a cancelled pass may take before the picture is saved without it."""


@dataclass(frozen=True)
class _Stop:
    """A signal, or the desktop has gone."""

    exit_code: int


@dataclass(frozen=True)
class _Done:
    """The render thread has finished a step; `then` gives the machine its event."""

    then: Callable[[], list[Instruction]]


class LiveRender:
    """One live render, on the main thread. SIGTERM, SIGINT and CTRL_BREAK end it, and its picture is kept."""

    def __init__(self, arguments: Arguments, renderer: Renderer | None, report: Report, output: Path) -> None:
        self._arguments = arguments
        self._report = report
        self._png, self._exr = output.with_suffix(".png"), output.with_suffix(".exr")
        self._events: queue.SimpleQueue[Update | _Done | _Stop] = queue.SimpleQueue()
        self._work: queue.SimpleQueue[Instruction | None] = queue.SimpleQueue()
        self._machine = LiveMachine()
        self._renderer = renderer
        self._scene: LiveScene | None = None
        self._picture: LivePicture | None = None
        self._shown = Shown(0)
        self._header = Header()
        self._reported: set[str] = set()
        self._sender: PixelSender | None = None
        self._window: Window = (0, 0, 0, 0)
        self._before: Pixels | None = None
        """The picture when all of it was rendered last."""
        self._is_cancelling = False
        self._samples = 0
        self._memory = MemoryLimit(arguments.memory_limit)

    def run(self) -> int | None:
        """Render until a stop; returns the exit code, or None where there is no desktop to render for."""
        arguments = self._arguments
        with stop_signals(lambda: self._events.put(_Stop(EXIT_STOPPED))):
            self._sender = open_sender(arguments.host, arguments.temp_dir, self._report.say, self._on_update)
            if self._sender is None:
                return None
            worker = start_render_thread(self._render)
            try:
                code = self._follow()
                self._stop_worker(worker)
                if code is not None:
                    self._end(code)
                return code
            except RenderBootError as error:
                self._report.error(str(error))
                return error.exit_code
            finally:
                self._sender.close()

    # --- The main thread ---

    def _follow(self) -> int | None:
        deadline = time.monotonic() + _FIRST_UPDATE_S
        is_begun = False
        while is_begun or time.monotonic() < deadline:
            try:
                event = self._events.get(timeout=_CANCEL_AGAIN_S if self._is_cancelling else _POLL_INTERVAL_S)
            except queue.Empty:
                if self._is_cancelling:
                    self._cancel()
                self._memory.check()
                continue
            if isinstance(event, _Stop):
                return event.exit_code if is_begun or event.exit_code == EXIT_STOPPED else None
            if isinstance(event, _Done):
                self._is_cancelling = False
                self._carry_out(event.then())
            else:
                if not is_begun:
                    is_begun = True
                    self._report.say(f"{self._arguments.method} of {self._arguments.node_name or 'a scene'}")
                self._carry_out(self._machine.updated(event))
        return None

    def _carry_out(self, instructions: list[Instruction]) -> None:
        for instruction in instructions:
            if isinstance(instruction, Cancel):
                self._is_cancelling = True
                self._cancel()
            else:
                self._work.put(instruction)

    def _cancel(self) -> None:
        if self._picture:
            self._picture.cancel()

    def _stop_worker(self, worker: threading.Thread) -> None:
        self._work.put(None)
        deadline = time.monotonic() + _STOP_TIMEOUT_S
        while worker.is_alive() and time.monotonic() < deadline:
            self._cancel()
            worker.join(_CANCEL_AGAIN_S)

    # --- The connection's thread ---

    def _on_update(self, content: bytes | None) -> None:
        if content is None:
            self._events.put(_Stop(EXIT_FAILED))
            return
        try:
            self._events.put(decoded(content))
        except MalformedUpdateError as error:
            self._report.warn(str(error))

    # --- The render thread ---

    def _render(self) -> None:
        while (instruction := self._work.get()) is not None:
            then: Callable[[], list[Instruction]] | None
            try:
                then = self._step(instruction)
            except RenderBootError as error:
                then = self._refuse(str(error))
            # Whatever an edit makes go wrong must leave the render there for the next edit.
            except Exception as error:  # noqa: BLE001
                self._report.trace("".join(traceback.format_exception(error)))
                then = self._refuse(f"The scene cannot be rendered ({type(error).__name__}): {error}.")
            if then is not None:
                self._events.put(_Done(then))

    def _step(self, instruction: Instruction) -> Callable[[], list[Instruction]] | None:
        machine = self._machine
        if isinstance(instruction, Apply):
            samples = self._apply(instruction.update)
            return lambda: machine.applied(samples)
        picture, sender = self._picture, self._sender
        assert picture is not None
        assert sender is not None
        if isinstance(instruction, RenderFirst):
            picture.render_preview()
            is_whole = self._is_whole
            sender.send_picture(
                png(picture.preview_pixels() if is_whole else self._framed(picture.pixels())), self._shown
            )
            return machine.first_shown
        if isinstance(instruction, Refine):
            return self._refine(picture, sender, instruction.samples)
        if isinstance(instruction, Complete):
            self._save()
        return None

    def _apply(self, update: Update) -> int:
        if self._scene is None:
            if self._renderer is None:
                with self._report.timed(f"renderer {self._arguments.renderer} loaded"):
                    self._renderer = load_renderer(self._arguments.renderer)
            self._scene = LiveScene(self._arguments, self._renderer)
        revision = update.revision or 0
        self._shown = replace(self._shown, revision=revision)
        try:
            scene, self._picture = self._scene.updated(update)
        finally:
            self._log(self._scene.diagnostics)
        settings = scene.settings
        window = settings.window
        self._shown = Shown(revision, "", *self._scene.full_size)
        self._header = Header(
            (settings.width, settings.height), window[:2], settings.pixel_aspect_ratio, self._about()
        )
        self._window = window
        self._samples = settings.samples
        return settings.samples

    def _about(self) -> dict[str, str | int | float]:
        arguments = self._arguments
        about: dict[str, str | int | float] = {
            "scene": str(arguments.stage),
            "software": "Katana Queue renderboot",
        }
        if arguments.node_name:
            about["node"] = arguments.node_name
        return about

    def _refine(
        self, picture: LivePicture, sender: PixelSender, samples: int
    ) -> Callable[[], list[Instruction]]:
        began_s = time.monotonic()
        picture.render_pass(samples)
        took_s = time.monotonic() - began_s
        if self._is_cancelling:
            return lambda: self._machine.refined(0, took_s)
        sender.send_picture(png(self._framed(picture.pixels())), self._shown)
        sender.send_progress(int(picture.samples_done()), self._samples)
        return lambda: self._machine.refined(samples, took_s)

    @property
    def _is_whole(self) -> bool:
        """Whether all of the picture is rendered."""
        return self._window == (0, 0, *(self._header.display_size or ()))

    def _framed(self, pixels: Pixels) -> Pixels:
        """The whole picture: around a region that alone is rendered, as it was seen before."""
        if self._is_whole:
            self._before = pixels
            return pixels
        whole, before = framed(pixels, self._header), self._before
        if before is None or before.shape != whole.shape:
            return whole
        left, top, right, bottom = self._window
        left, top = max(left, 0), max(top, 0)
        result = before.copy()
        result[top:bottom, left:right] = whole[top:bottom, left:right]
        return result

    def _refuse(self, reason: str) -> Callable[[], list[Instruction]]:
        if reason not in self._reported:
            self._reported.add(reason)
            self._report.warn(reason)
        assert self._sender is not None
        self._shown = replace(self._shown, problem=reason)
        self._sender.send_shown(self._shown)
        return self._machine.refused

    def _log(self, diagnostics: Diagnostics) -> None:
        """Once each: while an artist drags, everything that is wrong is found again and again."""
        warnings, notes = diagnostics.take()
        for lines, write in ((warnings, self._report.warn), (notes, self._report.say)):
            for line in lines:
                if line not in self._reported:
                    self._reported.add(line)
                    write(line)

    def _end(self, code: int) -> None:
        self._save()
        if code == EXIT_STOPPED:
            self._report.say("stopped")
        else:
            self._report.error("The connection to the desktop was lost.")

    def _save(self) -> None:
        picture = self._picture
        if picture is None:
            return
        pixels = picture.pixels()
        write_encoded(self._png, png(self._framed(pixels)))
        write_exr(self._exr, pixels, self._header)
        self._report.picture(str(self._png))
