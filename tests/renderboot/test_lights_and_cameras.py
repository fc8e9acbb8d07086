"""UsdLux lights, cameras and render settings, as read."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pxr import Gf, Sdf, UsdGeom, UsdLux, UsdRender, UsdShade

from host.renderboot.errors import RenderBootError
from host.renderboot.light_areas import placed_light
from host.renderboot.scene import DistantLight, DomeLight, PointLight, RectLight, SphereLight, SpotLight
from tests.renderboot.stages import (
    add_camera,
    add_card,
    add_material,
    add_sphere,
    bind,
    draw,
    new_stage,
    places,
    read,
)


def test_intensity_exposure_and_colour_multiply() -> None:
    """2 times 2 to the third times the colour."""
    stage = new_stage()
    add_sphere(stage, "/World/Ball")
    light = UsdLux.RectLight.Define(stage, "/World/Light")
    light.CreateIntensityAttr(2.0)
    light.CreateExposureAttr(3.0)
    light.CreateColorAttr(Gf.Vec3f(1, 0.5, 0))
    found = read(stage)[0].root.lights[0]
    assert isinstance(found, RectLight)
    assert found.radiance == pytest.approx((16, 8, 0))


def test_colour_temperature_tints_when_enabled() -> None:
    """2700 kelvin is warmer than 9000."""
    stage = new_stage()
    add_sphere(stage, "/World/Ball")
    light = UsdLux.SphereLight.Define(stage, "/World/Light")
    light.CreateColorTemperatureAttr(2700.0)
    assert read(stage)[0].root.lights[0].radiance == pytest.approx((1, 1, 1))
    light.CreateEnableColorTemperatureAttr(True)
    warm = read(stage)[0].root.lights[0].radiance
    assert warm[0] > 2 * warm[2]


def test_normalize_divides_by_the_area_in_the_world() -> None:
    """A rectangle of 2 by 3, scaled by 2: area 24."""
    stage = new_stage()
    add_sphere(stage, "/World/Ball")
    light = UsdLux.RectLight.Define(stage, "/World/Light")
    light.CreateWidthAttr(2.0)
    light.CreateHeightAttr(3.0)
    light.CreateIntensityAttr(48.0)
    light.CreateNormalizeAttr(True)
    light.AddScaleOp().Set(Gf.Vec3f(2, 2, 2))
    assert read(stage)[0].root.lights[0].radiance == pytest.approx((2, 2, 2))


@pytest.mark.parametrize("shape", ["plain", "point", "cone"])
@pytest.mark.parametrize("kind", ["RectLight", "DiskLight", "SphereLight", "CylinderLight"])
def test_a_light_within_an_instance_gives_the_same_light(kind: str, shape: str) -> None:
    """Scaled by 2 as an instance or not, normalized or not, and also as a point or a spot."""
    stage = new_stage()
    add_sphere(stage, "/World/Ball")
    stage.CreateClassPrim("/Lamp")
    light = stage.DefinePrim("/Lamp/Bulb", kind)
    if shape == "point":
        light.CreateAttribute("treatAsPoint", Sdf.ValueTypeNames.Bool).Set(True)
    if shape == "cone":
        UsdLux.ShapingAPI.Apply(light).CreateShapingConeAngleAttr(30.0)
    group = UsdGeom.Xform.Define(stage, "/World/Group")
    group.AddScaleOp().Set(Gf.Vec3f(2, 2, 2))
    group.GetPrim().GetReferences().AddInternalReference("/Lamp")
    for is_normalized in (True, False):
        UsdLux.LightAPI(light).CreateNormalizeAttr(is_normalized)
        group.GetPrim().SetInstanceable(False)
        plain = read(stage)[0].root.lights[0]
        group.GetPrim().SetInstanceable(True)
        [instances] = read(stage)[0].root.instances
        inside = placed_light(instances.prototype.lights[0], instances.matrices[0])
        assert np.allclose(inside.transform, plain.transform)
        strength = "intensity" if isinstance(plain, PointLight | SpotLight) else "radiance"
        assert getattr(inside, strength) == pytest.approx(getattr(plain, strength))


def test_a_normalized_light_within_an_instance_is_drawn_so() -> None:
    """As bright as without the instance, where its radiance would be four times that."""
    stage = new_stage()
    add_camera(stage)
    add_card(stage, "/World/Card", 2.0)
    stage.CreateClassPrim("/Lamp")
    light = UsdLux.RectLight.Define(stage, "/Lamp/Bulb")
    light.CreateIntensityAttr(40.0)
    light.CreateNormalizeAttr(True)
    group = UsdGeom.Xform.Define(stage, "/World/Group")
    group.AddTranslateOp().Set(Gf.Vec3d(0, 0, 4))
    group.AddScaleOp().Set(Gf.Vec3f(2, 2, 2))
    group.GetPrim().GetReferences().AddInternalReference("/Lamp")
    means = []
    for is_instance in (False, True):
        group.GetPrim().SetInstanceable(is_instance)
        means.append(float(draw(stage, samples=16)[..., :3].mean()))
    assert means[1] == pytest.approx(means[0], rel=0.1)


def test_a_sun_gives_the_irradiance_of_its_disk() -> None:
    """Not normalized: radiance over the disk's solid angle; normalized: the intensity itself."""
    stage = new_stage()
    add_sphere(stage, "/World/Ball")
    light = UsdLux.DistantLight.Define(stage, "/World/Sun")
    light.CreateIntensityAttr(50000.0)
    light.CreateAngleAttr(0.53)
    found = read(stage)[0].root.lights[0]
    assert isinstance(found, DistantLight)
    assert found.irradiance[0] == pytest.approx(50000 * math.pi * math.sin(math.radians(0.265)) ** 2)
    light.CreateNormalizeAttr(True)
    assert read(stage)[0].root.lights[0].irradiance[0] == pytest.approx(50000)


