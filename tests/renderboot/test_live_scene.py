"""A scene that is read and translated again and again is the scene that is read once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pxr import Gf, Sdf, Usd, UsdGeom, UsdLux, UsdRender, UsdShade

from host.renderboot.arguments import Arguments
from host.renderboot.diagnostics import Diagnostics
from host.renderboot.errors import RenderBootError
from host.renderboot.live.scene import LiveScene
from host.renderboot.live.state import LayerText, Update
from host.renderboot.renderers import load_renderer
from host.renderboot.renderers.mitsuba.engine import mi
from host.renderboot.renderers.mitsuba.in_place import take_values
from host.renderboot.scene import Scene
from host.renderboot.stage.reader import read_stage
from host.renderboot.stage.traversal import StageWalk
from tests.renderboot.stages import (
    add_camera,
    add_card,
    add_sphere,
    add_texture,
    draw,
    new_stage,
    write_image,
)

ARGUMENTS = Arguments(stage=Path("live"), width=32, height=32, samples=4)


def a_stage() -> Usd.Stage:
    """Meshes with and without a material, instances of two kinds, lights, things that move."""
    stage = new_stage()
    settings = UsdRender.Settings.Define(stage, "/Render/Settings")
    settings.CreateResolutionAttr(Gf.Vec2i(32, 32))
    settings.GetPrim().CreateAttribute("katana:samples", Sdf.ValueTypeNames.Int).Set(4)
    add_camera(stage)
    add_card(stage, "/World/Card", 1.5, -1.0)
    add_sphere(stage, "/World/Ball", (0.0, 1.0, 0.0), 0.5)
    material(stage, "/World/Looks/Red", (0.8, 0.1, 0.1))
    bind(stage, "/World/Card", "/World/Looks/Red")
    UsdLux.SphereLight.Define(stage, "/World/Lamp").CreateIntensityAttr(30.0)
    UsdGeom.XformCommonAPI(stage.GetPrimAtPath("/World/Lamp")).SetTranslate((2.0, 3.0, 4.0))
    points = UsdGeom.PointInstancer.Define(stage, "/World/Beads")
    bead = add_sphere(stage, "/World/Beads/Bead", radius=0.2)
    points.CreatePrototypesRel().SetTargets([bead.GetPath()])
    points.CreatePositionsAttr([(x, -1.0, 0.0) for x in (-1.0, 0.0, 1.0)])
    points.CreateProtoIndicesAttr([0, 0, 0])
    stage.CreateClassPrim("/Pattern")
    add_card(stage, "/Pattern/Leaf", 0.3)
    for number in range(2):
        prim = UsdGeom.Xform.Define(stage, f"/World/Copy{number}")
        prim.AddTranslateOp().Set(Gf.Vec3d(number - 0.5, -1.5, 1.0))
        prim.GetPrim().GetReferences().AddInternalReference("/Pattern")
        prim.GetPrim().SetInstanceable(True)
    stage.GetPrimAtPath("/World/Ball").GetAttribute("xformOp:translate").Set((0.0, 1.5, 0.0), 5.0)
    return stage


def material(stage: Usd.Stage, path: str, colour: tuple[float, float, float]) -> None:
    made = UsdShade.Material.Define(stage, path)
    shader = UsdShade.Shader.Define(stage, f"{path}/Surface")
    shader.CreateIdAttr("UsdPreviewSurface")
    shader.CreateInput("diffuseColor", Sdf.ValueTypeNames.Color3f).Set(colour)
    made.CreateSurfaceOutput().ConnectToSource(shader.ConnectableAPI(), "surface")


def bind(stage: Usd.Stage, prim: str, look: str) -> None:
    bound = UsdShade.Material(stage.GetPrimAtPath(look))
    UsdShade.MaterialBindingAPI.Apply(stage.GetPrimAtPath(prim)).Bind(bound)


def colour_of(stage: Usd.Stage, path: str, value: tuple[float, float, float]) -> None:
    stage.GetPrimAtPath(path).GetAttribute("inputs:diffuseColor").Set(value)


def input_of(stage: Usd.Stage, name: str, kind: Sdf.ValueTypeName, value: object) -> None:
    UsdShade.Shader(stage.GetPrimAtPath("/World/Looks/Red/Surface")).CreateInput(name, kind).Set(value)


def subset(stage: Usd.Stage) -> None:
    mesh = add_card(stage, "/World/Pair", 0.5, 1.0)
    mesh.GetFaceVertexCountsAttr().Set([3, 3])
    mesh.GetFaceVertexIndicesAttr().Set([0, 1, 2, 0, 2, 3])
    UsdShade.MaterialBindingAPI.Apply(mesh.GetPrim()).CreateMaterialBindSubset("Part", [0])
    for number in (1, 2):
        material(stage, f"/World/Look{number}", (0.2 * number, 0.5, 0.5))
    bind(stage, "/World/Pair/Part", "/World/Look1")


def collection(stage: Usd.Stage) -> None:
    made = Usd.CollectionAPI.Apply(UsdGeom.Scope.Define(stage, "/World/Sets").GetPrim(), "blue")
    look = UsdShade.Material.Get(stage, "/World/Look1")
    UsdShade.MaterialBindingAPI.Apply(stage.GetPrimAtPath("/World")).Bind(made, look)


def collected(stage: Usd.Stage) -> Usd.CollectionAPI:
    return Usd.CollectionAPI(stage.GetPrimAtPath("/World/Sets"), "blue")


def edits() -> Iterator[tuple[str, Any]]:
    """What an artist does to the stage, one after the other."""
    yield "light", lambda s: UsdLux.SphereLight.Get(s, "/World/Lamp").GetIntensityAttr().Set(60.0)
    yield "material", lambda s: colour_of(s, "/World/Looks/Red/Surface", (0.1, 0.8, 0.1))
    yield "colour again", lambda s: colour_of(s, "/World/Looks/Red/Surface", (0.1, 0.1, 0.8))
    yield "lamp", lambda s: UsdGeom.XformCommonAPI(s.GetPrimAtPath("/World/Lamp")).SetTranslate((2, 3, 5))
    yield "camera", lambda s: UsdGeom.XformCommonAPI(s.GetPrimAtPath("/World/Camera")).SetTranslate((0, 1, 9))
    yield "lamp off", lambda s: UsdLux.SphereLight.Get(s, "/World/Lamp").GetIntensityAttr().Set(0.0)
    yield "lamp on", lambda s: UsdLux.SphereLight.Get(s, "/World/Lamp").GetIntensityAttr().Set(20.0)
    yield "hide lamp", lambda s: UsdGeom.Imageable(s.GetPrimAtPath("/World/Lamp")).MakeInvisible()
    yield "show lamp", lambda s: UsdGeom.Imageable(s.GetPrimAtPath("/World/Lamp")).MakeVisible()
    for name, value in (("glow", (0.5, 0.5, 0.5)), ("dark", (0.0, 0.0, 0.0))):
        yield name, lambda s, value=value: input_of(s, "emissiveColor", Sdf.ValueTypeNames.Color3f, value)
    for value in (0.4, 0.6, 1.0):
        yield f"glass {value}", lambda s, value=value: input_of(s, "opacity", Sdf.ValueTypeNames.Float, value)
    yield "move", lambda s: UsdGeom.XformCommonAPI(s.GetPrimAtPath("/World/Card")).SetTranslate((1, 1, 0))
    yield "colour of what was moved", lambda s: colour_of(s, "/World/Looks/Red/Surface", (0.7, 0.8, 0.1))
    yield "move on", lambda s: UsdGeom.XformCommonAPI(s.GetPrimAtPath("/World/Card")).SetTranslate((1, 0, 0))
    yield "move all", lambda s: UsdGeom.XformCommonAPI(s.GetPrimAtPath("/World")).SetTranslate((0, 0.2, 0))
    yield "hide", lambda s: UsdGeom.Imageable(s.GetPrimAtPath("/World/Card")).MakeInvisible()
    yield "show", lambda s: UsdGeom.Imageable(s.GetPrimAtPath("/World/Card")).MakeVisible()
    yield (
        "points",
        lambda s: (
            UsdGeom.Mesh.Get(s, "/World/Card")
            .GetPointsAttr()
            .Set([(-1, -1, 0), (1, -1, 0), (1, 1, 0), (-1, 1, 0)])
        ),
    )
    yield "another material", lambda s: material(s, "/World/Looks/Blue", (0.1, 0.1, 0.9))
    yield "bind", lambda s: bind(s, "/World/Card", "/World/Looks/Blue")
    yield "bind above", lambda s: bind(s, "/World", "/World/Looks/Red")
    yield "delete material", lambda s: s.RemovePrim("/World/Looks/Blue")
    yield "delete all looks", lambda s: s.RemovePrim("/World/Looks")
    yield (
        "primvar above",
        lambda s: (
            UsdGeom.PrimvarsAPI(s.GetPrimAtPath("/World"))
            .CreatePrimvar("displayColor", Sdf.ValueTypeNames.Color3fArray, UsdGeom.Tokens.constant)
            .Set([(0.2, 0.4, 0.6)])
        ),
    )
    yield "bead", lambda s: UsdGeom.Sphere.Get(s, "/World/Beads/Bead").GetRadiusAttr().Set(0.3)
    yield (
        "beads",
        lambda s: (
            UsdGeom.PointInstancer.Get(s, "/World/Beads")
            .GetPositionsAttr()
            .Set([(x, -1.0, 0.5) for x in (-1.0, 0.5, 1.0)])
        ),
    )
    yield (
        "leaf",
        lambda s: (
            UsdGeom.Mesh.Get(s, "/Pattern/Leaf")
            .GetPointsAttr()
            .Set([(-0.5, -0.5, 0), (0.5, -0.5, 0), (0.5, 0.5, 0), (-0.5, 0.5, 0)])
        ),
    )
    yield "no copy", lambda s: s.RemovePrim("/World/Copy1")
    yield "mesh of two materials", subset
    yield "faces of a subset", lambda s: UsdGeom.Subset.Get(s, "/World/Pair/Part").GetIndicesAttr().Set([1])
    yield "material of a subset", lambda s: bind(s, "/World/Pair/Part", "/World/Look2")
    yield "no subset", lambda s: s.RemovePrim("/World/Pair/Part")
    yield "collection", collection
    yield "collect", lambda s: collected(s).GetIncludesRel().SetTargets(["/World/Ball"])
    yield "leave out", lambda s: collected(s).CreateExcludesRel().SetTargets(["/World/Ball"])
    yield "collect again", lambda s: collected(s).CreateExcludesRel().SetTargets([])
    yield "no collection", lambda s: s.RemovePrim("/World/Sets")
    yield (
        "collection again",
        lambda s: (collection(s), collected(s).GetIncludesRel().SetTargets(["/World/Ball"])),
    )
    yield "another camera", lambda s: add_camera(s, "/World/Aside", distance=14.0)


def update(stage: Usd.Stage) -> Update:
    return Update(1, root="all", layers={"all": LayerText(stage.GetRootLayer().ExportToString())})


def equal(one: Any, other: Any) -> bool:
    """Deeply; arrays by value."""
    if isinstance(one, np.ndarray):
        return isinstance(other, np.ndarray) and np.array_equal(one, other)
    if is_dataclass(one) and not isinstance(one, type):
        return type(one) is type(other) and all(
            equal(getattr(one, each.name), getattr(other, each.name)) for each in fields(one)
        )
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(value, other[key]) for key, value in one.items())
    return bool(one == other)


def test_after_each_edit_the_scene_is_what_it_would_be_if_it_were_read_anew() -> None:
    """Whatever changes, in whichever order; and what did not change is the same objects."""
    stage = a_stage()
    live = LiveScene(ARGUMENTS, load_renderer("mitsuba"))
    live.updated(update(stage))
    for name, edit in edits():
        edit(stage)
        scene, _ = live.updated(update(stage))
        assert equal(scene, read_stage(stage, ARGUMENTS, Diagnostics())), name


def test_of_values_and_places_nothing_else_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also after one another: the whole stage is read once, and again when a mesh gets a transform."""
    read = []
    walk = StageWalk.walk
    monkeypatch.setattr(StageWalk, "walk", lambda self: (read.append(1), walk(self))[1])
    stage = a_stage()
    live = LiveScene(ARGUMENTS, load_renderer("mitsuba"))
    live.updated(update(stage))
    lamp = UsdLux.SphereLight.Get(stage, "/World/Lamp")
    for number in range(3):
        lamp.GetIntensityAttr().Set(40.0 + number)
        live.updated(update(stage))
        UsdGeom.XformCommonAPI(lamp).SetTranslate((2, 3, number))
        live.updated(update(stage))
        colour_of(stage, "/World/Looks/Red/Surface", (0.1, 0.8, 0.1 * number))
        live.updated(update(stage))
        UsdGeom.XformCommonAPI(stage.GetPrimAtPath("/World/Camera")).SetTranslate((0, number, 9))
        live.updated(update(stage))
    assert len(read) == 1
    for number in range(3):
        UsdGeom.XformCommonAPI(stage.GetPrimAtPath("/World/Card")).SetTranslate((1, number, 0))
        scene, _ = live.updated(update(stage))
    assert len(read) == 2
    assert equal(scene, read_stage(stage, ARGUMENTS, Diagnostics()))


