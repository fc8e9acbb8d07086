"""One render from arguments to exit code: one thread renders, the main one writes files and handles signals.

Independent of the renderer; reads no USD itself.
"""

from __future__ import annotations

import queue
import threading
import time
import traceback
from enum import Enum, auto
from pathlib import Path

from .arguments import Arguments
from .cache import PartCache
from .denoising import DENOISER
from .diagnostics import Diagnostics
from .errors import EXIT_FAILED, EXIT_OK, EXIT_STOPPED, RenderBootError, StopRequested
from .metadata import NO_CAMERA, PictureFacts, png_texts
from .picture import Header, Pixels, framed, png, write_encoded, write_exr
from .pixel_stream import PixelSender, open_sender
from .renderers import Picture, Renderer, load_renderer
from .report import Report
from .scene import Scene
from .threads import MemoryLimit, start_render_thread, stop_signals

_LONGEST_PASS_S = 4.0
"""The longest that a pass is planned to take, so that pictures are updated regularly."""
_LONGEST_PASS_SAMPLES = 4_000_000
"""The same for a Disk Render, in samples of all pixels: each pass has noise of its own, so with a limit of
time the picture would depend on the machine's speed."""
_PICTURE_INTERVAL_S = 2.0
"""The longest time between two written pictures during a long pass."""
_LISTEN_S = 0.25
"""How often progress is polled; signals and finished passes are handled at once."""
_STILL_READING_S = 15.0
"""How often the log reports that the scene is still being read."""
_STOP_TIMEOUT_S = 1.0
"""How long a cancelled pass may take before the picture is saved without it."""


class _Event(Enum):
    PASS_DONE = auto()
    ENDED = auto()
    STOP = auto()


def run(
    arguments: Arguments,
    renderer: Renderer | None = None,
    report: Report | None = None,
    cache: PartCache | None = None,
) -> int:
    """Render one job. On the main thread, SIGTERM, SIGINT and CTRL_BREAK end it with the partial picture.

    Args:
        arguments: What to render.
        renderer: One that is loaded already; None loads the one that the arguments name.
        report: Where progress and errors are logged; None makes one on stderr.
        cache: Parts of the scene that were translated before; None: no cache.

    Returns:
        The process's exit code: 0, 1 after an error, which the last log line gives, 143 after a stop.
    """
    report = report or Report()
    if arguments.method == "liveRender":
        from .live.session import LiveRender  # imports USD: bad arguments are reported sooner

        code = LiveRender(arguments, renderer, report, _output_of(arguments)).run()
        if code is not None:
            return code
    return _Job(arguments, renderer, report, cache).run()


