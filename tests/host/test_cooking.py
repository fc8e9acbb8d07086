"""Cooking: what each node type does to the stage, composed by USD itself, and how it is exported."""

from __future__ import annotations

import errno
import math
import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pxr import Gf, Usd, UsdGeom, UsdLux, UsdShade

from host.nodes import cooking
from host.nodes.errors import CookError
from host.nodes.graph import Graph, Node
from host.nodes.node_type import CookContext
from host.nodes.placement import matching_prims, pattern_regex
from host.nodes.project import usd_project
from host.nodes.types import node_type
from host.renderboot.arguments import parse
from host.renderboot.diagnostics import Diagnostics
from host.renderboot.stage.open_stage import open_stage
from host.renderboot.stage.reader import read_scene
from host.scene_origin import origin_of_file
from tests.host.conftest import SMALL


def scene_with(type_name: str, **values: object) -> tuple[Graph, Node]:
    """The small scene, and a node of the type that draws from it."""
    graph = Graph()
    usd_in = graph.create(node_type("UsdIn"))
    usd_in.set_value("file", str(SMALL))
    node = graph.create(node_type(type_name))
    for name, value in values.items():
        node.set_value(name, value)
    graph.connect(usd_in, node)
    return graph, node


def middle(stage: Usd.Stage, path: str, frame: float = 1.0) -> Gf.Vec3d:
    box = UsdGeom.BBoxCache(frame, [UsdGeom.Tokens.default_]).ComputeWorldBound(stage.GetPrimAtPath(path))
    return box.ComputeAlignedRange().GetMidpoint()


def test_a_usd_file_comes_in_whole() -> None:
    """Prims, time samples, axis, units and range are the file's."""
    graph = usd_project(SMALL).graph
    scene = cooking.cook(graph, "UsdIn", 1)
    assert scene.stage.GetPrimAtPath("/World/Ball").IsA(UsdGeom.Sphere)
    assert middle(scene.stage, "/World/Ball", 12)[0] == pytest.approx(1.0)
    assert UsdGeom.GetStageMetersPerUnit(scene.stage) == 1.0
    assert cooking.frame_range(scene) == (1.0, 12.0)
    assert cooking.cameras(scene) == ["/World/Front"]
    assert scene.stage.GetDefaultPrim().GetPath() == "/World"


def test_a_usd_file_can_be_placed_elsewhere() -> None:
    """With a location the file's default prim is referred to there."""
    graph = usd_project(SMALL).graph
    graph.node("UsdIn").set_value("location", "/Set/Small")
    stage = cooking.cook(graph, "UsdIn", 1).stage
    assert stage.GetPrimAtPath("/Set/Small/Ball").IsA(UsdGeom.Sphere)
    assert not stage.GetPrimAtPath("/World")


def test_a_transform_moves_what_its_pattern_means_on_top_of_where_it_stood() -> None:
    """The ball keeps its own motion; the floor stays."""
    graph, node = scene_with("Transform", apply_to="/World/Ba*", translate=(0, 5, 0))
    stage = cooking.cook(graph, node.name, 1).stage
    assert middle(stage, "/World/Ball") == Gf.Vec3d(-1, 6, 0)
    assert middle(stage, "/World/Ball", 12) == Gf.Vec3d(1, 6, 0)
    assert middle(stage, "/World/Floor")[1] == pytest.approx(-0.1)


def test_two_transforms_add_up() -> None:
    """A second Transform of the same thing does not undo the first."""
    graph, first = scene_with("Transform", apply_to="/World/Ball", translate=(0, 5, 0))
    second = graph.create(node_type("Transform"))
    second.set_value("apply_to", "/World/Ball")
    second.set_value("scale", (2, 2, 2))
    graph.connect(first, second)
    assert middle(cooking.cook(graph, second.name, 1).stage, "/World/Ball") == Gf.Vec3d(-2, 12, 0)


def test_a_transform_of_a_scene_that_was_exported_with_one_adds_up(tmp_path: Path) -> None:
    """The exported file has operations of the node's name already."""
    graph, node = scene_with("Transform", apply_to="/World/Ball", translate=(0, 5, 0))
    cooking.export(cooking.cook(graph, node.name, 1), str(tmp_path / "exported.usda"))
    graph.node("UsdIn").set_value("file", str(tmp_path / "exported.usda"))
    assert middle(cooking.cook(graph, node.name, 1).stage, "/World/Ball") == Gf.Vec3d(-1, 11, 0)


