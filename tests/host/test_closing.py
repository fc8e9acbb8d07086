"""The end of a session: renders under way are named; what a crash left unsaved is offered."""

from __future__ import annotations

import errno
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QAbstractSpinBox, QApplication, QMessageBox, QPushButton
from pytestqt.qtbot import QtBot

from host.app import closing
from host.app.autosave import Autosave, Recovered
from host.app.closing import UnderWay, consequence, describe, jobs_under_way
from host.app.render_state import Phase, Render
from host.Katana._callbacks import Callbacks
from host.Katana.FarmAPI import FarmPluginManager, Job
from host.Katana.FarmAPI.BaseFarmPlugin import BaseFarmPlugin
from host.nodes.scene import active_scene
from host.nodes.types import NODE_TYPES
from host.render_service import RenderMethod
from tests.host.conftest import MakeDesktop, forget_session, shut
from tests.host.driving import WAIT_MS, open_small, trigger_preview


def answer(*buttons: str) -> Callable[[], list[str]]:
    """Click each of `buttons` in a question of its own; what is returned says what the questions said."""
    said: list[str] = []
    left = list(buttons)

    def click() -> None:
        box = QApplication.activeModalWidget()
        offered = box.buttons() if isinstance(box, QMessageBox) else []
        found = [each for each in offered if each.text().replace("&", "") == left[0]]
        if isinstance(box, QMessageBox) and found:
            said.extend([box.text(), box.informativeText()])
            del left[0]
        if left:
            QTimer.singleShot(20, click)
        if found:
            found[0].click()

    QTimer.singleShot(0, click)
    return lambda: said


def test_renders_that_have_no_job_yet_are_under_way_too() -> None:
    """As while their scene is cooked: closing drops them."""
    cooked = Render("Beauty", "", RenderMethod.PREVIEW, 1.0, 1, 0.0)
    over = Render("Key", "", RenderMethod.PREVIEW, 1.0, 2, 0.0)
    over.phase = Phase.FAILED
    jobs = jobs_under_way([cooked, over])
    assert jobs.ends_any and describe(jobs, 0.0) == "Beauty, being prepared"
    assert "A render is under way" in consequence(jobs)
    cooked.job_id = "job000001"
    assert not jobs_under_way([cooked, over]).ends_any


def test_closing_names_the_renders_under_way_and_stays_waits_or_ends(
    make_desktop: MakeDesktop, qtbot: QtBot
) -> None:
    """Cancel leaves all as it is; Wait closes once the last has ended; without renders nothing is asked."""
    desktop = make_desktop()
    window = desktop.window
    window._asks = window.documents._asks = True
    open_small(desktop, samples=20000)
    trigger_preview("Render")
    render = desktop.renders.renders[0]
    qtbot.waitUntil(lambda: render.phase is Phase.RUNNING, timeout=WAIT_MS)
    said = answer("Cancel")
    assert not window.close()
    assert "A render is under way" in said()[0] and "Render, running for 0:" in said()[1]
    assert active_scene().dirty
    answer("Wait, Then Close", "Cancel")
    assert not window.close() and not window._closing.isActive()
    said = answer("Wait, Then Close", "Discard")  # before the wait: after it, the artist may have gone
    assert not window.close() and window.isVisible()
    assert len(said()) == 4
    answer("Cancel")  # the artist thinks better of it, and the former answer is void
    assert not window.close() and not window._closing.isActive()
    desktop.renders.cancel(render)
    qtbot.waitUntil(lambda: render.ended, timeout=WAIT_MS)
    said = answer("Cancel")
    assert not window.close() and said(), "it closed without asking"
    window.documents._asks = False


def test_closing_waits_until_the_last_render_has_ended(make_desktop: MakeDesktop, qtbot: QtBot) -> None:
    """And then closes without another question."""
    desktop = make_desktop()
    window = desktop.window
    window._asks = window.documents._asks = True
    open_small(desktop, samples=20000)
    trigger_preview("Render")
    [render] = desktop.renders.renders
    qtbot.waitUntil(lambda: render.phase is Phase.RUNNING, timeout=WAIT_MS)
    answer("Wait, Then Close", "Discard")
    assert not window.close() and active_scene().dirty
    desktop.renders.cancel(render)
    qtbot.waitUntil(lambda: not window.isVisible(), timeout=WAIT_MS)


