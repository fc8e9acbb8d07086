"""A program of the tests: a process as Katana's is when it meets our folder, and a render's whole life in it.

Run by a Python that has PySide6 6.5.3, Katana's API as the stand-in offers it, and nothing of ours.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

where = json.loads(sys.argv[1])
# --- What is there before any plug-in: Katana's own queue and pyzmq, an environment for Katana alone ---
sys.path[:0] = [where["foreign"], *([where["old_zmq"]] if where["old_zmq"] else [])]
if where["foreign"]:
    import kq

    assert kq.OWNER == "Katana"
if where["old_zmq"]:
    pass
root = Path(where["katana_root"])
sys.executable = str(root / "bin" / "katanaBin")
sys.prefix = str(root)
theirs = socket.socket()
theirs.bind(("127.0.0.1", 0))
theirs.listen()
os.environ.update(
    KATANA_ROOT=str(root),
    PYTHONHOME="/poison/home",
    PYTHONPATH="/poison/modules",
    LD_LIBRARY_PATH="/poison/libraries",
    KQ_NUM_AGENTS="7",
    KQ_DATA_ROOT="/no such folder of Katana's own queue",
    KQ_OPEN_NUM_AGENTS="2",
    KQ_OPEN_DATA_ROOT=where["data_root"],
    KATANA_RESOURCES=where["folder"],
    UNSET_SETTING="at the start",
)
if where["foreign"]:
    os.environ["KQ_REQUEST_PORT"] = str(theirs.getsockname()[1])
logging.basicConfig(format="%(name)s %(levelname)s %(message)s", stream=sys.stdout)
from host import katana_alias  # noqa: E402

katana_alias.install()
from Katana import Callbacks, Configuration, FarmAPI, Shelves, Utils  # noqa: E402
from Katana.UI4.App import Tabs  # noqa: E402
from PySide6 import __version__ as qt_version  # noqa: E402
from PySide6.QtCore import QEventLoop, Qt, QTimer  # noqa: E402
from PySide6.QtGui import QKeySequence  # noqa: E402
from PySide6.QtTest import QTest  # noqa: E402
from PySide6.QtWidgets import QApplication, QFrame, QMainWindow, QMessageBox, QPushButton  # noqa: E402

from host.app import style  # noqa: E402
from host.Katana._callbacks import ExecuteCallbacksForType  # noqa: E402

application = QApplication([])
style.apply(application)
try:
    QFrame(None, 0)  # type: ignore[call-overload]  # Qt refuses an int as flags: no plug-in may pass one
except TypeError:
    print("Qt:", qt_version, "refuses QFrame(parent, 0)")
try:
    written = Path(where["folder"], "Plugins", "written")
    written.touch()
    written.unlink()
except OSError as error:
    print("folder:", error.strerror)
Configuration.set("KATANA_UI_MODE", "1")
State = FarmAPI.Job.State
Manager = FarmAPI.FarmPluginManager


def until(true: object, what: str) -> None:
    """Run Qt's loop until `true()`, or fail."""
    loop = QEventLoop()
    give_up = time.monotonic() + 60
    timer = QTimer()
    timer.timeout.connect(lambda: loop.quit() if true() or time.monotonic() > give_up else None)
    timer.start(5)
    loop.exec()
    assert true(), f"not seen within a minute: {what}"


# --- Start-up, timed on Qt's thread ---
began = time.perf_counter()
plugins = Utils.Plugins.Load("FarmPlugin", 1, Utils.Plugins.DefaultPaths("Plugins"))
loaded = time.perf_counter()
tabs = Tabs.LoadTabPlugins(Tabs.GetTabPluginSearchPaths())
tabs_loaded = time.perf_counter()
Manager.Initialize()
ExecuteCallbacksForType(Callbacks.Type.onStartupComplete)
done = time.perf_counter()
name = plugins[0].name
print(
    f"start-up on Qt's thread: {(loaded - began) * 1000:.0f} ms farm plug-in, "
    f"{(tabs_loaded - loaded) * 1000:.0f} ms tab, {(done - tabs_loaded) * 1000:.0f} ms session"
)
print("farms:", Manager.GetFarmPluginNames(), "tabs:", sorted(tabs))
print("shelves:", [(each.getName(), [item.getName() for item in each.getItems()])
                   for each in Shelves.GetBuiltinShelves()])  # fmt: skip

