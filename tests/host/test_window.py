"""The window: files, plug-ins, and what it remembers."""

from __future__ import annotations

import logging
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QMimeData, QPointF, QSize, Qt, QUrl
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QApplication, QFileDialog, QMessageBox
from pytestqt.qtbot import QtBot

from host.app.desktop import Desktop
from host.app.messages import Messages, _Handler
from host.app.panel_shares import PanelShares
from host.app.user_settings import UserSettings
from host.Katana import Callbacks, KatanaFile, NodegraphAPI
from host.Katana.UI4.App import Tabs
from host.Katana.UI4.App.MainWindow import GetMainWindow
from host.Katana.UI4.Tabs import BaseTab
from host.Katana.Utils import Plugins
from host.nodes.scene import active_scene
from host.nodes.types import node_type
from tests.host.conftest import DATA, SMALL, MakeDesktop, forget_session, shut
from tests.host.driving import (
    WAIT_MS,
    graph_tab,
    monitor,
    open_small,
    parameters,
)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gone.usda", None, "no file"),
        ("noise.usda", b"\x00\x01noise", "USD"),
        ("text.txt", b"hello", "USD"),
        ("bad.kqproject", b"{", "JSON"),
        ("other.json", b"{}", "not a project"),
        ("bad.usda", b"#usda 1.0\ndef Xform {\n", "as USD: line "),
        ("bare.usda", b"#usda 1.0\n", "without any prim"),
    ],
)
def test_a_file_that_cannot_be_opened_is_shown_across_the_window(
    make_desktop: MakeDesktop, qtbot: QtBot, tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    """Neither USD nor a project, missing, malformed, or empty: one message that names the file."""
    desktop = make_desktop()
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content)
    desktop.window.documents.open(file)
    qtbot.waitUntil(lambda: bool(desktop.window.error), timeout=WAIT_MS)
    assert message in desktop.window.error
    assert str(file) in desktop.window.error
    messages = Tabs.FindTopTab("Messages")
    assert isinstance(messages, Messages)
    assert message in messages.text


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


def test_a_range_beyond_the_timeline_is_not_used(
    make_desktop: MakeDesktop, qtbot: QtBot, tmp_path: Path
) -> None:
    """A warning says so; the frame stays."""
    desktop = make_desktop()
    file = tmp_path / "far.usda"
    file.write_text('#usda 1.0\n(\n    startTimeCode = 1\n    endTimeCode = 3e9\n)\ndef Sphere "Ball" {}\n')
    with qtbot.waitSignal(desktop.queries.range_read, timeout=WAIT_MS):
        desktop.window.documents.open(file)
    assert (NodegraphAPI.GetInTime(), NodegraphAPI.GetOutTime()) == (1.0, 1.0)
    messages = Tabs.FindTopTab("Messages")
    assert isinstance(messages, Messages)
    assert "3000000000.0 is not a frame number" in messages.text


