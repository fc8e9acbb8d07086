"""The dialog on a real machine: asked about its host key, checked, started, stopped, closed in the midst."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from katana_queue.kq.api import ConnectionStatus, HostStore, RemoteHost, Session, Settings, start_session
from katana_queue.plugins.Shelves.KatanaQueue.dialogs import launch_remote_agents
from katana_queue.plugins.Shelves.KatanaQueue.dialogs.launch_remote_agents import LaunchRemoteAgentsDialog
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QMessageBox, QPushButton

from tests.remote.machines import RemoteMachine

pytestmark = pytest.mark.slow

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    """This process's queue, as a desktop has one."""
    settings = Settings.from_environment(
        {"KQ_DATA_ROOT": str(tmp_path / "data root"), "KQ_HEARTBEAT_S": "0.2"},
        num_agents=1,
    )
    session = start_session(settings)
    assert session.wait_ready(60), session.failure
    yield session
    session.close()
    assert session.wait(60)


@pytest.fixture
def dialog(
    qtbot: Any, session: Session, machine: RemoteMachine, own_home: Path, tmp_path: Path
) -> Iterator[LaunchRemoteAgentsDialog]:
    """The dialog as the shelf item opens it, filled in for the machine."""
    dialog = LaunchRemoteAgentsDialog()
    qtbot.addWidget(dialog)
    with qtbot.waitExposed(dialog):
        dialog.show()
    dialog.host.setEditText(machine.address)
    dialog.port.setValue(machine.port)
    dialog.key.setEditText(str(machine.key))
    dialog.num_agents.setValue(2)
    dialog.kq_host.setText("127.0.0.1")
    dialog.katana_root.setText(str(Path(__file__).resolve().parents[2]))
    yield dialog
    assert dialog._background.wait(60)
    assert dialog._lookup.wait(60)
    assert dialog._towards.wait(60)


def answer(dialog: LaunchRemoteAgentsDialog, qtbot: Any, text: str) -> str:
    """Press the button called `text` of the question that opens; returns the question."""
    qtbot.waitUntil(lambda: bool(dialog.findChildren(QMessageBox)))
    box = dialog.findChildren(QMessageBox)[0]
    picture = os.environ.get("KQ_TEST_PICTURES")
    if picture:
        box.grab().save(f"{picture}/question.png")
    asked = box.text()
    button = next(each for each in box.findChildren(QPushButton) if each.text().replace("&", "") == text)
    qtbot.mouseClick(button, LEFT)
    return asked


def steps(dialog: LaunchRemoteAgentsDialog) -> dict[str, str]:
    items = [dialog._list.topLevelItem(place) for place in range(dialog._list.topLevelItemCount())]
    return {item.text(0): item.text(1) for item in items if item is not None}


def settle(dialog: LaunchRemoteAgentsDialog, qtbot: Any) -> dict[str, str]:
    qtbot.waitUntil(lambda: dialog.check.isEnabled())
    picture = os.environ.get("KQ_TEST_PICTURES")
    if picture:
        dialog.grab().save(f"{picture}/dialog-{len(steps(dialog))}.png")
    return steps(dialog)


def test_from_the_first_check_to_the_last_stop(
    dialog: LaunchRemoteAgentsDialog, session: Session, machine: RemoteMachine, own_home: Path, qtbot: Any
) -> None:
    """The unknown host is shown and accepted; Agents start, appear in the queue, and stop."""
    qtbot.mouseClick(dialog.check, LEFT)
    assert machine.host_fingerprint in answer(dialog, qtbot, "Accept")
    taken = settle(dialog, qtbot)
    assert "ready" in taken["Result"], taken
    assert (
        (own_home / ".ssh" / "known_hosts").read_text().startswith(f"[127.0.0.1]:{machine.port} ssh-ed25519")
    )
    qtbot.mouseClick(dialog.start, LEFT)
    taken = settle(dialog, qtbot)
    assert taken["Registration"].startswith("2 Agents "), taken
    assert session.client.status is ConnectionStatus.CONNECTED
    assert len([agent for agent in session.client.agents() if not agent.local]) == 2
    qtbot.mouseClick(dialog.stop, LEFT)
    taken = settle(dialog, qtbot)
    assert taken["Result"].startswith("No Agent"), taken
    assert not any(machine.processes().values())


