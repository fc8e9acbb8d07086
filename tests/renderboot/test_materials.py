"""Preview surfaces and their textures, as read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pxr import Gf, Sdf, Usd, UsdGeom, UsdShade

from host.renderboot.scene import ImageTexture, Material, Primvar
from tests.renderboot.stages import (
    add_card,
    add_material,
    add_texture,
    bind,
    new_stage,
    places,
    read,
    write_image,
)


def _card_with(stage: Usd.Stage, material: UsdShade.Material) -> None:
    bind(add_card(stage, "/World/Card"), material)


def _material(stage: Usd.Stage) -> tuple[Material, str]:
    scene, said = read(stage)
    return scene.root.meshes[0].material, said


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """One red pixel."""
    return write_image(tmp_path / "red.png", [[(255, 0, 0)]])


def test_plain_values_are_read() -> None:
    """Every input that mitsuba is given."""
    stage = new_stage()
    inputs = {
        "metallic": 0.25,
        "roughness": 0.75,
        "ior": 1.3,
        "clearcoat": 0.5,
        "opacity": 0.5,
        "opacityThreshold": 0.1,
    }
    _card_with(stage, add_material(stage, "/World/M", diffuseColor=(0.1, 0.2, 0.3), **inputs))
    material, _ = _material(stage)
    assert material.diffuse_colour == pytest.approx((0.1, 0.2, 0.3))
    found = (material.metallic, material.roughness, material.ior, material.clearcoat, material.opacity)
    assert found == pytest.approx((0.25, 0.75, 1.3, 0.5, 0.5))
    assert not material.transmits


def test_material_interface_values_reach_the_shader() -> None:
    """A value on the Material's own input, connected to the shader's."""
    stage = new_stage()
    material = add_material(stage, "/World/M")
    public = material.CreateInput("paint", Sdf.ValueTypeNames.Color3f)
    public.Set(Gf.Vec3f(0.5, 0.25, 0.125))
    shader = UsdShade.Shader.Get(stage, "/World/M/Surface")
    shader.CreateInput("diffuseColor", Sdf.ValueTypeNames.Color3f).ConnectToSource(public)
    _card_with(stage, material)
    assert _material(stage)[0].diffuse_colour == (0.5, 0.25, 0.125)


def test_textures_carry_wrap_scale_space_and_transform(image: Path) -> None:
    """UsdUVTexture behind a UsdTransform2d behind a primvar reader."""
    stage = new_stage()
    material = add_material(stage, "/World/M")
    texture = add_texture(stage, "/World/M", "diffuseColor", image)
    texture.CreateInput("wrapS", Sdf.ValueTypeNames.Token).Set("mirror")
    texture.CreateInput("wrapT", Sdf.ValueTypeNames.Token).Set("clamp")
    texture.CreateInput("sourceColorSpace", Sdf.ValueTypeNames.Token).Set("raw")
    texture.CreateInput("scale", Sdf.ValueTypeNames.Float4).Set(Gf.Vec4f(2, 2, 2, 1))
    place = UsdShade.Shader.Define(stage, "/World/M/Place")
    place.CreateIdAttr("UsdTransform2d")
    place.CreateInput("scale", Sdf.ValueTypeNames.Float2).Set(Gf.Vec2f(3, 1))
    place.CreateInput("rotation", Sdf.ValueTypeNames.Float).Set(90.0)
    place.CreateInput("translation", Sdf.ValueTypeNames.Float2).Set(Gf.Vec2f(0, 0.5))
    reader = UsdShade.Shader.Define(stage, "/World/M/Reader")
    reader.CreateIdAttr("UsdPrimvarReader_float2")
    reader.CreateInput("varname", Sdf.ValueTypeNames.String).Set("map2")
    result = Sdf.ValueTypeNames.Float2
    place.CreateInput("in", result).ConnectToSource(reader.CreateOutput("result", result))
    texture.CreateInput("st", result).ConnectToSource(place.CreateOutput("result", result))
    _card_with(stage, material)
    found, _ = _material(stage)
    colour = found.diffuse_colour
    assert isinstance(colour, ImageTexture)
    assert (colour.wrap_s, colour.wrap_t, colour.colour_space) == ("mirror", "clamp", "linear")
    assert colour.scale == (2, 2, 2, 1)
    assert colour.uv_primvar == "map2"
    matrix = np.array(colour.uv_transform).reshape(3, 3)
    # (1, 0) scaled to (3, 0), turned to (0, 3), moved to (0, 3.5).
    assert matrix @ (1, 0, 1) == pytest.approx([0, 3.5, 1])


@pytest.mark.parametrize("name", ["./nowhere/wood.png", "./" + "w" * 300 + ".png"])
def test_a_missing_texture_is_named_with_its_prim(name: str) -> None:
    """The file and the node are in the warning; the fallback, if there is one, is shown.

    Also of one that the system refuses to look for, such as one with too long a name.
    """
    stage = new_stage()
    material = add_material(stage, "/World/M")
    texture = add_texture(stage, "/World/M", "diffuseColor", name)
    _card_with(stage, material)
    found, said = _material(stage)
    assert f"'{name}'" in said and "/World/M/ImagediffuseColor" in places(said)
    assert found.diffuse_colour == (0.5, 0.5, 0.5)
    texture.CreateInput("fallback", Sdf.ValueTypeNames.Float4).Set(Gf.Vec4f(1, 0, 1, 1))
    assert _material(stage)[0].diffuse_colour == (1, 0, 1)


@pytest.mark.parametrize("name", ["wrapS", "wrapT", "sourceColorSpace"])
def test_an_unknown_word_of_a_texture_is_named(tmp_path: Path, name: str) -> None:
    """The texture is drawn as without it."""
    stage = new_stage()
    material = add_material(stage, "/World/M")
    image = write_image(tmp_path / "red.png", [[(255, 0, 0)]])
    texture = add_texture(stage, "/World/M", "diffuseColor", str(image))
    texture.CreateInput(name, Sdf.ValueTypeNames.Token).Set("bogus")
    _card_with(stage, material)
    said = _material(stage)[1]
    assert "'bogus'" in said and "/World/M/ImagediffuseColor" in places(said)


def test_display_colour_can_drive_a_surface() -> None:
    """UsdPrimvarReader_float3 on diffuseColor."""
    stage = new_stage()
    material = add_material(stage, "/World/M")
    reader = UsdShade.Shader.Define(stage, "/World/M/Reader")
    reader.CreateIdAttr("UsdPrimvarReader_float3")
    reader.CreateInput("varname", Sdf.ValueTypeNames.String).Set("displayColor")
    shader = UsdShade.Shader.Get(stage, "/World/M/Surface")
    colour = Sdf.ValueTypeNames.Color3f
    shader.CreateInput("diffuseColor", colour).ConnectToSource(reader.CreateOutput("result", colour))
    _card_with(stage, material)
    assert _material(stage)[0].diffuse_colour == (0.18, 0.18, 0.18)
    colours = UsdGeom.Mesh.Get(stage, "/World/Card").CreateDisplayColorPrimvar("vertex")
    colours.Set([(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 1)])
    assert _material(stage)[0].diffuse_colour == Primvar("displayColor", 3, (0.18, 0.18, 0.18))


def test_unknown_nodes_in_a_network_are_named() -> None:
    """An input fed by an unknown node stays at its default, and says so."""
    stage = new_stage()
    material = add_material(stage, "/World/M")
    node = UsdShade.Shader.Define(stage, "/World/M/Noise")
    node.CreateIdAttr("MyNoise")
    shader = UsdShade.Shader.Get(stage, "/World/M/Surface")
    kind = Sdf.ValueTypeNames.Float
    shader.CreateInput("roughness", kind).ConnectToSource(node.CreateOutput("out", kind))
    _card_with(stage, material)
    found, said = _material(stage)
    assert found.roughness == 0.5
    assert "MyNoise" in said
    assert "roughness" in said
