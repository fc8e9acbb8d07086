"""A live render's threads: one receives updates, one renders, one denoises, the main one waits for the end.

What to do next is decided in machine.py, never here; whichever thread has an event asks it at once.
"""

from __future__ import annotations

import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import Enum, auto
from pathlib import Path

from ...scene_origin import origin_of_file
from ..arguments import Arguments
from ..denoising import DENOISER
from ..diagnostics import Diagnostics
from ..errors import EXIT_FAILED, EXIT_STOPPED, RenderBootError
from ..metadata import Metadata, PictureFacts, png_texts
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
"""How often the process's memory is compared with its limit while no event comes."""
_SWITCH_INTERVAL_S = 0.0005
"""How long a thread may keep Python's lock: an update may come while a picture is packed."""
_CANCEL_INTERVAL_S = 0.02
"""Interval of repeated cancels: the renderer may ignore one that comes just as a pass begins."""
_STOP_TIMEOUT_S = 1.0
"""How long a cancelled pass may take before the picture is saved without it."""


@dataclass(frozen=True)
class _Stop:
    """The render is to end: a signal came, or the desktop closed the connection."""

    exit_code: int


class _Event(Enum):
    FIRST_UPDATE = auto()
    """The desktop has sent the scene."""
    CANCELLING = auto()
    """A pass is being cancelled: it may have to be cancelled again."""