def test_a_material_is_bound_by_pattern_and_wins_over_what_children_bind() -> None:
    """The ball gets it, the floor does not; named on the parent it reaches all."""
    graph, node = scene_with("Material", assign_to="/World/Ball", color=(0.1, 0.2, 0.3), roughness=0.25)
    stage = cooking.cook(graph, node.name, 1).stage

    def bound(path: str) -> str:
        material, _ = UsdShade.MaterialBindingAPI(stage.GetPrimAtPath(path)).ComputeBoundMaterial()
        return str(material.GetPath()) if material else ""

    assert (bound("/World/Ball"), bound("/World/Floor")) == ("/materials/Material", "")
    surface = UsdShade.Material(stage.GetPrimAtPath("/materials/Material")).ComputeSurfaceSource()[0]
    assert surface.GetInput("roughness").Get() == 0.25
    assert surface.GetInput("diffuseColor").Get() == Gf.Vec3f(0.1, 0.2, 0.3)

    over = graph.create(node_type("Material"), "Clay")
    over.set_value("assign_to", "/World")
    graph.connect(node, over)
    stage = cooking.cook(graph, "Clay", 1).stage
    assert (bound("/World/Ball"), bound("/World/Floor")) == ("/materials/Clay", "/materials/Clay")


@pytest.mark.parametrize(("name", "file"), [("wood.png", "wood.png"), ("wood.<UDIM>.png", "wood.1012.png")])
def test_a_material_with_a_texture_reads_it_by_its_uvs(tmp_path: Path, name: str, file: str) -> None:
    """The texture, or the set of tiles, is connected, and a missing one is refused by name."""
    picture = tmp_path / file
    picture.write_bytes(b"\x89PNG")
    graph, node = scene_with(
        "Material", assign_to="/World/Ball", texture=str(tmp_path / name), uv_name="map1"
    )
    stage = cooking.cook(graph, node.name, 1).stage
    surface = UsdShade.Material(stage.GetPrimAtPath("/materials/Material")).ComputeSurfaceSource()[0]
    texture = UsdShade.Shader(surface.GetInput("diffuseColor").GetConnectedSources()[0][0].source.GetPrim())
    assert texture.GetInput("file").Get().path == str(tmp_path / name)
    picture.unlink()
    with pytest.raises(CookError, match=rf"Node Material cannot find .*{re.escape(name)}\."):
        cooking.cook(graph, node.name, 1)


@pytest.mark.parametrize(
    ("kind", "schema"),
    [
        ("rect", UsdLux.RectLight),
        ("sphere", UsdLux.SphereLight),
        ("disk", UsdLux.DiskLight),
        ("cylinder", UsdLux.CylinderLight),
        ("distant", UsdLux.DistantLight),
        ("dome", UsdLux.DomeLight),
    ],
)
def test_every_kind_of_light(kind: str, schema: type) -> None:
    """Each is a prim of its schema with the values of the node."""
    graph, node = scene_with("Light", kind=kind, intensity=4, exposure=1, color=(1, 0.5, 0.25))
    stage = cooking.cook(graph, node.name, 1).stage
    prim = stage.GetPrimAtPath("/lights/Light")
    assert prim.IsA(schema)
    api = UsdLux.LightAPI(prim)
    assert (api.GetIntensityAttr().Get(), api.GetExposureAttr().Get()) == (4, 1)
    assert api.GetColorAttr().Get() == Gf.Vec3f(1, 0.5, 0.25)