def test_the_answer_of_a_project_that_was_replaced_is_dropped(
    make_desktop: MakeDesktop, qtbot: QtBot, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the range of a slow file comes to the project after it, nor the error of a broken one."""
    desktop = make_desktop()
    broken = tmp_path / "broken.usda"
    broken.write_text("#usda 1.0\ndef Xform {\n")
    request, gate, answered = desktop.cook.request, threading.Event(), list[str]()

    def answer_late(**asked: Any) -> dict[str, Any]:
        gate.wait(WAIT_MS / 1000)
        answered.append(asked["op"])
        return request(**asked)

    monkeypatch.setattr(desktop.cook, "request", answer_late)
    desktop.window.documents.open(broken)
    desktop.window.documents.open(SMALL)
    desktop.window.documents.new()
    node = active_scene().graph.create(node_type("UsdIn"))
    desktop.queries.ask_for_range(node.name)
    gate.set()
    with qtbot.waitSignal(desktop.queries.range_read, timeout=WAIT_MS) as read:
        pass
    assert read.args == [node.name]  # all that was asked before it has been answered
    assert answered.count("describe") >= 3
    assert (NodegraphAPI.GetInTime(), NodegraphAPI.GetOutTime()) == (1.0, 1.0)
    assert "broken.usda" not in desktop.window.error


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
    """Each broken plug-in is one message in Messages that names its file and line; the rest works."""
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


def test_the_first_window_is_no_larger_than_the_screen(make_desktop: MakeDesktop) -> None:
    """With its frame; on a large screen it is as large as it likes to be."""
    window = make_desktop().window
    assert window.size() == window.first_size(None) == window.first_size(QSize(2560, 1440))
    size = window.first_size(QSize(1280, 800))
    assert size.width() < 1280 and size.height() <= 770


def test_parameters_can_be_read_in_a_narrow_window(make_desktop: MakeDesktop, qtbot: QtBot) -> None:
    """The column at the right keeps the room for a label and a number."""
    window = make_desktop().window
    dock = window.open_tab("Parameters")
    assert dock is not None
    qtbot.waitUntil(lambda: dock.width() > 400)
    window.resize(800, 700)
    qtbot.waitUntil(lambda: dock.width() < 400)
    assert window.width() == 800 and dock.width() >= 240


def test_long_texts_do_not_widen_the_window(make_desktop: MakeDesktop, qtbot: QtBot) -> None:
    """A node's name, a path in an error: what has no room is cut or wrapped; the window stays small."""
    desktop = make_desktop()
    open_small(desktop)
    window, graph = desktop.window, active_scene().graph
    before, height = window.minimumSizeHint().width(), window.minimumSizeHint().height()
    name = graph.rename(graph.node("Render"), "Render_" + "of_the_key_light_" * 20)
    long = "/show/" + "a_folder_with_a_long_name" * 20
    window.show_error(f"{long} cannot be opened")
    tab = monitor()
    tab._title.setText(name)
    tab._details.setText(f"/World/{name}")
    tab._error.setText(long)
    tab._error.show()
    active_scene().edit(graph.node(name))
    parameters()._error.setText(long)
    parameters()._error.show()
    QApplication.processEvents()
    # The title and details add a few letters each.
    assert window.minimumSizeHint().width() <= before + 150
    # A few lines each, not as many as the narrowest column would have.
    assert window.minimumSizeHint().height() <= height + 250
    window.resize(1000, 700)
    qtbot.waitUntil(lambda: tab._title.toolTip() == name, timeout=WAIT_MS)
    assert tab._title.shown_text != name
    window.resize(20_000, 700)
    qtbot.waitUntil(lambda: not tab._title.toolTip(), timeout=WAIT_MS)


def test_an_error_moves_no_panel(make_desktop: MakeDesktop, qtbot: QtBot) -> None:
    """A message above the picture takes its few lines from the picture."""
    desktop = make_desktop()
    dock = desktop.window.open_tab("Monitor")
    assert dock is not None
    qtbot.waitUntil(lambda: bool(desktop.window._shares.saved()), timeout=WAIT_MS)
    before, tab = dock.height(), monitor()
    tab._error.setText("a message of many words " * 20)
    tab._error.show()
    qtbot.waitUntil(lambda: 0 < tab._error.height() < 100, timeout=WAIT_MS)
    assert dock.height() == before


def test_panels_keep_their_share_of_the_window(make_desktop: MakeDesktop, qtbot: QtBot) -> None:
    """In a window that grows, and in the next session with another size of screen or another scale."""

    def share(desktop: Desktop) -> float:
        dock = desktop.window.open_tab("Node Graph")
        assert dock is not None
        return dock.width() / desktop.window.width()

    first = make_desktop(keeps_settings=True)
    window = first.window
    qtbot.waitUntil(lambda: bool(window._shares.saved()), timeout=WAIT_MS)
    before = share(first)
    window.resize(1000, 500)
    qtbot.waitUntil(lambda: abs(share(first) - before) < 0.02, timeout=WAIT_MS)
    zoom = graph_tab()._viewer.get_zoom()
    window.resize(1600, 960)
    qtbot.waitUntil(
        lambda: graph_tab()._viewer.get_zoom() > zoom, timeout=WAIT_MS
    )  # the graph is framed again
    shut(first)
    forget_session()
    settings = UserSettings()
    settings.set("geometry", "")  # as where the screen is another one
    settings.save()
    second = make_desktop(keeps_settings=True)
    assert second.window.width() > 1500
    qtbot.waitUntil(lambda: abs(share(second) - before) < 0.02, timeout=WAIT_MS)


@pytest.mark.parametrize("saved", [None, [], {"Monitor": 3}, {"Monitor": [0, 2]}, {"Monitor": ["a", None]}])
def test_invalid_shares_are_ignored(make_desktop: MakeDesktop, saved: object) -> None:
    """A settings file that was edited by hand."""
    window = make_desktop().window
    shares = PanelShares(window, {})
    shares.restore(saved)
    assert shares.saved() == {}


def test_warnings_that_were_not_seen_are_counted_on_the_messages_tab(
    make_desktop: MakeDesktop, qtbot: QtBot
) -> None:
    """Behind another tab it says how many came; once it was in sight, none."""
    desktop = make_desktop()
    dock = desktop.window.open_tab("Messages")
    other = desktop.window.open_tab("Catalog")
    assert dock is not None and other is not None
    qtbot.waitUntil(lambda: dock.visibleRegion().isEmpty(), timeout=WAIT_MS)
    log = logging.getLogger("Katana")
    log.info("nothing much")
    log.warning("a texture is missing")
    log.error("a light is missing")
    qtbot.waitUntil(lambda: dock.windowTitle() == "Messages (2)", timeout=WAIT_MS)
    dock.raise_()
    qtbot.waitUntil(lambda: dock.windowTitle() == "Messages", timeout=WAIT_MS)
    log.warning("seen at once")
    messages = Tabs.FindTopTab("Messages")
    assert isinstance(messages, Messages)
    qtbot.waitUntil(lambda: "seen at once" in messages.text, timeout=WAIT_MS)
    assert dock.windowTitle() == "Messages"


def test_a_warning_is_seen_though_the_messages_tab_is_closed(make_desktop: MakeDesktop, qtbot: QtBot) -> None:
    """Or was never opened: the status bar counts them, and a click opens the tab."""
    desktop = make_desktop()
    window, log = desktop.window, logging.getLogger("Katana")
    dock = window.open_tab("Messages")
    assert dock is not None
    qtbot.waitUntil(lambda: not window._unseen.isVisible(), timeout=WAIT_MS)
    dock.raise_()
    qtbot.waitUntil(lambda: desktop.log._in_sight, timeout=WAIT_MS)
    dock.close()
    log.info("nothing much")
    log.warning("a texture is missing")
    qtbot.waitUntil(window._unseen.isVisible, timeout=WAIT_MS)
    assert window._unseen.text() == "Messages (1)"
    qtbot.mouseClick(window._unseen, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not window._unseen.isVisible(), timeout=WAIT_MS)
    assert dock.isVisible()


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
    """A user folder that is a file is reported when the desktop closes."""
    (fresh / "user").write_text("not a folder")
    desktop = make_desktop(keeps_settings=True)
    desktop.window.close()
    texts: list[str] = []
    desktop.log.message_added.connect(lambda _level, text, _time: texts.append(text))
    desktop.close()
    assert any(str(fresh / "user") in text for text in texts)


def test_the_render_menu_shows_the_queue_under_whichever_name_it_has(
    make_desktop: MakeDesktop, qtbot: QtBot
) -> None:
    """Where Katana has a queue of its own, ours has another name; without one the item is disabled."""
    desktop = make_desktop()
    [menu] = [action.menu() for action in desktop.window.menuBar().actions() if action.text() == "&Render"]
    show = next(action for action in menu.actions() if action.text() == "Show Katana &Queue")
    menu.aboutToShow.emit()
    assert not show.isEnabled()
    Tabs._register("Katana Queue (Open)", BaseTab)
    menu.aboutToShow.emit()
    assert show.isEnabled() and Tabs.FindTopTab("Katana Queue (Open)") is None
    show.trigger()
    qtbot.waitUntil(lambda: Tabs.FindTopTab("Katana Queue (Open)") is not None, timeout=WAIT_MS)
    tab = Tabs.FindTopTab("Katana Queue (Open)")
    assert tab is not None and tab.isVisible()


def test_a_tab_chosen_from_the_menu_has_the_keyboard(make_desktop: MakeDesktop, qtbot: QtBot) -> None:
    """Whoever uses no mouse gets from the Node Graph, where Tab makes nodes, to any other tab."""
    desktop = make_desktop()
    desktop.window.activateWindow()
    graph = Tabs.FindTopTab("Node Graph")
    graph.setFocus()  # type: ignore[union-attr]
    [menu] = [action.menu() for action in desktop.window.menuBar().actions() if action.text() == "&Tabs"]
    menu.aboutToShow.emit()
    for name in ("Messages", "Monitor"):
        next(action for action in menu.actions() if action.text().replace("&", "") == name).trigger()
        tab = Tabs.FindTopTab(name)

        def inside(tab: object = tab) -> bool:
            widget = QApplication.focusWidget()
            return widget is not None and (widget is tab or tab.isAncestorOf(widget))  # type: ignore[attr-defined]

        qtbot.waitUntil(inside)


def test_a_file_that_may_not_be_looked_for_is_an_error(make_desktop: MakeDesktop, tmp_path: Path) -> None:
    """As in a folder that may not be entered, where even the question for the file fails."""
    documents = make_desktop().window.documents
    failed: list[str] = []
    documents.failed.connect(failed.append)
    assert not documents.open(tmp_path / ("a" * 300))
    assert not documents.save_to(tmp_path / ("b" * 300))
    assert "File name too long" in failed[0] and "b" * 300 in failed[1]


def test_a_save_that_fails_as_the_window_closes_keeps_it_open(
    make_desktop: MakeDesktop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The changes are still there; also where the error is one that is not foreseen."""
    window = make_desktop().window
    active_scene().graph.create(node_type("Light"))
    window.documents._asks = True
    monkeypatch.setattr(QMessageBox, "question", lambda *_arguments: QMessageBox.StandardButton.Save)
    typed = ["a" * 300]
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_arguments: (str(tmp_path / typed[0]), ""))
    assert not window.close() and "a" * 300 in window.error

    def fail() -> bool:
        raise RuntimeError("unexpected")

    event = QCloseEvent()
    with monkeypatch.context() as patched, pytest.raises(RuntimeError):
        patched.setattr(window.documents, "confirm_discard", fail)
        window.closeEvent(event)
    assert not event.isAccepted()
    typed[0] = "saved"
    assert window.close()


def test_save_as_asks_before_it_replaces_a_file_whose_suffix_was_not_typed(
    make_desktop: MakeDesktop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The dialog has asked for the name that was typed alone."""
    documents = make_desktop().window.documents
    typed, answers = ["shot.v012"], [QMessageBox.StandardButton.No]
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_arguments: (str(tmp_path / typed[0]), ""))
    monkeypatch.setattr(QMessageBox, "question", lambda *_arguments: answers.pop())
    assert documents.save_as() and active_scene().path == tmp_path / "shot.v012.kqproject"
    typed[0] = "taken"
    file = tmp_path / "taken.kqproject"
    file.write_text("other")
    assert not documents.save_as() and file.read_text() == "other" and not answers
    answers.append(QMessageBox.StandardButton.Yes)
    assert documents.save_as() and active_scene().path == file


def test_a_message_that_cannot_be_formatted_fails_no_caller(
    make_desktop: MakeDesktop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with the handlers of `logging`."""
    monkeypatch.setattr(logging, "raiseExceptions", False)
    handler = _Handler(make_desktop().log)
    handler.handle(logging.LogRecord("Katana", logging.ERROR, "", 0, "%d frames", ("no",), None))


def test_a_startup_script_that_exits_ends_only_itself(
    make_desktop: MakeDesktop, qtbot: QtBot, tmp_path: Path
) -> None:
    """Messages has the reason, if it is a failure; a script that may not be looked for is left out."""
    for name, code in (("good", "sys.exit()"), ("bad", "sys.exit(3)"), ("secret", "")):
        (tmp_path / name / "Startup").mkdir(parents=True)
        (tmp_path / name / "Startup" / "init.py").write_text(f"import sys; {code}\n")
    if sys.platform != "win32":
        secret = tmp_path / "secret" / "Startup" / "init.py"
        secret.unlink()
        secret.symlink_to("a" * 300)
    desktop = make_desktop(tmp_path / "good", tmp_path / "secret", tmp_path / "bad")

    def failed() -> list[str]:
        return [text for _level, text, _time in desktop.log.messages if "init.py failed" in text]

    qtbot.waitUntil(lambda: bool(failed()))
    assert len(failed()) == 1 and "bad" in failed()[0]


def test_recent_files_of_one_name_have_their_folders(make_desktop: MakeDesktop, tmp_path: Path) -> None:
    """The menu names each so that it can be told from the others; an ampersand is no mnemonic."""
    window = make_desktop().window
    for file in ("b/shot.kqproject", "a/shot.kqproject", "day & night.kqproject"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        assert window.documents.save_to(tmp_path / file)
    assert [action.text() for action in window._recent_menu.actions()] == [
        "day && night.kqproject",
        f"shot.kqproject in {tmp_path / 'a'}",
        f"shot.kqproject in {tmp_path / 'b'}",
    ]
