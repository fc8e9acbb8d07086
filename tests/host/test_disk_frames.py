"""*Disk Render Frames…*, with the real queue: each frame is a task, and has a file of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from host.app.frame_sequence import Order
from host.app.render_state import Phase
from host.app.sequence_dialog import SequenceDialog
from host.nodes.scene import active_scene
from tests.host.conftest import MakeDesktop
from tests.host.driving import (
    OURS,
    WAIT_MS,
    graph_tab,
    open_frames_dialog,
    open_small,
)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_frames_are_rendered_to_their_files_and_existing_ones_are_skipped(
    make_desktop: MakeDesktop, qtbot: QtBot, data_root: Path, tmp_path: Path
) -> None:
    """Folders are made, a second render does what is missing, a wrong output is refused in the dialog."""
    desktop = make_desktop(*OURS)
    open_small(desktop)
    node = active_scene().graph.node("Render")
    node.set_value("output", str(tmp_path / "one.png"))
    dialog = open_frames_dialog(qtbot, "Katana Queue")
    assert not dialog.render_button.isEnabled()
    assert "overwrite" in dialog.summary.text()
    dialog.reject()

    out = tmp_path / "new folder" / "deep"
    node.set_value("output", str(out / "beauty.####.png"))
    dialog = open_frames_dialog(qtbot, "Katana Queue")
    dialog.frames.setText("1-3,x")
    assert not dialog.render_button.isEnabled()
    dialog.frames.setText("1-5x2, 9")
    dialog.order.setCurrentIndex(dialog.order.findData(Order.HALVING))
    assert "4 frames" in dialog.summary.text() and "beauty.0001.png" in dialog.summary.text()
    dialog.render_button.click()
    [render] = desktop.renders.renders
    assert render.sequence is not None and render.sequence.order is Order.HALVING
    qtbot.waitUntil(lambda: render.ended, timeout=10 * WAIT_MS)
    from katana_queue.kq.api import current_session

    session = current_session()
    assert session is not None
    tasks = session.client.tasks(render.job_id).result(60)
    assert [task.label for task in tasks] == ["frame 1", "frame 9", "frame 3", "frame 5"]
    assert (render.phase, render.reason) == (Phase.COMPLETED, "")
    pictures = {path.name for path in out.glob("*.png")}
    assert pictures == {f"beauty.{frame:04d}.png" for frame in (1, 3, 5, 9)}

    (out / "beauty.0003.png").unlink()
    untouched = (out / "beauty.0001.png").stat().st_mtime_ns
    dialog = open_frames_dialog(qtbot, "Katana Queue")
    dialog.frames.setText("1,3,5,9")
    dialog.skip_existing.setChecked(True)
    dialog.render_button.click()
    again = desktop.renders.renders[-1]
    qtbot.waitUntil(lambda: again.ended, timeout=10 * WAIT_MS)
    assert again.phase is Phase.COMPLETED, again.reason
    assert (out / "beauty.0003.png").is_file()
    assert (out / "beauty.0001.png").stat().st_mtime_ns == untouched

    dialog = open_frames_dialog(qtbot, "Katana Queue")
    dialog.frames.setText("1,3,5,9")
    dialog.skip_existing.setChecked(True)
    dialog.render_button.click()
    nothing = desktop.renders.renders[-1]
    qtbot.waitUntil(lambda: nothing.ended, timeout=WAIT_MS)
    assert nothing.phase is Phase.REFUSED
    assert "4 frames" in nothing.reason

    dialog = open_frames_dialog(qtbot, "Katana Queue")
    dialog.frames.setText("1-4, 9-12")
    dialog.step.setValue(3)
    dialog.per_task.setValue(4)
    dialog.order.setCurrentIndex(dialog.order.findData(Order.HALVING))
    assert "4 frames" in dialog.summary.text() and "2 tasks" in dialog.summary.text()
    dialog.render_button.click()
    chunks = desktop.renders.renders[-1]
    qtbot.waitUntil(lambda: chunks.ended, timeout=10 * WAIT_MS)
    assert (chunks.phase, chunks.reason) == (Phase.COMPLETED, "")
    assert {1, 4, 9, 12} <= {int(path.name.split(".")[1]) for path in out.glob("*.exr")}

    node.set_value("output", str(out / "second.####.png"))
    desktop.window.activateWindow()
    viewer = graph_tab().focusProxy()
    assert viewer is not None
    viewer.setFocus()
    qtbot.waitUntil(viewer.hasFocus)
    qtbot.keyClick(viewer, Qt.Key.Key_Backslash, Qt.KeyboardModifier.ControlModifier)
    repeated = desktop.renders.renders[-1]
    assert repeated is not chunks
    qtbot.waitUntil(lambda: repeated.ended, timeout=10 * WAIT_MS)
    assert (repeated.phase, repeated.reason) == (Phase.COMPLETED, "")
    assert {path.name for path in out.glob("second.*.exr")} == {
        f"second.{frame:04d}.exr" for frame in (1, 4, 9, 12)
    }
    node.set_value("output", str(out / "one.png"))
    assert desktop.renders.repeat_latest()
    assert desktop.renders.renders[-1].phase is Phase.REFUSED
    assert "overwrite" in desktop.renders.renders[-1].reason


def test_a_working_range_that_ends_before_it_begins_is_one_frame(qtbot: QtBot) -> None:
    """As a script may leave it."""
    dialog = SequenceDialog("Render", "Katana Queue", "/out/beauty.####.png", 3, (5, 1), None)
    qtbot.addWidget(dialog)
    for preset in ("Current Frame", "In/Out"):
        dialog.presets.activated.emit(dialog.presets.findText(preset))
    assert dialog.render_button.isEnabled() and dialog.frames.text() == "5"
