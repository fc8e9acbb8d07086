"""The window as an artist uses it: mouse and keys go in, pictures and sentences come out."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from PySide6.QtCore import QEvent, QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QContextMenuEvent, QDragEnterEvent, QDropEvent, QImage, QMouseEvent, QWheelEvent
from PySide6.QtWidgets import QApplication, QMenu
from pytestqt.qtbot import QtBot

from host.app.desktop import Desktop
from host.app.editors import IntegerEditor, NumberEditor, TextEditor
from host.app.messages import Messages
from host.app.monitor import Monitor
from host.app.node_graph import NodeGraphTab
from host.app.parameters_tab import ParametersTab
from host.app.rendering import Phase
from host.Katana import Callbacks, KatanaFile, NodegraphAPI
from host.Katana.UI4.App import Tabs
from host.Katana.UI4.App.MainWindow import GetMainWindow
from host.Katana.Utils import EventModule, Plugins
from host.nodes.scene import active_scene
from tests.host.conftest import DATA, SMALL, MakeDesktop, forget_session, shut

WAIT_MS = 30_000


def graph_tab() -> NodeGraphTab:
    tab = Tabs.FindTopTab("Node Graph")
    assert isinstance(tab, NodeGraphTab)
    return tab


def monitor() -> Monitor:
    tab = Tabs.FindTopTab("Monitor")
    assert isinstance(tab, Monitor)
    return tab


def parameters() -> ParametersTab:
    tab = Tabs.FindTopTab("Parameters")
    assert isinstance(tab, ParametersTab)
    return tab


def open_small(desktop: Desktop, samples: int = 1) -> None:
    """Open the small scene, with as few pixels as a picture can have."""
    assert desktop.window.documents.open(SMALL)
    settings = active_scene().graph.node("RenderSettings")
    settings.set_value("width", 32)
    settings.set_value("height", 18)
    settings.set_value("samples", samples)


def right_click(tab: NodeGraphTab, place: QPoint, qtbot: QtBot) -> QMenu:
    """Press and release the right button, and send what the window system makes of it."""
    qtbot.mouseClick(tab.viewport, Qt.MouseButton.RightButton, pos=place)
    event = QContextMenuEvent(QContextMenuEvent.Reason.Mouse, place, tab.viewport.mapToGlobal(place))
    QApplication.sendEvent(tab.viewport, event)
    menu = tab.menu
    assert menu is not None
    qtbot.waitUntil(menu.isVisible)
    return menu


def click_item(menu: QMenu, text: str, qtbot: QtBot) -> QMenu | None:
    """Click the item `text` with the mouse; returns the sub-menu that it opens, if it does."""
    action = next(action for action in menu.actions() if action.text().replace("&", "") == text)
    place = menu.actionGeometry(action).center()
    qtbot.mouseMove(menu, place)
    submenu = action.menu()
    qtbot.mouseClick(menu, Qt.MouseButton.LeftButton, pos=place)
    if isinstance(submenu, QMenu):
        qtbot.waitUntil(submenu.isVisible)
        return submenu
    return None


def test_a_preview_render_from_the_menu_shows_its_picture(make_desktop: MakeDesktop, qtbot: QtBot) -> None:
    """Right-click on Render, the farm's sub-menu, Preview Render: the farm renders, the Monitor shows it."""
    desktop = make_desktop()
    open_small(desktop)
    tab = graph_tab()
    menu = right_click(tab, tab.place_of(active_scene().graph.node("Render")), qtbot)
    submenu = click_item(menu, "Local Farm", qtbot)
    assert submenu is not None
    assert [action.text() for action in submenu.actions()] == ["Preview Render", "Disk Render"]
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
    active_scene().set_frame(7)
    tab = graph_tab()
    menu = tab.build_node_menu(active_scene().graph.node("RenderSettings"))
    farm = next(action for action in menu.actions() if action.text() == "Local Farm").menu()
    assert isinstance(farm, QMenu)
    assert [action.text() for action in farm.actions()] == ["Preview Render"]
    farm.actions()[0].trigger()
    render = desktop.renders.renders[0]
    qtbot.waitUntil(lambda: render.ended, timeout=WAIT_MS)
    assert render.phase is Phase.COMPLETED, render.reason
    assert render.picture is not None
    assert render.picture.parent.parent == space
    assert render.picture.name == "RenderSettings.0007.png"