def test_what_did_not_change_is_the_same_objects() -> None:
    """So the renderer need not translate it: only the mesh of which the material changed is another."""
    stage = a_stage()
    live = LiveScene(ARGUMENTS, load_renderer("mitsuba"))
    before = meshes(live.updated(update(stage))[0])
    colour_of(stage, "/World/Looks/Red/Surface", (0.1, 0.8, 0.1))
    after = meshes(live.updated(update(stage))[0])
    assert {path for path in before if after[path] is not before[path]} == {"/World/Card"}
    assert after["/World/Card"].positions is before["/World/Card"].positions
    moved = Update(2, frame=5.0)
    again = meshes(live.updated(moved)[0])
    assert again["/World/Card"].positions is before["/World/Card"].positions


def meshes(scene: Scene) -> dict[str, Any]:
    return {mesh.path: mesh for mesh in scene.root.meshes}


def test_a_live_picture_is_the_picture_of_the_scene() -> None:
    """Also after changes of each kind: it is, within the noise, that of the same scene rendered anew."""
    stage = a_stage()
    shader = stage.GetPrimAtPath("/World/Looks/Red/Surface")
    roughness = UsdShade.Shader(shader).CreateInput("roughness", Sdf.ValueTypeNames.Float)
    lamp = UsdLux.SphereLight.Get(stage, "/World/Lamp")
    dome = UsdLux.DomeLight.Define(stage, "/World/Sky").CreateIntensityAttr(0.1)
    renderer = load_renderer("mitsuba")
    live = LiveScene(ARGUMENTS, renderer)

    def check(what: str) -> None:
        _, picture = live.updated(update(stage))
        picture.render_preview()
        preview = picture.preview_pixels()
        assert preview is not None and preview.shape == (8, 8, 4)
        picture.render_pass(256)
        anew = renderer.prepare(read_stage(stage, ARGUMENTS, Diagnostics()), 1, Diagnostics())
        anew.render_pass(256)
        assert float(np.abs(picture.pixels() - anew.pixels()).mean()) < 0.01, what
        means.append(float(picture.pixels()[..., :3].mean()))

    means: list[float] = []
    check("as it begins")
    lamp.GetIntensityAttr().Set(60.0)
    check("a light's strength")
    lamp.CreateColorAttr(Gf.Vec3f(1.0, 0.2, 0.0))
    check("its colour")
    dome.Set(0.4)
    check("the sky")
    colour_of(stage, "/World/Looks/Red/Surface", (0.0, 0.8, 0.1))
    check("a material's colour")
    roughness.Set(0.1)
    check("its roughness")
    UsdShade.Shader(shader).CreateInput("metallic", Sdf.ValueTypeNames.Float).Set(0.9)
    check("what was zero before")
    UsdGeom.XformCommonAPI(stage.GetPrimAtPath("/World/Card")).SetTranslate((1, 0.5, 0))
    UsdGeom.XformCommonAPI(stage.GetPrimAtPath("/World/Lamp")).SetTranslate((-2, 3, 4))
    check("places")
    UsdGeom.XformCommonAPI(stage.GetPrimAtPath("/World/Card")).SetTranslate((-1, 0.5, 0))
    check("a place again")
    assert len(set(means)) == len(means)


