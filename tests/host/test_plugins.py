"""Plug-ins, events, callbacks, shelves and farms, as Katana does them, without a window."""

from __future__ import annotations

import errno
import gc
import logging
import os
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest

from host import command_line, session
from host.Katana import Callbacks, Configuration, FarmAPI, KatanaResources, NodegraphAPI, Shelves, _callbacks
from host.Katana.FarmAPI import FarmPluginManager
from host.Katana.Utils import EventModule, Plugins
from tests.host.conftest import DATA
from tests.support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("fresh")


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_resources_are_searched_in_the_order_they_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Folders that are not there, or named twice, count for nothing."""
    for name in ("b", "a"):
        (tmp_path / name / "Plugins").mkdir(parents=True)
    folders = [str(tmp_path / name) for name in ("b", "gone", "a", "b")]
    monkeypatch.setenv("KATANA_RESOURCES", os.pathsep.join(folders))
    assert KatanaResources.GetSearchPaths() == [str(tmp_path / "b"), str(tmp_path / "a")]
    assert Plugins.DefaultPaths("Plugins") == [str(tmp_path / n / "Plugins") for n in ("b", "a")]
    assert Plugins.DefaultPaths("Tabs") == []


def test_a_folder_that_cannot_be_read_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One whose name is too long, and one that may not be listed: the desktop starts with the others."""
    write(tmp_path / "good" / "Plugins" / "one.py", 'PluginRegistry = [("Unreadable", 1, "One", None)]')
    (tmp_path / "secret" / "Plugins").mkdir(parents=True)
    (tmp_path / "secret" / "Shelves").mkdir()
    listed = Path.iterdir

    def iterdir(folder: Path) -> Any:
        if "secret" in folder.parts:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
        return listed(folder)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    folders = [str(tmp_path / name) for name in ("x" * 300, "secret", "good")]
    monkeypatch.setenv("KATANA_RESOURCES", os.pathsep.join(folders))
    [plugin] = Plugins.Load("Unreadable", 1, Plugins.DefaultPaths("Plugins"))
    assert plugin.name == "One"
    assert str(tmp_path / "secret" / "Plugins") in caplog.text
    monkeypatch.setattr(Shelves, "_loaded", None)
    Shelves.GetShelves2()
    assert str(tmp_path / "secret" / "Shelves") in caplog.text


def test_plugins_are_loaded_by_path_once_and_under_names_of_their_own(tmp_path: Path) -> None:
    """Two files of one name are two modules; a package imports its parts relatively."""
    text = "LOADED = []\nPluginRegistry = [('Thing', 1, __name__, object)]\n"
    first = write(tmp_path / "one" / "thing.py", text)
    second = write(tmp_path / "two" / "thing.py", text)
    write(tmp_path / "two" / "pack" / "part.py", "VALUE = 7\n")
    write(
        tmp_path / "two" / "pack" / "__init__.py",
        "from .part import VALUE\nPluginRegistry = [('Thing', 2.0, f'pack {VALUE}', object)]\n",
    )
    write(tmp_path / "two" / "__notes.py", "raise SystemExit\n")
    folders = [str(first.parent), str(second.parent)]
    plugins = Plugins.Load("Thing", None, folders)
    assert [plugin.name for plugin in plugins] == ["__plugins3__.thing", "pack 7", "__plugins3__.thing_2"]
    assert plugins[0].module is sys.modules["__plugins3__.thing"]
    assert Plugins.Load("Thing", 2, folders)[0].name == "pack 7"
    assert Plugins.Load("Thing", 1, folders, blacklist=lambda path: "two" in path) == plugins[:1]
    assert Plugins.LoadModule(str(first))[0].module is plugins[0].module
    assert Plugins.Search(plugins, "pack 7") is plugins[1]
    assert Plugins.Search(plugins, "nothing") is None


