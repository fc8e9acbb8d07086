"""What on a stage is seen, and where."""

from __future__ import annotations

import numpy as np
import pytest
from pxr import Gf, Sdf, Usd, UsdGeom, UsdRender, UsdShade

from host.renderboot.errors import RenderBootError
from host.renderboot.scene import world_bounds
from host.renderboot.stage.lights import LightReader
from tests.renderboot.stages import (
    add_camera,
    add_card,
    add_material,
    add_sphere,
    bind,
    new_stage,
    places,
    read,
)


def test_transforms_multiply_down_the_hierarchy() -> None:
    """Parent's scale and child's place, and resetXformStack leaves the parents out."""
    stage = new_stage()
    UsdGeom.Xformable(stage.GetPrimAtPath("/World")).AddScaleOp().Set(Gf.Vec3f(2, 2, 2))
    add_sphere(stage, "/World/A", (1, 0, 0))
    lone = add_sphere(stage, "/World/B", (0, 5, 0))
    lone.SetResetXformStack(True)
    places = {mesh.path: mesh.transform for mesh in read(stage)[0].root.meshes}
    assert places["/World/A"][:3, 3].tolist() == [2, 0, 0]
    assert places["/World/A"][0, 0] == 2
    assert places["/World/B"][:3, 3].tolist() == [0, 5, 0]


def test_invisible_and_guide_prims_are_not_seen() -> None:
    """Visibility is inherited; guide and proxy purposes are skipped, render is drawn."""
    stage = new_stage()
    add_sphere(stage, "/World/Shown")
    UsdGeom.Xform.Define(stage, "/World/Off").CreateVisibilityAttr(UsdGeom.Tokens.invisible)
    add_sphere(stage, "/World/Off/Child")
    for purpose in ("guide", "proxy", "render"):
        UsdGeom.Xform.Define(stage, f"/World/{purpose}").CreatePurposeAttr(purpose)
        add_sphere(stage, f"/World/{purpose}/Child")
    assert [mesh.path for mesh in read(stage)[0].root.meshes] == ["/World/Shown", "/World/render/Child"]


def test_an_unknown_purpose_is_named() -> None:
    """What has it is not drawn; what has another beneath it is."""
    stage = new_stage()
    UsdGeom.Xform.Define(stage, "/World/Odd").GetPurposeAttr().Set("zebra")
    add_sphere(stage, "/World/Odd/Child")
    add_sphere(stage, "/World/Odd/Drawn").CreatePurposeAttr(UsdGeom.Tokens.render)
    scene, said = read(stage)
    assert [mesh.path for mesh in scene.root.meshes] == ["/World/Odd/Drawn"]
    assert "'zebra'" in said and places(said) == ["/World/Odd and 1 more"]


def test_render_settings_may_ask_for_proxies() -> None:
    """includedPurposes overrules the default."""
    stage = new_stage()
    UsdGeom.Xform.Define(stage, "/World/proxy").CreatePurposeAttr("proxy")
    add_sphere(stage, "/World/proxy/Child")
    settings = UsdRender.Settings.Define(stage, "/Render/Settings")
    settings.CreateIncludedPurposesAttr(["default", "proxy"])
    assert [mesh.path for mesh in read(stage)[0].root.meshes] == ["/World/proxy/Child"]


def test_the_frame_decides() -> None:
    """Time samples are read at the frame, in between as well."""
    stage = new_stage()
    move = add_sphere(stage, "/World/A").AddTranslateOp(opSuffix="move")
    move.Set(Gf.Vec3d(0, 0, 0), 1)
    move.Set(Gf.Vec3d(10, 0, 0), 11)
    assert read(stage, frame=1.0)[0].root.meshes[0].transform[0, 3] == 0
    assert read(stage, frame=6.0)[0].root.meshes[0].transform[0, 3] == pytest.approx(5)


def test_the_first_frame_is_the_default() -> None:
    """Without -frame the stage's start counts."""
    stage = new_stage()
    move = add_sphere(stage, "/World/A").AddTranslateOp(opSuffix="move")
    move.Set(Gf.Vec3d(3, 0, 0), 101)
    move.Set(Gf.Vec3d(4, 0, 0), 102)
    stage.SetStartTimeCode(102)
    stage.SetEndTimeCode(110)
    scene, _ = read(stage)
    assert scene.frame == 102
    assert scene.root.meshes[0].transform[0, 3] == 4


def _instancer(
    stage: Usd.Stage, path: str, prototype: Sdf.Path, places: list[tuple[float, float, float]]
) -> UsdGeom.PointInstancer:
    instancer = UsdGeom.PointInstancer.Define(stage, path)
    instancer.CreatePrototypesRel().SetTargets([prototype])
    instancer.CreateProtoIndicesAttr([0] * len(places))
    instancer.CreatePositionsAttr(places)
    return instancer


def test_point_instances_share_one_prototype() -> None:
    """Five points: one prototype, five places, the hidden one left out, the prototype itself not drawn."""
    stage = new_stage()
    instancer = _instancer(stage, "/World/Points", Sdf.Path("/World/Points/P"), [(i, 0, 0) for i in range(5)])
    add_sphere(stage, "/World/Points/P", (0, 2, 0))
    instancer.CreateInvisibleIdsAttr([1])
    root = read(stage)[0].root
    assert root.meshes == []
    assert len(root.instances) == 1
    matrices = root.instances[0].matrices
    assert matrices[:, 0, 3].tolist() == [0, 2, 3, 4]
    assert matrices[:, 1, 3].tolist() == [2, 2, 2, 2]