def test_the_scale_of_a_light_that_is_drawn_as_a_mesh_changes_with_it() -> None:
    """Only the middle of the mesh's numbers changes; and of a large translation only the seventh digit."""
    stage = new_stage()
    UsdRender.Settings.Define(stage, "/Render/Settings").CreateResolutionAttr(Gf.Vec2i(32, 32))
    add_camera(stage)
    add_card(stage, "/World/Card", 3.0, -1.0)
    tube = UsdLux.CylinderLight.Define(stage, "/World/Tube")
    tube.CreateIntensityAttr(4.0)
    tube.AddTranslateOp().Set((0, 0, 1))
    scale = tube.AddScaleOp()
    live = LiveScene(ARGUMENTS, load_renderer("mitsuba"))
    means = []
    for size in (1.0, 3.0):
        scale.Set((1.0, 1.0, size))
        _, picture = live.updated(update(stage))
        picture.render_pass(16)
        means.append(float(picture.pixels()[..., :3].mean()))
    fresh = float(draw(stage, samples=16)[..., :3].mean())
    assert abs(means[1] - fresh) < 0.02 * fresh < 0.2 * (fresh - means[0])
    old, new = (
        mi.load_dict({"type": "rectangle", "to_world": mi.ScalarTransform4f().translate((place, 0, 0))})
        for place in (12345.62, 12345.65)
    )
    assert take_values(old, old) and not take_values(old, new)