def test_a_broken_plugin_is_one_message(caplog: pytest.LogCaptureFixture) -> None:
    """File, fault and line; others load."""
    caplog.set_level(logging.ERROR)
    Plugins.Load("FarmPlugin", 1, [str(DATA / "broken" / "Plugins")])
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 4
    assert told[1].endswith(
        "b_raises.py was not loaded: ValueError: no licence was found, line 5 of "
        f"{DATA / 'broken' / 'Plugins' / 'b_raises.py'}."
    )


def test_events_reach_their_handlers_in_order_and_from_any_thread() -> None:
    """Types and ids choose; collapsed handlers get all at once; handlers are held weakly."""
    seen: list[Any] = []

    class Listener:
        def on_event(self, eventType: str, eventID: object, **kwargs: object) -> None:  # noqa: N803  Katana's names
            seen.append((eventType, eventID, kwargs))

        def on_all(self, arguments: list[Any]) -> None:
            seen.append(len(arguments))

    listener = Listener()
    EventModule.RegisterEventHandler(listener.on_event, "job", 1)
    EventModule.RegisterCollapsedHandler(listener.on_all, "job")
    thread = threading.Thread(target=lambda: EventModule.QueueEvent("job", 1, state="done"))
    thread.start()
    thread.join()
    EventModule.QueueEvent("job", 2, state="lost")
    EventModule.QueueEvent("other", 1)
    assert seen == []
    EventModule.ProcessAllEvents()
    assert seen == [("job", 1, {"state": "done"}), 2]
    assert EventModule.IsHandlerRegistered(listener.on_event, "job", 1)
    del listener
    gc.collect()
    EventModule.QueueEvent("job", 1)
    EventModule.ProcessAllEvents()
    assert len(seen) == 2


