"""Launch Remote Agents for a Windows machine: checked, started, a render seen in the tab, stopped."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from katana_queue.kq.api import Session, Settings, start_session
from katana_queue.plugins.Shelves.KatanaQueue.dialogs.launch_remote_agents import LaunchRemoteAgentsDialog
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication, QImage, QPixmap
from PySide6.QtWidgets import QInputDialog, QLineEdit

from tests.remote.test_dialog import LEFT, answer, steps
from tests.support.live_queue import until
from tests.tab.conftest import close_tab
from tests.windows.machine import WindowsServer
from tests.windows.renders import await_render
from tests.windows.wine import windows_path

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture
def session(tmp_path: Path, desktop: Path) -> Iterator[Session]:
    """This process's queue, as a desktop has one; all is rendered over there."""
    settings = Settings.from_environment(
        {"KQ_DATA_ROOT": str(tmp_path / "data root"), "KQ_HEARTBEAT_S": "0.5", "KQ_LEASE_S": "15"},
        num_agents=0,
    )
    session = start_session(settings)
    assert session.wait_ready(300), session.failure
    yield session
    session.close()
    assert session.wait(300)


@pytest.fixture
def dialog(qtbot: Any, session: Session) -> Iterator[LaunchRemoteAgentsDialog]:
    """The dialog as the shelf item opens it."""
    dialog = LaunchRemoteAgentsDialog()
    qtbot.addWidget(dialog)
    with qtbot.waitExposed(dialog):
        dialog.show()
    yield dialog
    assert dialog._background.wait(300)
    assert dialog._lookup.wait(60)
    assert dialog._towards.wait(60)


@pytest.fixture
def tab(qtbot: Any, session: Session) -> Iterator[Any]:
    """The tab of this session."""
    from katana_queue.plugins.Tabs.KatanaQueue.tab import KatanaQueueTab

    widget = KatanaQueueTab(None)
    qtbot.addWidget(widget)
    widget.resize(1200, 700)
    with qtbot.waitExposed(widget):
        widget.show()
    yield widget
    close_tab(widget)


def settle(dialog: LaunchRemoteAgentsDialog, qtbot: Any) -> dict[str, str]:
    qtbot.waitUntil(lambda: dialog.check.isEnabled(), timeout=900_000)
    return steps(dialog)


def keep(picture: QPixmap | QImage, name: str) -> None:
    """Save a picture in the folder that KQ_TEST_PICTURES names, if it does."""
    folder = os.environ.get("KQ_TEST_PICTURES")
    if folder:
        assert picture.save(f"{folder}/{name}.png")


def test_from_the_first_check_to_the_last_stop(
    dialog: LaunchRemoteAgentsDialog,
    tab: Any,
    session: Session,
    machine: WindowsServer,
    katana: Path,
    qtbot: Any,
) -> None:
    """The unknown host is accepted; Agents start, render what the tab shows, and stop."""
    dialog.host.setEditText(machine.address)
    dialog.port.setValue(machine.port)
    dialog.key.setEditText(str(machine.key))
    dialog.num_agents.setValue(2)
    dialog.kq_host.setText("127.0.0.1")
    dialog.katana_root.setText(windows_path(katana))
    qtbot.mouseClick(dialog.check, LEFT)
    assert machine.host_fingerprint in answer(dialog, qtbot, "Accept")
    taken = settle(dialog, qtbot)
    assert "ready" in taken["Result"], taken
    qtbot.mouseClick(dialog.start, LEFT)
    taken = settle(dialog, qtbot)
    keep(dialog.grab(), "windows-dialog")
    assert taken["Registration"].startswith("2 Agents "), taken
    dialog._copy()
    if os.environ.get("KQ_TEST_PICTURES"):
        text = QGuiApplication.clipboard().text()
        Path(os.environ["KQ_TEST_PICTURES"], "windows-dialog.txt").write_text(text)
    record, log, picture = await_render(session.client, session.settings.data_root)
    assert (picture.width(), picture.height()) == (480, 270) and "mitsuba" in log
    keep(picture, "windows-picture")
    assert len({picture.pixelColor(x, 135).rgb() for x in range(480)}) > 50, "it is a picture of something"
    qtbot.waitUntil(lambda: tab.model.job(record.id) is not None, timeout=60_000)
    qtbot.waitUntil(lambda: tab.log.view.line(0) is not None, timeout=60_000)
    keep(tab.grab(), "windows-log")
    tab.details.show_page("Picture")
    qtbot.waitUntil(lambda: tab.picture.canvas.has_picture, timeout=60_000)
    keep(tab.grab(), "windows-agents")
    qtbot.mouseClick(dialog.stop, LEFT)
    taken = settle(dialog, qtbot)
    assert taken["Result"].startswith("No Agent"), taken
    until(lambda: not any(machine.processes().values()), "all to be gone", 300)


def test_by_the_tunnel_with_a_passphrase_until_the_host_key_changes(
    dialog: LaunchRemoteAgentsDialog, session: Session, machine: WindowsServer, katana: Path, qtbot: Any
) -> None:
    """All by the dialog: a wrong passphrase is asked for again, a changed host key is refused."""
    key = machine.make_key(machine.folder / "with a passphrase", "schöne Worte")
    machine.authorize(key)
    dialog.host.setEditText(machine.address)
    dialog.port.setValue(machine.port)
    dialog.key.setEditText(str(key))
    dialog.num_agents.setValue(1)
    dialog.tunnel.setChecked(True)
    dialog.katana_root.setText(windows_path(katana))
    qtbot.mouseClick(dialog.start, LEFT)
    answer(dialog, qtbot, "Accept")
    assert "Wrong" not in type_passphrase(dialog, qtbot, "wrong")
    assert "Wrong" in type_passphrase(dialog, qtbot, "schöne Worte", again=True)
    taken = settle(dialog, qtbot)
    assert taken["Registration"].startswith("1 Agent "), taken
    _, _, picture = await_render(session.client, session.settings.data_root)
    assert picture.width() == 480
    qtbot.mouseClick(dialog.stop, LEFT)
    taken = settle(dialog, qtbot)
    assert taken["Result"].startswith("No Agent"), taken
    until(lambda: not any(machine.processes().values()), "all to be gone", 300)
    machine.close()
    machine.new_host_key()
    machine.start()
    qtbot.mouseClick(dialog.start, LEFT)
    taken = settle(dialog, qtbot)
    assert "CHANGED" in taken["Host key"], taken
    assert not any(machine.processes().values())


def type_passphrase(dialog: LaunchRemoteAgentsDialog, qtbot: Any, text: str, *, again: bool = False) -> str:
    """Type into the question for a passphrase, and press Return; returns the question."""

    def box() -> QInputDialog | None:
        shown = [each for each in dialog.findChildren(QInputDialog) if each.isVisible()]
        return next((each for each in shown if again == ("Wrong" in each.labelText())), None)

    qtbot.waitUntil(lambda: box() is not None, timeout=300_000)
    question = box()
    assert question is not None
    asked = question.labelText()
    [field] = question.findChildren(QLineEdit)
    assert field.echoMode() == QLineEdit.EchoMode.Password
    field.insert(text)  # keyClicks knows ASCII alone
    qtbot.keyClick(field, Qt.Key.Key_Return)
    return asked