def test_a_threshold_that_changes_cuts_the_mask_anew(tmp_path: Path) -> None:
    """The mask is an image: of its four pixels one is cut out, then three."""
    stage = a_stage()
    for name in ("Ball", "Beads", "Copy0", "Copy1"):
        stage.RemovePrim(f"/World/{name}")
    input_of(stage, "opacityThreshold", Sdf.ValueTypeNames.Float, 0.2)
    greys = [(value, value, value) for value in (0, 100, 150, 255)]
    mask = write_image(tmp_path / "mask.png", [greys[:2], greys[2:]])
    image = add_texture(stage, "/World/Looks/Red", "opacity", mask, "r")
    image.CreateInput("sourceColorSpace", Sdf.ValueTypeNames.Token).Set("raw")
    live = LiveScene(ARGUMENTS, load_renderer("mitsuba"))
    covered = []
    for threshold in (0.2, 0.8):
        input_of(stage, "opacityThreshold", Sdf.ValueTypeNames.Float, threshold)
        _, picture = live.updated(update(stage))
        picture.render_pass(4)
        covered.append(float(picture.pixels()[..., 3].mean()))
    assert covered[0] > 1.8 * covered[1] > 0.0


def test_values_change_in_place_and_places_do_not() -> None:
    """For a light's strength or a material's colour no tree is built again: the renderer's scene stays."""
    stage = a_stage()
    live = LiveScene(ARGUMENTS, load_renderer("mitsuba"))
    _, picture = live.updated(update(stage))

    def is_same_scene() -> bool:
        nonlocal picture
        before, picture = picture, live.updated(update(stage))[1]
        return bool(before._scene is picture._scene)  # type: ignore[attr-defined]

    UsdLux.SphereLight.Get(stage, "/World/Lamp").GetIntensityAttr().Set(60.0)
    assert is_same_scene()
    colour_of(stage, "/World/Looks/Red/Surface", (0.1, 0.8, 0.1))
    assert is_same_scene()
    UsdGeom.XformCommonAPI(stage.GetPrimAtPath("/World/Camera")).SetTranslate((0, 0, 12))
    assert is_same_scene()
    UsdGeom.XformCommonAPI(stage.GetPrimAtPath("/World/Card")).SetTranslate((1, 0.5, 0))
    assert not is_same_scene()


