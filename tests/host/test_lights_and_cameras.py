"""The lights and cameras of a USD file in the Parameters tab, read by the cook process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from host.app.prim_list import PrimList
from host.nodes import cook_service
from host.nodes.lights_and_cameras import MAX_LISTED
from host.nodes.project import to_document, usd_project
from host.nodes.scene import active_scene
from tests.host.conftest import MakeDesktop
from tests.host.driving import WAIT_MS, parameters

SCENE = """#usda 1.0
def Xform "World"
{
    def RectLight "Key"
    {
        color3f inputs:color = (1, 0.5, 0.1)
        float inputs:colorTemperature = 3200
        bool inputs:enableColorTemperature = 1
        float inputs:exposure = 2.5
        float inputs:height = 3
        float inputs:intensity.timeSamples = { 1: 20, 11: 40 }
        asset inputs:texture:file = @./softbox.exr@
        float inputs:shaping:cone:angle = 35
    }
    def Camera "Front"
    {
        float2 clippingRange = (0.1, 5000)
        float focalLength = 50
        float fStop = 2.8
        float focusDistance = 9
        float horizontalAperture = 24.5
    }
    def Mesh "Panel" ( prepend apiSchemas = ["MeshLightAPI"] ) {}
    def Sphere "Ball" {}
    class DistantLight "NotInTheScene" {}
    def DomeLight "Off" ( active = false ) {}
    def Xform "Lamp" ( instanceable = true; references = </Prototype> ) {}
}
def Xform "Prototype"
{
    def SphereLight "Bulb" { float inputs:radius = 0.25; }
}
"""


def write(folder: Path, text: str, name: str = "scene.usda") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def many(count: int) -> str:
    lights = "".join(f'def SphereLight "L{i}" {{ float inputs:intensity = {i}; }}\n' for i in range(count))
    return f'#usda 1.0\ndef Sphere "Ball" {{}}\n{lights}'


def ask(path: Path, frame: float = 1) -> dict[str, Any]:
    """Return the cook process's answer for the UsdIn node of the file."""
    document = to_document(usd_project(path))
    return cook_service.answer({"op": "list", "project": document, "node": "UsdIn", "frame": frame})


def test_authored_values_of_lights_and_cameras_are_listed(tmp_path: Path) -> None:
    """Each with path, type and what is authored, at the frame; also those inside instances."""
    answer = ask(write(tmp_path, SCENE), frame=6)
    assert answer["ok"]
    prims = {
        prim["path"]: (prim["type"], [tuple(pair) for pair in prim["values"]]) for prim in answer["prims"]
    }
    assert prims == {
        "/World/Key": (
            "RectLight",
            [
                ("Intensity", "30 (animated)"),
                ("Exposure", "2.5"),
                ("Color", "1, 0.5, 0.1"),
                ("Enable Color Temperature", "on"),
                ("Color Temperature", "3200"),
                ("Height", "3"),
                ("Shaping Cone Angle", "35"),
                ("Texture File", "./softbox.exr"),
            ],
        ),
        "/World/Front": (
            "Camera",
            [
                ("Focal Length", "50"),
                ("Horizontal Aperture", "24.5"),
                ("Clipping Range", "0.1, 5000"),
                ("Focus Distance", "9"),
                ("F-Stop", "2.8"),
            ],
        ),
        "/World/Panel": ("Mesh", []),
        "/World/Lamp/Bulb": ("SphereLight", [("Radius", "0.25")]),
        "/Prototype/Bulb": ("SphereLight", [("Radius", "0.25")]),
    }
    assert answer["more"] == 0


def test_the_answer_is_bounded(tmp_path: Path) -> None:
    """A file of 1,000 lights lists the first, and how many more there are."""
    answer = ask(write(tmp_path, many(1000)))
    assert len(answer["prims"]) == MAX_LISTED
    assert answer["more"] == 1000 - MAX_LISTED


def rows(prims: PrimList) -> list[tuple[str, str]]:
    items = [prims.tree.topLevelItem(row) for row in range(prims.tree.topLevelItemCount())]
    return [(item.text(0), item.text(1)) for item in items if item is not None]


def test_the_tab_lists_what_the_file_has_and_follows_its_path(
    make_desktop: MakeDesktop, qtbot: QtBot, tmp_path: Path
) -> None:
    """The list follows the path, the frame and the node's name; it has an empty and an error state."""
    make_desktop()
    scene = active_scene()
    scene.open_project(usd_project(write(tmp_path, SCENE)))
    node = scene.graph.node("UsdIn")
    scene.edit(node)
    prims = parameters().prims
    assert prims is not None
    assert prims.note  # the cook process has not answered yet
    qtbot.waitUntil(lambda: ("/World/Key", "RectLight") in rows(prims), timeout=WAIT_MS)
    key = prims.tree.topLevelItem(0)
    assert key is not None
    assert (key.child(0).text(0), key.child(0).text(1)) == ("Intensity", "20 (animated)")
    assert key.isExpanded()
    assert not key.flags() & Qt.ItemFlag.ItemIsEditable
    assert prims.note == ""

    def intensity() -> str:
        item = prims.tree.topLevelItem(0)
        return item.child(0).text(1) if item is not None else ""

    scene.set_frame(11)
    qtbot.waitUntil(lambda: intensity() == "40 (animated)", timeout=WAIT_MS)

    scene.graph.rename(node, "Set")
    node.set_value("file", str(write(tmp_path, many(1), "one.usda")))
    qtbot.waitUntil(lambda: rows(prims) == [("/L0", "SphereLight")], timeout=WAIT_MS)

    node.set_value("file", str(write(tmp_path, many(0), "none.usda")))
    qtbot.waitUntil(lambda: rows(prims) == [], timeout=WAIT_MS)
    assert prims.note
    assert not prims.tree.isVisibleTo(prims)

    node.set_value("file", str(write(tmp_path, many(1000), "many.usda")))
    qtbot.waitUntil(lambda: len(rows(prims)) == MAX_LISTED + 1, timeout=WAIT_MS)
    assert rows(prims)[-1][0] == f"and {1000 - MAX_LISTED} more"

    node.set_value("file", str(write(tmp_path, "no USD", "damaged.usda")))
    qtbot.waitUntil(lambda: "damaged.usda" in prims.note, timeout=WAIT_MS)
    assert rows(prims) == []

    scene.edit(scene.graph.node("RenderSettings"))
    assert parameters().prims is None
