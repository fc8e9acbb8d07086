"""Renders from the menu: pictures come to the Monitor, or the reason why there is none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QImage, QWheelEvent
from PySide6.QtWidgets import QApplication, QLabel, QMenu
from pytestqt.qtbot import QtBot

from host.app.monitor import _COMING, _INVITATION, _NONE
from host.app.render_state import Phase
from host.app.window_menus import stop_all_jobs
from host.Katana.FarmAPI import FarmPluginManager
from host.Katana.Utils import EventModule
from host.nodes.scene import active_scene
from host.render_service import RenderMethod
from tests.host.conftest import MakeDesktop
from tests.host.driving import (
    WAIT_MS,
    click_item,
    graph_tab,
    monitor,
    open_small,
    right_click,
    trigger_preview,
)


def test_a_preview_render_from_the_menu_shows_its_picture(make_desktop: MakeDesktop, qtbot: QtBot) -> None:
    """Right-click on Render, the farm's sub-menu, Preview Render: the farm renders, the Monitor shows it."""
    desktop = make_desktop()
    open_small(desktop)
    tab = graph_tab()
    menu = right_click(tab, tab.place_of(active_scene().graph.node("Render")), qtbot)
    submenu = click_item(menu, "Local Farm", qtbot)
    assert submenu is not None
    assert [action.text() for action in submenu.actions()] == [
        "Preview Render",
        "Live Render",
        "Disk Render",
        "Disk Render Frames…",
    ]
    click_item(submenu, "Preview Render", qtbot)
    assert len(desktop.renders.renders) == 1
    render = desktop.renders.renders[0]
    assert render.phase is Phase.PREPARING
    qtbot.waitUntil(lambda: render.ended, timeout=WAIT_MS)
    assert (render.phase, render.reason) == (Phase.COMPLETED, "")
    qtbot.waitUntil(lambda: not monitor().view.image.isNull())
    assert (monitor().view.image.width(), monitor().view.image.height()) == (32, 18)
    assert render.picture is not None
    assert render.picture.is_file()


