"""From a job to Katana's Catalog and back: which item, and what it knows. The stand-in's Catalog."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import shiboken6
from Katana import UI4, CatalogAPI
from katana_queue.plugins import catalog, job_names
from PySide6.QtGui import QPixmap

from host.Katana.UI4.App import MainWindow
from tests.plugins.test_farm_plugin import python, request


@pytest.fixture
def item(qapp: Any) -> Iterator[Any]:
    """A render's item: sequence ID 41, node Render, frame 7."""
    made = CatalogAPI.CreateCatalogItem()
    made._set("sequence_ids", [41])
    made.setNodeName("Render")
    made.setFrameRange("7")
    yield made
    CatalogAPI.DeleteCatalogItems([made])
    catalog._renders.clear()


@pytest.mark.parametrize(
    ("context", "node", "found"),
    [
        ("render_20261129_120000_4711_3_41", "Render", True),
        ("Render_41_v2", "Render", True),
        ("41", "", True),
        ("render_20261129_120000_4711_3_42", "Render", False),
        ("render_41", "Other", False),
        ("render", "Render", False),
        ("", "Render", False),
        ("x" + "4" * 400, "Render", False),
    ],
)
def test_an_item_is_found_by_the_name_of_the_context(item: Any, context: str, node: str, found: bool) -> None:
    """By any number in it that is a sequence ID of that node: where the number stands is not documented."""
    catalog.remember("job1", context, node)
    assert catalog.has_item("job1") is found