@pytest.mark.parametrize("axis", ["Y", "Z"])
def test_cameras_and_lights_look_at_their_target_whatever_axis_is_up(tmp_path: Path, axis: str) -> None:
    """-z points at the target, and what is up in the picture is up in the scene."""
    file = tmp_path / "set.usda"
    file.write_text(f'#usda 1.0\n(\n upAxis = "{axis}"\n)\ndef Sphere "Ball"\n{{\n}}\n')
    graph = usd_project(file).graph
    camera = graph.create(node_type("Camera"))
    camera.set_value("position", (3, 4, 5))
    camera.set_value("target", (1, 1, 1))
    graph.connect(graph.node("UsdIn"), camera)
    stage = cooking.cook(graph, "Camera", 1).stage
    matrix = UsdGeom.Xformable(stage.GetPrimAtPath("/cameras/Camera")).ComputeLocalToWorldTransform(1)
    forward = matrix.TransformDir(Gf.Vec3d(0, 0, -1))
    wanted = (Gf.Vec3d(1, 1, 1) - Gf.Vec3d(3, 4, 5)).GetNormalized()
    assert Gf.IsClose(forward, wanted, 1e-6)
    up = matrix.TransformDir(Gf.Vec3d(0, 1, 0))
    assert up[1 if axis == "Y" else 2] > 0.5
    assert math.isclose(matrix.GetDeterminant(), 1.0, abs_tol=1e-9)


def authored(stage: Usd.Stage, path: str) -> dict[str, object]:
    prim = stage.GetPrimAtPath(path)
    values = {attribute.GetName(): attribute.Get(1) for attribute in prim.GetAuthoredAttributes()}
    return {"type": prim.GetTypeName(), **values}


@pytest.mark.parametrize(
    ("node", "path", "values", "changes"),
    [
        ("Light", "/World/Key", {}, {}),
        ("Light", "/World/Key", {"intensity": 40.0}, {"inputs:intensity": 40.0}),
        ("Light", "/World/Key", {"width": 5.0}, {"inputs:width": 5.0}),
        ("Light", "/World/Key", {"kind": "disk", "radius": 3.0}, {"type": "DiskLight", "inputs:radius": 3.0}),
        (
            "Light",
            "/World/Key",
            {"use_temperature": True, "temperature": 3200.0},
            {"inputs:enableColorTemperature": True, "inputs:colorTemperature": 3200.0},
        ),
        ("Camera", "/World/Front", {}, {}),
        ("Camera", "/World/Front", {"focal_length": 85.0}, {"focalLength": 85.0}),
        ("Camera", "/World/Front", {"near": 1.0}, {"clippingRange": Gf.Vec2f(1, 100000)}),
    ],
)
def test_a_light_or_camera_that_the_file_has_keeps_what_the_node_does_not_set(
    node: str, path: str, values: dict[str, object], changes: dict[str, object]
) -> None:
    """With its path in the node, only what differs from the node's defaults changes; its place is kept."""
    graph, made = scene_with(node, path=path, **values)
    before = authored(cooking.cook(graph, "UsdIn", 1).stage, path)
    assert authored(cooking.cook(graph, made.name, 1).stage, path) == before | changes


@pytest.mark.parametrize(("node", "usd_type"), [("Light", "RectLight"), ("Camera", "Camera")])
def test_a_light_or_camera_that_the_file_has_is_moved(node: str, usd_type: str, tmp_path: Path) -> None:
    """The node's place replaces its own, whatever its transform was made of."""
    file = tmp_path / "scene.usda"
    in_file = Usd.Stage.CreateNew(str(file))
    UsdGeom.Xformable(in_file.DefinePrim("/Rig/It", usd_type)).MakeMatrixXform().Set(Gf.Matrix4d(1))
    in_file.Save()
    graph, made = scene_with(
        node, path="/Rig/It", position=(1.0, 2.0, 3.0), aim="rotation", rotate=(0.0, 90.0, 0.0)
    )
    graph.node("UsdIn").set_value("file", str(file))
    stage = cooking.cook(graph, made.name, 1).stage
    matrix = UsdGeom.Xformable(stage.GetPrimAtPath("/Rig/It")).GetLocalTransformation()
    assert Gf.IsClose(matrix.ExtractTranslation(), Gf.Vec3d(1, 2, 3), 1e-6)
    assert Gf.IsClose(matrix.TransformDir(Gf.Vec3d(0, 0, -1)), Gf.Vec3d(-1, 0, 0), 1e-6)


