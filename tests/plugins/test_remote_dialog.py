"""The dialog that launches remote Agents: fields, what is wrong with them, steps as they happen, cancelling.

The steps themselves are tested with kq.remote; here something in this process stands in for them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from Katana import Shelves
from katana_queue.kq.api import RemoteHost, RemoteStep, StepState
from katana_queue.plugins import queue_session
from katana_queue.plugins.Shelves.KatanaQueue.dialogs.form import FilledIn
from katana_queue.plugins.Shelves.KatanaQueue.dialogs.launch_remote_agents import LaunchRemoteAgentsDialog
from katana_queue.plugins.Shelves.KatanaQueue.dialogs.prompts import Questions
from katana_queue.plugins.ui.theme import state_colour
from PySide6.QtCore import QEvent, Qt, QTimer
from PySide6.QtGui import QGuiApplication, QKeyEvent
from PySide6.QtWidgets import QApplication, QDialog, QFileDialog, QLineEdit

from tests.tab.using import unclaimed

LEFT = Qt.MouseButton.LeftButton
ITEM = Path(__file__).resolve().parents[2] / "plugins" / "Shelves" / "KatanaQueue" / "Launch Remote Agents.py"


class Preflight:
    """Stands in for kq.remote: reports two steps, and waits between them until told or cancelled."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.was_cancelled = False

    def check(
        self, host: RemoteHost, report: Callable[[RemoteStep], None], cancelled: threading.Event
    ) -> None:
        report(RemoteStep("Name resolves", StepState.DONE, f"{host.host} is 10.0.0.7"))
        report(RemoteStep("Port open", StepState.RUNNING))
        while not self.go_on.wait(0.01):
            if cancelled.is_set():
                self.was_cancelled = True
                return
        raise ConnectionError("port 22 of render-07 is closed: start the SSH server there")

    start = stop = check

    def save(self, _host: RemoteHost) -> str:
        return ""


@pytest.fixture
def preflight() -> Preflight:
    """Steps that a test moves on."""
    return Preflight()