def test_a_render_that_fails_tells_why_in_the_monitor(
    make_desktop: MakeDesktop, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason is the log's own line, and the desktop goes on."""
    script = "import sys; print('all is well'); print('error: the sky is missing'); sys.exit(3)"
    monkeypatch.setattr("host.session.renderboot_command", lambda: [sys.executable, "-c", script])
    desktop = make_desktop()
    open_small(desktop)
    _trigger_preview("Render")
    render = desktop.renders.renders[0]
    qtbot.waitUntil(lambda: bool(monitor().message), timeout=WAIT_MS)
    assert render.phase is Phase.FAILED
    assert monitor().message == "The render failed: error: the sky is missing"


def _trigger_preview(node: str) -> None:
    menu = graph_tab().build_node_menu(active_scene().graph.node(node))
    farm = next(action for action in menu.actions() if action.text() == "Local Farm").menu()
    assert isinstance(farm, QMenu)
    farm.actions()[0].trigger()


@pytest.mark.parametrize(
    ("prepare", "sentence"),
    [
        ("no input", "Node RenderSettings has no input: connect a node to it in the Node Graph."),
        ("missing file", "Node UsdIn cannot find its USD file"),
        ("empty", "The scene at node Render is empty: there is no geometry in it to render."),
        ("refused", "Local Farm did not take the render of Render: the farm is full."),
        ("unwritable", "Render was not submitted to Local Farm: No such file or directory"),
        ("camera", "Node RenderSettings names the camera /no/camera, which is not in the scene."),
    ],
)
def test_what_stops_a_render_is_one_sentence_in_the_monitor(
    make_desktop: MakeDesktop,
    qtbot: QtBot,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    prepare: str,
    sentence: str,
) -> None:
    """Whatever keeps a render from the farm is told where its picture would be; nothing is submitted."""
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
        case "unwritable":
            monkeypatch.setenv("LOCAL_FARM_ROOT", str(tmp_path / "no such folder"))
        case "camera":
            graph.node("RenderSettings").set_value("camera", "/no/camera")
    _trigger_preview("Render")
    qtbot.waitUntil(lambda: bool(monitor().message), timeout=WAIT_MS)
    assert monitor().message.startswith(sentence)
    assert desktop.renders.renders[0].phase is Phase.REFUSED
    assert desktop.renders.renders[0].job_id == ""


def test_a_disk_render_writes_where_the_node_says(
    make_desktop: MakeDesktop, qtbot: QtBot, tmp_path: Path
) -> None:
    """`#` stands for the frame's digits; without an Output the artist is told to set one."""
    desktop = make_desktop()
    open_small(desktop)
    render_node = active_scene().graph.node("Render")

    def trigger() -> None:
        farm = next(a for a in graph_tab().build_node_menu(render_node).actions() if a.text() == "Local Farm")
        submenu = farm.menu()
        assert isinstance(submenu, QMenu)
        submenu.actions()[1].trigger()

    trigger()
    assert monitor().message == "Node Render has no Output: set where Disk Render writes its picture."
    render_node.set_value("output", str(tmp_path / "shot.###.png"))
    active_scene().set_frame(3)
    trigger()
    render = desktop.renders.renders[1]
    qtbot.waitUntil(lambda: render.ended, timeout=WAIT_MS)
    assert render.phase is Phase.COMPLETED, render.reason
    assert (tmp_path / "shot.003.png").is_file()


def test_without_a_farm_the_menu_says_so(make_desktop: MakeDesktop, tmp_path: Path) -> None:
    """One disabled line tells what is missing and what to set."""
    empty = tmp_path / "resources"
    empty.mkdir()
    desktop = make_desktop(empty)
    open_small(desktop)
    texts = [
        (action.text(), action.isEnabled())
        for action in graph_tab().build_node_menu(active_scene().graph.node("Render")).actions()
    ]
    assert ("No farm plug-in is registered: set KATANA_RESOURCES to a folder with one", False) in texts


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("gone.usda", None, "There is no file "),
        ("noise.usda", b"\x00\x01noise", "is neither a USD file nor a project of this desktop."),
        ("text.txt", b"hello", "is neither a USD file nor a project of this desktop."),
        ("bad.kqproject", b"{", "it is not valid JSON"),
        ("other.json", b"{}", "it is no project of this desktop."),
        ("bad.usda", b"#usda 1.0\ndef Xform {\n", "as USD: line "),
        ("bare.usda", b"#usda 1.0\n", "is a USD file without any prim."),
    ],
)
def test_a_file_that_cannot_be_opened_is_told_across_the_window(
    make_desktop: MakeDesktop, qtbot: QtBot, tmp_path: Path, name: str, content: bytes | None, sentence: str
) -> None:
    """Neither USD nor a project, missing, malformed, or empty: one sentence that names the file."""
    desktop = make_desktop()
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content)
    desktop.window.documents.open(file)
    qtbot.waitUntil(lambda: bool(desktop.window.error), timeout=WAIT_MS)
    assert sentence in desktop.window.error
    assert str(file) in desktop.window.error
    messages = Tabs.FindTopTab("Messages")
    assert isinstance(messages, Messages)
    assert sentence in messages.text