@pytest.mark.parametrize("aim", ["rotation", "target"])
@pytest.mark.parametrize("op", ["matrix", "scale"])
def test_a_light_that_is_moved_keeps_its_scale(aim: str, op: str, tmp_path: Path) -> None:
    """It is the size of many lights that files have."""
    file = tmp_path / "scene.usda"
    in_file = Usd.Stage.CreateNew(str(file))
    lamp = UsdGeom.Xformable(in_file.DefinePrim("/Lamp", "RectLight"))
    if op == "matrix":
        lamp.MakeMatrixXform().Set(Gf.Matrix4d().SetScale(Gf.Vec3d(2, 3, 1)))
    else:
        lamp.AddTranslateOp().Set(Gf.Vec3d(9, 9, 9))
        lamp.AddScaleOp().Set(Gf.Vec3f(2, 3, 1))
    in_file.Save()
    graph, made = scene_with(
        "Light",
        path="/Lamp",
        position=(0.0, 0.0, 5.0),
        target=(0.0, 0.0, 0.0),
        rotate=(0.0, 0.0, 0.0),
        aim=aim,
    )
    graph.node("UsdIn").set_value("file", str(file))
    stage = cooking.cook(graph, made.name, 1).stage
    matrix = UsdGeom.Xformable(stage.GetPrimAtPath("/Lamp")).GetLocalTransformation()
    assert Gf.IsClose(matrix, Gf.Matrix4d().SetScale(Gf.Vec3d(2, 3, 1)).SetTranslateOnly((0, 0, 5)), 1e-6)


def test_a_mesh_light_can_be_changed(tmp_path: Path) -> None:
    """A light that is not one of the node's kinds keeps its type; a warning says where Kind changes it."""
    file = tmp_path / "scene.usda"
    file.write_text('#usda 1.0\ndef Mesh "Lamp" (\nprepend apiSchemas = ["MeshLightAPI"]\n) {}\n')
    graph, _ = scene_with("Light", path="/Lamp", intensity=3.0)
    graph.node("UsdIn").set_value("file", str(file))
    values = authored(cooking.cook(graph, "Light", 1).stage, "/Lamp")
    assert (values["type"], values["inputs:intensity"]) == ("Mesh", 3.0)
    graph.node("Light").set_value("kind", "sphere")
    [warning] = cooking.cook(graph, "Light", 1).warnings
    assert "/Lamp" in warning and "Mesh" in warning


@pytest.mark.parametrize("kind", ["Light", "Camera", "Material"])
def test_a_node_that_takes_the_place_of_another_prim_warns(kind: str) -> None:
    """The ball would be gone from the picture without a word; a second node of the kind is as before."""
    graph, node = scene_with(kind, path="/World/Ball")
    [warning] = cooking.cook(graph, node.name, 1).warnings
    assert kind in warning and "/World/Ball" in warning and "Sphere" in warning
    node.set_value("path", "/World/New")
    assert cooking.cook(graph, node.name, 1).warnings == []


def test_a_new_light_of_a_name_that_the_file_has_is_a_new_light(tmp_path: Path) -> None:
    """Without a path in the node it has all of the node's values, as any new light."""
    file = tmp_path / "scene.usda"
    file.write_text(
        '#usda 1.0\ndef "lights" {\ndef SphereLight "Light" {\nfloat inputs:intensity = 0\n}\n}\n'
    )
    graph, _ = scene_with("Light")
    graph.node("UsdIn").set_value("file", str(file))
    values = authored(cooking.cook(graph, "Light", 1).stage, "/lights/Light")
    assert (values["type"], values["inputs:intensity"]) == ("RectLight", 10.0)


def test_a_camera_that_looks_at_itself_is_refused() -> None:
    """There is no direction in that."""
    graph, _ = scene_with("Camera", position=(1, 1, 1), target=(1, 1, 1))
    with pytest.raises(CookError, match="Node Camera has its Target at its Position"):
        cooking.cook(graph, "Camera", 1)


def test_a_merge_brings_scenes_together_and_its_first_input_wins(tmp_path: Path) -> None:
    """What both say is the first's; axes that disagree are reported."""
    graph, light = scene_with("Light", intensity=3)
    other = tmp_path / "other.usda"
    other.write_text('#usda 1.0\n(\n upAxis = "Z"\n)\ndef Cube "Box"\n{\n}\ndef RectLight "lights"\n{\n}\n')
    usd_in = graph.create(node_type("UsdIn"))
    usd_in.set_value("file", str(other))
    merge = graph.create(node_type("Merge"))
    graph.connect(light, merge)
    graph.connect(usd_in, merge)
    scene = cooking.cook(graph, "Merge", 1)
    assert scene.stage.GetPrimAtPath("/Box").IsA(UsdGeom.Cube)
    assert scene.stage.GetPrimAtPath("/World/Ball").IsA(UsdGeom.Sphere)
    assert UsdLux.LightAPI(scene.stage.GetPrimAtPath("/lights/Light")).GetIntensityAttr().Get() == 3
    assert UsdGeom.GetStageUpAxis(scene.stage) == "Y"
    assert scene.warnings == ["Node Merge: its inputs disagree on which axis is up (Y and Z); Y is taken."]


