"""Numbers that no camera, light or surface can have, and networks that feed themselves: named, and drawn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pxr import Gf, Sdf, Usd, UsdGeom, UsdLux, UsdShade

from host.renderboot.diagnostics import Diagnostics
from host.renderboot.errors import RenderBootError
from host.renderboot.renderers.surfaces import from_specular_workflow
from tests.renderboot.stages import (
    add_camera,
    add_card,
    add_dome,
    add_material,
    add_sphere,
    add_texture,
    bind,
    draw,
    new_stage,
    places,
    read,
)
from tests.renderboot.test_cases import at, glowing, primvar, reader

NAN, ENDLESS = math.nan, math.inf


@pytest.fixture
def stage() -> Usd.Stage:
    """A camera, a card and an even dome."""
    stage = new_stage()
    add_camera(stage)
    add_card(stage, "/World/Card")
    add_dome(stage)
    return stage


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[
            (name, value)
            for name in ("focalLength", "verticalAperture")
            for value in (NAN, 0.0, -5.0, ENDLESS)
        ],
        ("clippingRange", Gf.Vec2f(5, 1)),
        ("clippingRange", Gf.Vec2f(0, 0)),
        ("clippingRange", Gf.Vec2f(NAN, 1)),
        ("fStop", NAN),
        ("focusDistance", ENDLESS),
        ("horizontalApertureOffset", NAN),
    ],
)
def test_a_lens_that_cannot_be_has_usds_own_value(stage: Usd.Stage, name: str, value: object) -> None:
    """The picture is drawn, and the log says which of the camera's values was replaced."""
    stage.GetPrimAtPath("/World/Camera").GetAttribute(name).Set(value)
    said = read(stage, camera="/World/Camera")[1]
    assert places(said) == ["/World/Camera"] and name in said
    assert np.isfinite(draw(stage, width=8, height=8, samples=1, camera="/World/Camera")).all()


@pytest.mark.parametrize("exposure", [NAN, 2000.0])
def test_an_exposure_beyond_numbers_is_none(stage: Usd.Stage, exposure: float) -> None:
    """Of the camera."""
    UsdGeom.Camera.Get(stage, "/World/Camera").CreateExposureAttr(exposure)
    scene, said = read(stage, camera="/World/Camera")
    assert scene.camera.exposure_scale == 1.0
    assert "/World/Camera" in said


@pytest.mark.parametrize("how", ["nan", "far", "flat"])
def test_a_camera_that_is_nowhere_is_an_error(stage: Usd.Stage, how: str) -> None:
    """Its transform is not finite, or has no size: the message names the camera."""
    camera = UsdGeom.Xformable.Get(stage, "/World/Camera")
    if how == "flat":
        camera.AddScaleOp().Set(Gf.Vec3f(1, 0, 1))
    else:
        camera.GetOrderedXformOps()[0].Set(Gf.Vec3d(NAN if how == "nan" else 1e300, 0, 0))
    with pytest.raises(RenderBootError, match="/World/Camera"):
        read(stage, camera="/World/Camera")


@pytest.mark.parametrize("name", ["diffuseColor", "specularColor"])
def test_a_colour_above_one_reflects_all(stage: Usd.Stage, name: str) -> None:
    """The renderer refuses more; the material is named."""
    inputs: dict[str, object] = {name: (5.0, 0.5, 0.0)}
    if name == "specularColor":
        inputs["useSpecularWorkflow"] = 1
    bind(stage.GetPrimAtPath("/World/Card"), add_material(stage, "/World/M", **inputs))
    pixels = draw(stage, width=8, height=8, samples=16)
    assert pixels[4, 4, 0] > 0.6
    assert np.isfinite(pixels).all()


@pytest.mark.parametrize(("diffuse", "is_named"), [((0.8, 0.0, 0.0), True), ((0.0, 0.0, 0.0), False)])
def test_a_diffuse_colour_under_a_strong_reflection_is_named(
    stage: Usd.Stage, diffuse: tuple[float, float, float], is_named: bool
) -> None:
    """A green reflection over red cannot be drawn as it is; a metal without diffuse colour can."""
    material = add_material(
        stage, "/World/M", diffuseColor=diffuse, specularColor=(0.0, 0.9, 0.0), useSpecularWorkflow=1
    )
    bind(stage.GetPrimAtPath("/World/Card"), material)
    diagnostics = Diagnostics()
    from_specular_workflow(read(stage)[0].root.meshes[0].material, diagnostics)
    assert places("\n".join(diagnostics.take()[0])) == (["/World/M"] if is_named else [])


def test_a_tube_light_without_area_gives_no_light(stage: Usd.Stage) -> None:
    """One so thin that its area is nothing in the renderer's numbers."""
    light = UsdLux.CylinderLight.Define(stage, "/World/Lamp")
    light.CreateRadiusAttr(1e-30)
    assert places(read(stage)[1]) == ["/World/Lamp"]
    draw(stage, width=8, height=8, samples=1)


@pytest.mark.parametrize("target", ["diffuseColor", "roughness", "ior"])
def test_a_primvar_without_values_has_its_fallback(stage: Usd.Stage, target: str) -> None:
    """An empty array is as none."""
    card = stage.GetPrimAtPath("/World/Card")
    bind(card, add_material(stage, "/World/M"))
    reader(stage, "/World/M", target, "paint", "float3" if target == "diffuseColor" else "float")
    primvar(card, "paint", [(0, 0, 0)]).GetAttr().Set([])
    assert len(read(stage)[0].root.meshes) == 1