def test_opening_a_usd_file_makes_its_three_nodes_and_finds_its_frames(
    make_desktop: MakeDesktop, qtbot: QtBot
) -> None:
    """UsdIn, RenderSettings and Render in a row; the timeline takes the file's range."""
    desktop = make_desktop()
    with qtbot.waitSignal(desktop.queries.range_found, timeout=WAIT_MS):
        desktop.window.documents.open(SMALL)
    assert [node.getType() for node in NodegraphAPI.GetAllNodes(sortByName=False)] == [
        "UsdIn",
        "RenderSettings",
        "Render",
    ]
    assert (NodegraphAPI.GetInTime(), NodegraphAPI.GetOutTime()) == (1.0, 12.0)
    assert not active_scene().dirty


def test_a_file_dropped_on_the_window_is_opened(make_desktop: MakeDesktop) -> None:
    """On the Node Graph as anywhere else."""
    make_desktop()
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(SMALL))])
    window = GetMainWindow()
    assert window is not None
    place = window.rect().center()
    button, modifier = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(place, Qt.DropAction.CopyAction, data, button, modifier)
    QApplication.sendEvent(window, enter)
    assert enter.isAccepted()
    drop = QDropEvent(QPointF(place), Qt.DropAction.CopyAction, data, button, modifier)
    QApplication.sendEvent(window, drop)
    assert active_scene().graph.node("UsdIn").value("file") == str(SMALL)
    assert not graph_tab().viewport.acceptDrops()


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
    _trigger_preview("Render")
    qtbot.waitUntil(lambda: desktop.renders.renders[0].ended, timeout=WAIT_MS)
    noted = sys.modules["__plugins3__.noting"].NOTED
    assert noted == {"folder": False, "files": False, "job": True}
    assert desktop.renders.renders[0].phase is Phase.CANCELLED


def test_the_monitor_follows_the_job_that_a_queues_tab_selects(
    make_desktop: MakeDesktop, qtbot: QtBot
) -> None:
    """Of two renders the selected one's picture is shown; news of its picture pull nobody back."""
    desktop = make_desktop()
    open_small(desktop)
    for node in ("Render", "RenderSettings"):
        _trigger_preview(node)
        render = desktop.renders.renders[-1]
        qtbot.waitUntil(lambda render=render: render.ended, timeout=WAIT_MS)
        qtbot.waitUntil(lambda: not monitor().view.image.isNull())
    first, second = desktop.renders.renders
    assert monitor().shown_render is second
    EventModule.QueueEvent("katana_queue_job_selected", 1, jobId=first.job_id, picture="")
    qtbot.waitUntil(lambda: monitor().shown_render is first)
    qtbot.waitUntil(lambda: not monitor().view.image.isNull())
    _trigger_preview("Render")
    third = desktop.renders.renders[-1]
    assert monitor().shown_render is third
    EventModule.QueueEvent("katana_queue_job_selected", 1, jobId=first.job_id, picture="")
    EventModule.ProcessAllEvents()
    assert monitor().shown_render is third
    qtbot.waitUntil(lambda: third.ended, timeout=WAIT_MS)