from katana_queue.kq.api import ConnectionStatus, current_session  # type: ignore[import-not-found]  # noqa: E402

session = current_session()
holder = Tabs.CreateTab(name, None)
assert holder is not None
tab = holder.getWidget()
window = QMainWindow()
window.resize(1280, 720)
window.setCentralWidget(holder)
submitted: list[str] = []
menu = window.menuBar().addMenu("Render")
# As in Katana: Esc cancels the latest render, Shift+Esc all of them.
menu.addAction("Cancel", QKeySequence("Esc"), lambda: Manager.StopJob(submitted[-1], name))
menu.addAction(
    "Cancel All", QKeySequence("Shift+Esc"), lambda: [Manager.StopJob(each, name) for each in submitted]
)
window.show()
window.activateWindow()
until(lambda: session.client.status is ConnectionStatus.CONNECTED or session.failure, "the connection")
assert not session.failure, session.failure
until(lambda: sum(agent.state == "Idle" for agent in session.client.agents()) == 2, "two Agents")
print("agents:", len(session.client.agents()), "zmq:", sys.modules["zmq"].__version__)
print("banner:", repr(tab.banner.text))

# --- Preview, stop, repeat ---
os.environ["RENDERER_SETTING"] = "changed since the start"
del os.environ["UNSET_SETTING"]
commands = [
    f'"{root}/bin/copy" before "{where["data_root"]}/before"',
    f'"{root}/bin/renderboot" -renderer dl -renderMethodName preview -host 127.0.0.1:1',
    f'"{root}/bin/copy" after "{where["data_root"]}/after"',
]
context = Manager.CreateRenderContextName(41)
folder = Manager.CreateTemporaryDirectory(context, name)
job = Manager.SubmitJob("Render", context, folder, commands, name)
until(lambda: Manager.GetJobState(job, name) == State.kRunning, "running")
log = None


def log_text() -> str:
    """The render log, as far as it is written."""
    path = Manager.GetRenderLogFilename(job, name)
    return Path(path).read_text(encoding="utf-8") if path and Path(path).exists() else ""


until(lambda: "rendering" in log_text(), "the renderer's line")
print("log:", [line for line in log_text().splitlines() if "=" in line])
until(lambda: job in {each.id for each in tab.model.shown_jobs()} if hasattr(tab.model, "shown_jobs")
      else tab.model.job(job) is not None, "the job in the tab")  # fmt: skip
Manager.StopJob(job, name)
until(lambda: Manager.GetJobState(job, name) == State.kCancelled, "cancelled")
print("preview, stop:", session.client.job(job).name, Manager.GetJobState(job, name))
Path(where["data_root"], "finish").touch()
Manager.StartJob(job, name)
until(lambda: Manager.GetJobState(job, name) == State.kCompleted, "completed")
assert Path(where["data_root"], "before").exists()
assert Path(where["data_root"], "after").exists()
print("repeat:", Manager.GetJobState(job, name))

# --- Esc and Shift+Esc: the filter's while it has the keyboard, else Katana's ---
Path(where["data_root"], "finish").unlink()


def preview(number: int) -> str:
    """Submit a render that goes on until it is stopped; returns the job once it is running or waits."""
    context = Manager.CreateRenderContextName(number)
    folder = Manager.CreateTemporaryDirectory(context, name)
    submitted.append(Manager.SubmitJob("Render", context, folder, commands[1:2], name))
    return submitted[-1]


def state(job: str) -> str:
    """The state of a job, as Katana asks for it."""
    return str(Manager.GetJobState(job, name))