def test_not_accepted_is_not_connected(
    dialog: LaunchRemoteAgentsDialog, machine: RemoteMachine, own_home: Path, qtbot: Any
) -> None:
    """Cancel in the question ends the check, and nothing is written."""
    qtbot.mouseClick(dialog.start, LEFT)
    answer(dialog, qtbot, "Cancel")
    taken = settle(dialog, qtbot)
    assert "not accepted" in taken["Host key"]
    assert "Login" not in taken
    assert not (own_home / ".ssh" / "known_hosts").exists()


@pytest.mark.parametrize("way", ["close", "escape"])
def test_closed_in_the_midst_nothing_remains(
    dialog: LaunchRemoteAgentsDialog, machine: RemoteMachine, qtbot: Any, way: str
) -> None:
    """The window is closed while Agents start, by its frame or by the keyboard."""
    qtbot.mouseClick(dialog.start, LEFT)
    answer(dialog, qtbot, "Accept")
    qtbot.waitUntil(lambda: "Agents" in steps(dialog), timeout=30_000)
    if way == "close":
        dialog.close()
    else:
        qtbot.keyClick(dialog.user, Qt.Key.Key_Escape)
    assert dialog._background.wait(60)
    assert not dialog.isVisible()
    assert not any(machine.processes().values())
    assert not list(machine.state.glob("sessions/*/"))


def test_a_saved_host_is_offered_again(
    dialog: LaunchRemoteAgentsDialog, machine: RemoteMachine, qtbot: Any
) -> None:
    """The next dialog fills its fields in as they were."""
    dialog.num_agents.setValue(7)
    qtbot.mouseClick(dialog.save, LEFT)
    settle(dialog, qtbot)
    again = LaunchRemoteAgentsDialog()
    qtbot.addWidget(again)
    qtbot.waitUntil(lambda: again.host.findText(machine.address) >= 0)
    again.host.setEditText(machine.address)
    again._on_host_chosen()
    assert again.described().num_agents == 7
    assert again.described().port == machine.port
    assert again._lookup.wait(60) and again._towards.wait(60)


def test_the_host_that_has_agents_is_preselected(
    qtbot: Any, own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With two of them the choice is the artist's; names that are cut off are whole in a tool tip."""
    agents: list[SimpleNamespace] = []
    session = SimpleNamespace(client=SimpleNamespace(agents=lambda: agents), settings=None, ready=None)
    monkeypatch.setattr(launch_remote_agents, "current_session", lambda: session)
    store = HostStore()
    for name in ("farm-a", "farm-b"):
        store.remember(RemoteHost(host=name, num_agents=3), worked=True)
    for labels, chosen in (([], ""), (["farm-b"], "farm-b"), (["farm-a", "farm-b"], "")):
        agents[:] = [SimpleNamespace(id=f"{label}:1-abcd", local=False) for label in labels]
        dialog = LaunchRemoteAgentsDialog()
        qtbot.addWidget(dialog)
        qtbot.waitUntil(lambda dialog=dialog: dialog.host.count() == 2)
        assert dialog.host.currentText() == chosen
        assert dialog.num_agents.value() == (3 if chosen else 2)
        assert dialog.host.itemData(0, Qt.ItemDataRole.ToolTipRole) == dialog.host.itemText(0)
        assert dialog._lookup.wait(60)
        qtbot.waitUntil(lambda dialog=dialog: not dialog._towards.is_busy)
        assert dialog._towards.wait(60)