def test_render_settings_are_authored_for_all_who_read_the_stage() -> None:
    """Camera, resolution and samples come back from the stage."""
    graph, node = scene_with("RenderSettings", camera="/World/Front", width=320, height=200, samples=5)
    described = cooking.describe(cooking.cook(graph, node.name, 1))
    assert (described.camera, described.width, described.height, described.samples) == (
        "/World/Front",
        320,
        200,
        5,
    )
    node.set_value("camera", "/World/Ball")
    with pytest.raises(CookError, match="names /World/Ball as the camera, and that is a Sphere"):
        cooking.cook(graph, node.name, 1)


def test_a_scene_without_settings_describes_none() -> None:
    """The renderer's own defaults are then its business."""
    described = cooking.describe(cooking.cook(usd_project(SMALL).graph, "UsdIn", 1))
    assert (described.camera, described.width, described.height, described.samples) == (
        None,
        None,
        None,
        None,
    )


@pytest.mark.parametrize(
    ("settings", "product", "described"),
    [
        ("int2 resolution = (10, 20)\nint katana:samples = 4", "", (10, 20, 4)),
        ("int2 resolution = (10, 20)", "int2 resolution = (30, 40)", (30, 40, None)),
        (
            "int2 resolution.timeSamples = {1: (10, 20)}\nint katana:samples.timeSamples = {1: 4}",
            "",
            (None,) * 3,
        ),
        ("int2 resolution = (-10, 20)\nint katana:samples = 0", "", (None,) * 3),
        ('int resolution = 20\nstring katana:samples = "many"', "", (None,) * 3),
        ("float2 resolution = (inf, 20)\nfloat katana:samples = inf", "", (None,) * 3),
    ],
)
def test_settings_that_only_a_render_can_judge_are_left_to_it(
    tmp_path: Path, settings: str, product: str, described: tuple[int | None, ...]
) -> None:
    """It reads a product's before them, at its frame, and names those that are no possible numbers."""
    scene = f"""#usda 1.0
    (renderSettingsPrimPath = "/Settings")
    def RenderProduct "Product" {{
    {product}
    }}
    def RenderSettings "Settings" {{
    rel products = [</Product>, </Settings>]
    {settings}
    }}
    """
    (tmp_path / "scene.usda").write_text(scene)
    cooked = cooking.cook(usd_project(tmp_path / "scene.usda").graph, "UsdIn", 1)
    found = cooking.describe(cooked)
    assert (found.width, found.height, found.samples) == described


def test_a_disabled_node_is_passed_over() -> None:
    """Its input goes through as it is."""
    graph, node = scene_with("Transform", apply_to="/World/Ball", translate=(0, 5, 0))
    node.bypassed = True
    assert middle(cooking.cook(graph, node.name, 1).stage, "/World/Ball") == Gf.Vec3d(-1, 1, 0)


def test_a_file_that_the_system_refuses_to_look_for_is_named(tmp_path: Path) -> None:
    """With the node and the system's reason."""
    graph, _ = scene_with("Transform")
    graph.node("UsdIn").set_value("file", str(tmp_path / ("n" * 300 + ".usda")))
    with pytest.raises(CookError, match=rf"\bUsdIn\b.*{os.strerror(errno.ENAMETOOLONG)}"):
        cooking.cook(graph, "UsdIn", 1)


def test_a_long_chain_cooks() -> None:
    """Longer than Python's stack is deep."""
    graph, node = scene_with("Camera")
    for _ in range(1200):
        following = graph.create(node_type("Render"))
        graph.connect(node, following)
        node = following
    assert len(cooking.sources_first(node)) == 1202


