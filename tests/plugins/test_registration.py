"""What happens when Katana loads the plug-ins: names, the session's start and end, what may stand in the way.

Each case is a process of its own: what a process has imported cannot be taken back.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from katana_queue.plugins.interpreter import is_alias_folder

ROOT = Path(__file__).resolve().parents[2]

PRELUDE = """
import logging, os, sys
logging.basicConfig(format="%(name)s %(levelname)s %(message)s")
from host import katana_alias
katana_alias.install()
from PySide6.QtWidgets import QApplication
application = QApplication([])
import Katana
from host.Katana._callbacks import ExecuteCallbacksForType
from Katana import Callbacks, Configuration, FarmAPI, Utils
from Katana.UI4.App import Tabs
Configuration.set("KATANA_UI_MODE", "1")
def load():
    plugins = Utils.Plugins.Load("FarmPlugin", 1, Utils.Plugins.DefaultPaths("Plugins"))
    tabs = Tabs.LoadTabPlugins(Tabs.GetTabPluginSearchPaths())
    return [plugin.name for plugin in plugins], sorted(tabs)
"""


def environment_of(data_root: Path, **more: str) -> dict[str, str]:
    """The environment of a process that runs the prelude."""
    return {
        **os.environ,
        "QT_QPA_PLATFORM": "offscreen",
        "PYTHONPATH": str(ROOT),
        "KATANA_RESOURCES": str(ROOT / "plugins"),
        "KQ_DATA_ROOT": str(data_root),
        **more,
    }


def run(code: str, data_root: Path, **environment: str) -> str:
    """Run `code` after the prelude in a process of its own; returns what it prints, errors included."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", PRELUDE + code],
        cwd=data_root,
        env=environment_of(data_root, **environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_katana_finds_farm_and_tab(data_root: Path) -> None:
    """From KATANA_RESOURCES alone, both are there under the name that artists know."""
    said = run("print(load())", data_root)
    assert "(['Katana Queue'], ['Katana Queue'])" in said


SESSION = """
Configuration.set("KATANA_UI_MODE", "1")
load()
from katana_queue.kq.api import current_session
assert current_session() is None
ExecuteCallbacksForType(Callbacks.Type.onStartupComplete)
session = current_session()
assert session is not None and session.wait_ready(60), session.failure
print("started", flush=True)
"""


@pytest.mark.parametrize(
    "end", ["ExecuteCallbacksForType(Callbacks.Type.onShutdown)", "QTimer.singleShot(0, quit_)"]
)
def test_queue_lives_as_long_as_the_desktop(data_root: Path, end: str) -> None:
    """It starts when the desktop has started, and ends with it, by whichever sign comes first."""
    code = """
from PySide6.QtCore import QTimer
quit_ = application.quit
QTimer.singleShot(0, lambda: None)
"""
    loop = "application.exec()\n" if "quit_" in end else ""
    said = run(SESSION + code + end + "\n" + loop + "assert session.wait(60)\nprint('ended')", data_root)
    assert "started" in said
    assert "ended" in said


def test_no_queue_without_a_user_interface(data_root: Path) -> None:
    """A batch render, on each frame of a farm, registers, imports, starts and logs nothing."""
    code = """
Configuration.set("KATANA_UI_MODE", "")
print(load())
ExecuteCallbacksForType(Callbacks.Type.onStartupComplete)
print("imported:", [name for name in sys.modules if name.startswith("katana_queue") or name == "zmq"])
"""
    assert run(code, data_root).strip() == "([], [])\nimported: []"


def test_invalid_setting_leaves_the_desktop_whole(data_root: Path) -> None:
    """KQ_NUM_AGENTS that is no number is one message, in the log and for the tab; all else goes on."""
    code = """
Configuration.set("KATANA_UI_MODE", "1")
load()
ExecuteCallbacksForType(Callbacks.Type.onStartupComplete)
from katana_queue.plugins import queue_session
print("problem:", queue_session.problem())
"""
    said = run(code, data_root, KQ_NUM_AGENTS="many")
    assert "problem: KQ_NUM_AGENTS is 'many'" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("missing", ["zmq", "msgspec"])
def test_missing_package_is_one_message(data_root: Path, missing: str) -> None:
    """Without pyzmq or msgspec there is no queue, a message that says what to install, and a desktop."""
    code = f"""
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {missing!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Blocker())
for name in [name for name in sys.modules if name.partition(".")[0] in ("kq", "zmq", "msgspec")]:
    del sys.modules[name]
print(load())
"""
    said = run(code, data_root)
    assert "([], [])" in said
    assert f" package {'pyzmq' if missing == 'zmq' else missing} " in said
    assert "Traceback" not in said


def foreign_kq(folder: Path) -> Path:
    """What real Katana ships: a package of the same name, which imports parts of itself late."""
    package = folder / "plugins" / "Resources" / "Core" / "Plugins" / "kq"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(
        "OWNER = 'Katana'\ndef late():\n    from kq import agent\n    return agent.OWNER\n"
    )
    (package / "agent.py").write_text("OWNER = 'Katana'\n")
    return package.parent


BESIDE = """
from PySide6.QtCore import QEventLoop, QTimer
Configuration.set("KATANA_UI_MODE", "1")
if {loaded_first}:
    sys.path.insert(0, os.environ["FOREIGN"])
    import kq
farms, tabs = load()
print(farms, tabs)
ExecuteCallbacksForType(Callbacks.Type.onStartupComplete)
FarmAPI.FarmPluginManager.Initialize()
farm = FarmAPI.FarmPluginManager._plugin("Katana Queue (Open)")
from katana_queue.kq.api import current_session
session = current_session()
assert session.wait_ready(60), session.failure
holder = Tabs.CreateTab("Katana Queue (Open)", None)
tab = holder.getWidget()
holder.show()
command = '"' + sys.executable + '" -c pass'  # quoted: a checkout's path may hold a space
job = farm.submitJob(FarmAPI.FarmPluginManager.JobRequest("Render", "r", [1], [command], {{}}, ""))
loop = QEventLoop()
def on_changed(change):
    if any(each.state.is_terminal for each in change.jobs):
        loop.quit()
tab.bridge.changed.connect(on_changed)
QTimer.singleShot(60000, loop.quit)
if not session.client.job(job).state.is_terminal:
    loop.exec()
print("job:", farm.getJobState(job) == FarmAPI.Job.State.kCompleted, type(tab).__module__)
sys.path.insert(0, os.environ["FOREIGN"])
import kq
print("theirs:", kq.OWNER, kq.late(), kq.__file__.startswith(os.environ["FOREIGN"]))
holder.close()
ExecuteCallbacksForType(Callbacks.Type.onShutdown)
assert session.wait(60)
assert tab.log.reader.wait(60) and tab.pictures.wait(60)
"""


@pytest.mark.parametrize("loaded_first", [True, False])
def test_beside_katanas_own_queue(data_root: Path, tmp_path: Path, loaded_first: bool) -> None:
    """In real Katana the names are taken: ours runs under another, and theirs stays what it is."""
    unexpected_attempt = foreign_kq(tmp_path / "Katana")
    said = run(
        BESIDE.format(loaded_first=loaded_first),
        data_root,
        KATANA_ROOT=str(tmp_path / "Katana"),
        FOREIGN=str(unexpected_attempt),
    )
    assert "['Katana Queue (Open)'] ['Katana Queue (Open)']" in said
    assert "job: True katana_queue.plugins.Tabs.KatanaQueue.tab" in said
    assert "theirs: Katana Katana True" in said
    assert "Traceback" not in said


def test_name_taken_by_another_farm(data_root: Path, tmp_path: Path) -> None:
    """Another farm of this name keeps it."""
    folder = tmp_path / "first" / "Plugins"
    folder.mkdir(parents=True)
    (folder / "Other.py").write_text(
        "from Katana import FarmAPI\n"
        "class Other(FarmAPI.BaseFarmPlugin): pass\n"
        "PluginRegistry = [('FarmPlugin', 1, 'Katana Queue', Other)]\n"
    )
    resources = os.pathsep.join([str(tmp_path / "first"), str(ROOT / "plugins")])
    code = """
os.environ["KATANA_RESOURCES"] = os.environ["FIRST"]
FarmAPI.FarmPluginManager.Initialize()
os.environ["KATANA_RESOURCES"] = os.environ["BOTH"]
FarmAPI.FarmPluginManager.Initialize()
print(FarmAPI.FarmPluginManager.GetFarmPluginNames())
"""
    said = run(code, data_root, FIRST=str(tmp_path / "first"), BOTH=resources)
    assert "['Katana Queue', 'Katana Queue (Open)']" in said


def test_katana_is_not_asked_for_farms_while_it_loads_them(data_root: Path) -> None:
    """It may answer with an error then, or begin to load them again."""
    code = """
names = FarmAPI.FarmPluginManager.GetFarmPluginNames
def too_early():
    raise FarmAPI.FarmPluginManager.FarmPluginManagerException("Initialize has not been called")
FarmAPI.FarmPluginManager.GetFarmPluginNames = too_early
FarmAPI.FarmPluginManager.Initialize()
FarmAPI.FarmPluginManager.GetFarmPluginNames = names
print("farms:", names())
"""
    said = run(code, data_root)
    assert "farms: ['Katana Queue']" in said
    assert "Traceback" not in said


def test_a_katana_that_loads_farm_plug_ins_when_they_are_first_used(data_root: Path) -> None:
    """Its start-up is over then, and no callback comes: the queue starts all the same."""
    code = """
from PySide6.QtCore import QEventLoop, QTimer
from PySide6.QtWidgets import QMainWindow
window = QMainWindow()
window.show()
ExecuteCallbacksForType(Callbacks.Type.onStartupComplete)
load()
from katana_queue.kq.api import current_session
loop = QEventLoop()
timer = QTimer()
timer.timeout.connect(lambda: loop.quit() if current_session() is not None else None)
timer.start(5)
QTimer.singleShot(60000, loop.quit)
loop.exec()
session = current_session()
assert session is not None and session.wait_ready(60), session
print("started")
ExecuteCallbacksForType(Callbacks.Type.onShutdown)
request = FarmAPI.FarmPluginManager.JobRequest("Render", "r", [1], ["true"], {}, "")
FarmAPI.FarmPluginManager.Initialize()
try:
    FarmAPI.FarmPluginManager._plugin("Katana Queue").submitJob(request)
except FarmAPI.FarmPluginException as error:
    print("refused:", error)
assert session.wait(60)
print("ended")
"""
    said = run(code, data_root)
    assert "started" in said
    assert "refused: Katana Queue takes no more jobs" in said
    assert "ended" in said


def test_a_katana_that_runs_the_plug_in_files_again(data_root: Path) -> None:
    """The session goes on, and what was unset since its start is still unset for renders."""
    code = (
        SESSION
        + """
from katana_queue.plugins import render_environment
del os.environ["AT_THE_START"]
paths = Utils.Plugins.DefaultPaths("Plugins")
assert Utils.Plugins.Load("FarmPlugin", 1, paths, reloadCached=True)
ExecuteCallbacksForType(Callbacks.Type.onStartupComplete)
print("the same:", current_session() is session, render_environment.unset_since_start(os.environ))
ExecuteCallbacksForType(Callbacks.Type.onShutdown)
assert session.wait(60)
"""
    )
    said = run(code, data_root, AT_THE_START="1")
    assert "the same: True ('AT_THE_START',)" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("folder", "is_one"),
    [
        (r"C:\Users\an artist\AppData\Local\Microsoft\WindowsApps", True),
        (r"C:\Users\an artist\AppData\Local\microsoft\windowsapps\\", True),
        ("C:/Users/x/AppData/Local/Microsoft/WindowsApps", True),
        (r"C:\Program Files\Python312", False),
        (r"C:\Microsoft\WindowsApps\Python", False),
        ("", False),
    ],
)
def test_where_windows_python_opens_a_shop(folder: str, is_one: bool) -> None:
    """A link that Windows comes with is called python there, and is none."""
    assert is_alias_folder(folder) is is_one


