"""A live render's threads: from an update to its picture on two of them, whatever the main one does."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from host.renderboot.errors import EXIT_STOPPED
from host.renderboot.live.scene import LiveScene
from host.renderboot.live.session import LiveRender
from host.renderboot.live.state import LayerText, Update, encoded
from host.renderboot.picture import Pixels
from host.renderboot.pixel_stream import Shown
from host.renderboot.renderers import LivePicture, load_renderer
from host.renderboot.renderers.mitsuba.mitsuba_picture import MitsubaPicture
from host.renderboot.report import Report
from host.renderboot.scene import Scene
from host.renderboot.threads import start_render_thread
from tests.renderboot.stages import read_png
from tests.renderboot.test_live_scene import ARGUMENTS, a_stage

LIMIT_S = 60.0


class Recorder:
    """In place of the connection: the revisions of the pictures that came."""

    def __init__(self) -> None:
        self._came = threading.Condition()
        self.revisions: list[int] = []
        self.problems: list[str] = []

    def send_picture(self, _png: bytes, shown: Shown) -> None:
        with self._came:
            self.revisions.append(shown.revision)
            self._came.notify_all()

    def send_shown(self, shown: Shown) -> None:
        self.problems.append(shown.problem)

    def send_progress(self, _done: int, _total: int) -> None:
        pass

    def wait_for(self, revision: int) -> bool:
        with self._came:
            return self._came.wait_for(lambda: revision in self.revisions, LIMIT_S)


@contextmanager
def rendering(folder: Path) -> Iterator[tuple[Recorder, Callable[..., None], LiveRender]]:
    """What a live render without its main thread sends, a call that changes its frame, and the render."""
    render = LiveRender(ARGUMENTS, load_renderer("mitsuba"), Report(), folder / "picture")
    recorder = render._sender = Recorder()  # type: ignore[assignment]
    worker = start_render_thread(render._render)
    stage = a_stage()  # holds the layer
    layers = {"root": LayerText(stage.GetRootLayer().ExportToString())}

    def change(revision: int, region: tuple[float, ...] = ()) -> None:
        update = Update(revision, root="root", layers=layers, frame=float(revision), region=region)
        render._on_update(encoded(update))

    try:
        yield recorder, change, render
    finally:
        render._stop_worker(worker)
        worker.join(LIMIT_S)


def test_a_change_waits_for_no_thread_but_the_two_that_handle_it(tmp_path: Path) -> None:
    """The main thread is away: each hand-over between threads would cost the time until a core is free."""
    with rendering(tmp_path) as (recorder, change, _):
        for revision in range(1, 4):
            change(revision)
            assert recorder.wait_for(revision)
    assert recorder.revisions == sorted(recorder.revisions)


def test_a_change_does_not_wait_for_the_denoiser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may take 100 ms to notice that it was cancelled; what it returns then is of the scene before."""
    entered, left = threading.Event(), threading.Event()

    def denoised(_self: MitsubaPicture, _is_cancelled: Callable[[], bool]) -> Pixels:
        entered.set()
        left.wait(LIMIT_S)
        return np.ones((1, 1, 4), np.float32)

    monkeypatch.setattr(MitsubaPicture, "denoised", denoised)
    with rendering(tmp_path) as (recorder, change, _):
        change(1)
        assert entered.wait(LIMIT_S)
        change(2)
        assert recorder.wait_for(2)
        left.set()


@pytest.mark.parametrize("region", [(), (0.25, 0.25, 0.75, 0.75)])
def test_a_stop_just_before_the_first_picture_is_no_problem_of_the_scene(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, region: tuple[float, ...]
) -> None:
    """The picture was cancelled before anything of it was rendered: no error, and no black picture."""
    returned = threading.Event()
    render_preview = MitsubaPicture.render_preview

    def stopped(picture: MitsubaPicture) -> None:
        render._work.put(None)  # as _stop_worker does on the main thread
        picture.cancel()
        render_preview(picture)
        returned.set()

    monkeypatch.setattr(MitsubaPicture, "render_preview", stopped)
    with rendering(tmp_path) as (recorder, change, render):
        change(1, region)
        assert returned.wait(LIMIT_S)
    assert recorder.problems == [] and recorder.revisions == []
    render._finish(EXIT_STOPPED)
    assert not list(tmp_path.iterdir())


def test_a_stop_while_an_edit_is_applied_leaves_the_picture_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the changed scene nothing is rendered: a black picture is not written over the finished one."""
    is_complete = threading.Event()
    save, updated = LiveRender._save, LiveScene.updated
    monkeypatch.setattr(LiveRender, "_save", lambda self: (save(self), is_complete.set()))

    def stopped(scene: LiveScene, update: Update) -> tuple[Scene, LivePicture]:
        render._work.put(None)  # as _stop_worker does on the main thread
        return updated(scene, update)

    with rendering(tmp_path) as (recorder, change, render):
        change(1)
        assert is_complete.wait(LIMIT_S)
        files = {path: path.read_bytes() for path in tmp_path.iterdir()}
        assert len(files) == 2 and read_png(tmp_path / "picture.png").any()
        monkeypatch.setattr(LiveScene, "updated", stopped)
        change(2)
    assert set(recorder.revisions) == {1}
    render._finish(EXIT_STOPPED)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == files