def test_what_the_catalog_knows_of_a_job(item: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress, frame, pins and picture, of a renderer that prints nothing."""
    monkeypatch.setattr(catalog, "graph_state_variables", lambda: {"shot": "sh010", "look": "day"})
    catalog.remember("job1", "render_41", "Render")
    assert catalog.progress_of("job1") is None
    assert catalog.frames_of("render_41", "Render") == [7]
    assert catalog.render_log_of("job1") == ""
    item.setRenderProgress(3, 12)
    item.setFramePinned(True)
    item.setGSVPinned("shot", True)
    item.appendToRenderLog("the scene is being written\n")
    assert catalog.progress_of("job1") == 0.25
    assert catalog.render_log_of("job1") == "the scene is being written\n"
    assert catalog.thumbnail_of("job1") is None
    item.setThumbnailPixmap(QPixmap(8, 8))
    assert catalog.thumbnail_of("job1").width() == 8
    # A repeated render keeps the item's value of what is pinned: the project's would be a wrong name.
    assert catalog.variables_of("render_41", "Render") == {"look": "day"}
    CatalogAPI.DeleteCatalogItems([item])
    assert catalog.progress_of("job1") is None
    assert catalog.frames_of("render_41", "Render") == []
    assert catalog.render_log_of("job1") == ""
    assert catalog.thumbnail_of("job1") is None


@pytest.mark.parametrize(
    ("shown", "name"), [("7", "Render, frame 7"), ("3-5", "Render, frames 3-5"), ("all of them", "Render")]
)
def test_a_request_without_frames_is_named_by_the_catalogs(
    item: Any, farm: Any, session: Any, shown: str, name: str
) -> None:
    """For display only: its commands run once, and a text that is no frames is left out."""
    item.setFrameRange(shown)
    job_id = farm.submitJob(request(python("pass"), renderContextName="render_41", frames=[]))
    spec = session.client.spec(job_id).result(60)
    assert (spec.name, spec.frames) == (name, "")


def test_a_repeated_render_is_named_by_its_pinned_variables(
    item: Any, farm: Any, session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the values that its item has, and not by what the project's have become since."""
    monkeypatch.setattr(catalog, "graph_state_variables", lambda: {"shot": "sh010", "look": "night"})
    item._set("variables", {"shot": "sh020", "look": "day"})
    item.setGSVPinned("shot", True)
    job_id = farm.submitJob(request(python("pass"), renderContextName="render_41"))
    assert session.client.spec(job_id).result(60).name.endswith(", shot=sh020, look=night")


def test_show_in_monitor(item: Any) -> None:
    """The item is in the Monitor's front; without an item nothing is shown."""
    catalog.remember("job1", "render_41", "Render")
    client = CatalogAPI.Client
    assert catalog.show_in_monitor("job1")
    assert client.GetClientCatalogItems(client.GetPrimaryClientKey())[0] == item
    assert not catalog.show_in_monitor("job2")
    assert not catalog.show_in_catalog("job2")


def test_graph_state_variables_name_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are enabled, as Katana keeps them below the root node; no such parameters is no error."""

    class Parameter:
        def __init__(self, name: str, value: object = None, *children: Any) -> None:
            self._name, self._value, self._children = name, value, children

        def getName(self) -> str:
            return self._name

        def getValue(self, _time: float) -> object:
            return self._value

        def getChildren(self) -> tuple[Any, ...]:
            return self._children

        def getChild(self, name: str) -> Any:
            return next((each for each in self._children if each.getName() == name), None)

    def variable(name: str, value: str, enable: float) -> Parameter:
        return Parameter(name, None, Parameter("enable", enable), Parameter("value", value))

    root = Parameter("root", None, Parameter("variables", None, variable("shot", "sh010", 1.0),
                                             variable("look", "day", 0.0)))  # fmt: skip
    root.getParameter = root.getChild  # type: ignore[attr-defined]
    monkeypatch.setattr(job_names.NodegraphAPI, "GetRootNode", lambda: root)
    assert job_names.graph_state_variables() == {"shot": "sh010"}
    assert job_names.job_name("Render", [12], {"shot": "sh010"}) == "Render, frame 12, shot=sh010"
    monkeypatch.setattr(job_names.NodegraphAPI, "GetRootNode", lambda: None)
    assert job_names.graph_state_variables() == {}


@pytest.mark.parametrize(
    ("frames", "listed"),
    [
        (range(1001, 1401, 2), "frames 1001-1399x2"),
        ([1, 2, 3, 9], "frames 1-3,9"),
        ([5, 1], "frames 1,5"),
        ([7, 8], "frames 7-8"),
        ([7, 7], "frame 7"),
    ],
)
def test_a_job_is_named_by_its_ranges(frames: Sequence[int], listed: str) -> None:
    """With their steps."""
    assert job_names.job_name("Render", frames, {}) == f"Render, {listed}"


def test_a_long_name_is_cut() -> None:
    """The queue would refuse a job with a name of more than 1,000 characters, which no artist has written."""
    scattered = [frame * frame for frame in range(1000)]
    name = job_names.job_name("Render", scattered, {"shot": "sh010"})
    assert name.startswith("Render, frames 0-1,4,9,16,")
    assert name.endswith("\N{HORIZONTAL ELLIPSIS}, shot=sh010")
    variables = {f"variable{number}": "x" * 60 for number in range(50)}
    many = job_names.job_name("Render", scattered, variables)
    assert len(many) == 300 and many.endswith("\N{HORIZONTAL ELLIPSIS}")


def test_a_closed_catalog_is_opened(item: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Katana neither shows nor places a tab that it creates: it is a window that ends with the main one."""
    monkeypatch.setattr(MainWindow, "_window", None)  # restored at the end, to what it was
    main = MainWindow.KatanaWindow(None)
    main.show()
    for name in ("Catalog", "Monitor"):
        monkeypatch.setitem(UI4.App.Tabs._types, name, (UI4.Tabs.BaseTab, ""))
    catalog.remember("job1", "render_41", "Render")
    assert catalog.show_in_catalog("job1")
    opened = UI4.App.Tabs.FindTopTab("Catalog")
    assert opened is not None and opened.isVisible()
    assert opened.window() is not main and opened.window().parent() is main
    assert catalog.show_in_catalog("job1")
    assert len(UI4.App.Tabs.GetTabsByType("Catalog")) == 1
    shiboken6.delete(main)
    assert not UI4.App.Tabs.GetTabsByType("Catalog")