NO_ZMQ = """
import types
zmq = sys.modules["zmq"] = types.ModuleType("zmq")
zmq.__version__, zmq.__file__ = {version!r}, "/katana/bin/python/zmq/__init__.py"
zmq.has = lambda _what: False
print(load())
"""


@pytest.mark.parametrize(
    ("version", "fact"), [("19.0.2", "too old"), ("25.1.2", "no CURVE"), ("odd", "too old")]
)
def test_pyzmq_that_does_not_serve_is_one_message(data_root: Path, version: str, fact: str) -> None:
    """Whichever is in the process already: its version and file are named, and the desktop starts.

    A module that only claims to be one stands for it: none as old runs on this Python.
    """
    said = run(NO_ZMQ.format(version=version), data_root)
    assert "([], [])" in said
    (line,) = {each for each in said.splitlines() if "Katana Queue is off" in each}
    assert fact in line
    assert version in line
    assert "/katana/bin/python/zmq" in line
    assert "Traceback" not in said


@pytest.mark.parametrize(("platform", "python"), [("windows", "3.11"), ("linux", "3.10"), ("darwin", "3.11")])
def test_a_folder_for_another_system_or_python(
    data_root: Path, tmp_path: Path, platform: str, python: str
) -> None:
    """It is not loaded, and the message says what it was written for."""
    folder = tmp_path / "Katana Queue"
    for name in ("Plugins", "Tabs"):
        (folder / name).mkdir(parents=True)
        for file in (ROOT / "plugins" / name).glob("*.py"):
            (folder / name / file.name).write_text(file.read_text())
    package = folder / "katana_queue"
    (package / "plugins").mkdir(parents=True)
    isolation = ROOT / "plugins" / "import_isolation.py"
    (package / "plugins" / isolation.name).write_text(isolation.read_text())
    (package / "katana_queue.json").write_text(f'{{"platform": "{platform}", "python": "{python}"}}')
    said = run("print(load())", data_root, KATANA_RESOURCES=str(folder))
    assert "([], [])" in said
    assert f"{platform} and Python {python}" in said
    assert "Traceback" not in said