class _Job:
    def __init__(
        self, arguments: Arguments, renderer: Renderer | None, report: Report, cache: PartCache | None
    ) -> None:
        self._cache = cache
        self._arguments = arguments
        self._renderer = renderer
        self._report = report
        self._events: queue.SimpleQueue[_Event] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._picture: Picture | None = None
        self._preview: Pixels | None = None
        self._denoised: tuple[Pixels, float] | None = None
        """The latest denoised picture, and its samples."""
        self._may_denoise = True
        """False after the denoiser has failed."""
        self._samples = 0
        self._error: Exception | None = None
        output = _output_of(arguments)
        self._png, self._exr = output.with_suffix(".png"), output.with_suffix(".exr")
        self._written_at = 0.0
        self._began_at = time.monotonic()
        self._facts: PictureFacts | None = None
        self._sender: PixelSender | None = None
        self._mentioned_at = time.monotonic()
        self._memory = MemoryLimit(arguments.memory_limit)

    def run(self) -> int:
        arguments = self._arguments
        with stop_signals(self._on_signal):
            self._sender = open_sender(arguments.host, arguments.temp_dir, self._report.say)
            try:
                return self._run()
            finally:
                if self._sender is not None:
                    self._sender.close()

    def _run(self) -> int:
        self._greet()
        worker = start_render_thread(self._work)
        try:
            ended = self._follow()
            if not ended:
                return self._stopped(worker)
            if isinstance(self._error, StopRequested):
                return self._stopped(worker)
            if self._error is not None:
                return self._failed(self._error)
            return self._finished()
        # Any error on this thread also ends the render thread, and is reported in the log.
        except Exception as error:  # noqa: BLE001
            self._stop.set()
            if self._picture:
                self._picture.cancel()
            return self._failed(error)

    # -- the main thread

    def _greet(self) -> None:
        arguments = self._arguments
        name = f" '{arguments.method_name}'" if arguments.method_name else ""
        self._report.say(f"{arguments.method}{name}: {arguments.stage}")
        if arguments.method == "liveRender":
            self._report.say("no desktop sends changes: the scene is rendered once, as it was")
        if arguments.unknown:
            self._report.warn(f"unknown arguments are ignored: {', '.join(arguments.unknown)}")

    def _on_signal(self) -> None:
        self._stop.set()
        self._events.put(_Event.STOP)

    def _follow(self) -> bool:
        """Update the pictures until the render thread ends (returns True) or a stop is requested (False)."""
        while True:
            try:
                event = self._events.get(timeout=_LISTEN_S)
            except queue.Empty:
                event = None
            if self._stop.is_set():
                return False
            if event is _Event.ENDED:
                return True
            self._memory.check()
            picture = self._picture
            if picture is None:
                self._mention_reading()
                continue
            done = picture.samples_done()
            self._report.progress(min(done / self._samples, 0.999))
            if self._sender is not None:
                self._sender.send_progress(int(done), self._samples)
            # No picture before the coarse preview: it would be black. A denoised one changes between passes.
            is_stale = (
                self._denoised is None and 0.0 < self._written_at < time.monotonic() - _PICTURE_INTERVAL_S
            )
            if event is _Event.PASS_DONE or is_stale:
                self._write_png(picture)

    def _mention_reading(self) -> None:
        now = time.monotonic()
        if now - self._mentioned_at >= _STILL_READING_S:
            self._mentioned_at = now
            held = self._memory.held() / 2**30
            self._report.say(f"still reading the scene: {held:.1f} GiB held")

    def _write_png(self, picture: Picture) -> None:
        """Write the current picture; the first time, the stored preview instead."""
        preview, self._preview = self._preview, None
        self._publish(*((preview, self._header(0.0)) if preview is not None else self._current(picture)))
        self._written_at = time.monotonic()

    def _current(self, picture: Picture) -> tuple[Pixels, Header]:
        """Return the latest denoised picture, else the picture so far, and its header."""
        if self._denoised is not None:
            pixels, samples = self._denoised
            return pixels, self._header(samples, DENOISER)
        pixels = picture.pixels()
        return pixels, self._header(picture.samples_done())

    def _publish(self, pixels: Pixels, header: Header) -> None:
        """Write the PNG, and send the same bytes to the desktop if it is connected."""
        encoded = png(framed(pixels, header), png_texts(header.about))
        if self._sender is not None:
            self._sender.send_picture(encoded)
        made_folder = write_encoded(self._png, encoded)
        made = f"The folder {self._png.parent} was missing, and was made"
        if made_folder and self._report.has_picture:
            self._report.warn(f"{made}: pictures that were written to it before are not there.")
        # The frames before may be of other processes; or this one is the first.
        elif made_folder and self._arguments.method == "diskRender":
            self._report.warn(f"{made}.")
        self._report.picture(str(self._png))

    def _finished(self) -> int:
        assert self._picture is not None
        self._write_both(self._picture)
        self._report.progress(1.0)
        if self._sender is not None:
            self._sender.send_progress(self._samples, self._samples)
        self._report.say(f"done: {self._samples} samples, {self._png} and {self._exr.name}")
        return EXIT_OK

    def _stopped(self, worker: threading.Thread) -> int:
        picture = self._picture
        deadline = time.monotonic() + _STOP_TIMEOUT_S
        while picture is not None and worker.is_alive() and time.monotonic() < deadline:
            # Repeated: a cancel that arrives while a pass is starting may be lost.
            picture.cancel()
            worker.join(0.05)
        done = picture.samples_done() if picture is not None else 0.0
        has_preview = self._preview is not None or self._written_at > 0.0
        if picture is None or not (done or has_preview):
            # A black one would replace that of an earlier render.
            self._report.say("stopped: before the first sample, no picture")
            return EXIT_STOPPED
        if self._arguments.method == "diskRender":
            # No EXR: skip-existing checks and compositing would take it for a finished frame.
            self._publish(*self._current(picture))
        else:
            self._write_both(picture)
        shown = f"{done:.0f}" if done >= 1 else f"{done:.2f}"
        self._report.say(f"stopped: partial picture, {shown} of {self._samples} samples")
        return EXIT_STOPPED

    def _write_both(self, picture: Picture) -> None:
        pixels, header = self._current(picture)
        self._publish(pixels, header)
        write_exr(self._exr, pixels, header)

    def _header(self, samples: float, denoiser: str = "") -> Header:
        """Return the size and the metadata of the picture."""
        facts = self._facts
        if facts is None:
            return Header()
        about = facts.metadata(samples, time.monotonic() - self._began_at, denoiser)
        settings = facts.settings
        size = (settings.width, settings.height)
        return Header(size, settings.window[:2], settings.pixel_aspect_ratio, about)

    def _failed(self, error: Exception) -> int:
        if isinstance(error, RenderBootError):
            self._report.error(str(error))
            return error.exit_code
        # A bug in renderboot: log the traceback.
        self._report.trace("".join(traceback.format_exception(error)))
        self._report.error(f"The render failed unexpectedly ({type(error).__name__}): {error}.")
        return EXIT_FAILED

    # -- the render thread

    def _work(self) -> None:
        try:
            self._render()
        # Every error must reach the main thread, which reports it.
        except Exception as error:  # noqa: BLE001
            self._error = error
        self._events.put(_Event.ENDED)

    def _render(self) -> None:
        picture = self._translated()
        self._check_stop()
        self._picture = picture
        with self._report.timed("rendered"):
            self._passes(picture)

    def _translated(self) -> Picture:
        """Read and translate the scene. Returns only the picture, so that the scene can be freed."""
        # USD is imported here: bad arguments are reported without loading it.
        from .stage.reader import read_scene

        diagnostics = Diagnostics()
        renderer, cache, self._cache = self._renderer, self._cache, None
        if renderer is None:
            with self._report.timed(f"renderer {self._arguments.renderer} loaded"):
                renderer = load_renderer(self._arguments.renderer)
        self._check_stop()
        try:
            with self._report.timed("stage read"):
                scene = read_scene(self._arguments, diagnostics, cache)
        finally:
            # What is missing often explains why there is nothing to render.
            self._log_diagnostics(diagnostics)
        self._log_scene(scene, renderer)
        self._facts = PictureFacts.of(scene, renderer, self._arguments)
        self._check_stop()
        with self._report.timed("scene translated"):
            picture = renderer.prepare(scene, self._arguments.threads, diagnostics, cache)
        self._log_diagnostics(diagnostics)
        if cache and cache.found:
            whole = cache.found + cache.missed
            self._report.say(f"{cache.found} of {whole} meshes and images are unchanged and were reused")
        self._samples = scene.settings.samples
        return picture

    def _passes(self, picture: Picture) -> None:
        picture.render_preview()
        self._check_stop()
        # Taken now, between passes: during a pass, pixels() is slow, since it must add up all samples.
        self._preview = picture.pixels()
        self._events.put(_Event.PASS_DONE)
        done, size = 0, 1
        while done < self._samples:
            pass_began = time.monotonic()
            picture.render_pass(size)
            self._check_stop()
            took = max(time.monotonic() - pass_began, 1e-6)
            done += size
            affordable = self._affordable(size, took)
            # 1, 1, 2, 4, 8...: each picture has twice the samples of the one before.
            size = max(1, min(done, affordable, self._samples - done))
            self._denoise(picture, is_last=done >= self._samples)
            if done < self._samples:
                self._events.put(_Event.PASS_DONE)

    def _denoise(self, picture: Picture, *, is_last: bool) -> None:
        """Keep the picture without its noise, if its settings ask for it; of a Disk Render only the last."""
        if not self._may_denoise or (self._arguments.method == "diskRender" and not is_last):
            return
        try:
            pixels = picture.denoised(self._stop.is_set)
        except RenderBootError as error:
            # The picture goes on with its noise.
            self._may_denoise, self._denoised = False, None
            self._report.warn(str(error))
            return
        if pixels is not None:
            self._denoised = pixels, picture.samples_done()
        self._check_stop()

    def _affordable(self, size: int, took_s: float) -> int:
        """Return the most samples a pixel of the next pass, after one of `size` that took `took_s`."""
        if self._arguments.method != "diskRender" or self._facts is None:
            return max(1, int(size * _LONGEST_PASS_S / took_s))
        left, top, right, bottom = self._facts.settings.window
        return max(1, _LONGEST_PASS_SAMPLES // ((right - left) * (bottom - top)))

    def _check_stop(self) -> None:
        if self._stop.is_set():
            raise StopRequested("stopped")

    def _log_diagnostics(self, diagnostics: Diagnostics) -> None:
        warnings, notes = diagnostics.take()
        for line in warnings:
            self._report.warn(line)
        for line in notes:
            self._report.say(line)

    def _log_scene(self, scene: Scene, renderer: Renderer) -> None:
        settings = scene.settings
        frame = f"frame {scene.frame:.10g}" if scene.frame is not None else "no frame range"
        camera = scene.camera.path or NO_CAMERA
        size = f"{settings.width} by {settings.height}, {settings.samples} samples"
        count = self._arguments.threads
        threads = f"{count} thread{'s' if count > 1 else ''}"
        self._report.say(f"{renderer.name} {renderer.version}: {frame}, camera {camera}, {size}, {threads}")


def _output_of(arguments: Arguments) -> Path:
    # Absolute: the log is read by processes that have other working directories.
    if arguments.output:
        return arguments.output.absolute()
    name = f"{arguments.method_name or arguments.stage.stem}.png"
    return (arguments.temp_dir or Path.cwd()).absolute() / name