def test_lights_that_are_off_leave_the_scene_dark() -> None:
    """Without intensity, or hidden alone or with what is above: only a stage without lights gets a dome."""
    stage = new_stage()
    add_sphere(stage, "/World/Ball")
    assert isinstance(read(stage)[0].root.lights[0], DomeLight)
    group = UsdGeom.Xform.Define(stage, "/World/Lights")
    light = UsdLux.SphereLight.Define(stage, "/World/Lights/Lamp")
    light.CreateIntensityAttr(0.0)
    assert read(stage)[0].root.lights == []
    light.GetIntensityAttr().Set(2.0)
    for each in (light, group):
        UsdGeom.Imageable(each).MakeInvisible()
        scene, said = read(stage)
        assert scene.root.lights == []
        assert "All lights are off" in said
        UsdGeom.Imageable(each).MakeVisible()
    assert isinstance(read(stage)[0].root.lights[0], SphereLight)
    light.GetIntensityAttr().Set(0.0)
    assert not draw(stage, samples=1, width=8, height=8)[..., :3].any()


def test_a_light_that_fades_in_leaves_the_scene_dark_until_then() -> None:
    """By its size, or as a surface that emits: else a dome would flash on the frames before."""
    stage = new_stage()
    ball = add_sphere(stage, "/World/Ball")
    light = UsdLux.RectLight.Define(stage, "/World/Light")
    light.CreateWidthAttr(0.0)
    assert read(stage)[0].root.lights == []
    stage.RemovePrim("/World/Light")
    preview = add_material(stage, "/World/Glow", emissiveColor=(0.0, 0.0, 0.0))
    bind(ball, preview)
    colour = stage.GetPrimAtPath("/World/Glow/Surface").GetAttribute("inputs:emissiveColor")
    standard = UsdShade.Material.Define(stage, "/World/Shine")
    surface = UsdShade.Shader.Define(stage, "/World/Shine/Surface")
    surface.CreateIdAttr("ND_standard_surface_surfaceshader")
    weight = surface.CreateInput("emission", Sdf.ValueTypeNames.Float).GetAttr()
    standard.CreateSurfaceOutput("mtlx").ConnectToSource(surface.ConnectableAPI(), "out")
    for material, attribute, off, on in (
        (preview, colour, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
        (standard, weight, 0.0, 1.0),
    ):
        bind(ball, material)
        attribute.Set(off)
        assert isinstance(read(stage)[0].root.lights[0], DomeLight)
        attribute.Set(off, 1.0)
        attribute.Set(on, 2.0)
        for frame in (1.0, 2.0):
            assert read(stage, frame=frame)[0].root.lights == []


def test_what_is_below_a_camera_moves_with_it() -> None:
    """A light and a card, also as an instance."""
    stage = new_stage()
    camera = add_camera(stage, distance=10.0).GetPath()
    UsdLux.RectLight.Define(stage, camera.AppendChild("Key"))
    add_sphere(stage, str(camera.AppendChild("Card")), (0.0, 0.0, -3.0))
    root = read(stage)[0].root
    assert [light.transform[2, 3] for light in root.lights] == [10.0]
    assert [mesh.transform[2, 3] for mesh in root.meshes] == [7.0]
    stage.CreateClassPrim("/Rig")
    UsdLux.RectLight.Define(stage, "/Rig/Fill")
    other = add_camera(stage, "/World/Other", distance=5.0).GetPrim()
    other.GetReferences().AddInternalReference("/Rig")
    other.SetInstanceable(True)
    [instances] = read(stage)[0].root.instances
    assert instances.matrices[:, 2, 3] == [5.0] and len(instances.prototype.lights) == 1


def test_a_camera_below_a_hidden_group_is_used() -> None:
    """It sees although it is not seen; one that is not hidden comes first."""
    stage = new_stage()
    add_sphere(stage, "/World/Ball")
    UsdGeom.Imageable(UsdGeom.Scope.Define(stage, "/World/Cameras")).MakeInvisible()
    add_camera(stage, "/World/Cameras/Main")
    assert read(stage)[0].camera.path == "/World/Cameras/Main"
    add_camera(stage, "/World/Other")
    assert read(stage)[0].camera.path == "/World/Other"


def test_a_cone_without_its_schema_and_a_reset_within_an_instance_are_named() -> None:
    """Neither is rendered."""
    stage = new_stage()
    add_sphere(stage, "/World/Ball").SetResetXformStack(True)
    light = UsdLux.SphereLight.Define(stage, "/World/Light").GetPrim()
    light.CreateAttribute("inputs:shaping:cone:angle", Sdf.ValueTypeNames.Float).Set(20.0)
    stage.CreateClassPrim("/Pattern")
    add_sphere(stage, "/Pattern/Bead").SetResetXformStack(True)
    copy = UsdGeom.Xform.Define(stage, "/World/Copy").GetPrim()
    copy.GetReferences().AddInternalReference("/Pattern")
    copy.SetInstanceable(True)
    assert set(places(read(stage)[1])) == {"/World/Light", "/World/Copy/Bead"}


def test_points_and_spots() -> None:
    """treatAsPoint makes a point, a cone a spot, and the log says what that costs."""
    stage = new_stage()
    add_sphere(stage, "/World/Ball")
    light = UsdLux.SphereLight.Define(stage, "/World/Light")
    light.CreateRadiusAttr(2.0)
    assert isinstance(read(stage)[0].root.lights[0], SphereLight)
    light.CreateTreatAsPointAttr(True)
    point = read(stage)[0].root.lights[0]
    assert isinstance(point, PointLight)
    assert point.intensity[0] == pytest.approx(4 * math.pi, rel=0.02)
    card = UsdLux.RectLight.Define(stage, "/World/Card")
    card.CreateTextureFileAttr("slide.png")
    UsdLux.ShapingAPI.Apply(card.GetPrim()).CreateShapingConeAngleAttr(30.0)
    assert "The texture of a light with a cone is not rendered: /World/Card" in read(stage)[1]
    stage.RemovePrim("/World/Card")
    UsdLux.ShapingAPI.Apply(light.GetPrim()).CreateShapingConeAngleAttr(30.0)
    scene, said = read(stage)
    assert isinstance(scene.root.lights[0], SpotLight)
    assert scene.root.lights[0].angle == 30.0
    assert places(said) == ["/World/Light"]


def test_lights_that_are_hidden_or_dark_do_not_shine() -> None:
    """Nor does a dome, as on a stage without lights."""
    stage = new_stage()
    add_sphere(stage, "/World/Ball")
    UsdLux.RectLight.Define(stage, "/World/Off").CreateVisibilityAttr(UsdGeom.Tokens.invisible)
    UsdLux.RectLight.Define(stage, "/World/Dark").CreateIntensityAttr(0.0)
    scene, said = read(stage)
    assert scene.root.lights == []
    assert places(said) == ["/World/Dark"]
    assert len(said.splitlines()) == 3  # the camera that was made, and the darkness


def test_unknown_lights_and_filters_are_named() -> None:
    """A kind that is not rendered is skipped with its name."""
    stage = new_stage()
    add_sphere(stage, "/World/Ball")
    UsdLux.PortalLight.Define(stage, "/World/Portal")
    light = UsdLux.RectLight.Define(stage, "/World/Rect")
    UsdLux.LightFilter.Define(stage, "/World/Filter")
    light.GetFiltersRel().SetTargets(["/World/Filter"])
    said = read(stage)[1]
    assert "PortalLight" in said
    assert places(said) == ["/World/Portal", "/World/Rect"]


def test_lens_and_focus_are_in_scene_units() -> None:
    """A 50 mm lens at f/2 in a centimetre scene: a radius of 1.25."""
    stage = new_stage()
    add_sphere(stage, "/World/Ball")
    camera = add_camera(stage)
    camera.CreateFocalLengthAttr(50.0)
    camera.CreateFStopAttr(2.0)
    camera.CreateFocusDistanceAttr(9.0)
    found = read(stage)[0].camera
    assert (found.lens_radius, found.focus_distance) == pytest.approx((1.25, 9.0))
    camera.CreateFStopAttr(0.0)
    assert read(stage)[0].camera.lens_radius == 0.0


def test_a_wider_picture_shows_more_at_the_sides() -> None:
    """The default policy opens the aperture; cropAperture closes it."""
    stage = new_stage()
    add_sphere(stage, "/World/Ball")
    add_camera(stage)
    camera = read(stage, width=200, height=100)[0].camera
    assert (camera.horizontal_aperture, camera.vertical_aperture) == pytest.approx((40, 20))
    UsdRender.Settings.Define(stage, "/Render/S").CreateAspectRatioConformPolicyAttr("cropAperture")
    camera = read(stage, width=200, height=100)[0].camera
    assert (camera.horizontal_aperture, camera.vertical_aperture) == pytest.approx((20, 10))


@pytest.mark.parametrize("up", ["Y", "Z"])
@pytest.mark.parametrize(("width", "height"), [(160, 90), (90, 160)])
def test_the_made_camera_shows_every_corner(up: str, width: int, height: int) -> None:
    """All corners of the scene's box fall inside the picture, and some come near its border."""
    stage = new_stage(up=up)
    for place in ((0, 0, 0), (12, 1, 3), (-4, 7, 9)):
        add_sphere(stage, f"/World/B{place[0] + 4}", place)
    scene, said = read(stage, width=width, height=height)
    assert len(said.splitlines()) == 2  # the camera that was made, and the dome
    camera = scene.camera
    corners = np.array([[x, y, z, 1] for x in (-5, 13) for y in (-1, 8) for z in (-1, 10)], float)
    seen = corners @ np.linalg.inv(camera.transform).T
    assert (seen[:, 2] < 0).all()
    x = seen[:, 0] / -seen[:, 2] * camera.focal_length / (camera.horizontal_aperture / 2)
    y = seen[:, 1] / -seen[:, 2] * camera.focal_length / (camera.vertical_aperture / 2)
    largest = max(np.abs(x).max(), np.abs(y).max())
    assert 0.85 < largest <= 1.0
    assert camera.transform[2 if up == "Z" else 1, 1] > 0.5


def test_settings_come_from_the_stage_and_arguments_overrule_them() -> None:
    """Resolution, samples and camera of RenderSettings; its product's resolution is stronger."""
    stage = new_stage()
    add_sphere(stage, "/World/Ball")
    add_camera(stage, "/World/First")
    add_camera(stage, "/World/Second")
    settings = UsdRender.Settings.Define(stage, "/Render/Settings")
    settings.CreateResolutionAttr(Gf.Vec2i(320, 200))
    settings.CreateCameraRel().SetTargets(["/World/Second"])
    settings.GetPrim().CreateAttribute("katana:samples", Sdf.ValueTypeNames.Int).Set(7)
    scene, _ = read(stage)
    assert (scene.settings.width, scene.settings.height, scene.settings.samples) == (320, 200, 7)
    assert scene.camera.path == "/World/Second"
    product = UsdRender.Product.Define(stage, "/Render/Product")
    product.CreateResolutionAttr(Gf.Vec2i(64, 32))
    settings.CreateProductsRel().SetTargets([product.GetPath()])
    assert read(stage)[0].settings.width == 64
    scene, _ = read(stage, width=10, height=11, samples=3, camera="/World/First")
    assert (scene.settings.width, scene.settings.height, scene.settings.samples) == (10, 11, 3)
    assert scene.camera.path == "/World/First"


def test_a_camera_that_does_not_exist_is_an_error_with_the_choices() -> None:
    """The message names what was asked and what there is."""
    stage = new_stage()
    add_sphere(stage, "/World/Ball")
    add_camera(stage, "/World/Cam")
    with pytest.raises(RenderBootError, match=r"'/World/Kam'.* /World/Cam\b"):
        read(stage, camera="/World/Kam")