def test_katana_that_looks_for_another_type(data_root: Path) -> None:
    """If it did not take our farm plug-in, log and tab say so, and how to report it; the queue runs."""
    code = """
load()
FarmAPI.FarmPluginManager.GetFarmPluginNames = lambda: ["Other"]
ExecuteCallbacksForType(Callbacks.Type.onStartupComplete)
from katana_queue.kq.api import ConnectionStatus, current_session
from PySide6.QtCore import QEventLoop, QTimer
session = current_session()
assert session.wait_ready(60), session.failure
holder = Tabs.CreateTab("Katana Queue", None)
tab = holder.getWidget()
holder.show()
loop = QEventLoop()
timer = QTimer()
timer.timeout.connect(lambda: loop.quit() if "FarmPlugin" in tab.banner.text else None)
timer.start(5)
QTimer.singleShot(60000, loop.quit)
loop.exec()
print("banner:", tab.banner.text)
holder.close()
ExecuteCallbacksForType(Callbacks.Type.onShutdown)
assert session.wait(60)
assert tab.log.reader.wait(60) and tab.pictures.wait(60)
"""
    said = run(code, data_root)
    assert "KatanaQueue ERROR Katana did not take the farm plug-in" in said
    (banner,) = [line for line in said.splitlines() if line.startswith("banner: ")]
    assert '"FarmPlugin"' in banner
    assert "docs/katana.md" in banner