def test_closing_waits_for_renders_that_are_being_cooked(
    make_desktop: MakeDesktop, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They have no job yet, and would be dropped without a question."""
    desktop = make_desktop()
    window, gate, request = desktop.window, threading.Event(), desktop.cook.request
    open_small(desktop)

    def cook_late(**asked: object) -> object:
        gate.wait(WAIT_MS / 1000)
        return request(**asked)

    monkeypatch.setattr(desktop.cook, "request", cook_late)
    trigger_preview("Render")
    window._asks = True
    said = answer("Wait, Then Close")
    assert not window.close()
    assert said()[1] == "Render, being prepared"
    monkeypatch.setattr(closing, "ask", lambda *_: closing.Choice.STAY)
    window._close_if_idle()
    assert window.isVisible() and window._closing.isActive()
    gate.set()
    qtbot.waitUntil(lambda: not window.isVisible(), timeout=WAIT_MS)
    [render] = desktop.renders.renders
    assert FarmPluginManager.GetJobState(render.job_id, render.farm) == Job.State.kCompleted


def test_end_and_close_closes_at_once(make_desktop: MakeDesktop, qtbot: QtBot) -> None:
    """The session ends its renders, as it does when the desktop dies."""
    desktop = make_desktop()
    open_small(desktop, samples=20000)
    trigger_preview("Render")
    render = desktop.renders.renders[0]
    qtbot.waitUntil(lambda: render.phase is Phase.RUNNING, timeout=WAIT_MS)
    desktop.window._asks = True
    desktop.window.documents._asks = False
    answer("End and Close")
    assert desktop.window.close()
    desktop.renders.cancel(render)
    qtbot.waitUntil(lambda: render.ended, timeout=WAIT_MS)


def test_many_jobs_are_counted_and_only_the_first_are_named() -> None:
    """Waiting ones are called so; times are minutes and seconds."""
    running = Job("1", "Key", 100, 0, Job.State.kRunning, "")
    waiting = Job("2", "Fill", 0, 0, Job.State.kWaiting, "")
    lines = describe(UnderWay([], [running, *[waiting] * 11], {}), now=175.0).splitlines()
    assert lines[0] == "Key, running for 1:15" and lines[1] == "Fill, waiting"
    assert lines[-1] == "and 4 more" and len(lines) == 9


class _Farm(BaseFarmPlugin):
    """A farm with `count` running jobs."""

    def __init__(self, count: int, *, outlives: bool) -> None:
        self._count = count
        self.outlivesSession = outlives

    def getJobs(self, filters: list[object]) -> list[Job]:
        return [Job(str(n), f"Key {n}", 100, 0, Job.State.kRunning, "") for n in range(self._count)]


def test_jobs_of_a_farm_that_go_on_are_not_counted_among_those_that_end(
    make_desktop: MakeDesktop, qtbot: QtBot
) -> None:
    """Beside one that ends, the question says that they go on; alone, they are no reason to ask."""
    desktop = make_desktop()
    desktop.window._asks = True
    FarmPluginManager._farms.update(
        {"Here": _Farm(1, outlives=False), "Slurm": _Farm(3, outlives=True), "Cue": _Farm(0, outlives=True)}
    )
    said = answer("Wait, Then Close")
    assert not desktop.window.close()
    assert said()[0].startswith("A render is under way. Closing the desktop ends it.")
    assert "3 jobs on Slurm go on" in said()[0] and "Cue" not in said()[0]
    assert len(said()[1].splitlines()) == 1
    FarmPluginManager._farms["Here"] = _Farm(0, outlives=False)
    qtbot.waitUntil(lambda: not desktop.window.isVisible(), timeout=WAIT_MS)


def test_an_offer_stays_until_it_is_answered(make_desktop: MakeDesktop, qtbot: QtBot) -> None:
    """A render that starts removes an error, and an error only covers the offer."""
    desktop = make_desktop()
    window = desktop.window
    chosen: list[str] = []
    window.offer("Changes were kept.", [("Recover", lambda: chosen.append("recover"))])
    open_small(desktop)
    window.show_error("A file is missing.")
    assert window.error == "A file is missing."
    trigger_preview("Render")
    qtbot.waitUntil(lambda: bool(desktop.renders.renders), timeout=WAIT_MS)
    qtbot.waitUntil(lambda: window.error == "Changes were kept.", timeout=WAIT_MS)
    render = desktop.renders.renders[0]
    qtbot.waitUntil(lambda: render.ended, timeout=WAIT_MS)
    assert window.error == "Changes were kept."
    recover = next(
        each for each in window.findChildren(QPushButton) if each.text() == "Recover" and each.isVisible()
    )
    recover.setFocus()
    qtbot.waitUntil(recover.hasFocus, timeout=WAIT_MS)
    recover.click()
    assert (chosen, window.error) == (["recover"], "")
    assert not isinstance(QApplication.focusWidget(), QAbstractSpinBox)  # the next key would change a frame


def crashed_copy(folder: Path) -> Path:
    """What a desktop leaves that is killed: a process of its own is, with its copy written."""
    code = (
        "import os, sys, time\n"
        "from host.app.autosave import Autosave\n"
        "from PySide6.QtCore import QCoreApplication\n"
        "app = QCoreApplication([])\n"
        "from host.nodes.scene import active_scene\n"
        "from host.nodes.types import NODE_TYPES\n"
        "autosave = Autosave()\n"
        "active_scene().graph.create(NODE_TYPES['Light'], 'Lost')\n"
        "autosave.save()\n"
        "while not autosave._file.exists(): time.sleep(0.01)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    [copy] = (folder / "user" / "autosave").glob("*")
    assert done.returncode == -9, done.stderr
    return copy


def test_a_copy_that_was_not_written_is_written_later(
    fresh: Path, qapp: QApplication, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the disk is full; the crashed desktop's copy that it replaces stays until then."""
    from host.app import autosave as module

    write, failed = module.projects.write_document, threading.Event()

    def fails(*_arguments: object) -> None:
        failed.set()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module.projects, "write_document", fails)
    earlier = fresh / "earlier.kqproject"
    earlier.touch()
    autosave = module.Autosave()
    try:
        active_scene().graph.create(NODE_TYPES["Light"], "Lost")
        autosave.save(replaces=earlier)
        assert failed.wait(60)
        qtbot.waitUntil(lambda: autosave._written is None, timeout=WAIT_MS)
        assert earlier.exists()
        monkeypatch.setattr(module.projects, "write_document", write)
        autosave.save()  # as its timer does
        qtbot.waitUntil(lambda: autosave._file.exists() and not earlier.exists(), timeout=WAIT_MS)
        process, _, started = autosave._file.stem.rpartition("-")
        assert module._is_alive(Path(f"{process}-{int(started) + 100}.kqproject"))  # the clock was set
        monkeypatch.setattr(module.projects, "write_document", fails)
        failed.clear()
        earlier.touch()
        active_scene().graph.create(NODE_TYPES["Light"], "Discarded")
        autosave.save(replaces=earlier)
        assert failed.wait(60)
    finally:
        autosave.close()
    assert not earlier.exists(), "discarded with the project's changes"