def test_nodes_are_made_moved_connected_and_deleted_with_mouse_and_keys(
    make_desktop: MakeDesktop, qtbot: QtBot
) -> None:
    """Tab opens the menu of types; a drag moves a node; a drag between ports connects; Delete deletes."""
    make_desktop()
    tab = graph_tab()
    tab.viewport.setFocus()
    qtbot.keyClick(tab.viewport, Qt.Key.Key_Tab)
    assert tab.menu is not None
    qtbot.waitUntil(tab.menu.isVisible)
    click_item(tab.menu, "Light", qtbot)
    light = active_scene().graph.node("Light")
    assert active_scene().edited is light

    before = light.position
    start = tab.place_of(light)
    _drag(tab, start, start + QPoint(60, 90))
    assert light.position != before

    menu = tab.build_create_menu(tab.viewport.rect().topLeft() + QPoint(200, 80))
    next(action for action in menu.actions() if action.text() == "UsdIn").trigger()
    usd_in = active_scene().graph.node("UsdIn")
    light.position = (usd_in.position[0], usd_in.position[1] + 160)
    tab.frame_all()
    _drag(tab, tab.port_place(usd_in, "out"), tab.port_place(light, "in"))
    assert light.source("in") is usd_in

    qtbot.mouseClick(tab.viewport, Qt.MouseButton.LeftButton, pos=tab.place_of(usd_in))
    assert active_scene().selected == (usd_in,)
    qtbot.keyClick(tab.viewport, Qt.Key.Key_Delete)
    assert active_scene().graph.find("UsdIn") is None
    assert light.source("in") is None


def _drag(tab: NodeGraphTab, start: QPoint, end: QPoint) -> None:
    """Press, move and release the left button. QTest's moves hold no button, so these are sent by hand."""
    left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
    middle = (start + end) / 2
    for kind, place, button, held in (
        (QEvent.Type.MouseMove, start, none, none),
        (QEvent.Type.MouseButtonPress, start, left, left),
        (QEvent.Type.MouseMove, middle, none, left),
        (QEvent.Type.MouseMove, end, none, left),
        (QEvent.Type.MouseButtonRelease, end, left, none),
    ):
        event = QMouseEvent(
            kind,
            QPointF(place),
            QPointF(tab.viewport.mapToGlobal(place)),
            button,
            held,
            Qt.KeyboardModifier.NoModifier,
        )
        QApplication.sendEvent(tab.viewport, event)


def test_parameters_change_the_node_as_the_artist_types(make_desktop: MakeDesktop, qtbot: QtBot) -> None:
    """Numbers, names and choices go into the node; what it refuses is said and taken back."""
    desktop = make_desktop()
    open_small(desktop)
    tab, graph = parameters(), active_scene().graph
    active_scene().edit(graph.node("RenderSettings"))
    width = tab.editor("width")
    assert isinstance(width, IntegerEditor)
    width.box.selectAll()
    qtbot.keyClicks(width.box, "128")
    qtbot.keyClick(width.box, Qt.Key.Key_Return)
    assert graph.node("RenderSettings").value("width") == 128

    light = NodegraphAPI.CreateNode("Light")
    NodegraphAPI.SetNodeEdited(light, True)
    assert tab.editor("width").isVisibleTo(tab)
    kind = light.getParameter("kind")
    assert kind is not None
    kind.setValue("sphere", 0.0)
    assert not tab.editor("width").isVisibleTo(tab)
    assert tab.editor("radius").isVisibleTo(tab)
    radius = tab.editor("radius")
    assert isinstance(radius, NumberEditor)
    radius.box.selectAll()
    qtbot.keyClicks(radius.box, "2.5")
    qtbot.keyClick(radius.box, Qt.Key.Key_Return)
    assert light.getParameterValue("radius", 0.0) == 2.5
    path = tab.editor("path")
    assert isinstance(path, TextEditor)
    path.line.setText("/lights/Sun")
    path.line.editingFinished.emit()
    assert light.getParameterValue("path", 0.0) == "/lights/Sun"


def test_the_cameras_of_the_scene_are_offered(make_desktop: MakeDesktop, qtbot: QtBot) -> None:
    """The camera parameter lists what the incoming scene has."""
    desktop = make_desktop()
    open_small(desktop)
    with qtbot.waitSignal(desktop.queries.cameras_found, timeout=WAIT_MS):
        active_scene().edit(active_scene().graph.node("RenderSettings"))
    box = parameters().editor("camera").box  # type: ignore[attr-defined]
    qtbot.waitUntil(lambda: box.findText("/World/Front") >= 0, timeout=WAIT_MS)