one, two = preview(42), preview(43)
until(lambda: state(one) == state(two) == State.kRunning, "two renders")
until(lambda: window.isActiveWindow(), "the window's keyboard")
field = tab.filter_bar.field
field.setFocus()
QTest.keyClicks(field, "nothing")
until(lambda: tab.model.shown == 0, "the filter")
QTest.keyClick(field, Qt.Key.Key_Escape)
until(lambda: not field.text() and tab.model.shown, "the filter cleared")
print("Esc in the filter:", state(one) == state(two) == State.kRunning)
tab.view.setFocus()
QTest.keyClick(tab.view, Qt.Key.Key_Escape)
until(lambda: state(two) == State.kCancelled, "the latest render cancelled")
print("Esc in the list:", state(one), state(two))
three = preview(44)
until(lambda: state(three) == State.kRunning, "a third render")
QTest.keyClick(tab.view, Qt.Key.Key_Escape, Qt.KeyboardModifier.ShiftModifier)
until(lambda: state(one) == state(three) == State.kCancelled, "all renders cancelled")
print("Shift+Esc:", state(one), state(two), state(three))
if where["pictures"]:
    window.grab().save(str(Path(where["pictures"], "hostile-tab.png")))

# --- The shelf's item, whose dialog needs paramiko: an Agent on another machine ---
Shelves.GetBuiltinShelves()[0].getItems()[0].run()
dialogs = [each for each in application.topLevelWidgets() if "RemoteAgents" in type(each).__name__]
print("dialogs:", [type(each).__name__ for each in dialogs])


def steps(dialog: object) -> dict[str, str]:
    """What the dialog shows, by step, when it is done."""
    until(lambda: dialog.check.isEnabled(), "the end of the steps")
    rows = [dialog._list.topLevelItem(row) for row in range(dialog._list.topLevelItemCount())]
    return {row.text(0): row.text(1) for row in rows}


if where["machine"]:
    [dialog] = dialogs
    machine = where["machine"]
    dialog.host.setEditText(machine["address"])
    dialog.port.setValue(machine["port"])
    dialog.key.setEditText(machine["key"])
    dialog.num_agents.setValue(1)
    dialog.kq_host.setText("127.0.0.1")
    QTest.mouseClick(dialog.start, Qt.MouseButton.LeftButton)
    until(lambda: dialog.findChildren(QMessageBox), "the question about the host key")
    buttons = dialog.findChildren(QMessageBox)[0].findChildren(QPushButton)
    next(each for each in buttons if each.text().replace("&", "") == "Accept").click()
    print("remote:", steps(dialog))
    if where["pictures"]:
        dialog.grab().save(str(Path(where["pictures"], "hostile-dialog.png")))
    remote = [agent for agent in session.client.agents() if not agent.local]
    print("remote Agents:", len(remote))
    session.client.drain_agents([agent.id for agent in session.client.agents() if agent.local]).result(30)
    Path(where["data_root"], "finish").touch()
    job = preview(45)
    until(lambda: state(job) == State.kCompleted, "a render on the other machine")
    print("rendered by:", session.client.job(job).agent)
    until(lambda: "rendering" in log_text(), "the remote render's log")
    print("remote log:", [line for line in log_text().splitlines() if "=" in line])
    QTest.mouseClick(dialog.stop, Qt.MouseButton.LeftButton)
    print("stopped:", steps(dialog).get("Result"))
    until(lambda: all(agent.local for agent in session.client.agents()), "no Agent on the other machine")
for each in dialogs:
    each.close()

# --- The share with our folder disappears ---
if where["unmounts"]:
    subprocess.run(["umount", "-l", where["folder"]], check=True)
    Path(where["data_root"], "finish").touch()
    job = preview(46)
    until(lambda: state(job) == State.kCompleted, "a render without the share")
    print("without the share:", state(job))
    try:  # what the shelf's other item does
        sys.modules["katana_queue_import_isolation"].load(
            "plugins.Shelves.KatanaQueue.dialogs.start_multiple_renders"
        )
    except ImportError as error:
        print("import without the share:", error)

# --- Close ---
window.close()
holder.close()
ExecuteCallbacksForType(Callbacks.Type.onShutdown)
assert session.wait(60)
tab.log.reader.wait(60)
tab.pictures.wait(60)
if where["foreign"]:
    print("theirs:", kq.late(), "port still theirs:", theirs.getsockname()[1] > 0)
print("closed")
