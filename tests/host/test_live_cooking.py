"""Cooking again and again gives what cooking once gives, and only what differs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pxr import Sdf, Usd

from host.nodes import cooking
from host.nodes.errors import CookError
from host.nodes.graph import Graph, Node
from host.nodes.live_cooking import LiveCook
from host.nodes.parameters import Value
from host.nodes.project import usd_project
from host.nodes.types import node_type
from host.renderboot.diagnostics import Diagnostics
from host.renderboot.live.stage import LiveStage
from host.renderboot.live.state import LayerText, Update
from tests.host.conftest import SMALL


class Scene:
    """A graph, cooked for a live stage that takes each answer in."""

    def __init__(self) -> None:
        self.graph = usd_project(SMALL).graph
        self.cook = LiveCook()
        self.live = LiveStage()
        last = self.graph.node("UsdIn")
        self.graph.disconnect(self.graph.node("RenderSettings"), "in")
        for kind in ("Camera", "Light", "Material", "Transform"):
            node = self.graph.create(node_type(kind))
            self.graph.connect(last, node)
            last = node
        self.graph.connect(last, self.graph.node("RenderSettings"))
        self.node("Material").set_value("assign_to", "/World/Ball")
        self.node("Transform").set_value("apply_to", "/World/Floor")

    def node(self, name: str) -> Node:
        return self.graph.node(name)

    def step(self, frame: float = 1.0) -> tuple[set[str], set[Sdf.Path] | None]:
        """Cook; return which layers differed, and the prims that changed in the live stage (None: all)."""
        answer = self.cook.cook(self.graph, "Render", frame)
        self.cook.prepare_next()
        layers = {
            key: LayerText(layer["text"], tuple(layer["beneath"])) for key, layer in answer.layers.items()
        }
        changes = self.live.apply(Update(root=answer.root, layers=layers), Diagnostics())
        assert content(self.live.stage) == content(cooked_once(self.graph, frame))
        return set(layers), None if changes.everything else set(changes.prims)


def cooked_once(graph: Graph, frame: float) -> Usd.Stage:
    return cooking.cook(graph, "Render", frame).stage


def content(stage: Usd.Stage) -> Any:
    """All of a stage, but for what the file says of itself."""
    text = str(stage.Flatten().ExportToString())
    return text[text.index(")\n") :]


@pytest.mark.parametrize(
    ("name", "parameter", "value", "prims"),
    [
        ("Camera", "focal_length", 80.0, {"/cameras/Camera"}),
        ("Light", "intensity", 3.0, {"/lights/Light"}),
        ("Light", "color", (1.0, 0.0, 0.0), {"/lights/Light"}),
        ("Material", "color", (1.0, 0.0, 0.0), {"/materials/Material/Surface"}),
        ("Transform", "translate", (0.0, 2.0, 0.0), set()),
        ("RenderSettings", "samples", 5, {"/Render/Settings"}),
    ],
)
def test_one_value_changes_one_layer_and_one_prim(
    name: str, parameter: str, value: Value, prims: set[str]
) -> None:
    """Nothing else is sent, nor composed again: a place alone is no change of a prim."""
    scene = Scene()
    layers, changed = scene.step()
    assert (len(layers), changed) == (7, None)
    assert scene.step() == (set(), set())
    scene.node(name).set_value(parameter, value)
    layers, changed = scene.step()
    assert layers == {name}
    assert {str(path) for path in changed or set()} == prims


def test_what_lies_below_in_the_graph_sees_other_prims() -> None:
    """Another pattern, a camera elsewhere, a node that is passed over, and one that is taken out."""
    scene = Scene()
    scene.step()
    scene.node("Light").set_value("kind", "sphere")
    scene.node("Camera").set_value("path", "/World/Ball/Inner")
    scene.step()
    scene.node("Material").set_value("assign_to", "/World/*")
    scene.step()
    scene.node("Transform").bypassed = True
    scene.step()
    scene.node("Transform").bypassed = False
    scene.graph.disconnect(scene.node("Camera"), "in")
    scene.step()
    scene.graph.connect(scene.node("UsdIn"), scene.node("Camera"))
    scene.graph.disconnect(scene.node("Material"), "in")
    scene.graph.connect(scene.node("Camera"), scene.node("Material"))
    layers, _ = scene.step(5.0)
    assert "Material" in layers


def test_after_an_error_the_next_answer_is_of_what_was_mended() -> None:
    """Also where the error came half-way through the graph."""
    scene = Scene()
    scene.step()
    scene.node("Light").set_value("intensity", 4.0)
    scene.node("RenderSettings").set_value("camera", "/no/camera")
    with pytest.raises(CookError, match="/no/camera"):
        scene.step()
    scene.node("RenderSettings").set_value("camera", "/cameras/Camera")
    layers, _ = scene.step()
    assert layers == {"Light", "RenderSettings"}


def test_after_an_error_nodes_beside_it_see_what_changed_before_it(tmp_path: Path) -> None:
    """A node that reads no stage, of an input that was cooked in the request with the error."""
    for axis in "YZ":
        (tmp_path / f"{axis}.usda").write_text(f'#usda 1.0\n(upAxis = "{axis}")\ndef Sphere "World" {{}}\n')
    graph, cook = Graph(), LiveCook()
    usd_in, transform, render, merge = (
        graph.create(node_type(kind)) for kind in ("UsdIn", "Transform", "Render", "Merge")
    )
    for source, target in ((usd_in, transform), (usd_in, render), (transform, merge), (render, merge)):
        graph.connect(source, target)
    usd_in.set_value("file", str(tmp_path / "Y.usda"))
    cook.cook(graph, "Merge", 1.0)
    usd_in.set_value("file", str(tmp_path / "Z.usda"))
    transform.set_value("apply_to", "")
    with pytest.raises(CookError, match="Transform"):
        cook.cook(graph, "Merge", 1.0)
    transform.set_value("apply_to", "/World")
    answer = cook.cook(graph, "Merge", 1.0)
    assert 'upAxis = "Z"' in answer.layers["Render"]["text"]
    assert answer.warnings == []