def test_what_a_farm_is_asked_for(
    make_desktop: MakeDesktop, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The command holds what renderboot needs, paths with spaces survive, and the job can import the host."""
    space = tmp_path / "a folder, 'quoted'"
    space.mkdir()
    monkeypatch.setenv("LOCAL_FARM_ROOT", str(space))
    desktop = make_desktop()
    open_small(desktop)
    active_scene().set_frame(10001.25)
    tab = graph_tab()
    menu = tab.build_node_menu(active_scene().graph.node("RenderSettings"))
    farm = next(action for action in menu.actions() if action.text() == "Local Farm").menu()
    assert isinstance(farm, QMenu)
    assert [action.text() for action in farm.actions()] == ["Preview Render", "Live Render"]
    farm.actions()[0].trigger()
    render = desktop.renders.renders[0]
    qtbot.waitUntil(lambda: render.ended, timeout=WAIT_MS)
    assert render.phase is Phase.COMPLETED, render.reason
    assert render.picture is not None
    assert render.picture.parent.parent == space
    assert render.picture.name == "preview.png"  # renderboot's own choice: no -renderOutputFile is passed
    assert float(QImage(str(render.picture)).text("frame")) == 10001.25


def test_a_render_that_fails_shows_its_reason_in_the_monitor(
    make_desktop: MakeDesktop, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason is the log's own line, and the desktop goes on."""
    script = "import sys; print('all is well'); print('error: the sky is missing'); sys.exit(3)"
    monkeypatch.setattr("host.session.renderboot_command", lambda: [sys.executable, "-c", script])
    desktop = make_desktop()
    open_small(desktop)
    trigger_preview("Render")
    render = desktop.renders.renders[0]
    qtbot.waitUntil(lambda: bool(monitor().message), timeout=WAIT_MS)
    assert render.phase is Phase.FAILED
    assert monitor().message == "The render failed: error: the sky is missing"
    assert desktop.window.statusBar().currentMessage() == "Preview Render of Render: failed."


def test_the_monitor_announces_the_picture(make_desktop: MakeDesktop, qtbot: QtBot) -> None:
    """From the click on, it invites to nothing any more; what was stopped before its picture says so."""
    desktop = make_desktop()
    open_small(desktop, samples=4000)
    assert monitor().view.notice == _INVITATION
    trigger_preview("Render")
    assert monitor().view.notice == _COMING
    render = desktop.renders.renders[0]
    qtbot.waitUntil(lambda: bool(render.job_id), timeout=WAIT_MS)
    assert monitor().view.notice == _COMING
    FarmPluginManager.StopJob(render.job_id, render.farm)
    qtbot.waitUntil(lambda: monitor().view.notice in _NONE.values())


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        ("no input", "Node RenderSettings has no input: connect a node to it in the Node Graph."),
        ("missing file", "Node UsdIn cannot find its USD file"),
        ("empty", "The scene at node Render is empty: there is no geometry in it to render."),
        ("refused", "Local Farm did not take the render of Render: the farm is full."),
        ("exits", "Local Farm did not take the render of Render: it tried to end the program (3)."),
        ("unwritable", "Render was not submitted to Local Farm: No such file or directory"),
        ("camera", "Node RenderSettings names the camera /no/camera, which is not in the scene."),
    ],
)
def test_what_stops_a_render_is_shown_in_the_monitor(
    make_desktop: MakeDesktop,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    prepare: str,
    message: str,
) -> None:
    """Whatever keeps a render from the farm is shown where its picture would be; nothing is submitted."""
    desktop = make_desktop()
    open_small(desktop)
    graph = active_scene().graph
    match prepare:
        case "no input":
            graph.disconnect(graph.node("RenderSettings"), "in")
        case "missing file":
            graph.node("UsdIn").set_value("file", str(tmp_path / "gone.usda"))
        case "empty":
            bare = tmp_path / "bare.usda"
            bare.write_text('#usda 1.0\ndef Xform "World"\n{\n}\n')
            graph.node("UsdIn").set_value("file", str(bare))
        case "refused":
            monkeypatch.setenv("LOCAL_FARM_REFUSES", "the farm is full")
        case "exits":
            monkeypatch.setattr(
                FarmPluginManager._farms["Local Farm"], "createTemporaryDirectory", lambda _about: sys.exit(3)
            )
        case "unwritable":
            monkeypatch.setenv("LOCAL_FARM_ROOT", str(tmp_path / "no such folder"))
        case "camera":
            graph.node("RenderSettings").set_value("camera", "/no/camera")
    trigger_preview("Render")
    qtbot.waitUntil(lambda: bool(monitor().message), timeout=WAIT_MS)
    assert monitor().message.startswith(message)
    assert desktop.renders.renders[0].phase is Phase.REFUSED
    assert desktop.renders.renders[0].job_id == ""
    assert desktop.window.statusBar().currentMessage() == "Preview Render of Render was not submitted."
    assert not [each for each in tmp_path.iterdir() if each.is_dir() and not any(each.iterdir())]


def test_a_disk_render_writes_to_the_nodes_output(
    make_desktop: MakeDesktop, qtbot: QtBot, tmp_path: Path
) -> None:
    """`#` stands for the frame's digits; without an Output the artist is asked to set one."""
    desktop = make_desktop()
    open_small(desktop)
    render_node = active_scene().graph.node("Render")

    def trigger() -> None:
        farm = next(a for a in graph_tab().build_node_menu(render_node).actions() if a.text() == "Local Farm")
        submenu = farm.menu()
        assert isinstance(submenu, QMenu)
        submenu.actions()[2].trigger()

    trigger()
    assert monitor().message == "Node Render has no Output: set where Disk Render writes its picture."
    render_node.set_value("output", str(tmp_path / "shot.###.png"))
    active_scene().set_frame(3)
    trigger()
    render = desktop.renders.renders[1]
    qtbot.waitUntil(lambda: render.ended, timeout=WAIT_MS)
    assert render.phase is Phase.COMPLETED, render.reason
    assert (tmp_path / "shot.003.png").is_file()
    assert render.log_file is not None
    log = Path(render.log_file).read_text()
    # Commands before and after the render, in the same job: the render is not the last of them.
    assert log.index("stage checked") < log.index("diskRender") < log.index("picture checked")