@pytest.mark.skipif(sys.platform == "win32", reason="kills with a signal")
def test_what_a_crash_left_unsaved_is_offered_and_recovered(
    make_desktop: MakeDesktop, qtbot: QtBot, fresh: Path
) -> None:
    """The strip names it; Recover opens it, not yet saved, and the copy is then this session's own."""
    copy = crashed_copy(fresh)
    desktop = make_desktop(keeps_settings=True)
    assert desktop.autosave is not None
    with qtbot.waitSignal(desktop.autosave.found, timeout=WAIT_MS):
        desktop.offer_recovery()
    qtbot.waitUntil(lambda: "untitled" in desktop.window.error)
    told: list[bool] = []  # a plug-in that knows which scene a job is of needs both

    def note(**_given: object) -> None:
        told.append(active_scene().graph.find("Lost") is not None)

    for kind in (Callbacks.Type.onSceneAboutToLoad, Callbacks.Type.onSceneLoad):
        Callbacks.addCallback(kind, note)
    recover = next(each for each in desktop.window.findChildren(QPushButton) if each.text() == "Recover")
    recover.click()
    assert active_scene().graph.find("Lost") is not None and active_scene().dirty
    assert told == [False, True]
    for kind in (Callbacks.Type.onSceneAboutToLoad, Callbacks.Type.onSceneLoad):
        Callbacks.delCallback(kind, note)
    active_scene().graph.create(NODE_TYPES["Light"])
    desktop.history.undo()
    assert active_scene().dirty  # it was never saved
    qtbot.waitUntil(lambda: not copy.exists() and desktop.autosave._file.exists())  # type: ignore[union-attr]
    own = desktop.autosave._file
    shut(desktop)
    assert not own.exists(), "a session that ends leaves no copy"


@pytest.mark.skipif(sys.platform == "win32", reason="kills with a signal")
def test_a_copy_of_another_machine_is_left_to_it(
    fresh: Path, qapp: QApplication, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a shared home folder, its desktop may be at work: only there the process can be asked about."""
    copy = crashed_copy(fresh)
    found: list[Recovered] = []
    for name, expected in (("wks-0815.studio", []), (socket.gethostname(), [copy])):
        monkeypatch.setattr(socket, "gethostname", lambda name=name: name)
        autosave = Autosave()
        autosave.found.connect(found.append)
        autosave.look_for_crashed()
        try:
            looked = threading.Event()
            autosave._put(looked.set)
            assert looked.wait(60)
            qtbot.wait(50)
            assert [each.copy for each in found] == expected, name
        finally:
            autosave.close()
    assert copy.exists()


def test_a_living_desktop_s_copy_is_its_own_and_a_damaged_one_is_passed_over(
    make_desktop: MakeDesktop, qtbot: QtBot, fresh: Path
) -> None:
    """Only what can be opened is offered; saving deletes this session's copy."""
    desktop = make_desktop(keeps_settings=True)
    assert desktop.autosave is not None
    open_small(desktop)
    active_scene().graph.rename(active_scene().graph.node("Render"), "Mine")
    desktop.autosave.save()
    own = desktop.autosave._file
    qtbot.waitUntil(own.exists)
    machine = own.stem.rsplit("-", 2)[0]
    (own.parent / f"{machine}-999999-1.kqproject").write_text("{")
    (own.parent / f"{machine}-999998-1.kqproject").write_text(json.dumps({"format": "other"}))
    found: list[Recovered] = []
    desktop.autosave.found.connect(found.append)
    desktop.autosave.look_for_crashed()
    qtbot.waitUntil(lambda: sum(str(own.parent) in text for _l, text, _t in desktop.log.messages) == 2)
    assert found == [] and own.exists()
    assert desktop.window.documents.save_to(fresh / "a.kqproject")
    qtbot.waitUntil(lambda: not own.exists())
    shut(desktop)
    forget_session()