def test_a_handler_that_exits_ends_neither_the_desktop_nor_the_next_handler(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """In a slot of Qt, SystemExit ends the program: events, callbacks and calls of plug-ins."""
    seen: list[str] = []

    def exits(*_arguments: object, **_named: object) -> None:
        sys.exit(3)

    def on_event(*_arguments: object, **_named: object) -> None:
        seen.append("seen")

    for handler in (exits, on_event):
        EventModule.RegisterEventHandler(handler, "job")
        EventModule.RegisterCollapsedHandler(handler, "job")
        Callbacks.addCallback(Callbacks.Type.onNewScene, handler)
    EventModule.QueueEvent("job", 1)
    EventModule.ProcessAllEvents()
    _callbacks.ExecuteCallbacksForType(Callbacks.Type.onNewScene)
    assert Plugins.NoExceptionProxy(exits)() is None
    assert seen == ["seen"] * 3 and caplog.text.count("SystemExit: 3") >= 4


def test_events_survive_a_handler_that_processes_events_and_ends_another() -> None:
    """The events after it are handled; a higher priority, a number, comes first, each in its order."""
    seen: list[str] = []

    class Listener:
        def on_event(self, *_event: object) -> None:
            pass

    listeners = [Listener()]

    def on_event(event_type: str, _event_id: object) -> None:
        seen.append(event_type)
        if listeners:
            listeners.clear()
            gc.collect()
            EventModule.QueueEvent("nested", None)
            EventModule.ProcessEvents()

    EventModule.RegisterEventHandler(on_event)
    EventModule.RegisterEventHandler(listeners[0].on_event)
    for event_type, priority in (("last", 0), ("first", 2), ("second", 1), ("third", 1)):
        EventModule.QueueEvent(event_type, None, priority)
    with pytest.raises(TypeError):
        EventModule.QueueEvent("bad", None, None)  # type: ignore[arg-type]
    EventModule.ProcessAllEvents()
    assert seen == ["first", "nested", "second", "third", "last"]


def test_callbacks_come_with_their_object_and_can_be_taken_back() -> None:
    """A handler for one object hears of that object only."""
    seen: list[object] = []

    def all_of_them(objectHash: object = None, **kwargs: object) -> None:  # noqa: N803  Katana's name
        seen.append(("all", objectHash, kwargs))

    def one_of_them(objectHash: object = None, **kwargs: object) -> None:  # noqa: N803  Katana's name
        seen.append(("one", objectHash, kwargs))

    Callbacks.addCallback(Callbacks.Type.onNodeCreate, all_of_them)
    Callbacks.addCallback(Callbacks.Type.onNodeCreate, one_of_them, 7)
    node = NodegraphAPI.CreateNode("Light")
    assert seen == [("all", hash(node), {"nodeType": "Light", "node": node})]
    Callbacks.delCallback(Callbacks.Type.onNodeCreate, all_of_them)
    NodegraphAPI.CreateNode("Light")
    assert len(seen) == 1


def test_a_callback_type_that_is_declared_again_keeps_its_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two plug-ins may declare one, or a plug-in that is loaded again."""
    monkeypatch.setattr(Callbacks.Type, "onNodeCreate", Callbacks.Type.onNodeCreate)  # restored at the end
    seen: list[object] = []
    Callbacks.addCallback(
        Callbacks.Type.onNodeCreate, lambda **kwargs: seen.append(kwargs["node"]), "declared"
    )
    _callbacks.DeclareCallbackType("onNodeCreate")
    _callbacks.ExecuteCallbacksForType(Callbacks.Type.onNodeCreate, "declared", node=1)
    assert seen == [1]


def test_a_shelf_item_is_described_by_its_docstring(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Name, icon, shortcut, scope and description; in scope it runs, out of it a warning says why not."""
    file = write(
        tmp_path / "Warm.py",
        '"""\nNAME: Warm Up\nICON: sun.png\nKEYBOARD_SHORTCUT: Ctrl+W\nSCOPE: Light, Camera\n\n'
        'Makes it warm.\n"""\nseen.append(globals().get("__file__", 1))\n',
    )
    assert Shelves.ParseFile(str(file)) == {
        "name": "Warm Up",
        "icon": "sun.png",
        "keyboardShortcut": "Ctrl+W",
        "scope": ("Light", "Camera"),
        "dropTypes": "",
        "description": "Makes it warm.",
    }
    item = Shelves.CreateShelfItem(str(file))
    seen: list[int] = []
    item.run({"seen": seen})
    assert seen == []
    assert "Warm Up works on nodes of type Light, Camera: select one." in caplog.text
    light = NodegraphAPI.CreateNode("Light")
    NodegraphAPI.SetAllSelectedNodes([light])
    item.run({"seen": seen})
    assert seen == [1]


@pytest.mark.parametrize(
    "content",
    ['\ufeff"""\nNAME: Größe\n"""'.encode(), '# coding: latin-1\n"""\nNAME: Größe\n"""'.encode("latin-1")],
)
def test_a_shelf_item_is_read_in_its_own_encoding(tmp_path: Path, content: bytes) -> None:
    """As Python runs it: with the mark that editors on Windows write, or with a coding line."""
    file = tmp_path / "Size.py"
    file.write_bytes(content + b"\nseen.append(1)\n")
    item = Shelves.CreateShelfItem(str(file))
    seen: list[int] = []
    item.run({"seen": seen})
    assert (item.getName(), seen) == ("Größe", [1])


@pytest.mark.parametrize(("code", "is_error"), [("0", False), ("'no selection'", True)])
def test_a_shelf_item_that_exits_leaves_the_desktop(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, code: str, is_error: bool
) -> None:
    """In a slot of Qt, SystemExit ends the program, with all that is not saved."""
    file = write(tmp_path / "Exits.py", f"import sys\nsys.exit({code})\n")
    Shelves.CreateShelfItem(str(file)).run()
    assert ("no selection" in caplog.text) == is_error


def test_a_new_node_is_not_edited_since_it_has_the_name_of_a_deleted_one() -> None:
    """Nor is it missing in the Parameters tab when it is edited: that is a change."""
    first = NodegraphAPI.CreateNode("Light")
    NodegraphAPI.SetNodeEdited(first, True)
    first.delete()
    second = NodegraphAPI.CreateNode("Light")
    assert second.getName() == "Light" and NodegraphAPI.GetAllEditedNodes() == []


def test_nodes_ports_and_parameters_as_katana_shows_them() -> None:
    """One view of a node, dotted parameters, ports both ways."""
    usd_in, transform = NodegraphAPI.CreateNode("UsdIn"), NodegraphAPI.CreateNode("Transform")
    assert NodegraphAPI.GetNode("UsdIn") is usd_in
    assert NodegraphAPI.GetAllNodesByType("Transform") == [transform]
    out, port = usd_in.getOutputPort("out"), transform.getInputPortByIndex(0)
    assert out is not None
    assert port is not None
    assert out.connect(port)
    assert port.getConnectedPorts() == [out]
    assert out.getConnectedPort(0) == port
    assert port.disconnect(out)
    assert not out.isConnected(port)
    vector = transform.getParameter("translate")
    component = transform.getParameter("translate.i1")
    assert vector is not None
    assert component is not None
    assert (vector.getType(), component.getFullName()) == ("numberArray", "Transform.translate.i1")
    component.setValue(4.0, 0.0)
    assert transform.getParameterValue("translate.i1", 0.0) == 4.0
    assert component.getParent() == vector
    assert transform.setName("UsdIn") == "UsdIn1"
    assert usd_in.delete()
    assert usd_in.isMarkedForDeletion()
    assert NodegraphAPI.GetNode("UsdIn") is None


class Farm(FarmAPI.BaseFarmPlugin):
    """Notes what it is asked."""

    metadata = FarmAPI.BaseFarmPlugin.InstallationMetadata("/opt/katana", None)

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.folder = ""

    def createTemporaryDirectory(self, renderContextName: str) -> str:  # noqa: N803  Katana's name
        return self.folder

    def getEnvironmentForJob(self, renderContextName: str) -> dict[str, str]:  # noqa: N803  likewise
        return {"FARM": renderContextName}

    def getRemoteInstallationMetadata(self) -> FarmAPI.BaseFarmPlugin.InstallationMetadata:
        return self.metadata

    def submitJob(self, jobRequest: Any) -> str:  # noqa: N803  likewise
        self.requests.append(jobRequest)
        return "7"


def test_a_job_request_holds_what_the_render_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames of the moment it was asked for, commands, folder, and an environment that finds renderboot."""
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    farm = Farm()
    FarmPluginManager._farms["A"] = farm
    FarmPluginManager._default_farm = "A"
    NodegraphAPI.SetCurrentTime(12)
    context = FarmPluginManager.CreateRenderContextName()
    NodegraphAPI.SetCurrentTime(13)
    assert FarmPluginManager.SubmitJob("Render", context, "/tmp/x", ["a b"]) == "7"
    request = farm.requests[0]
    assert (request.nodeName, request.renderContextName, request.frames) == ("Render", context, [12])
    assert (request.commands, request.tempDir) == (["a b"], "/tmp/x")
    assert request.environment["PYTHONPATH"] == os.pathsep.join([str(session.ROOT), "/somewhere"])
    assert request.environment["FARM"] == context
    kept_ready = command_line.split(request.environment["KQ_STANDBY_COMMAND"])
    assert kept_ready == [*session.renderboot_command(), "--standby"]
    assert FarmPluginManager.CreateRenderContextName() != context


def test_the_command_is_rewritten_for_the_farms_machines() -> None:
    """Its renderboot, its installation, its folders; arguments with spaces stay whole."""
    farm = Farm()
    farm.metadata = FarmAPI.BaseFarmPlugin.InstallationMetadata(
        "/opt/our katana", ["/opt/dso one", "/opt/two"], "/opt/bin/renderboot --quiet"
    )
    FarmPluginManager._farms["A"] = farm
    local = [*session.renderboot_command(), "-katanaRoot", "/here", "-tempDir", "/tmp/a b", "-frame", "1"]
    command = FarmPluginManager.PrepareRemoteCommand(command_line.join(local), "c", "/farm/tmp", "A")
    assert command_line.split(command) == [
        *("/opt/bin/renderboot", "--quiet", "-katanaRoot", "/opt/our katana", "-tempDir", "/farm/tmp"),
        *("-frame", "1", "-pluginDsoPath", "/opt/dso one", "-pluginDsoPath", "/opt/two"),
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="the example splits its command with shlex")
def test_the_farm_plugin_of_the_documents_renders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is loaded from a folder on KATANA_RESOURCES, as its page says, and takes a job from end to end."""
    page = (session.ROOT / "docs" / "farm-plugin.md").read_text(encoding="utf-8")
    example = page.partition("```python\n")[2].partition("```")[0]
    write(tmp_path / "ours" / "Plugins" / "SmallFarm.py", example)
    monkeypatch.setenv("KATANA_RESOURCES", str(tmp_path / "ours"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    FarmPluginManager.Initialize()
    assert FarmPluginManager.GetFarmPluginNames() == ["Small Farm"]
    context = FarmPluginManager.CreateRenderContextName()
    folder = FarmPluginManager.CreateTemporaryDirectory(context)
    FarmPluginManager.CopyRenderFiles([], context)
    made, gate = Path(folder) / "made", Path(folder) / "gate"
    program = (
        f"import pathlib, time; pathlib.Path({str(made)!r}).touch()\n"
        f"while not pathlib.Path({str(gate)!r}).exists(): time.sleep(0.01)"
    )
    local = command_line.join([sys.executable, "-c", program])
    command = FarmPluginManager.PrepareRemoteCommand(local, context, folder)
    job = FarmPluginManager.SubmitJob("Render", context, folder, [command])
    assert FarmPluginManager.GetJobState(job) == FarmAPI.Job.State.kRunning
    gate.touch()
    wait_until(lambda: FarmPluginManager.GetJobState(job) == FarmAPI.Job.State.kCompleted)
    assert made.exists()
    assert FarmPluginManager.GetRenderLogFilename(job) is None
    gate.unlink()
    other = FarmPluginManager.SubmitJob("Render", context, folder, [command])
    FarmPluginManager.StopJob(other)
    wait_until(lambda: FarmPluginManager.GetJobState(other) == FarmAPI.Job.State.kFailed)
    with pytest.raises(FarmAPI.JobNotFoundException, match="the small farm has no job 9"):
        FarmPluginManager.GetJobState("9")


def test_what_a_farm_does_not_give_is_reported(tmp_path: Path) -> None:
    """No farm, an unknown farm, no folder: one message each."""
    with pytest.raises(FarmPluginManager.FarmPluginManagerException, match="KATANA_RESOURCES"):
        FarmPluginManager.GetJobs()
    FarmPluginManager._farms["A"] = Farm()
    with pytest.raises(
        FarmPluginManager.FarmPluginManagerException, match="no farm called 'B'; there are: A"
    ):
        FarmPluginManager.SetDefaultFarm("B")
    FarmPluginManager.SetDefaultFarm("A")
    with pytest.raises(FarmPluginManager.FarmPluginManagerException, match="A made no folder for the render"):
        FarmPluginManager.CreateTemporaryDirectory("c")


def test_configuration_is_empty_where_nothing_is_set() -> None:
    """A get of what is not set is no error."""
    assert Configuration.get("NOTHING") == ""
    Configuration.set("SOMETHING", "1")
    assert Configuration.has("SOMETHING")
    assert Configuration.exportConfiguration() == {"SOMETHING": "1"}
