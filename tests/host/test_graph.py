"""The graph: names, values, connections and observers."""

from __future__ import annotations

import itertools

import pytest

from host.nodes.errors import GraphError, ParameterError
from host.nodes.graph import Change, Graph, GraphEvent
from host.nodes.types import NODE_TYPES, node_type


def test_names_are_unique_and_fit_for_scene_paths() -> None:
    """A taken name gets a number; what no path can hold becomes an underscore."""
    graph = Graph()
    names = [graph.create(node_type("Light"), name).name for name in ("Key", "Key", "Key", "3 rim!", "")]
    assert names == ["Key", "Key1", "Key2", "_3_rim_", "Light"]
    assert graph.rename(graph.node("Key2"), "Key") == "Key2"
    assert graph.rename(graph.node("Key2"), "Fill") == "Fill"
    assert [node.name for node in graph.nodes] == ["Key", "Key1", "Fill", "_3_rim_", "Light"]


def test_an_unknown_name_is_refused_with_those_there_are() -> None:
    """The message says what could have been meant."""
    graph = Graph()
    graph.create(node_type("Render"))
    with pytest.raises(GraphError, match=r"no node called 'Rendr' in this project; its nodes are: Render\."):
        graph.node("Rendr")
    with pytest.raises(GraphError, match="There is no node type 'Cube'; there are: UsdIn, "):
        node_type("Cube")


def test_a_circle_is_refused() -> None:
    """Nothing can draw from itself, however long the way round."""
    graph = Graph()
    nodes = [graph.create(node_type("Transform")) for _ in range(4)]
    for source, target in itertools.pairwise(nodes):
        graph.connect(source, target)
    with pytest.raises(GraphError, match=r"\bTransform3\b.*\bTransform\b"):
        graph.connect(nodes[3], nodes[0])
    with pytest.raises(GraphError, match=r"\bTransform\b"):
        graph.connect(nodes[0], nodes[0])


def test_a_merge_always_has_a_free_input() -> None:
    """Its inputs grow as they are used, and a middle one can be taken away."""
    graph = Graph()
    merge = graph.create(node_type("Merge"))
    lights = [graph.create(node_type("Light")) for _ in range(3)]
    assert merge.input_names == ("i0", "i1")
    assert [graph.connect(light, merge) for light in lights] == ["i0", "i1", "i2"]
    assert merge.input_names == ("i0", "i1", "i2", "i3")
    graph.disconnect(merge, "i1")
    assert list(merge.sources) == ["i0", "i2"]
    assert graph.connect(lights[1], merge) == "i1"


def test_observers_are_notified_of_every_change_once() -> None:
    """A value that stays the same is no change."""
    graph = Graph()
    events: list[GraphEvent] = []
    graph.observe(events.append)
    light = graph.create(node_type("Light"))
    transform = graph.create(node_type("Transform"))
    light.set_value("intensity", 3)
    light.set_value("intensity", 3.0)
    graph.connect(light, transform)
    graph.connect(light, transform, "in")
    transform.position = (1.0, 2.0)
    transform.bypassed = True
    graph.rename(light, "Sun")
    graph.remove(light)
    assert [(event.change, event.detail) for event in events] == [
        (Change.NODE_ADDED, ""),
        (Change.NODE_ADDED, ""),
        (Change.VALUE, "intensity"),
        (Change.CONNECTION, "in"),
        (Change.NODE_MOVED, ""),
        (Change.BYPASSED, ""),
        (Change.NODE_RENAMED, "Light"),
        (Change.CONNECTION, "in"),
        (Change.NODE_REMOVED, ""),
    ]


@pytest.mark.parametrize(
    ("type_name", "parameter", "value", "message"),
    [
        ("Light", "intensity", -1, "Intensity must be 0 or more, and is -1."),
        ("Light", "intensity", float("nan"), "Intensity must be a finite number"),
        ("Light", "intensity", "bright", "Intensity takes a number, not 'bright'."),
        ("Light", "intensity", True, "Intensity takes a number, not True."),
        ("Light", "kind", "laser", "Kind must be one of rect, sphere, disk, cylinder, distant, dome"),
        ("Light", "color", (1, 1), r"Color takes three numbers, not \(1, 1\)\."),
        ("Light", "color", (1, 1, float("inf")), "Color takes three numbers"),
        ("RenderSettings", "width", 0, "Width must be between 1 and 16384, and is 0."),
        ("RenderSettings", "width", 1.5, r"Width takes an integer, not 1\.5\."),
        ("Camera", "path", 7, "Path takes a string, not 7."),
    ],
)
def test_a_value_that_a_parameter_cannot_hold_is_refused(
    type_name: str, parameter: str, value: object, message: str
) -> None:
    """The message names the parameter, what it takes, and what it was given; the old value stays."""
    node = Graph().create(node_type(type_name))
    before = node.value(parameter)
    with pytest.raises(ParameterError, match=message):
        node.set_value(parameter, value)
    assert node.value(parameter) == before


def test_every_default_is_a_value_that_its_parameter_accepts() -> None:
    """So a new node is always sound, and conditions name parameters that exist."""
    for kind in NODE_TYPES.values():
        names = {spec.name for spec in kind.parameters}
        for spec in kind.parameters:
            assert spec.check(spec.default) == spec.default
            assert spec.shown_when is None or spec.shown_when[0] in names