@pytest.mark.parametrize("type_name", ["Transform", "Material", "Merge", "RenderSettings", "Render"])
def test_a_node_without_the_input_it_needs_is_refused(type_name: str) -> None:
    """The message names the node and what to do."""
    graph = Graph()
    graph.create(node_type(type_name))
    with pytest.raises(CookError, match=rf"\b{type_name}\b.* input\b"):
        cooking.cook(graph, type_name, 1)


def test_a_pattern_that_matches_nothing_is_reported_and_stops_nothing() -> None:
    """The render goes on; the artist reads why nothing moved."""
    graph, node = scene_with("Transform", apply_to="/Wrld/**")
    assert cooking.cook(graph, node.name, 1).warnings == [
        "Node Transform: its pattern /Wrld/** matches nothing that can be moved."
    ]


def test_a_missing_reference_is_reported_and_the_rest_is_there(tmp_path: Path) -> None:
    """The warning names the file that is gone."""
    file = tmp_path / "set.usda"
    file.write_text('#usda 1.0\ndef "A" (\n references = @gone.usda@\n)\n{\n}\ndef Sphere "B"\n{\n}\n')
    scene = cooking.cook(usd_project(file).graph.node("UsdIn").graph, "UsdIn", 1)
    assert len(scene.warnings) == 1
    assert "gone.usda" in scene.warnings[0]
    cooking.check_not_empty(scene, "UsdIn")


def test_what_was_missing_when_a_scene_was_cooked_is_in_the_renders_log(tmp_path: Path) -> None:
    """The exported file holds no trace of a reference that led nowhere: so it says so itself."""
    file = tmp_path / "set.usda"
    file.write_text('#usda 1.0\ndef "A" (\n references = @gone.usda@\n)\n{\n}\ndef Sphere "B"\n{\n}\n')
    scene = cooking.cook(usd_project(file).graph, "Render", 1)
    cooking.export(scene, str(tmp_path / "stage.usdc"))
    diagnostics = Diagnostics()
    open_stage(tmp_path / "stage.usdc", diagnostics)
    warnings, _notes = diagnostics.take()
    assert len(warnings) == 1
    assert "gone.usda" in warnings[0]


def test_a_scene_left_empty_by_a_missing_reference_is_reported_with_it(tmp_path: Path) -> None:
    """Otherwise nothing says why there is no geometry."""
    file = tmp_path / "set.usda"
    file.write_text('#usda 1.0\ndef "A" (\n references = @gone.usda@\n)\n{\n}\n')
    scene = cooking.cook(usd_project(file).graph, "UsdIn", 1)
    with pytest.raises(CookError, match=r"\bgone\.usda\b"):
        cooking.check_not_empty(scene, "UsdIn")


def test_a_file_that_has_changed_is_read_anew(tmp_path: Path) -> None:
    """Another program saved it meanwhile: the next cook sees that."""
    file = tmp_path / "set.usda"
    file.write_text('#usda 1.0\ndef Sphere "A"\n{\n}\n')
    graph = usd_project(file).graph
    kept = cooking.cook(graph, "UsdIn", 1)
    file.write_text('#usda 1.0\ndef Sphere "B"\n{\n}\n')
    assert cooking.cook(graph, "UsdIn", 1).stage.GetPrimAtPath("/B")
    assert kept.stage


def test_an_exported_stage_is_self_contained_but_for_textures(tmp_path: Path) -> None:
    """Relative textures, also of referenced files and in instances, still lead to the same files."""
    parts = tmp_path / "parts"
    parts.mkdir()
    (parts / "part.usda").write_text(
        '#usda 1.0\n(\n defaultPrim = "P"\n)\ndef Xform "P"\n{\n def Sphere "s"\n {\n }\n'
        ' def Shader "t"\n {\n  asset inputs:file = @./wood.png@\n'
        "  asset inputs:tiles = @./t.<UDIM>.png@\n }\n}\n"
    )
    file = tmp_path / "set.usda"
    instance = "(\n instanceable = true\n references = @parts/part.usda@\n)\n{\n}\n"
    file.write_text(f'#usda 1.0\ndef "A" {instance}def "B" {instance}')
    graph = usd_project(file).graph
    out = tmp_path / "job"
    out.mkdir()
    cooking.export(cooking.cook(graph, "Render", 1), str(out / "stage.usdc"))
    (parts / "part.usda").unlink()
    file.unlink()
    stage = Usd.Stage.Open(str(out / "stage.usdc"))
    assert stage.GetPrimAtPath("/A").IsInstance()
    assert stage.GetPrimAtPath("/B/s").IsA(UsdGeom.Sphere)
    shader = stage.GetPrimAtPath("/B/t")
    assert Path(shader.GetAttribute("inputs:file").Get().path) == parts / "wood.png"
    assert Path(shader.GetAttribute("inputs:tiles").Get().path) == parts / "t.<UDIM>.png"