def test_a_texture_transform_that_feeds_itself_ends(stage: Usd.Stage) -> None:
    """It is left out, and named."""
    bind(stage.GetPrimAtPath("/World/Card"), glowing(stage, "/World/M"))
    image = add_texture(stage, "/World/M", "emissiveColor", "none.png")
    node = UsdShade.Shader.Define(stage, "/World/M/Move")
    node.CreateIdAttr("UsdTransform2d")
    pair = Sdf.ValueTypeNames.Float2
    node.CreateInput("in", pair).ConnectToSource(node.CreateOutput("result", pair))
    image.CreateInput("st", pair).ConnectToSource(node.GetOutput("result"))
    image.GetInput("file").Set(Sdf.AssetPath(__file__))
    assert "/World/M/Move" in places(read(stage)[1])


def test_a_materialx_node_that_feeds_itself_ends(stage: Usd.Stage) -> None:
    """The input stays at its default, and the node is named."""
    material = UsdShade.Material.Define(stage, "/World/M")
    surface = UsdShade.Shader.Define(stage, "/World/M/S")
    surface.CreateIdAttr("ND_standard_surface_surfaceshader")
    node = UsdShade.Shader.Define(stage, "/World/M/Twice")
    node.CreateIdAttr("ND_multiply_color3")
    colour = Sdf.ValueTypeNames.Color3f
    node.CreateInput("in1", colour).ConnectToSource(node.CreateOutput("out", colour))
    surface.CreateInput("base_color", colour).ConnectToSource(node.GetOutput("out"))
    material.CreateSurfaceOutput("mtlx").ConnectToSource(surface.ConnectableAPI(), "out")
    bind(stage.GetPrimAtPath("/World/Card"), material)
    assert "/World/M/Twice" in places(read(stage)[1])


@pytest.mark.parametrize("scale", [(0, 0, 0), (1, 0, 1), (1e-30, 1e-30, 1e-30)])
def test_what_has_no_size_does_no_harm(stage: Usd.Stage, scale: tuple[float, float, float]) -> None:
    """A shape that its transform flattens, which glows: the rest is drawn."""
    ball = add_sphere(stage, "/World/Ball", (1.5, 1.5, 0))
    ball.AddScaleOp().Set(Gf.Vec3f(*scale))
    bind(ball, glowing(stage, "/World/M", emissiveColor=(1.0, 1.0, 1.0)))
    pixels = draw(stage)
    assert np.isfinite(pixels).all()
    assert at(pixels, 1.8, -1.8) == pytest.approx([1, 1, 1])


@pytest.mark.parametrize("far", [1e12, ENDLESS])
def test_a_far_end_that_is_endless_hides_nothing(stage: Usd.Stage, far: float) -> None:
    """Renderers keep the near end in proportion to the far one, which would be beyond the scene."""
    near_and_far = stage.GetPrimAtPath("/World/Camera").GetAttribute("clippingRange")
    near_and_far.Set(Gf.Vec2f(0.1, 100.0))
    wanted = draw(stage, width=8, height=8, camera="/World/Camera")
    near_and_far.Set(Gf.Vec2f(0.1, far))
    assert draw(stage, width=8, height=8, camera="/World/Camera") == pytest.approx(wanted, abs=0.02)


@pytest.mark.parametrize("near_and_far", [(NAN, ENDLESS), (ENDLESS, ENDLESS), (-1.0, ENDLESS)])
def test_ends_of_a_camera_that_are_no_numbers_are_replaced(
    stage: Usd.Stage, near_and_far: tuple[float, float]
) -> None:
    """The card is drawn as without them."""
    wanted = draw(stage, width=8, height=8, camera="/World/Camera")
    stage.GetPrimAtPath("/World/Camera").GetAttribute("clippingRange").Set(Gf.Vec2f(*near_and_far))
    assert draw(stage, width=8, height=8, camera="/World/Camera") == pytest.approx(wanted, abs=0.02)


@pytest.mark.parametrize("temperature", [NAN, ENDLESS, -ENDLESS])
def test_a_colour_temperature_that_is_no_number_is_named(stage: Usd.Stage, temperature: float) -> None:
    """USD's own function would end the process."""
    light = UsdLux.SphereLight.Define(stage, "/World/Lamp")
    light.CreateEnableColorTemperatureAttr(True)
    light.CreateColorTemperatureAttr(temperature)
    assert places(read(stage)[1]) == ["/World/Lamp"]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("SphereLight", "radius"),
        ("RectLight", "width"),
        ("RectLight", "height"),
        ("DiskLight", "radius"),
        ("CylinderLight", "radius"),
        ("CylinderLight", "length"),
        ("DistantLight", "angle"),
    ],
)
@pytest.mark.parametrize("size", [NAN, ENDLESS])
def test_a_light_of_no_size_that_can_be_is_named(stage: Usd.Stage, kind: str, name: str, size: float) -> None:
    """And the rest of the scene is drawn."""
    stage.DefinePrim("/World/Lamp", kind).GetAttribute(f"inputs:{name}").Set(size)
    assert "/World/Lamp" in read(stage)[1]
    assert np.isfinite(draw(stage, width=8, height=8, samples=1)).all()
