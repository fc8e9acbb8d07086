"""The dialog *Launch Remote Agents*: fields, buttons, and a list of steps with their results.

`RemoteSteps` does the network work, on a worker thread.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSpinBox,
    QToolButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from .....kq.api import (
    MAX_AGENTS,
    FoundHost,
    JobState,
    RemoteChoices,
    RemoteHost,
    RemoteStep,
    Severity,
    StepState,
    current_session,
    local_user,
    look_up_host,
    remote_choices,
)
from .... import queue_session
from ....ui.icons import state_pixmap
from ....ui.shortcut_override import accept_own_keys
from ....ui.theme import ShownState, colour_text, state_colour
from .background import Background
from .form import FilledIn, hint, label, row
from .prompts import Questions
from .remote_fields import problem_with, warning_about
from .session_steps import RemoteSteps, SessionSteps
from .single_dialog import SingleDialog

__all__ = ["LaunchRemoteAgentsDialog"]

_STATES: dict[StepState, ShownState] = {
    StepState.RUNNING: JobState.RUNNING,
    StepState.DONE: JobState.COMPLETED,
    StepState.NOTE: Severity.WARNING,
    StepState.FAILED: JobState.FAILED,
}


class LaunchRemoteAgentsDialog(SingleDialog):
    """Checks another machine over SSH, and starts and stops Agents on it.

    Args:
        steps: does the work; None: SessionSteps, on the queue of this session.
    """

    def __init__(self, parent: QWidget | None = None, steps: RemoteSteps | None = None) -> None:
        super().__init__(parent)
        self._questions = Questions(self)
        self._steps: RemoteSteps = steps or SessionSteps(self._questions)
        self._background = Background(self)
        self._lookup = Background(self)
        self._towards = Background(self)
        self._known: dict[str, RemoteHost] = {}
        """Saved hosts, and those of ~/.ssh/config, by name."""
        self._filled = FilledIn()
        self._proposed_user = local_user()
        """The user of ~/.ssh/config, or of this process."""
        self._chosen = self._looked_up = ""
        self._lookup_problem = ""
        """The error that may have left hosts or keys out of the lists; empty: none."""
        self._pressed: QPushButton | None = None
        """The button that started the running or the latest work."""
        self.setWindowTitle("Launch Remote Agents")
        self._make_fields()
        self._lay_out()
        accept_own_keys(self)
        self._background.reported.connect(self._show_step)
        self._background.ended.connect(self._on_ended)
        self._lookup.reported.connect(self._fill_in)
        self._towards.reported.connect(self._on_found)
        self._towards.ended.connect(lambda _message: self._look_up())
        self._lookup.run(lambda report, _cancelled: _found_on_this_machine(report))
        self._update()

    # --- fields ------------------------------------------------------------------------------------------

    def _make_fields(self) -> None:
        session = current_session()
        settings = session.settings if session is not None else None
        self.host = QComboBox(self)
        self.host.setEditable(True)
        self.host.setAccessibleName("Host")
        hint(self.host, "render-07 or 192.168.1.20")
        self.port = QSpinBox(self)
        self.port.setRange(1, 65535)
        self.port.setFixedWidth(80)
        self.user = QLineEdit(self)
        self.key = QComboBox(self)
        self.key.setEditable(True)
        self.key.addItem("")
        hint(self.key, "ssh-agent and the keys in ~/.ssh")
        self.num_agents = QSpinBox(self)
        self.num_agents.setRange(1, MAX_AGENTS)
        self.num_agents.setValue((settings.num_agents if settings is not None else 0) or 2)
        self.num_agents.setFixedWidth(80)
        self.katana_root = QLineEdit(self)
        self.katana_root.setPlaceholderText("same folder as on this machine")
        self.data_root = QLineEdit(self)
        self.kq_host = QLineEdit(self)
        self.kq_host.setPlaceholderText("address at which the host reaches this machine")
        for one, text in (
            (self.port, "22"),
            (self.user, self._proposed_user),
            (self.key, ""),
            (self.katana_root, os.environ.get("KATANA_ROOT", "")),
            (self.data_root, str(settings.data_root) if settings is not None else ""),
        ):
            self._filled.begin(one, text)
        ready: dict[str, Any] = (session.ready if session is not None else None) or {}
        ports = [
            str(ready[name]) for name in ("request_port", "update_port", "broadcast_port") if name in ready
        ]
        self._ports = QLabel(", ".join(ports) or "unknown until the queue is ready", self)
        self._ports.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.tunnel = QCheckBox("tunnel through SSH (for firewalls)", self)
        self.host.editTextChanged.connect(lambda _text: self._update())
        self.host.activated.connect(lambda _place: self._on_host_chosen())
        field = self.host.lineEdit()
        if field is not None:
            field.editingFinished.connect(self._on_host_chosen)
        self.tunnel.toggled.connect(lambda _on: self._update())
        for field in (self.user, self.katana_root, self.data_root, self.kq_host):
            field.textChanged.connect(lambda _text: self._update())
        self.num_agents.valueChanged.connect(lambda _value: self._update())

    def described(self) -> RemoteHost:
        """Return the content of the fields, not validated."""
        name = self.host.currentText().strip().strip("[]")  # as IPv6 addresses may be written
        known = self._known.get(name, RemoteHost(host=name))
        return RemoteHost(
            host=name,
            port=self.port.value(),
            # A proposed user is found again at login, in ~/.ssh/config or by default.
            user="" if self.user.text() == self._proposed_user else self.user.text().strip(),
            private_key=self.key.currentText().strip(),
            num_agents=self.num_agents.value(),
            katana_root=self.katana_root.text().strip(),
            data_root=self.data_root.text().strip(),
            kq_host=self.kq_host.text().strip(),
            tunnel=self.tunnel.isChecked(),
            # Without a field in this dialog: they keep the values that `kq remote` saved.
            kq_root=known.kq_root,
            python=known.python,
        )

    def _fill_in(self, found: RemoteChoices | FoundHost) -> None:
        if isinstance(found, FoundHost):
            self._filled.fill(self.kq_host, found.address)
            return
        for host in found.hosts:
            self._known.setdefault(host.host, host)
        text = self.host.currentText()
        self.host.addItems(list(self._known))
        self.host.setEditText(text)
        self.key.addItems(list(found.keys))
        for place in range(self.host.count()):
            self.host.setItemData(place, self.host.itemText(place), Qt.ItemDataRole.ToolTipRole)
        self._lookup_problem = found.problem
        if not text:
            text = self._host_with_agents()
            self.host.setEditText(text)
        self._update()
        if text in self._known:
            self._chosen = ""  # typed before the saved hosts were read: treat it as newly chosen
            self._on_host_chosen()

    def _host_with_agents(self) -> str:
        """Return the saved host on which Agents of this session run; empty when it is none or several."""
        session = current_session()
        labels = (
            {each.id.rpartition(":")[0] for each in session.client.agents() if not each.local}
            if session
            else set()
        )
        names = [name for name, host in self._known.items() if host.label in labels]
        return names[0] if len(names) == 1 else ""

    def _on_host_chosen(self) -> None:
        """Fill in the saved values of the chosen host, and look up this machine's address for it."""
        name = self.host.currentText().strip()
        if name == self._chosen:
            return
        self._chosen, self._proposed_user = name, local_user()
        known = self._known.get(name)
        there = known or RemoteHost(host=name)
        for field, text in (
            (self.port, str(there.port) if known else ""),
            (self.user, there.user),
            (self.key, there.private_key),
            (self.katana_root, there.katana_root),
            (self.data_root, there.data_root),
        ):
            self._filled.begin_again(field, text)
        if known is not None:
            self.num_agents.setValue(known.num_agents)
            self.tunnel.setChecked(known.tunnel)
            if known.kq_host:
                self._filled.put(self.kq_host, known.kq_host)
        self._look_up()

    def _look_up(self) -> None:
        """Look up the host in the field on a worker thread; if one is running, when that has ended."""
        name = self.host.currentText().strip()
        if name and name != self._looked_up and not self._towards.is_busy:
            self._looked_up = name
            self._towards.run(lambda report, _cancelled: report(look_up_host(name)))

    def _on_found(self, found: FoundHost) -> None:
        if found.host.host != self.host.currentText().strip():
            return  # another was chosen meanwhile
        if found.address:
            self._filled.fill(self.kq_host, found.address)
        if found.host.host in self._known:
            return
        # Not saved, but a pattern in ~/.ssh/config may match it.
        self._proposed_user = found.host.user or local_user()
        self._filled.fill(self.user, self._proposed_user)
        self._filled.fill(self.key, found.host.private_key)
        self._filled.fill(self.port, str(found.host.port))

    # --- layout ------------------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.setLabelAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
        form.addRow(label("&Host", self.host), row(self.host, QLabel("Port", self), self.port))
        form.addRow("&User", self.user)
        browse = QToolButton(self)
        browse.setText("…")
        browse.setAccessibleName("Choose a private key")
        browse.clicked.connect(self._choose_key)
        form.addRow(label("Private &Key", self.key), row(self.key, browse))
        form.addRow("Num &Agents", self.num_agents)
        form.addRow("Katana &Install", self.katana_root)
        form.addRow("KQ_&DATA_ROOT", self.data_root)
        form.addRow("KQ H&ost", self.kq_host)
        form.addRow("Ports", row(self._ports, self.tunnel))
        self._problem = QLabel(self)
        self._problem.setWordWrap(True)
        self._list = QTreeWidget(self)
        self._list.setHeaderLabels(["Step", "Result"])
        self._list.setRootIsDecorated(False)
        # Shows the whole text of the current step, which the list may elide.
        self._detail = QLabel(self)
        self._detail.setWordWrap(True)
        self._detail.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._list.currentItemChanged.connect(lambda item, _before: self._show_detail(item))
        self._list.setColumnWidth(0, 190)
        self._list.setAccessibleName("Steps")
        self._list.setMinimumHeight(120)
        self.check = self._button("&Check", lambda: self._run("check"))
        self.start = self._button("&Start Agents", lambda: self._run("start"))
        self.stop = self._button("S&top Agents", lambda: self._run("stop"))
        self.cancel = self._button("Cancel", self._background.cancel)
        self.copy = self._button("Copy Result", self._copy)
        self.save = self._button("Save &Host", self._save_host)
        buttons = QHBoxLayout()
        buttons.addWidget(self.copy)
        buttons.addWidget(self.save)
        buttons.addStretch(1)
        for button in (self.cancel, self.check, self.stop, self.start):
            buttons.addWidget(button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(14, 14, 14, 12)
        layout.setSpacing(10)
        layout.addLayout(form)
        layout.addWidget(self._problem)
        layout.addWidget(self._list, 1)
        layout.addWidget(self._detail)
        layout.addLayout(buttons)
        self.resize(680, 600)
        self.host.setFocus()

    def _button(self, text: str, call: Callable[[], None]) -> QPushButton:
        button = QPushButton(text, self)
        button.setAutoDefault(False)
        button.clicked.connect(lambda _checked=False: call())
        return button

    def _choose_key(self) -> None:
        dialog = QFileDialog(self, "Private Key", str(Path.home() / ".ssh"))
        dialog.finished.connect(dialog.deleteLater)  # Katana's Qt may hide it without closing it
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.fileSelected.connect(self.key.setEditText)
        accept_own_keys(dialog)
        dialog.open()

    # --- work --------------------------------------------------------------------------------------------

    def _update(self) -> None:
        host = self.described()
        problem, busy = problem_with(host), self._background.is_busy
        failure = queue_session.failure()
        for button in (self.check, self.save):
            button.setEnabled(not problem and not busy)
        for button in (self.start, self.stop):
            button.setEnabled(not problem and not busy and not failure)
        self.cancel.setEnabled(busy)
        self.copy.setEnabled(self._list.topLevelItemCount() > 0)
        if problem and host.host:
            text, severity = problem, Severity.ERROR
        elif failure:
            text, severity = f"Katana Queue is not running: {failure}. A host can be checked.", Severity.ERROR
        else:
            text, severity = warning_about(host) or self._lookup_problem, Severity.WARNING
        self._problem.setText(text)
        colour_text(self._problem, state_colour(severity, self.palette()))

    def _run(self, what: str) -> None:
        steps, questions, host = self._steps, self._questions, self.described()
        call = {"check": steps.check, "start": steps.start, "stop": steps.stop}[what]
        self._list.clear()

        def run(report: Callable[[RemoteStep], None], cancelled: threading.Event) -> None:
            questions.begin(cancelled)
            call(host, report, cancelled)

        self._background.run(run)
        self._update()
        self._pressed = {"check": self.check, "start": self.start, "stop": self.stop}[what]
        self.cancel.setFocus()

    def _show_step(self, step: RemoteStep) -> None:
        found = self._list.findItems(step.name, Qt.MatchFlag.MatchExactly, 0)
        item = found[0] if found else QTreeWidgetItem(self._list, [step.name])
        item.setText(1, step.message)
        item.setToolTip(0, step.name)
        item.setToolTip(1, step.message)
        state = _STATES[step.state]
        item.setIcon(0, state_pixmap(state, self.palette(), self.devicePixelRatioF()))
        item.setForeground(0, state_colour(state, self.palette()))
        self._list.scrollToItem(item)
        if step.state is StepState.FAILED:
            self._list.setCurrentItem(item)
        if item is self._list.currentItem():
            self._show_detail(item)

    def _show_detail(self, item: QTreeWidgetItem | None) -> None:
        self._detail.setText(f"{item.text(0)}: {item.text(1)}" if item is not None and item.text(1) else "")

    def _on_ended(self, message: str) -> None:
        if message:
            self._show_step(RemoteStep("Result", StepState.FAILED, message))
        waited = self.focusWidget() is self.cancel
        self._update()
        if waited and self._pressed is not None:  # Cancel is disabled now, and Qt moved its focus elsewhere
            self._pressed.setFocus()

    def _save_host(self) -> None:
        steps, host = self._steps, self.described()
        self._known[host.host] = host
        if self.host.findText(host.host) < 0:
            self.host.addItem(host.host)

        def run(report: Callable[[RemoteStep], None], _cancelled: threading.Event) -> None:
            problem = steps.save(host)
            message = problem or f"{host.host} was saved"
            report(RemoteStep("Save Host", StepState.NOTE if problem else StepState.DONE, message))

        self._background.run(run)
        self._update()

    def _copy(self) -> None:
        items = [self._list.topLevelItem(place) for place in range(self._list.topLevelItemCount())]
        lines = [f"{item.text(0)}: {item.text(1)}" for item in items if item is not None]
        QGuiApplication.clipboard().setText("\n".join([f"Host {self.described().host}", *lines]))

    def done(self, result: int) -> None:
        """Cancel the running call, which then undoes unfinished work, and close the dialog."""
        # Not in closeEvent: Escape closes a dialog without one.
        self._background.cancel()
        super().done(result)


def _found_on_this_machine(report: Callable[[RemoteChoices | FoundHost], None]) -> None:
    """Report this machine's address, then saved hosts and private keys. Reads files: on a worker thread."""
    report(look_up_host(""))
    report(remote_choices())