def test_a_stage_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    """The message names the folder."""
    scene = cooking.cook(usd_project(SMALL).graph, "Render", 1)
    with pytest.raises(CookError, match=r"[/\\]gone\b"):
        cooking.export(scene, str(tmp_path / "gone" / "stage.usdc"))


@pytest.mark.parametrize(
    ("pattern", "matches", "others"),
    [
        ("/World/*", ["/World/A", "/World/Ab"], ["/World", "/World/A/b"]),
        ("/World/**", ["/World/A", "/World/A/b/c"], ["/World", "/Worlds/A"]),
        ("/World//Leg?", ["/World/Leg1", "/World/Table/Leg2"], ["/World/Leg", "/World/Leg12"]),
        ("/**/Leg", ["/Leg", "/A/Leg", "/A/B/Leg"], ["/A/Legs"]),
    ],
)
def test_path_patterns(pattern: str, matches: list[str], others: list[str]) -> None:
    """`*` is within one level, `**` and `//` span any number, `?` is one letter."""
    regex = pattern_regex(pattern)
    assert [path for path in matches if not regex.fullmatch(path)] == []
    assert [path for path in others if regex.fullmatch(path)] == []


@given(st.lists(st.text("ab[].+(", min_size=1, max_size=4), min_size=1, max_size=4))
def test_a_pattern_without_stars_means_itself(parts: list[str]) -> None:
    """Whatever letters it holds."""
    path = "/" + "/".join(parts)
    assert pattern_regex(path).fullmatch(path)


@pytest.mark.parametrize(
    ("paths", "found"),
    [
        ("/World/A", ["/World/A"]),
        ("/World/A/S /World /World", ["/World"]),
        ("/World/Off /World/Off/S /Undefined/S /Class/S /Copy/S / World", []),
        ("/Copy /World/A.points /World/A/", ["/Copy"]),
    ],
)
def test_paths_without_stars_are_found_as_by_a_search(paths: str, found: list[str]) -> None:
    """No prims that are inactive, undefined, abstract or of an instance, and none beneath another."""
    stage = Usd.Stage.CreateInMemory()
    for path in ("/World/A/S", "/World/Off/S", "/Shape/S", "/Copy"):
        UsdGeom.Sphere.Define(stage, path)
    stage.GetPrimAtPath("/World/Off").SetActive(False)
    stage.OverridePrim("/Undefined/S")
    stage.CreateClassPrim("/Class")
    UsdGeom.Sphere.Define(stage, "/Class/S")
    stage.GetPrimAtPath("/Copy").GetReferences().AddInternalReference("/Shape")
    stage.GetPrimAtPath("/Copy").SetInstanceable(True)
    node = scene_with("Material")[1]
    context = CookContext(node, 1.0, stage.GetRootLayer(), (), lambda: stage)
    for pattern in (paths, f"{paths} /nothing*"):
        assert [str(prim.GetPath()) for prim in matching_prims(context, pattern)] == found


def test_a_stage_says_which_scene_it_was_made_of(tmp_path: Path) -> None:
    """So that a picture names the artist's scene wherever it is rendered."""
    scene = cooking.cook(usd_project(SMALL).graph, "UsdIn", 1)
    path = tmp_path / "stage.usdc"
    cooking.export(scene, str(path), source="/shows/aurora/ü.kqproject")
    assert origin_of_file(path).scene == "/shows/aurora/ü.kqproject"
    read = read_scene(parse(["-geolib3OpTree", str(path)], {}), Diagnostics())
    assert read.source == "/shows/aurora/ü.kqproject"
    cooking.export(scene, str(path))
    assert origin_of_file(path).scene == ""
