"""Edits whose effect is elsewhere than where they are made: a live scene shows them as a fresh one does."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pxr import Gf, Sdf, Usd, UsdGeom, UsdLux, UsdShade

from host.renderboot.diagnostics import Diagnostics
from host.renderboot.live.scene import LiveScene
from host.renderboot.scene import Scene
from host.renderboot.stage.reader import read_stage
from tests.renderboot.stages import add_card, add_sphere
from tests.renderboot.test_live_scene import (
    ARGUMENTS,
    a_stage,
    bind,
    colour_of,
    equal,
    input_of,
    material,
    update,
)

Edit = Callable[[Usd.Stage], object]
BLUE = (0.1, 0.1, 0.9)


class Untranslated:
    """A renderer that only reads: what is compared are scenes."""

    def start_live(self, *_arguments: object) -> Untranslated:
        return self

    def prepare(self, _scene: Scene) -> None:
        return None


def add_looks(stage: Usd.Stage) -> None:
    material(stage, "/World/Looks/Red", BLUE)


def bind_to_none(stage: Usd.Stage) -> None:
    api = UsdShade.MaterialBindingAPI.Apply(stage.GetPrimAtPath("/World/Ball"))
    api.GetDirectBindingRel().SetTargets(["/Mats/New"])


def bind_a_collection(stage: Usd.Stage) -> None:
    material(stage, "/World/Looks/Blue", BLUE)
    UsdShade.MaterialBindingAPI.Apply(world := stage.GetPrimAtPath("/World"))
    binding = world.CreateRelationship("material:binding:collection:blue", custom=False)
    binding.SetTargets(["/Sets.collection:blue", "/World/Looks/Blue"])


def bind_a_collection_of_a_scope(stage: Usd.Stage) -> None:
    bind_a_collection(stage)
    stage.DefinePrim("/Sets", "Scope")


def bind_a_collection_of_another(stage: Usd.Stage) -> None:
    bind_a_collection(stage)
    collect(stage, "/Sets", "blue", "/Other.collection:red")
    collect(stage, "/Other", "red", "/World/Ball")


def collect(stage: Usd.Stage, prim: str = "/Sets", name: str = "blue", target: str = "/World/Ball") -> None:
    collection = Usd.CollectionAPI.Apply(stage.DefinePrim(prim, "Scope"), name)
    collection.CreateIncludesRel().SetTargets([target])


def copy_a_bead_and_a_lamp(stage: Usd.Stage) -> None:
    add_sphere(stage, "/World/Shown/Beads/Bead", (0, 2, 0), 0.2)
    UsdLux.SphereLight.Define(stage, "/World/Shown/Lamps/Lamp").CreateIntensityAttr(3.0)
    points = UsdGeom.PointInstancer.Define(stage, "/World/Copies")
    points.CreatePrototypesRel().SetTargets(["/World/Shown/Beads/Bead", "/World/Shown/Lamps"])
    points.CreatePositionsAttr([(1, 1, 1), (2, 1, 1)])
    points.CreateProtoIndicesAttr([0, 1])


def move_the_bead(stage: Usd.Stage) -> None:
    bead = stage.GetPrimAtPath("/World/Shown/Beads/Bead")
    bead.GetAttribute("xformOp:translate").Set(Gf.Vec3d(0, 3, 0))


def brighten_the_lamp(stage: Usd.Stage) -> None:
    UsdLux.SphereLight.Get(stage, "/World/Shown/Lamps/Lamp").GetIntensityAttr().Set(9.0)


def add_rig(stage: Usd.Stage) -> None:
    UsdGeom.Xform.Define(stage, "/World/Rig").AddScaleOp().Set(Gf.Vec3f(1, 1, 1))
    add_card(stage, "/World/Rig/Card", 0.2)
    UsdLux.RectLight.Define(stage, "/World/Rig/Key").CreateIntensityAttr(5.0)


def scale_rig(size: float) -> Edit:
    return lambda s: s.GetPrimAtPath("/World/Rig").GetAttribute("xformOp:scale").Set(Gf.Vec3f(size))


def share_a_surface(stage: Usd.Stage) -> None:
    twin = UsdShade.Material.Define(stage, "/World/Looks/Twin")
    surface = UsdShade.ConnectableAPI(stage.GetPrimAtPath("/World/Looks/Red/Surface"))
    twin.CreateSurfaceOutput().ConnectToSource(surface, "surface")
    bind(stage, "/World/Ball", "/World/Looks/Twin")


def share_an_unknown_surface(stage: Usd.Stage) -> None:
    shader = UsdShade.Shader.Define(stage, "/World/Looks/Red/Other")
    shader.CreateIdAttr("Unknown")
    shader.CreateInput("diffuseColor", Sdf.ValueTypeNames.Color3f).Set(BLUE)
    twin = UsdShade.Material.Define(stage, "/World/Looks/Twin")
    twin.CreateSurfaceOutput().ConnectToSource(shader.ConnectableAPI(), "surface")
    bind(stage, "/World/Ball", "/World/Looks/Twin")


def know_it(stage: Usd.Stage) -> None:
    stage.GetPrimAtPath("/World/Looks/Red/Other").GetAttribute("info:id").Set("UsdPreviewSurface")


def glow_alone(stage: Usd.Stage) -> None:
    stage.RemovePrim("/World/Lamp")
    input_of(stage, "emissiveColor", Sdf.ValueTypeNames.Color3f, (1, 1, 1))
    input_of(stage, "opacityThreshold", Sdf.ValueTypeNames.Float, 0.4)
    opacity(0.5)(stage)


def instance_below_camera(stage: Usd.Stage) -> None:
    stage.CreateClassPrim("/Rig")
    UsdLux.RectLight.Define(stage, "/Rig/Key")
    camera = stage.GetPrimAtPath("/World/Camera")
    camera.GetReferences().AddInternalReference("/Rig")
    camera.SetInstanceable(True)


def begin_dark(stage: Usd.Stage) -> None:
    stage.RemovePrim("/World/Lamp")
    input_of(stage, "emissiveColor", Sdf.ValueTypeNames.Color3f, (0, 0, 0))


def fade_in(stage: Usd.Stage) -> None:
    emission = stage.GetPrimAtPath("/World/Looks/Red/Surface").GetAttribute("inputs:emissiveColor")
    emission.Set((0, 0, 0), 1.0)
    emission.Set((1, 1, 1), 9.0)


def opacity(value: float) -> Edit:
    return lambda s: input_of(s, "opacity", Sdf.ValueTypeNames.Float, value)


def active(path: str, is_active: bool) -> Edit:
    return lambda s: s.GetPrimAtPath(path).SetActive(is_active)


def instance_looks(stage: Usd.Stage) -> None:
    stage.CreateClassPrim("/Library")
    material(stage, "/Library/Red", BLUE)
    stage.RemovePrim("/World/Looks")
    for path in ("/World/Looks", "/World/OtherLooks"):
        looks = UsdGeom.Scope.Define(stage, path).GetPrim()
        looks.GetReferences().AddInternalReference("/Library")
        looks.SetInstanceable(True)


def nothing(_stage: Usd.Stage) -> None:
    pass


CASES: dict[str, tuple[Edit, list[Edit]]] = {
    "materials removed, and back": (nothing, [lambda s: s.RemovePrim("/World/Looks"), add_looks]),
    "materials inactive, and back": (nothing, [active("/World/Looks", False), active("/World/Looks", True)]),
    "instances of materials inactive, and back": (
        instance_looks,
        [active("/World/Looks", False), active("/World/Looks", True)],
    ),
    "a material after what is bound to it": (bind_to_none, [lambda s: material(s, "/Mats/New", BLUE)]),
    "a collection after what it binds": (bind_a_collection, [collect]),
    "a collection of a prim that was there": (bind_a_collection_of_a_scope, [collect]),
    "a collection of a collection": (bind_a_collection_of_another, [lambda s: s.RemovePrim("/Other")]),
    "a copied mesh": (copy_a_bead_and_a_lamp, [move_the_bead]),
    "a copied light": (copy_a_bead_and_a_lamp, [brighten_the_lamp]),
    "a light without area": (add_rig, [scale_rig(0.0), scale_rig(1.0)]),
    "a surface of two materials": (
        share_a_surface,
        [
            lambda s: colour_of(s, "/World/Looks/Red/Surface", BLUE),
            lambda s: s.RemovePrim("/World/Looks/Red"),
        ],
    ),
    "a surface of another material": (share_an_unknown_surface, [know_it]),
    "the only light cut away": (glow_alone, [opacity(0.3), opacity(0.6)]),
    "a camera whose light is an instance": (
        instance_below_camera,
        [lambda s: UsdGeom.XformCommonAPI(s.GetPrimAtPath("/World/Camera")).SetTranslate((0, 1, 9))],
    ),
    "a light that fades in": (begin_dark, [fade_in]),
}


@pytest.mark.parametrize("name", CASES)
def test_a_live_scene_is_what_it_would_be_if_it_were_read_anew(name: str) -> None:
    """After each edit; and the edit changes something."""
    begin, edits = CASES[name]
    stage = a_stage()
    begin(stage)
    live = LiveScene(ARGUMENTS, Untranslated())  # type: ignore[arg-type]
    before, _ = live.updated(update(stage))
    for edit in edits:
        edit(stage)
        scene, _ = live.updated(update(stage))
        assert equal(scene, read_stage(stage, ARGUMENTS, Diagnostics()))
        assert not equal(scene, before)
        before = scene