def test_meshes_are_in_groups_as_soon_as_the_scene_is_built_anew() -> None:
    """Rays are fastest without groups; with one, and one for each moved mesh, a new scene is built faster."""
    stage = a_stage()
    live = LiveScene(ARGUMENTS, load_renderer("mitsuba"))

    def instances() -> int:
        shapes = live.updated(update(stage))[1]._scene.shapes()  # type: ignore[attr-defined]
        return sum(str(shape).startswith("Instance") for shape in shapes)

    of_the_stage = instances()
    UsdLux.SphereLight.Get(stage, "/World/Lamp").GetIntensityAttr().Set(60.0)
    assert instances() == of_the_stage
    UsdGeom.XformCommonAPI(stage.GetPrimAtPath("/World/Lamp")).SetTranslate((-2, 3, 4))
    assert instances() == of_the_stage + 1
    for place in ((1, 0.5, 0), (1, 0.6, 0)):
        UsdGeom.XformCommonAPI(stage.GetPrimAtPath("/World/Card")).SetTranslate(place)
        assert instances() == of_the_stage + 2


def test_a_smaller_picture_and_a_region_of_it() -> None:
    """The scale divides both sides; of a region only its pixels are rendered."""
    live = LiveScene(ARGUMENTS, load_renderer("mitsuba"))
    live.updated(update(a_stage()))
    scene, picture = live.updated(Update(2, scale=2))
    assert (scene.settings.width, scene.settings.height) == (16, 16)
    scene, picture = live.updated(Update(3, scale=1, region=(0.25, 0.5, 0.75, 1.0)))
    assert scene.settings.window == (8, 16, 24, 32)
    assert picture.pixels().shape == (16, 16, 4)
    scene, picture = live.updated(Update(4, region=()))
    assert picture.pixels().shape == (32, 32, 4)