@pytest.fixture
def dialog(
    qtbot: Any, preflight: Preflight, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[LaunchRemoteAgentsDialog]:
    """The dialog, shown, for somebody with a key and a configured host."""
    ssh = tmp_path / ".ssh"
    ssh.mkdir()
    (ssh / "config").write_text("Host render-07 render-*\n  User artist\nhost = odd\nHOST farm\n")
    for name in ("id_ed25519", "id_ed25519.pub", "lonely.pub"):
        (ssh / name).touch()
    for name in ("HOME", "USERPROFILE"):  # as Windows calls it
        monkeypatch.setenv(name, str(tmp_path))
    dialog = LaunchRemoteAgentsDialog(steps=preflight)
    qtbot.addWidget(dialog)
    with qtbot.waitExposed(dialog):
        dialog.show()
    qtbot.waitUntil(lambda: dialog.key.count() > 1, timeout=30_000)  # paramiko is imported first
    yield dialog
    preflight.go_on.set()
    assert dialog._background.wait(60)
    assert dialog._lookup.wait(60) and dialog._towards.wait(60)


def steps(dialog: LaunchRemoteAgentsDialog) -> list[tuple[str, str]]:
    items = [dialog._list.topLevelItem(place) for place in range(dialog._list.topLevelItemCount())]
    return [(item.text(0), item.text(1)) for item in items if item is not None]


def test_most_of_it_is_filled_in(dialog: LaunchRemoteAgentsDialog, tmp_path: Path) -> None:
    """Hosts and keys that are there are offered; this machine's address is proposed."""
    hosts = [dialog.host.itemText(place) for place in range(dialog.host.count())]
    assert "render-07" in hosts
    assert "farm" in hosts
    assert not any("*" in host for host in hosts)
    keys = [dialog.key.itemText(place) for place in range(dialog.key.count())]
    assert keys == ["", str(tmp_path / ".ssh" / "id_ed25519")]
    assert dialog.kq_host.text()
    assert dialog.described().port == 22


def test_what_is_wrong_is_told_and_nothing_can_be_started(
    dialog: LaunchRemoteAgentsDialog, qtbot: Any
) -> None:
    """Buttons wait until the fields make sense."""
    assert not dialog.start.isEnabled()
    dialog.data_root.clear()
    qtbot.keyClicks(dialog.host.lineEdit(), "render-07")
    assert "KQ_DATA_ROOT" in dialog._problem.text()
    qtbot.keyClicks(dialog.data_root, "relative/path")
    assert "absolute" in dialog._problem.text()
    dialog.data_root.setText("/mnt/share/kq")
    assert dialog._problem.text() == ""
    assert dialog.start.isEnabled()
    dialog.num_agents.setValue(50)
    assert "50 Agents" in dialog._problem.text()
    assert dialog.start.isEnabled()


def test_without_a_queue_a_host_can_be_checked_and_nothing_started(
    dialog: LaunchRemoteAgentsDialog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason is named before a button is pressed, as in the other dialog of the shelf."""
    monkeypatch.setattr(queue_session, "failure", lambda: "port 7000 is in use")
    dialog.data_root.setText("/mnt/share/kq")
    dialog.host.setEditText("render-07")
    assert "port 7000 is in use" in dialog._problem.text()
    assert dialog.check.isEnabled() and not dialog.start.isEnabled() and not dialog.stop.isEnabled()


def test_what_is_wrong_stands_out_under_the_hosts_style(dialog: LaunchRemoteAgentsDialog) -> None:
    """A host that dresses all texts in one colour, as Katana does, does not take this one's."""
    dialog.setStyleSheet("QWidget { color: #808080; }")
    dialog.host.setEditText("no such host")
    wanted = state_colour("Failed", dialog.palette())
    picture = dialog._problem.grab().toImage()
    places = product(range(picture.width()), range(picture.height()))
    colours = {picture.pixelColor(x, y).name() for x, y in places}

    assert dialog._problem.text()
    assert wanted.name() in colours


def test_steps_are_shown_as_they_happen(
    dialog: LaunchRemoteAgentsDialog, preflight: Preflight, qtbot: Any
) -> None:
    """Each step appears when it is taken; the failure ends the list, and the whole can be copied."""
    dialog.host.setEditText("render-07")
    dialog.data_root.setText("/mnt/share/kq")
    qtbot.mouseClick(dialog.check, LEFT)
    qtbot.waitUntil(lambda: len(steps(dialog)) == 2)
    assert steps(dialog)[0] == ("Name resolves", "render-07 is 10.0.0.7")
    assert not dialog.check.isEnabled()
    assert dialog.cancel.isEnabled()
    assert dialog.focusWidget() is dialog.cancel
    preflight.go_on.set()
    qtbot.waitUntil(lambda: dialog.check.isEnabled())
    assert dialog.focusWidget() is dialog.check
    assert steps(dialog)[2][1] == "port 22 of render-07 is closed: start the SSH server there"
    qtbot.mouseClick(dialog.copy, LEFT)
    assert QGuiApplication.clipboard().text().splitlines()[1] == "Name resolves: render-07 is 10.0.0.7"
    assert "port 22" in dialog._detail.text()
    preflight.go_on.clear()
    qtbot.mouseClick(dialog.check, LEFT)
    assert dialog._detail.text() == ""  # nothing of the check before


@pytest.mark.parametrize("how", ["button", "close"])
def test_cancelling(dialog: LaunchRemoteAgentsDialog, preflight: Preflight, qtbot: Any, how: str) -> None:
    """By the button or by closing the window: the step that is under way is told to end."""
    dialog.host.setEditText("render-07")
    dialog.data_root.setText("/mnt/share/kq")
    qtbot.mouseClick(dialog.start, LEFT)
    qtbot.waitUntil(lambda: len(steps(dialog)) == 2)
    if how == "button":
        qtbot.mouseClick(dialog.cancel, LEFT)
    else:
        dialog.close()
    qtbot.waitUntil(lambda: preflight.was_cancelled)


def test_shelf_item_opens_the_dialog_once(
    qtbot: Any, data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shelf item has its name, opens the dialog, and brings an open one to the front."""
    import importlib.util
    import sys

    spec = importlib.util.spec_from_file_location(
        "katana_queue_import_isolation", ITEM.parents[2] / "import_isolation.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "katana_queue_import_isolation", module)
    spec.loader.exec_module(module)
    item = Shelves.CreateShelfItem(str(ITEM))
    assert item.getName() == "Launch Remote Agents..."
    assert "Agents" in item.getDescription()
    item.run()
    item.run()
    dialogs = [each for each in QApplication.topLevelWidgets() if isinstance(each, LaunchRemoteAgentsDialog)]
    shown = [each for each in dialogs if each.isVisible()]
    assert len(shown) == 1
    assert shown[0]._lookup.wait(60)
    QTimer.singleShot(0, shown[0].close)  # from Qt's loop, as at a click: Qt 6.5 deletes nothing otherwise
    qtbot.waitUntil(lambda: LaunchRemoteAgentsDialog not in LaunchRemoteAgentsDialog._open)


def test_what_the_ssh_config_says_by_a_pattern_is_shown(dialog: LaunchRemoteAgentsDialog, qtbot: Any) -> None:
    """User, port and key of a host that is named nowhere; what somebody typed stays."""
    ssh = Path.home() / ".ssh"
    (ssh / "config").write_text(
        f"Host render-*\n  User farmer\n  Port 2200\n  HostName 127.0.0.1\n  IdentityFile {ssh}/id_ed25519\n"
    )
    own = dialog.user.text()
    qtbot.keyClicks(dialog.host.lineEdit(), "render-9")
    qtbot.keyClick(dialog.host.lineEdit(), Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: dialog.user.text() == "farmer")
    assert dialog.port.value() == 2200
    assert dialog.key.currentText() == f"{ssh}/id_ed25519"
    qtbot.waitUntil(lambda: dialog.kq_host.text() == "127.0.0.1")
    assert dialog.described().user == "", "the config is asked again when it is used"
    dialog.user.setText("anna")
    dialog.host.setEditText("elsewhere")
    dialog._on_host_chosen()
    qtbot.waitUntil(lambda: not dialog._towards.is_busy)
    assert dialog.described().user == "anna" != own


def test_the_last_host_that_was_chosen_is_looked_up(
    dialog: LaunchRemoteAgentsDialog, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long the one before takes: its address is not taken for the next one's."""
    from katana_queue.kq.api import FoundHost, RemoteHost
    from katana_queue.plugins.Shelves.KatanaQueue.dialogs import launch_remote_agents

    slow, asked = threading.Event(), []

    def look_up_host(name: str) -> FoundHost:
        asked.append(name)
        if name == "slow":
            assert slow.wait(60)
        return FoundHost(host=RemoteHost(host=name), address={"slow": "192.0.2.1"}.get(name, "192.0.2.2"))

    monkeypatch.setattr(launch_remote_agents, "look_up_host", look_up_host)
    for name in ("slow", "between", "last"):
        dialog.host.setEditText(name)
        dialog._on_host_chosen()
    slow.set()
    qtbot.waitUntil(lambda: dialog.kq_host.text() == "192.0.2.2")
    qtbot.waitUntil(lambda: not dialog._towards.is_busy)
    assert asked == ["slow", "last"]


def choose(dialog: LaunchRemoteAgentsDialog, name: str) -> None:
    dialog.host.setEditText(name)
    dialog._on_host_chosen()


def test_nothing_of_one_host_is_taken_for_the_next(dialog: LaunchRemoteAgentsDialog, qtbot: Any) -> None:
    """Neither of one that is remembered nor of one that a pattern names; what somebody typed stays."""
    (Path.home() / ".ssh" / "config").write_text(
        "Host render-*\n  User farmer\n  Port 2200\n  IdentityFile ~/.ssh/render\n"
    )
    dialog._known["farm-a"] = RemoteHost(
        host="farm-a", port=2201, user="anna", private_key="/k", data_root="/there", num_agents=7,
        tunnel=True, kq_root="/opt/kq", python="/opt/python",
    )  # fmt: skip
    first = dialog.described()
    choose(dialog, "farm-a")
    assert (dialog.port.value(), dialog.user.text(), dialog.key.currentText()) == (2201, "anna", "/k")
    at_a = dialog.described()
    assert (at_a.data_root, at_a.user, at_a.kq_root, at_a.python) == (
        "/there",
        "anna",
        "/opt/kq",
        "/opt/python",
    )
    choose(dialog, "render-9")
    qtbot.waitUntil(lambda: dialog.user.text() == "farmer")
    assert (dialog.port.value(), Path(dialog.key.currentText()).name) == (2200, "render")
    at_9 = dialog.described()
    assert (at_9.data_root, at_9.user, at_9.kq_root, at_9.python) == (first.data_root, "", "", "")
    dialog.key.setEditText("/typed")
    choose(dialog, "elsewhere")
    assert (dialog.port.value(), dialog.key.currentText()) == (22, "/typed")
    assert dialog.described().user == ""
    qtbot.waitUntil(lambda: not dialog._towards.is_busy)
    dialog.user.setText("otto")
    choose(dialog, "elsewhere")
    assert dialog.described().user == "otto", "a field that loses the keyboard is no choice"


def test_what_was_typed_before_the_first_value_came_stays(qtbot: Any) -> None:
    """As the address of this machine, which is looked up while the dialog is open."""
    field, filled = QLineEdit(), FilledIn()
    qtbot.addWidget(field)
    qtbot.keyClicks(field, "127.0.0.1")
    filled.fill(field, "192.0.2.2")
    assert field.text() == "127.0.0.1"
    field.clear()
    filled.fill(field, "192.0.2.2")
    assert field.text() == "192.0.2.2"


def test_a_host_is_not_saved_in_the_midst_of_a_check(
    dialog: LaunchRemoteAgentsDialog, preflight: Preflight, qtbot: Any
) -> None:
    """One thing at a time: a button that would do nothing cannot be pressed."""
    dialog.host.setEditText("render-07")
    dialog.data_root.setText("/mnt/share/kq")
    assert dialog.save.isEnabled()
    qtbot.mouseClick(dialog.check, LEFT)
    assert not dialog.save.isEnabled()
    preflight.go_on.set()
    qtbot.waitUntil(lambda: dialog.check.isEnabled())
    assert dialog.save.isEnabled()


def test_every_field_claims_the_keys_that_it_uses(dialog: LaunchRemoteAgentsDialog, qtbot: Any) -> None:
    """Esc and Return are the dialog's, whatever shortcuts the host has."""
    with qtbot.waitExposed(dialog):
        dialog.show()
    assert unclaimed(dialog) == []
    escape = QKeyEvent(QEvent.Type.ShortcutOverride, Qt.Key.Key_Escape, Qt.KeyboardModifier.NoModifier)
    escape.ignore()
    QApplication.sendEvent(dialog.user, escape)
    assert escape.isAccepted()


def test_the_choice_of_a_key_is_not_waited_for(dialog: LaunchRemoteAgentsDialog, qtbot: Any) -> None:
    """Esc closes it alone, whatever shortcuts the host has; what is chosen is in the field."""
    with qtbot.waitExposed(dialog):
        dialog.show()
    dialog.key.setEditText("")
    dialog._choose_key()
    [choice] = dialog.findChildren(QFileDialog)
    qtbot.waitUntil(choice.isActiveWindow, timeout=60_000)
    field = choice.findChildren(QLineEdit)[0]
    field.setFocus()
    claim = QKeyEvent(QEvent.Type.ShortcutOverride, Qt.Key.Key_Escape, Qt.KeyboardModifier.NoModifier)
    claim.ignore()
    QApplication.sendEvent(field, claim)
    assert claim.isAccepted()
    choice.fileSelected.emit("/keys/chosen")
    assert dialog.key.currentText() == "/keys/chosen"
    qtbot.keyClick(choice, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: not dialog.findChildren(QFileDialog), timeout=60_000)
    assert dialog.isVisible() and dialog.key.currentText() == "/keys/chosen"


def test_every_field_of_its_questions_claims_the_keys_that_it_uses(
    dialog: LaunchRemoteAgentsDialog, qtbot: Any
) -> None:
    """Of the question about a host's key and of that for a passphrase."""
    with qtbot.waitExposed(dialog):
        dialog.show()
    questions = Questions(dialog)
    for show, arguments in (
        (questions._show_choice, ("unknown host", "its key", "Accept")),
        (questions._show_passphrase, ("Passphrase:",)),
    ):
        show(*arguments, lambda _answer: None)
        [box] = [each for each in dialog.findChildren(QDialog) if each.isVisible()]
        qtbot.waitUntil(box.isActiveWindow)
        assert unclaimed(box) == []
        box.reject()