class LiveRender:
    """One live render. SIGTERM, SIGINT and CTRL_BREAK end it, and its picture is written."""

    def __init__(self, arguments: Arguments, renderer: Renderer | None, report: Report, output: Path) -> None:
        """
        Args:
            renderer: None: loaded when the first update comes.
            output: where the picture is written, as .png and .exr.
        """
        self._arguments = arguments
        self._report = report
        self._png, self._exr = output.with_suffix(".png"), output.with_suffix(".exr")
        self._events: queue.SimpleQueue[_Event | _Stop | RenderBootError] = queue.SimpleQueue()
        """For the main thread."""
        self._work: queue.SimpleQueue[Instruction | None] = queue.SimpleQueue()
        """For the render thread; None ends it."""
        self._lock = threading.Lock()
        """For `_machine` and `_is_cancelling`: all threads have events for the machine."""
        self._machine = LiveMachine()
        self._has_scene = False
        self._renderer = renderer
        self._scene: LiveScene | None = None
        self._picture: LivePicture | None = None
        self._shown = Shown(0)
        """What the desktop is sent with the next picture."""
        self._header = Header()
        self._facts: PictureFacts | None = None
        """What the header of the next picture records of the scene."""
        self._applied_s = 0.0
        """When the scene was last changed, on the monotonic clock."""
        self._source = ""
        """Path of the artist's scene, for the picture's header; empty: not known."""
        self._reported: set[str] = set()
        """Warnings and notes that were logged already."""
        self._sender: PixelSender | None = None
        self._window: Window = (0, 0, 0, 0)
        """The rendered part of the picture in pixels: left, top, right, bottom."""
        self._last_full_picture: Pixels | None = None
        """The pixels when the whole picture was last rendered."""
        self._denoised: tuple[Pixels, float] | None = None
        """The latest denoised picture of the scene as it is, and its samples per pixel."""
        self._may_denoise = True
        """False after the denoiser has failed."""
        self._denoiser = ThreadPoolExecutor(1, "denoiser")
        self._denoising_over = threading.Event()
        """Set when the picture that is being denoised is finished, or is not wanted any more."""
        self._is_cancelling = False
        self._samples = 0
        self._memory = MemoryLimit(arguments.memory_limit)

    def run(self) -> int | None:
        """Render until a signal comes or the desktop disconnects. Call it on the main thread.

        Returns:
            The exit code; None when there is no desktop, or none has sent a scene in `_FIRST_UPDATE_S`.
        """
        arguments = self._arguments
        sys.setswitchinterval(_SWITCH_INTERVAL_S)
        with stop_signals(lambda: self._events.put(_Stop(EXIT_STOPPED))):
            self._sender = open_sender(arguments.host, arguments.temp_dir, self._report.say, self._on_update)
            if self._sender is None:
                return None
            worker = start_render_thread(self._render)
            try:
                code = self._run_events()
                self._stop_worker(worker)
                if code is not None:
                    self._finish(code)
                return code
            except RenderBootError as error:
                self._report.error(str(error))
                return error.exit_code
            finally:
                self._denoising_over.set()
                self._denoiser.shutdown()
                self._sender.close()

    # --- The main thread ---

    def _run_events(self) -> int | None:
        """Handle events until a _Stop. Returns the exit code, or None when no scene came.

        Raises:
            RenderBootError: the process holds more memory than it may, or there is no renderer.
        """
        deadline = time.monotonic() + _FIRST_UPDATE_S
        while self._has_scene or time.monotonic() < deadline:
            try:
                event = self._events.get(
                    timeout=_CANCEL_INTERVAL_S if self._is_cancelling else _POLL_INTERVAL_S
                )
            except queue.Empty:
                with self._lock:  # or it might cancel the next picture
                    if self._is_cancelling:
                        self._cancel()
                self._memory.check()
                continue
            if isinstance(event, _Stop):
                return event.exit_code if self._has_scene or event.exit_code == EXIT_STOPPED else None
            if isinstance(event, RenderBootError):
                raise event
            if event is _Event.FIRST_UPDATE:
                self._report.say(f"{self._arguments.method} of {self._arguments.node_name or 'a scene'}")
        return None

    def _cancel(self) -> None:
        self._denoising_over.set()
        if self._picture:
            self._picture.cancel()

    def _stop_worker(self, worker: threading.Thread) -> None:
        """Cancel the pass and wait for the render thread, for `_STOP_TIMEOUT_S` at most."""
        self._work.put(None)
        deadline = time.monotonic() + _STOP_TIMEOUT_S
        while worker.is_alive() and time.monotonic() < deadline:
            self._cancel()
            worker.join(_CANCEL_INTERVAL_S)

    # --- Any thread ---

    def _carry_out(self, instructions: list[Instruction]) -> None:
        """Cancel the running pass here; queue all other instructions for the render thread. Under `_lock`."""
        for instruction in instructions:
            if isinstance(instruction, Cancel):
                self._is_cancelling = True
                self._cancel()
                self._events.put(_Event.CANCELLING)
            else:
                self._work.put(instruction)

    # --- The receiving thread ---

    def _on_update(self, content: bytes | None) -> None:
        """Take an update from the desktop; `content` is None when the connection has ended."""
        if content is None:
            self._events.put(_Stop(EXIT_FAILED))
            return
        try:
            update = decoded(content)
        except MalformedUpdateError as error:
            self._report.warn(str(error))
            return
        if not self._has_scene:
            self._has_scene = True
            self._events.put(_Event.FIRST_UPDATE)
        with self._lock:
            self._carry_out(self._machine.updated(update))

    # --- The render thread ---

    def _render(self) -> None:
        """Carry out instructions until None comes."""
        while (instruction := self._work.get()) is not None:
            report: Callable[[], list[Instruction]] | None
            try:
                report = self._execute(instruction)
            except RenderBootError as error:
                if self._renderer is None:
                    self._events.put(error)  # without a renderer no later edit can mend it
                    return
                report = self._send_problem(str(error))
            # An edit that causes any error must not end the render: the next edit may mend it.
            except Exception as error:  # noqa: BLE001
                self._report.trace("".join(traceback.format_exception(error)))
                report = self._send_problem(
                    f"The scene cannot be rendered ({type(error).__name__}): {error}."
                )
            if report is not None:
                with self._lock:
                    self._is_cancelling = False
                    self._carry_out(report())

    def _execute(self, instruction: Instruction) -> Callable[[], list[Instruction]] | None:
        """Carry out one instruction.

        Returns:
            The call that reports the result to the machine, which returns its next instructions; None when
            it expects no report.

        Raises:
            RenderBootError: the scene cannot be rendered as it is now.
        """
        machine = self._machine
        if isinstance(instruction, Apply):
            samples = self._apply(instruction.update)
            return lambda: machine.applied(samples)
        picture, sender = self._picture, self._sender
        assert picture is not None
        assert sender is not None
        if isinstance(instruction, RenderFirst):
            picture.render_preview()
            preview = picture.preview_pixels()
            if preview is not None:  # None: the render stops
                if self._is_whole:
                    # A sixteenth of the picture's pixels: compressing them takes longer than sending them.
                    content = png(preview, level=0)
                else:
                    content = png(self._full_picture(picture.pixels()))
                sender.send_picture(content, self._shown)
            return machine.first_shown
        if isinstance(instruction, Refine):
            return self._refine(picture, sender, instruction.samples)
        if isinstance(instruction, Complete):
            self._save()
        return None

    def _apply(self, update: Update) -> int:
        """Apply an update to the scene and prepare its picture. Returns the samples of a complete picture."""
        if self._scene is None:
            if self._renderer is None:
                with self._report.timed(f"renderer {self._arguments.renderer} loaded"):
                    self._renderer = load_renderer(self._arguments.renderer)
            self._scene = LiveScene(self._arguments, self._renderer)
            self._source = origin_of_file(self._arguments.stage).scene
        revision = update.revision or 0
        self._shown = replace(self._shown, revision=revision)
        try:
            scene, self._picture = self._scene.updated(update)
            self._denoised = None
        finally:
            self._log(self._scene.diagnostics)
        settings = scene.settings
        window = settings.window
        self._shown = Shown(
            revision, "", *self._scene.full_size, camera=scene.camera.path, samples=settings.samples
        )
        assert self._renderer is not None
        facts = PictureFacts.of(scene, self._renderer, self._arguments)
        self._facts = replace(facts, source=self._source or facts.source)
        self._header = Header((settings.width, settings.height), window[:2], settings.pixel_aspect_ratio)
        self._applied_s = time.monotonic()
        self._window = window
        self._samples = settings.samples
        return settings.samples

    def _refine(
        self, picture: LivePicture, sender: PixelSender, samples: int
    ) -> Callable[[], list[Instruction]]:
        """Render a pass of `samples`, and send the picture unless it was cancelled. Returns as `_execute`."""
        began_s = time.monotonic()
        picture.render_pass(samples)
        took_s = time.monotonic() - began_s
        if not self._is_cancelling:
            self._denoise(picture)
        if self._is_cancelling:
            return lambda: self._machine.refined(0, took_s)
        pixels, about = self._current(picture)
        content = png(self._full_picture(pixels), png_texts(about), lambda: self._is_cancelling)
        if not content:
            return lambda: self._machine.refined(0, took_s)
        sender.send_picture(content, self._shown)
        sender.send_progress(int(picture.samples_done()), self._samples)
        return lambda: self._machine.refined(samples, took_s)

    def _denoise(self, picture: LivePicture) -> None:
        """Keep the picture without its noise, if the scene's settings ask for that.

        A change does not wait for the denoiser, which only ends between its layers, up to 100 ms apart.
        """
        over = self._denoising_over = threading.Event()
        if not self._may_denoise or self._is_cancelling:
            return
        denoising = self._denoiser.submit(picture.denoised, over.is_set)
        denoising.add_done_callback(lambda _: over.set())
        over.wait()
        if not denoising.done():
            return  # cancelled: what it returns, soon, is not used
        try:
            pixels = denoising.result()
        except RenderBootError as error:
            # The pictures go on with their noise.
            self._may_denoise, self._denoised = False, None
            self._report.warn(str(error))
            return
        if pixels is not None:  # None: cancelled, and the picture before stays, also where the render ends
            self._denoised = pixels, picture.samples_done()

    def _current(self, picture: LivePicture) -> tuple[Pixels, Metadata]:
        """Return the latest denoised picture, else the picture so far, and its metadata."""
        pixels, samples = self._denoised or (picture.pixels(), picture.samples_done())
        denoiser = DENOISER if self._denoised is not None else ""
        assert self._facts is not None
        return pixels, self._facts.metadata(samples, time.monotonic() - self._applied_s, denoiser)

    @property
    def _is_whole(self) -> bool:
        """Whether the whole picture is rendered, and not a region of it."""
        return self._window == (0, 0, *(self._header.display_size or ()))

    def _full_picture(self, pixels: Pixels) -> Pixels:
        """Return the whole picture: the rendered region over the last full picture of the same size."""
        if self._is_whole:
            self._last_full_picture = pixels
            return pixels
        whole, last = framed(pixels, self._header), self._last_full_picture
        if last is None or last.shape != whole.shape:
            return whole
        left, top, right, bottom = self._window
        left, top = max(left, 0), max(top, 0)
        result = last.copy()
        result[top:bottom, left:right] = whole[top:bottom, left:right]
        return result

    def _send_problem(self, reason: str) -> Callable[[], list[Instruction]]:
        """Log and send to the desktop why there is no picture. Returns as `_execute`."""
        if reason not in self._reported:
            self._reported.add(reason)
            self._report.warn(reason)
        assert self._sender is not None
        self._shown = replace(self._shown, problem=reason)
        self._sender.send_shown(self._shown)
        return self._machine.refused

    def _log(self, diagnostics: Diagnostics) -> None:
        """Log warnings and notes, each text once: every update while an artist drags finds them again."""
        warnings, notes = diagnostics.take()
        for lines, write in ((warnings, self._report.warn), (notes, self._report.say)):
            for line in lines:
                if line not in self._reported:
                    self._reported.add(line)
                    write(line)

    def _finish(self, code: int) -> None:
        """Write the picture, and log why the render ends."""
        self._save()
        if code == EXIT_STOPPED:
            self._report.say("stopped")
        else:
            self._report.error("The connection to the desktop was lost.")

    def _save(self) -> None:
        """Write the picture, if any, as PNG and EXR. Render thread; main thread after `_stop_worker`."""
        picture = self._picture
        if picture is None or not (picture.samples_done() or picture.preview_pixels() is not None):
            return  # stopped before anything of it was rendered: the files of the scene before stay
        pixels, about = self._current(picture)
        write_encoded(self._png, png(self._full_picture(pixels), png_texts(about)))
        write_exr(self._exr, pixels, replace(self._header, about=about))
        self._report.picture(str(self._png))
