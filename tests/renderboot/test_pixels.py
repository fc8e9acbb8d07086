"""What mitsuba draws of small stages: pixels where they should be, in the colours they should have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pxr import Gf, Sdf, Usd, UsdGeom, UsdLux, UsdShade

from tests.renderboot.stages import (
    Pixels,
    add_camera,
    add_card,
    add_dome,
    add_material,
    add_sphere,
    add_texture,
    bind,
    draw,
    new_stage,
    write_image,
)


@pytest.fixture
def stage() -> Usd.Stage:
    """A camera and an even dome."""
    stage = new_stage()
    add_camera(stage)
    add_dome(stage)
    return stage


def _mean(pixels: Pixels, x: float, y: float) -> np.ndarray:
    """The mean colour around a place; x and y from 0 to 1, y upwards."""
    height, width = pixels.shape[:2]
    column, row = int(x * width), int((1 - y) * height)
    return pixels[max(row - 2, 0) : row + 3, max(column - 2, 0) : column + 3, :3].reshape(-1, 3).mean(axis=0)


def _is(colour: np.ndarray, name: str) -> bool:
    """Whether one channel stands out."""
    index = "rgb".index(name)
    others = [colour[i] for i in range(3) if i != index]
    return bool(colour[index] > 2.0 * max(others))


def test_a_red_sphere_is_red_where_it_is(stage: Usd.Stage) -> None:
    """Up and to the right, and nowhere else; alpha tells object from background only without a dome."""
    sphere = add_sphere(stage, "/World/Ball", (1, 1, 0), 0.8)
    bind(sphere, add_material(stage, "/World/Red", diffuseColor=(0.8, 0.02, 0.02)))
    pixels = draw(stage)
    assert _is(_mean(pixels, 0.75, 0.75), "r")
    for x, y in ((0.25, 0.25), (0.25, 0.75), (0.75, 0.25)):
        assert _mean(pixels, x, y) == pytest.approx([1, 1, 1], rel=0.02)


def test_a_matte_card_under_an_even_dome_shows_its_colour(stage: Usd.Stage) -> None:
    """Radiance 1 from everywhere, a rough surface of 0.5: about 0.5, so light units are right."""
    bind(
        add_card(stage, "/World/Card", 3.0),
        add_material(stage, "/World/M", diffuseColor=(0.5, 0.5, 0.5), roughness=1.0),
    )
    assert _mean(draw(stage, samples=64), 0.5, 0.5) == pytest.approx([0.5] * 3, rel=0.12)


def test_a_light_on_the_left_lights_the_left() -> None:
    """A rectangle at -X that looks along +X."""
    stage = new_stage()
    add_camera(stage)
    add_sphere(stage, "/World/Ball", radius=1.5)
    light = UsdLux.RectLight.Define(stage, "/World/Light")
    light.CreateWidthAttr(4.0)
    light.CreateHeightAttr(4.0)
    light.CreateIntensityAttr(5.0)
    light.AddTranslateOp().Set(Gf.Vec3d(-5, 0, 2))
    light.AddRotateYOp().Set(-90.0)
    pixels = draw(stage)
    assert _mean(pixels, 0.3, 0.5)[0] > 5 * _mean(pixels, 0.7, 0.5)[0]
    assert pixels[0, 0].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize(
    "kind", ["DistantLight", "SphereLight", "DiskLight", "CylinderLight", "RectLight", "spot", "point"]
)
def test_every_light_shines_where_it_points(kind: str) -> None:
    """Each placed in front of a card lights it; turned around (where it has a direction), it does not."""
    stage = new_stage()
    add_camera(stage)
    add_card(stage, "/World/Card", 3.0)
    shape = "SphereLight" if kind in ("spot", "point") else kind
    prim = stage.DefinePrim("/World/Light", shape)
    light = UsdLux.LightAPI(prim)
    light.CreateIntensityAttr(20.0)
    light.CreateNormalizeAttr(kind == "DistantLight")
    if kind == "point":
        UsdLux.SphereLight(prim).CreateTreatAsPointAttr(True)
    if kind == "spot":
        UsdLux.ShapingAPI.Apply(prim).CreateShapingConeAngleAttr(40.0)
    xform = UsdGeom.Xformable(prim)
    xform.AddTranslateOp().Set(Gf.Vec3d(0, 0, 3))
    turn = xform.AddRotateYOp()
    turn.Set(0.0)
    lit = _mean(draw(stage, camera="/World/Camera"), 0.1, 0.1)[1]
    assert lit > 0.01
    if kind in ("DistantLight", "DiskLight", "RectLight", "spot"):
        turn.Set(180.0)
        assert _mean(draw(stage), 0.1, 0.1)[1] < lit / 20


def test_a_spot_lights_its_cone_only() -> None:
    """Bright in the middle, black outside of the angle."""
    stage = new_stage()
    add_camera(stage)
    add_card(stage, "/World/Card", 3.0)
    spot = UsdLux.SphereLight.Define(stage, "/World/Spot")
    spot.CreateIntensityAttr(50.0)
    spot.AddTranslateOp().Set(Gf.Vec3d(0, 0, 4))
    UsdLux.ShapingAPI.Apply(spot.GetPrim()).CreateShapingConeAngleAttr(12.0)
    pixels = draw(stage)
    assert _mean(pixels, 0.5, 0.5)[0] > 0.1
    assert _mean(pixels, 0.1, 0.1)[0] == 0.0


def test_dome_images_stand_the_right_way(tmp_path: Path) -> None:
    """OpenEXR's convention: the image's middle is +Z, a quarter from the left +X, the top row +Y."""
    stage = new_stage()
    camera = UsdGeom.Camera.Define(stage, "/World/Camera")
    camera.CreateFocalLengthAttr(40.0)
    turn = camera.AddRotateXYZOp()
    add_sphere(stage, "/World/Far", (0, 0, 0), 0.001)
    rows = [[(0, 0, 0)] * 8 for _ in range(4)]
    rows[0] = [(255, 255, 255)] * 8
    for row in (1, 2):
        rows[row][3] = rows[row][4] = (255, 0, 0)
        rows[row][1] = rows[row][2] = (0, 255, 0)
        rows[row][5] = rows[row][6] = (0, 0, 255)
    dome = add_dome(stage)
    dome.CreateTextureFileAttr(Sdf.AssetPath(str(write_image(tmp_path / "dome.png", rows))))

    def seen(*degrees: float) -> np.ndarray:
        turn.Set(Gf.Vec3f(*degrees))
        return _mean(draw(stage, samples=2), 0.5, 0.8)

    assert _is(seen(0, 180, 0), "r")  # looking to +Z
    assert _is(seen(0, -90, 0), "g")  # +X
    assert _is(seen(0, 90, 0), "b")  # -X
    up = seen(80, 180, 0)
    assert up.min() > 0.5
    dome.AddRotateYOp().Set(-90.0)
    assert _is(seen(0, 90, 0), "r")  # the dome's +Z now looks to -X


def test_textures_lie_the_right_way_up(stage: Usd.Stage, tmp_path: Path) -> None:
    """The image's top left is the card's top left."""
    rows = [[(255, 0, 0), (0, 255, 0)], [(0, 0, 255), (255, 255, 255)]]
    material = add_material(stage, "/World/M", roughness=1.0)
    add_texture(stage, "/World/M", "diffuseColor", write_image(tmp_path / "four.png", rows))
    bind(add_card(stage, "/World/Card", 2.0), material)
    pixels = draw(stage, samples=16)
    assert _is(_mean(pixels, 0.2, 0.8), "r")
    assert _is(_mean(pixels, 0.8, 0.8), "g")
    assert _is(_mean(pixels, 0.2, 0.2), "b")


def test_texture_transforms_move_the_image(stage: Usd.Stage, tmp_path: Path) -> None:
    """A translation by half a width swaps left and right; the lower half stays below."""
    rows = [[(255, 0, 0), (0, 255, 0)], [(0, 0, 0), (0, 0, 0)]]
    material = add_material(stage, "/World/M", roughness=1.0)
    image = add_texture(stage, "/World/M", "diffuseColor", write_image(tmp_path / "two.png", rows))
    place = UsdShade.Shader.Define(stage, "/World/M/Place")
    place.CreateIdAttr("UsdTransform2d")
    pair = Sdf.ValueTypeNames.Float2
    place.CreateInput("translation", pair).Set(Gf.Vec2f(0.5, 0))
    image.CreateInput("st", pair).ConnectToSource(place.CreateOutput("result", pair))
    image.CreateInput("wrapS", Sdf.ValueTypeNames.Token).Set("repeat")
    bind(add_card(stage, "/World/Card", 2.0), material)
    pixels = draw(stage, samples=16)
    assert _is(_mean(pixels, 0.2, 0.8), "g")
    assert _is(_mean(pixels, 0.8, 0.8), "r")
    assert _mean(pixels, 0.5, 0.2).max() < 0.2


def test_srgb_images_are_linearised_and_raw_ones_are_not(stage: Usd.Stage, tmp_path: Path) -> None:
    """Code value 128 is 0.22 of light as colour, 0.5 as data."""
    material = add_material(stage, "/World/M", emissiveColor=(0.0, 0.0, 0.0), diffuseColor=(0.0, 0.0, 0.0))
    image = add_texture(
        stage, "/World/M", "emissiveColor", write_image(tmp_path / "grey.png", [[(128, 128, 128)]])
    )
    bind(add_card(stage, "/World/Card", 3.0), material)
    stage.RemovePrim("/World/Dome")
    space = image.CreateInput("sourceColorSpace", Sdf.ValueTypeNames.Token)
    for token, expected in (("sRGB", 0.2158), ("auto", 0.2158), ("raw", 0.502)):
        space.Set(token)
        assert _mean(draw(stage, samples=1), 0.5, 0.5)[0] == pytest.approx(expected, rel=0.02), token


def test_opacity_cuts_out_and_glass_lets_through(stage: Usd.Stage, tmp_path: Path) -> None:
    """An opacity map with a threshold leaves holes; constant opacity 0 refracts what is behind."""
    behind = add_card(stage, "/World/Behind", 3.0, z=-3.0)
    bind(behind, add_material(stage, "/World/Red", diffuseColor=(0.8, 0.0, 0.0), roughness=1.0))
    leaf = add_material(
        stage, "/World/Leaf", diffuseColor=(0.0, 0.8, 0.0), roughness=1.0, opacityThreshold=0.5
    )
    rows = [[(255, 255, 255), (0, 0, 0)]]
    add_texture(stage, "/World/Leaf", "opacity", write_image(tmp_path / "mask.png", rows), "r")
    card = add_card(stage, "/World/Card", 1.9)
    bind(card, leaf)
    pixels = draw(stage, samples=16)
    assert _is(_mean(pixels, 0.15, 0.5), "g")
    assert _is(_mean(pixels, 0.85, 0.5), "r")
    bind(card, add_material(stage, "/World/Glass", opacity=0.0, diffuseColor=(0.0, 0.8, 0.0)))
    assert _is(_mean(draw(stage, samples=16), 0.5, 0.5), "r")


def test_metal_reflects_in_its_colour(stage: Usd.Stage) -> None:
    """A copper card under a white dome is copper; a dielectric of black stays nearly black."""
    card = add_card(stage, "/World/Card", 3.0)
    bind(
        card, add_material(stage, "/World/Copper", diffuseColor=(0.9, 0.3, 0.1), metallic=1.0, roughness=0.2)
    )
    assert _mean(draw(stage, samples=32), 0.5, 0.5) == pytest.approx([0.9, 0.3, 0.1], rel=0.15)
    bind(card, add_material(stage, "/World/Black", diffuseColor=(0.0, 0.0, 0.0), roughness=0.2))
    assert _mean(draw(stage, samples=32), 0.5, 0.5).max() < 0.1


def test_normal_maps_tilt_the_surface(tmp_path: Path) -> None:
    """Under a sun from the left, a map that tilts to the left is brighter than one to the right."""
    stage = new_stage()
    add_camera(stage)
    sun = UsdLux.DistantLight.Define(stage, "/World/Sun")
    sun.CreateNormalizeAttr(True)
    sun.CreateIntensityAttr(2.0)
    sun.AddRotateYOp().Set(-60.0)
    material = add_material(stage, "/World/M", roughness=1.0)
    normal = UsdShade.Shader.Define(stage, "/World/M/Imagenormal")
    normal.CreateIdAttr("UsdUVTexture")
    shader = UsdShade.Shader.Get(stage, "/World/M/Surface")
    kind = Sdf.ValueTypeNames.Normal3f
    shader.CreateInput("normal", kind).ConnectToSource(normal.CreateOutput("rgb", Sdf.ValueTypeNames.Float3))
    normal.CreateInput("sourceColorSpace", Sdf.ValueTypeNames.Token).Set("raw")
    normal.CreateInput("scale", Sdf.ValueTypeNames.Float4).Set(Gf.Vec4f(2, 2, 2, 1))
    normal.CreateInput("bias", Sdf.ValueTypeNames.Float4).Set(Gf.Vec4f(-1, -1, -1, 0))
    file = normal.CreateInput("file", Sdf.ValueTypeNames.Asset)
    bind(add_card(stage, "/World/Card", 3.0), material)
    brightness = {}
    for name, red in (("left", 40), ("right", 215)):
        file.Set(Sdf.AssetPath(str(write_image(tmp_path / f"{name}.png", [[(red, 128, 220)]]))))
        brightness[name] = _mean(draw(stage), 0.5, 0.5)[0]
    assert brightness["left"] > 1.5 * brightness["right"]


def test_display_colours_vary_over_a_mesh(stage: Usd.Stage) -> None:
    """Uniform displayColor: one colour a face."""
    mesh = UsdGeom.Mesh.Define(stage, "/World/Two")
    mesh.CreatePointsAttr([(-2, -2, 0), (0, -2, 0), (0, 2, 0), (-2, 2, 0), (2, -2, 0), (2, 2, 0)])
    mesh.CreateFaceVertexCountsAttr([4, 4])
    mesh.CreateFaceVertexIndicesAttr([0, 1, 2, 3, 1, 4, 5, 2])
    mesh.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    colours = mesh.CreateDisplayColorPrimvar(UsdGeom.Tokens.uniform)
    colours.Set([(0.8, 0, 0), (0, 0, 0.8)])
    pixels = draw(stage)
    assert _is(_mean(pixels, 0.25, 0.5), "r")
    assert _is(_mean(pixels, 0.75, 0.5), "b")


def test_hidden_things_are_not_drawn(stage: Usd.Stage) -> None:
    """The same picture as without the sphere."""
    add_sphere(stage, "/World/Small", (-1.8, -1.8, 0), 0.1)
    ball = add_sphere(stage, "/World/Ball")
    assert _mean(draw(stage), 0.5, 0.5)[0] < 0.9
    ball.CreateVisibilityAttr(UsdGeom.Tokens.invisible)
    assert _mean(draw(stage), 0.5, 0.5)[0] == pytest.approx(1.0)


def test_the_frame_moves_the_object(stage: Usd.Stage) -> None:
    """Left at frame 1, right at frame 2."""
    move = add_sphere(stage, "/World/Ball", radius=0.6).AddTranslateOp(opSuffix="move")
    move.Set(Gf.Vec3d(-1.2, 0, 0), 1)
    move.Set(Gf.Vec3d(1.2, 0, 0), 2)
    first, second = draw(stage, frame=1.0), draw(stage, frame=2.0)
    assert _mean(first, 0.2, 0.5)[0] < 0.9 < _mean(first, 0.8, 0.5)[0]
    assert _mean(second, 0.8, 0.5)[0] < 0.9 < _mean(second, 0.2, 0.5)[0]


def test_every_point_instance_is_drawn(stage: Usd.Stage) -> None:
    """Nine spheres: nine separate spots in the picture."""
    instancer = UsdGeom.PointInstancer.Define(stage, "/World/Points")
    add_sphere(stage, "/World/Points/P", radius=0.35)
    instancer.CreatePrototypesRel().SetTargets(["/World/Points/P"])
    instancer.CreateProtoIndicesAttr([0] * 9)
    instancer.CreatePositionsAttr([(x, y, 0) for x in (-1.3, 0, 1.3) for y in (-1.3, 0, 1.3)])
    dark = draw(stage, width=64, height=64)[..., 0] < 0.85
    assert _spots(dark) == 9


def _spots(mask: np.ndarray) -> int:
    """Connected areas of at least four pixels."""
    left = {(int(y), int(x)) for y, x in np.argwhere(mask)}
    spots = 0
    while left:
        edge, size = [left.pop()], 1
        while edge:
            y, x = edge.pop()
            for near in ((y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)):
                if near in left:
                    left.discard(near)
                    edge.append(near)
                    size += 1
        spots += size >= 4
    return spots


def test_glowing_instances_shine() -> None:
    """Emissive spheres in an instancer light the card behind them; no dome is added for them."""
    stage = new_stage()
    add_camera(stage)
    add_card(stage, "/World/Card", 3.0, z=-1.0)
    instancer = UsdGeom.PointInstancer.Define(stage, "/World/Points")
    bulb = add_sphere(stage, "/World/Points/P", radius=0.3)
    bind(
        bulb, add_material(stage, "/World/Glow", emissiveColor=(0.0, 5.0, 0.0), diffuseColor=(0.0, 0.0, 0.0))
    )
    instancer.CreatePrototypesRel().SetTargets([bulb.GetPath()])
    instancer.CreateProtoIndicesAttr([0, 0])
    instancer.CreatePositionsAttr([(-1.2, 0, 0), (1.2, 0, 0)])
    pixels = draw(stage, samples=16)
    assert _is(_mean(pixels, 0.5, 0.5), "g")
    assert _mean(pixels, 0.2, 0.5)[1] > 3.0


def test_mirrored_and_scaled_objects_keep_their_outside() -> None:
    """A sphere under a negative, uneven scale is lit from where the light is."""
    stage = new_stage()
    add_camera(stage)
    ball = add_sphere(stage, "/World/Ball")
    ball.AddScaleOp().Set(Gf.Vec3f(-1.5, 1.0, 1.5))
    sun = UsdLux.DistantLight.Define(stage, "/World/Sun")
    sun.CreateNormalizeAttr(True)
    sun.AddRotateYOp().Set(-60.0)
    pixels = draw(stage)
    assert _mean(pixels, 0.25, 0.5)[0] > 3 * _mean(pixels, 0.75, 0.5)[0]


def test_focus_blurs_what_is_out_of_it(stage: Usd.Stage) -> None:
    """The edge of a card is sharp at the focus distance and soft away from it."""
    bind(
        add_card(stage, "/World/Card", 1.0),
        add_material(stage, "/World/Black", diffuseColor=(0.0, 0.0, 0.0), roughness=1.0),
    )
    camera = UsdGeom.Camera.Get(stage, "/World/Camera")
    camera.CreateFStopAttr(4.0)

    def grey(distance: float) -> int:
        camera.CreateFocusDistanceAttr(distance)
        row = draw(stage, samples=32)[16, :, 0]
        return int(((row > 0.15) & (row < 0.85)).sum())

    assert grey(4.0) > grey(10.0) + 3


def test_z_up_and_orthographic(stage: Usd.Stage) -> None:
    """An orthographic window of 4 units, offset by one to the right."""
    add_sphere(stage, "/World/Ball", (1, 0, 0), 0.5)
    camera = UsdGeom.Camera.Get(stage, "/World/Camera")
    camera.CreateProjectionAttr(UsdGeom.Tokens.orthographic)
    camera.CreateHorizontalApertureAttr(40.0)
    camera.CreateVerticalApertureAttr(40.0)
    pixels = draw(stage)
    assert _mean(pixels, 0.75, 0.5)[0] < 0.9 < _mean(pixels, 0.5, 0.5)[0]
    camera.CreateHorizontalApertureOffsetAttr(10.0)
    pixels = draw(stage)
    assert _mean(pixels, 0.5, 0.5)[0] < 0.9 < _mean(pixels, 0.75, 0.5)[0]


def test_a_film_offset_shifts_the_picture(stage: Usd.Stage) -> None:
    """A quarter of the aperture to the right and up moves what is seen a quarter to the left and down."""
    add_sphere(stage, "/World/Ball", (0, 0, 0), 0.6)
    camera = UsdGeom.Camera.Get(stage, "/World/Camera")
    camera.CreateHorizontalApertureOffsetAttr(5.0)
    camera.CreateVerticalApertureOffsetAttr(5.0)
    pixels = draw(stage)
    assert _mean(pixels, 0.25, 0.25)[0] < 0.9 < _mean(pixels, 0.5, 0.5)[0]