def test_without_a_farm_the_menu_shows_what_to_set(make_desktop: MakeDesktop, tmp_path: Path) -> None:
    """One disabled line tells what is missing and what to set."""
    empty = tmp_path / "resources"
    empty.mkdir()
    desktop = make_desktop(empty)
    open_small(desktop)
    texts = [
        (action.text(), action.isEnabled())
        for action in graph_tab().build_node_menu(active_scene().graph.node("Render")).actions()
    ]
    assert [is_enabled for text, is_enabled in texts if "KATANA_RESOURCES" in text] == [False]


def test_folders_and_stages_are_made_off_qts_thread(
    make_desktop: MakeDesktop, qtbot: QtBot, tmp_path: Path
) -> None:
    """A slow share freezes nothing; the farm gets the job on Qt's thread, as farm plug-ins expect."""
    plugins = tmp_path / "resources" / "Plugins"
    plugins.mkdir(parents=True)
    (plugins / "noting.py").write_text(
        "import tempfile, threading\n"
        "from Katana import FarmAPI\n"
        "NOTED = {}\n"
        "class Noting(FarmAPI.BaseFarmPlugin):\n"
        "    def createTemporaryDirectory(self, renderContextName):\n"
        "        NOTED['folder'] = threading.current_thread() is threading.main_thread()\n"
        f"        return tempfile.mkdtemp(dir={str(tmp_path)!r})\n"
        "    def copyRenderFiles(self, filenames, renderContextName):\n"
        "        NOTED['files'] = threading.current_thread() is threading.main_thread()\n"
        "    def getEnvironmentForJob(self, renderContextName): return None\n"
        "    def getRemoteInstallationMetadata(self): return self.InstallationMetadata('', None)\n"
        "    def submitJob(self, jobRequest):\n"
        "        NOTED['job'] = threading.current_thread() is threading.main_thread()\n"
        "        return '1'\n"
        "    def getJobState(self, jobId): return FarmAPI.Job.State.kCancelled\n"
        "    def getRenderLogFilename(self, jobId): return None\n"
        "PluginRegistry = [('FarmPlugin', 1, 'Local Farm', Noting)]\n"
    )
    desktop = make_desktop(tmp_path / "resources")
    open_small(desktop)
    trigger_preview("Render")
    qtbot.waitUntil(lambda: desktop.renders.renders[0].ended, timeout=WAIT_MS)
    noted = sys.modules["__plugins3__.noting"].NOTED
    assert noted == {"folder": False, "files": False, "job": True}
    assert desktop.renders.renders[0].phase is Phase.CANCELLED


def test_the_monitor_follows_the_job_that_a_queues_tab_selects(
    make_desktop: MakeDesktop, qtbot: QtBot
) -> None:
    """Of two renders the selected one's picture is shown; later changes of its picture do not switch back."""
    desktop = make_desktop()
    open_small(desktop)
    for node in ("Render", "RenderSettings"):
        trigger_preview(node)
        render = desktop.renders.renders[-1]
        qtbot.waitUntil(lambda render=render: render.ended, timeout=WAIT_MS)
        qtbot.waitUntil(lambda: not monitor().view.image.isNull())
    first, second = desktop.renders.renders
    assert monitor().shown_render is second
    EventModule.QueueEvent("katana_queue_job_selected", 1, jobId=first.job_id, picture="")
    qtbot.waitUntil(lambda: monitor().shown_render is first)
    qtbot.waitUntil(lambda: not monitor().view.image.isNull())
    trigger_preview("Render")
    third = desktop.renders.renders[-1]
    assert monitor().shown_render is third
    for news in ("", str(first.picture)):
        EventModule.QueueEvent("katana_queue_job_selected", 1, jobId=first.job_id, picture=news)
        EventModule.ProcessAllEvents()
        assert monitor().shown_render is third
    qtbot.waitUntil(lambda: third.ended, timeout=WAIT_MS)