def test_instancers_nest() -> None:
    """Two by three instances cover what six objects would."""
    stage = new_stage()
    _instancer(stage, "/World/Outer", Sdf.Path("/World/Outer/Inner"), [(0, 0, 0), (0, 100, 0)])
    _instancer(
        stage, "/World/Outer/Inner", Sdf.Path("/World/Outer/Inner/Ball"), [(0, 0, 0), (10, 0, 0), (20, 0, 0)]
    )
    add_sphere(stage, "/World/Outer/Inner/Ball")
    low, high = world_bounds(read(stage)[0].root)
    assert np.allclose(low, (-1, -1, -1), atol=0.01)
    assert np.allclose(high, (21, 101, 1), atol=0.01)


def test_instanceable_prims_are_read_once() -> None:
    """Two references to one instanceable asset, a third with a material from outside."""
    stage = new_stage()
    UsdGeom.Xform.Define(stage, "/Asset")
    add_sphere(stage, "/Asset/Ball")
    for number in range(3):
        prim = UsdGeom.Xform.Define(stage, f"/World/Copy{number}").GetPrim()
        prim.GetReferences().AddInternalReference("/Asset")
        prim.SetInstanceable(True)
        UsdGeom.Xformable(prim).AddTranslateOp().Set(Gf.Vec3d(number * 5, 0, 0))
    bind(stage.GetPrimAtPath("/World/Copy2"), add_material(stage, "/World/Red", diffuseColor=(1.0, 0.0, 0.0)))
    root = read(stage)[0].root
    assert [len(instances.matrices) for instances in root.instances] == [2, 1]
    assert root.instances[1].prototype.meshes[0].material.diffuse_colour == (1.0, 0.0, 0.0)


def test_collection_bindings_reach_their_members() -> None:
    """A material bound through a collection on an ancestor."""
    stage = new_stage()
    add_sphere(stage, "/World/A")
    add_sphere(stage, "/World/B")
    red = add_material(stage, "/Looks/Red", diffuseColor=(1.0, 0.0, 0.0))
    world = stage.GetPrimAtPath("/World")
    collection = Usd.CollectionAPI.Apply(world, "reds")
    collection.CreateIncludesRel().AddTarget("/World/B")
    UsdShade.MaterialBindingAPI.Apply(world).Bind(collection, red, "reds")
    materials = {mesh.path: mesh.material.path for mesh in read(stage)[0].root.meshes}
    assert materials["/World/B"] == "/Looks/Red"
    assert materials["/World/A"] != "/Looks/Red"


def test_what_cannot_be_rendered_is_named_with_a_count() -> None:
    """Three volumes make one warning; the rest is drawn."""
    stage = new_stage()
    add_sphere(stage, "/World/Ball")
    for number in range(3):
        stage.DefinePrim(f"/World/Cloud{number}", "Volume")
    UsdGeom.TetMesh.Define(stage, "/World/Jelly")
    scene, said = read(stage)
    assert places(said) == ["/World/Cloud0 and 2 more", "/World/Jelly"]
    assert " Volume " in said and " TetMesh " in said
    assert len(scene.root.meshes) == 1


def test_materials_for_others_are_named_and_display_colour_shown() -> None:
    """A MaterialX-only material is not silently grey."""
    stage = new_stage()
    card = add_card(stage, "/World/Card")
    card.CreateDisplayColorAttr([(0.1, 0.2, 0.3)])
    material = UsdShade.Material.Define(stage, "/World/Gold")
    shader = UsdShade.Shader.Define(stage, "/World/Gold/S")
    shader.CreateIdAttr("ND_lama_surface_surfaceshader")
    material.CreateSurfaceOutput("mtlx").ConnectToSource(shader.ConnectableAPI(), "out")
    bind(card, material)
    scene, said = read(stage)
    assert "/World/Gold" in said
    assert "MaterialX" in said
    assert scene.root.meshes[0].material.diffuse_colour == pytest.approx((0.1, 0.2, 0.3))


def test_a_binding_to_nothing_is_named() -> None:
    """The material path that does not exist costs a warning, not the picture."""
    stage = new_stage()
    card = add_card(stage, "/World/Card")
    UsdShade.MaterialBindingAPI.Apply(card.GetPrim()).GetDirectBindingRel().SetTargets(["/Nowhere"])
    assert places(read(stage)[1]) == ["/World/Card"]


def test_nothing_to_see_is_an_error() -> None:
    """An empty stage and one with only hidden things give different errors."""
    with pytest.raises(RenderBootError) as empty:
        read(Usd.Stage.CreateInMemory())
    with pytest.raises(RenderBootError) as hidden:
        read(new_stage())
    assert str(empty.value) != str(hidden.value)


def test_of_hidden_instances_the_first_of_each_prototype_is_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    """For lights and cameras: of ten levels of two instances each, there are thousands."""
    stage = new_stage()
    add_sphere(stage, "/World/Ball")
    stage.CreateClassPrim("/Level0")
    add_camera(stage, "/Level0/Camera")
    for level in range(1, 11):
        stage.CreateClassPrim(f"/Level{level}")
        for name in "ab":
            part = UsdGeom.Xform.Define(stage, f"/Level{level}/{name}").GetPrim()
            part.GetReferences().AddInternalReference(f"/Level{level - 1}")
            part.SetInstanceable(True)
    archive = UsdGeom.Xform.Define(stage, "/World/Archive")
    archive.GetPrim().GetReferences().AddInternalReference("/Level10")
    archive.MakeInvisible()
    searched = []
    is_known = LightReader.is_known
    monkeypatch.setattr(
        LightReader, "is_known", lambda self, prim: (searched.append(prim), is_known(self, prim))[1]
    )
    assert read(stage)[0].camera.path == "/World/Archive" + "/a" * 10 + "/Camera"
    assert len(searched) == 1 + 2 * 10 + 1