def test_the_type_of_a_farm_plug_in_that_is_loaded_already(data_root: Path) -> None:
    """Katana's own queue shows which type and version it looks for: ours are the same."""
    code = """
import types
theirs = sys.modules["__plugins3__.kq"] = types.ModuleType("__plugins3__.kq")
class Theirs(FarmAPI.BaseFarmPlugin): pass
theirs.PluginRegistry = [("SomethingElse", 3, "Katana Queue", Theirs), ("KatanaPanel", 2.0, "x", object)]
plugins = Utils.Plugins.Load("SomethingElse", 3, Utils.Plugins.DefaultPaths("Plugins"))
print("registered:", [(plugin.plugtype, plugin.apinum) for plugin in plugins])
"""
    assert "registered: [('SomethingElse', 3)]" in run(code, data_root)


def test_two_queues_share_variables() -> None:
    """One message names those that both read; with ours set, there is none. Fixed ports are Katana's."""
    from katana_queue.plugins.queue_session import session_settings, shared_settings

    both = {"KQ_NUM_AGENTS": "10", "KQ_REQUEST_PORT": "5000", "KQ_DATA_ROOT": "/data"}
    said = shared_settings(both)
    assert "KQ_NUM_AGENTS=10" in said
    assert "KQ_REQUEST_PORT" in said
    ours = {**both, "KQ_OPEN_NUM_AGENTS": "3", "KQ_OPEN_REQUEST_PORT": "6000"}
    assert shared_settings(ours) == ""
    assert shared_settings({}) == ""
    beside = session_settings(both, beside=True)
    assert (beside.num_agents, beside.request_port) == (10, 0)
    assert session_settings(both, beside=False).request_port == 5000
    own = session_settings(ours, beside=True)
    assert (own.num_agents, own.request_port) == (3, 6000)