def test_the_monitor_shows_a_selected_job_of_another_session(
    make_desktop: MakeDesktop, qtbot: QtBot, tmp_path: Path
) -> None:
    """A job that this desktop did not start, and whose picture is there, is shown by its name."""
    make_desktop()
    image = QImage(40, 20, QImage.Format.Format_RGB32)
    image.fill(Qt.GlobalColor.red)
    picture = tmp_path / "earlier.png"
    assert image.save(str(picture))
    EventModule.QueueEvent(
        "katana_queue_job_selected", 1, jobId="earlier1", picture=str(picture), name="<key> & fill"
    )
    qtbot.waitUntil(lambda: monitor().view.image.width() == 40)
    assert monitor().shown_render is None
    # Submitted again, a job writes the picture of the one before: selecting that one shows it too.
    for number in (2, 1):
        EventModule.QueueEvent(
            "katana_queue_job_selected",
            1,
            jobId=f"earlier{number}",
            picture=str(picture),
            name="<key> & fill",
        )
        EventModule.ProcessAllEvents()
        assert monitor().view.image.isNull()
        qtbot.waitUntil(lambda: monitor().view.image.width() == 40)
    assert "<key> & fill" in monitor().findChildren(QLabel)[0].text()


def test_the_monitor_zooms_pans_and_fits(make_desktop: MakeDesktop, qtbot: QtBot) -> None:
    """The wheel zooms at the pointer, a drag pans, F fits, 1 is one to one."""
    make_desktop()
    view = monitor().view
    image = QImage(400, 200, QImage.Format.Format_RGB32)
    image.fill(Qt.GlobalColor.red)
    view.set_image(image)
    fitted = view.zoom
    centre = QPointF(view.rect().center())
    wheel = QWheelEvent(
        centre,
        view.mapToGlobal(centre),
        QPoint(),
        QPoint(0, 120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(view, wheel)
    assert view.zoom == pytest.approx(fitted * 1.2)
    qtbot.keyClick(view, Qt.Key.Key_1)
    assert view.zoom == 1.0
    qtbot.keyClick(view, Qt.Key.Key_F)
    assert view.zoom == fitted
    with qtbot.waitSignal(view.pixel_hovered):
        qtbot.mouseMove(view, view.rect().center() + QPoint(5, 5))


def test_katanas_keys_cancel_and_repeat_renders(make_desktop: MakeDesktop, qtbot: QtBot) -> None:
    """Ctrl+P renders the selected node, Esc cancels the latest render, Shift+Esc all, Ctrl+\\ repeats."""
    desktop = make_desktop()
    open_small(desktop, samples=20000)
    desktop.window.activateWindow()
    viewer = graph_tab().focusProxy()
    assert viewer is not None
    viewer.setFocus()
    qtbot.waitUntil(viewer.hasFocus)
    control, shift = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
    active_scene().select((active_scene().graph.node("RenderSettings"),))
    qtbot.keyClick(viewer, Qt.Key.Key_P, control)
    qtbot.keyClick(viewer, Qt.Key.Key_Backslash, control)
    first, second = desktop.renders.renders
    assert (first.node, second.node) == ("RenderSettings", "RenderSettings")
    qtbot.keyClick(viewer, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: second.ended, timeout=WAIT_MS)
    assert second.phase is Phase.CANCELLED and not first.ended
    qtbot.keyClick(viewer, Qt.Key.Key_Backslash, control)
    third = desktop.renders.renders[-1]
    qtbot.waitUntil(lambda: first.phase is Phase.RUNNING, timeout=WAIT_MS)
    qtbot.keyClick(viewer, Qt.Key.Key_Escape, shift)
    qtbot.waitUntil(lambda: first.ended and third.ended, timeout=WAIT_MS)


def test_stop_all_jobs_stops_what_any_farm_has(make_desktop: MakeDesktop, qtbot: QtBot) -> None:
    """By the farm's own list, whoever submitted them; a farm that fails is named, the others are asked."""
    desktop = make_desktop()
    open_small(desktop, samples=20000)
    messages: list[str] = []
    desktop.renders.message_posted.connect(messages.append)
    render = desktop.renders.start("Render", "Local Farm", RenderMethod.PREVIEW)
    qtbot.waitUntil(lambda: render.phase is Phase.RUNNING, timeout=WAIT_MS)

    class Broken:
        def getJobs(self, filters: object) -> object:
            raise OSError("no route to host")

    FarmPluginManager._farms["Broken"] = Broken()  # type: ignore[assignment]  # this is all that is asked of it
    stop_all_jobs(desktop.renders)
    qtbot.waitUntil(lambda: render.ended, timeout=WAIT_MS)
    assert any("1 job" in text and "no route to host" in text for text in messages)