def test_an_edit_that_breaks_the_scene_is_refused_and_the_next_one_mends_it() -> None:
    """Text that is not USD, a scene without anything to see: each has its reason, and neither is the end."""
    stage = a_stage()
    live = LiveScene(ARGUMENTS, load_renderer("mitsuba"))
    live.updated(update(stage))
    for broken in ('#usda 1.0\ndef "', "#usda 1.0\n", '#usda 1.0\ndef Xform "World" {}\n'):
        with pytest.raises(RenderBootError):
            live.updated(Update(2, layers={"all": LayerText(broken)}))
    scene, _ = live.updated(update(stage))
    assert equal(scene, read_stage(stage, ARGUMENTS, Diagnostics()))


def test_of_an_edit_that_breaks_one_layer_the_others_are_taken() -> None:
    """They are not sent again; nor is the root, where the first of all edits was broken."""
    stage = a_stage()
    live = LiveScene(ARGUMENTS, load_renderer("mitsuba"))
    base, broken = LayerText(stage.GetRootLayer().ExportToString()), LayerText('#usda 1.0\ndef "', ("lamp",))
    empty = LayerText("#usda 1.0\n", ("lamp",))

    def lamp(intensity: float) -> LayerText:
        layer = Sdf.Layer.CreateAnonymous()
        over = Sdf.CreatePrimInLayer(layer, "/World/Lamp")
        Sdf.AttributeSpec(over, "inputs:intensity", Sdf.ValueTypeNames.Float).default = intensity
        return LayerText(layer.ExportToString(), ("base",))

    with pytest.raises(RenderBootError):
        live.updated(Update(1, root="top", layers={"base": base, "lamp": lamp(7.0), "top": broken}))
    scene, _ = live.updated(Update(2, layers={"top": empty}))
    assert [light.radiance[0] for light in scene.root.lights] == [7.0]
    with pytest.raises(RenderBootError):
        live.updated(Update(3, layers={"top": broken, "lamp": lamp(70.0)}))
    scene, _ = live.updated(Update(4, layers={"top": empty}))
    assert [light.radiance[0] for light in scene.root.lights] == [70.0]