def test_a_mistake_names_the_variable_that_was_read() -> None:
    """KQ_OPEN_* where that is set, and what it holds."""
    from katana_queue.kq.api import BadSetting, Settings

    with pytest.raises(BadSetting, match="KQ_OPEN_NUM_AGENTS"):
        Settings.from_environment({"KQ_NUM_AGENTS": "2", "KQ_OPEN_NUM_AGENTS": "many"})
    with pytest.raises(BadSetting, match="KQ_OPEN_LOG"):
        Settings.from_environment({"KQ_LOG": "info", "KQ_OPEN_LOG": "loud"})


def test_a_katana_that_has_not_looked_for_farms_yet(data_root: Path) -> None:
    """It lists none at all: that is no problem, until half a minute is over."""
    code = """
load()
FarmAPI.FarmPluginManager.GetFarmPluginNames = lambda: []
from katana_queue.plugins import registration
print("at first:", repr(registration.registration_problem()))
registration._expected_since_s -= 31
print("later:", registration.registration_problem())
"""
    said = run(code, data_root)
    assert "at first: ''" in said
    assert "later: Katana did not take" in said


def test_a_python_that_does_not_serve_is_one_message(data_root: Path) -> None:
    """In the log and in the tab; a job that is submitted then is refused, and the desktop goes on."""
    code = """
from PySide6.QtCore import QEventLoop, QTimer
load()
FarmAPI.FarmPluginManager.Initialize()
ExecuteCallbacksForType(Callbacks.Type.onStartupComplete)
holder = Tabs.CreateTab("Katana Queue", None)
tab = holder.getWidget()
holder.show()
loop = QEventLoop()
timer = QTimer()
timer.timeout.connect(lambda: loop.quit() if "/no such python" in tab.banner.text else None)
timer.start(5)
QTimer.singleShot(60000, loop.quit)
loop.exec()
print("banner:", tab.banner.text)
request = FarmAPI.FarmPluginManager.JobRequest("Render", "r", [1], ["true"], {}, "")
try:
    FarmAPI.FarmPluginManager._plugin("Katana Queue").submitJob(request)
except FarmAPI.FarmPluginException as error:
    print("refused:", error)
holder.close()
ExecuteCallbacksForType(Callbacks.Type.onShutdown)
assert tab.log.reader.wait(60) and tab.pictures.wait(60)
"""
    said = run(code, data_root, KQ_OPEN_PYTHON="/no such python")
    assert "kq.client ERROR" in said
    (banner,) = [line for line in said.splitlines() if line.startswith("banner: ")]
    assert "/no such python" in banner
    assert "KQ_OPEN_PYTHON" in banner
    assert "refused: " in said
    assert "Traceback" not in said