def test_plugins_tabs_shelves_and_callbacks_come_into_the_window(
    make_desktop: MakeDesktop, qtbot: QtBot
) -> None:
    """A plug-in's tab is open, its shelf item runs, its menu item is there, its callbacks come."""
    desktop = make_desktop()
    noted: list[str] = (
        Plugins.LoadModule(str(DATA / "resources/UIPlugins/note_session.py"))
        or sys.modules["__plugins3__.note_session"].NOTED
    )
    assert GetMainWindow() is desktop.window
    qtbot.waitUntil(lambda: "onStartupComplete" in noted)
    assert noted == ["onStartup", "onStartupComplete"]
    tab = Tabs.FindTopTab("Sample Tab")
    assert tab is not None
    assert tab.isVisible()
    open_small(desktop)
    item = next(action for action in desktop.window.shelf_bar.actions() if action.text() == "Note Nodes")
    button = desktop.window.shelf_bar.widgetForAction(item)
    with qtbot.waitSignal(desktop.log.message_added):
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert "There are 3 nodes." in [text for _level, text, _time in desktop.log.messages]
    menu = graph_tab().build_node_menu(active_scene().graph.node("Render"))
    assert "Note Render" in [action.text() for action in menu.actions()]
    shut(desktop)
    assert noted == ["onStartup", "onStartupComplete", "onSceneLoad", "onShutdown"]


def test_broken_plugins_leave_the_desktop_and_all_others_whole(
    make_desktop: MakeDesktop, qtbot: QtBot
) -> None:
    """Each broken plug-in is one sentence in Messages that names its file and line; the rest works."""
    desktop = make_desktop(DATA / "broken", DATA / "resources")
    qtbot.waitUntil(lambda: len(desktop.log.messages) >= 6)
    text = "\n".join(text for _level, text, _time in desktop.log.messages)
    assert "a_typo.py was not loaded: invalid syntax, line 2 of" in text
    assert "b_raises.py was not loaded: ValueError: no licence was found, line 5 of" in text
    assert "c_registry.py was not loaded: TypeError: PluginRegistry lists ('FarmPlugin', 1, 'Half')" in text
    assert "d_exits.py was not loaded: it tried to end the program (3)." in text
    assert "The farm plug-in Closed Farm of" in text
    assert "the farm is closed" in text
    assert "The tab Failing Tab does not open: RuntimeError: this tab needs a graphics card" in text
    assert Tabs.FindTopTab("Sample Tab") is not None
    item = next(action for action in desktop.window.shelf_bar.actions() if action.text() == "Raises")
    item.trigger()
    qtbot.waitUntil(
        lambda: any("there is nothing to launch" in text for _l, text, _t in desktop.log.messages)
    )
    open_small(desktop)
    assert "Local Farm" in [
        action.text() for action in graph_tab().build_node_menu(active_scene().graph.node("Render")).actions()
    ]


def test_a_handler_that_raises_does_not_keep_the_next_from_its_turn(make_desktop: MakeDesktop) -> None:
    """Callbacks go on after one that fails."""
    make_desktop()
    called: list[str] = []

    def bad(**_kwargs: object) -> None:
        raise RuntimeError("no")

    def good(**_kwargs: object) -> None:
        called.append("good")

    Callbacks.addCallback(Callbacks.Type.onNewScene, bad)
    Callbacks.addCallback(Callbacks.Type.onNewScene, good)
    KatanaFile.New()
    assert called == ["good"]


def test_the_window_comes_back_as_it_was_left(make_desktop: MakeDesktop, fresh: Path) -> None:
    """Which tabs are open, a tab's own settings and recent files are kept for the next session."""
    first = make_desktop(keeps_settings=True)
    open_small(first)
    messages = first.window.open_tab("Messages")
    assert messages is not None
    messages.close()
    tab = Tabs.FindTopTab("Sample Tab")
    tab.word.setText("remembered")  # type: ignore[union-attr]
    shut(first)
    forget_session()
    second = make_desktop(keeps_settings=True)
    assert Tabs.FindTopTab("Messages") is None
    assert Tabs.FindTopTab("Monitor") is not None
    tab = Tabs.FindTopTab("Sample Tab")
    assert tab.word.text() == "remembered"  # type: ignore[union-attr]
    assert second.settings.recent == [str(SMALL)]


def test_settings_that_cannot_be_kept_cost_nothing_else(make_desktop: MakeDesktop, fresh: Path) -> None:
    """A user folder that is a file is told in one sentence when the desktop closes."""
    (fresh / "user").write_text("not a folder")
    desktop = make_desktop(keeps_settings=True)
    desktop.window.close()
    texts: list[str] = []
    desktop.log.message_added.connect(lambda _level, text, _time: texts.append(text))
    desktop.close()
    assert any("cannot be kept in" in text for text in texts)


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
