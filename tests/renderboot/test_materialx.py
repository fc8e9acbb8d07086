"""MaterialX surfaces: in a stage and in .mtlx files, and what is beyond them."""

from __future__ import annotations

from pathlib import Path

import MaterialX as mx  # noqa: N813
import numpy as np
import pytest
from pxr import Gf, Sdf, Usd, UsdGeom, UsdShade

from host.renderboot.diagnostics import Diagnostics
from host.renderboot.scene import ImageTexture
from host.renderboot.stage.materialx_surfaces import IMAGE_BEYOND, IMAGE_DETAILS, IMAGE_READ
from host.renderboot.stage.materialx_surfaces import SURFACES as TABLES
from host.renderboot.stage.open_stage import open_stage
from host.renderboot.stage.shading import numbers_of
from tests.renderboot.stages import add_camera, add_card, bind, draw, new_stage, places, read, write_image
from tests.renderboot.test_cases import at

SURFACES = {
    "standard_surface": ("base_color", "emission", "emission_color", "opacity"),
    "open_pbr_surface": ("base_color", "emission_luminance", "emission_color", "geometry_opacity"),
    "gltf_pbr": ("base_color", "", "emissive", "alpha"),
    "UsdPreviewSurface": ("diffuseColor", "", "emissiveColor", "opacity"),
}


def _material(stage: Usd.Stage, kind: str, **inputs: object) -> UsdShade.Shader:
    material = UsdShade.Material.Define(stage, "/World/M")
    shader = UsdShade.Shader.Define(stage, "/World/M/S")
    shader.CreateIdAttr(f"ND_{kind}_surfaceshader")
    for name, value in inputs.items():
        if name:
            type_name = Sdf.ValueTypeNames.Color3f if isinstance(value, tuple) else Sdf.ValueTypeNames.Float
            shader.CreateInput(name, type_name).Set(Gf.Vec3f(*value) if isinstance(value, tuple) else value)
    material.CreateSurfaceOutput("mtlx").ConnectToSource(shader.ConnectableAPI(), "out")
    bind(stage.GetPrimAtPath("/World/Card"), material)
    return shader


@pytest.fixture
def stage() -> Usd.Stage:
    """A camera and a card."""
    stage = new_stage()
    add_camera(stage)
    add_card(stage, "/World/Card", 2.0)
    return stage


@pytest.mark.parametrize("kind", SURFACES)
def test_common_inputs_are_rendered(stage: Usd.Stage, kind: str) -> None:
    """A black surface that glows green; cut out, the one behind it is seen."""
    base, weight, glow, opacity = SURFACES[kind]
    _material(stage, kind, **{base: (0.0, 0.0, 0.0), weight: 2.0, glow: (0.0, 0.25, 0.0)})
    right = 0.5 if weight else 0.25
    assert at(draw(stage), 0, 0) == pytest.approx([0, right, 0], abs=0.01)
    material = read(stage)[0].root.meshes[0].material
    assert material.diffuse_colour == (0, 0, 0)
    shader = UsdShade.Shader.Get(stage, "/World/M/S")
    shader.CreateInput(opacity, Sdf.ValueTypeNames.Float).Set(0.0)
    if kind == "gltf_pbr":
        assert read(stage)[0].root.meshes[0].material.opacity == 1.0
        shader.CreateInput("alpha_mode", Sdf.ValueTypeNames.Int).Set(2)
    assert read(stage)[0].root.meshes[0].material.opacity == 0.0


def test_images_and_primvars_feed_a_surface(stage: Usd.Stage, tmp_path: Path) -> None:
    """An image on the emission, multiplied; a primvar on the roughness; a normal map."""
    shader = _material(stage, "standard_surface", base_color=(0.0, 0.0, 0.0), emission=1.0)
    image = UsdShade.Shader.Define(stage, "/World/M/Image")
    image.CreateIdAttr("ND_image_color3")
    file = image.CreateInput("file", Sdf.ValueTypeNames.Asset)
    file.Set(Sdf.AssetPath(str(write_image(tmp_path / "grey.png", [[(128, 128, 128)] * 4] * 4))))
    twice = UsdShade.Shader.Define(stage, "/World/M/Twice")
    twice.CreateIdAttr("ND_multiply_color3")
    colour = Sdf.ValueTypeNames.Color3f
    twice.CreateInput("in1", colour).ConnectToSource(image.CreateOutput("out", colour))
    twice.CreateInput("in2", colour).Set(Gf.Vec3f(2, 1, 0))
    shader.CreateInput("emission_color", colour).ConnectToSource(twice.CreateOutput("out", colour))
    prop = UsdShade.Shader.Define(stage, "/World/M/Prop")
    prop.CreateIdAttr("ND_geompropvalue_float")
    prop.CreateInput("geomprop", Sdf.ValueTypeNames.String).Set("rough")
    number = Sdf.ValueTypeNames.Float
    shader.CreateInput("specular_roughness", number).ConnectToSource(prop.CreateOutput("out", number))
    card = UsdGeom.PrimvarsAPI(stage.GetPrimAtPath("/World/Card"))
    card.CreatePrimvar("rough", Sdf.ValueTypeNames.FloatArray, "constant").Set([0.75])
    file.GetAttr().SetColorSpace("srgb_texture")
    assert at(draw(stage), 0, 0) == pytest.approx([0.432, 0.216, 0], abs=0.01)
    file.GetAttr().SetColorSpace("lin_rec709")
    assert at(draw(stage), 0, 0) == pytest.approx([1.004, 0.502, 0], abs=0.01)
    assert read(stage)[0].root.meshes[0].material.roughness == 0.75


def test_colours_have_their_colour_space(stage: Usd.Stage, tmp_path: Path) -> None:
    """Values as images; numbers have none, even where the document has one; another space is named."""
    shader = _material(stage, "standard_surface", base_color=(0.5, 0.5, 0.5), specular_roughness=0.5)
    for name in ("base_color", "specular_roughness"):
        shader.GetInput(name).GetAttr().SetColorSpace("srgb_texture")
    material = read(stage)[0].root.meshes[0].material
    assert material.diffuse_colour == pytest.approx([0.214] * 3, abs=0.001)
    assert material.roughness == 0.5
    image = UsdShade.Shader.Define(stage, "/World/M/Image")
    image.CreateIdAttr("ND_image_float")
    file = image.CreateInput("file", Sdf.ValueTypeNames.Asset)
    file.Set(Sdf.AssetPath(str(write_image(tmp_path / "grey.png", [[(128, 128, 128)] * 4] * 4))))
    file.GetAttr().SetColorSpace("srgb_texture")
    number = Sdf.ValueTypeNames.Float
    shader.GetInput("specular_roughness").ConnectToSource(image.CreateOutput("out", number))
    roughness = read(stage)[0].root.meshes[0].material.roughness
    assert isinstance(roughness, ImageTexture)
    assert roughness.colour_space == "linear"
    shader.GetInput("base_color").GetAttr().SetColorSpace("acescg")
    scene, said = read(stage)
    assert scene.root.meshes[0].material.diffuse_colour == pytest.approx([0.5] * 3)
    assert "acescg" in said


@pytest.mark.parametrize(
    ("name", "value", "is_named"),
    [
        ("sRGB", 0.214, False),
        ("srgb_rec709_scene", 0.214, False),
        ("srgb_p3d65_scene", 0.214, True),
        ("srgb_ap1_scene", 0.214, True),
        ("linear", 0.5, False),
        ("Utility - Linear - sRGB", 0.5, False),
        ("scene-linear Rec.709-sRGB", 0.5, False),
        ("lin_ap1", 0.5, True),
    ],
)
def test_a_colour_space_that_is_not_converted_is_named(
    stage: Usd.Stage, name: str, value: float, is_named: bool
) -> None:
    """One of sRGB's curve has that at least."""
    shader = _material(stage, "standard_surface", base_color=(0.5, 0.5, 0.5))
    shader.GetInput("base_color").GetAttr().SetColorSpace(name)
    scene, said = read(stage)
    assert scene.root.meshes[0].material.diffuse_colour == pytest.approx([value] * 3, abs=0.001)
    assert (name.lower() in said) == is_named


def test_a_normal_map_has_its_strength(stage: Usd.Stage, tmp_path: Path) -> None:
    """Half of the slope; what is no image is named."""
    shader = _material(stage, "standard_surface", base_color=(0.5, 0.5, 0.5))
    vector, number = Sdf.ValueTypeNames.Float3, Sdf.ValueTypeNames.Float
    image = UsdShade.Shader.Define(stage, "/World/M/Image")
    image.CreateIdAttr("ND_image_vector3")
    file = write_image(tmp_path / "slope.png", [[(255, 128, 255)] * 4] * 4)
    image.CreateInput("file", Sdf.ValueTypeNames.Asset).Set(Sdf.AssetPath(str(file)))
    bump = UsdShade.Shader.Define(stage, "/World/M/Bump")
    bump.CreateIdAttr("ND_normalmap_float")
    bump.CreateInput("scale", number).Set(0.5)
    bump.CreateInput("in", vector).ConnectToSource(image.CreateOutput("out", vector))
    shader.CreateInput("normal", vector).ConnectToSource(bump.CreateOutput("out", vector))
    normal = read(stage)[0].root.meshes[0].material.normal
    assert normal is not None
    read_normal = np.array([1.0, 0.5, 1.0]) * normal.scale[:3] + normal.bias[:3]
    assert read_normal == pytest.approx([0.5, 0.0, 1.0])
    strength = UsdShade.Shader.Define(stage, "/World/M/Strength")
    strength.CreateIdAttr("ND_constant_float")
    strength.CreateInput("value", number).Set(0.25)
    bump.GetInput("scale").ConnectToSource(strength.CreateOutput("out", number))
    scaled = read(stage)[0].root.meshes[0].material.normal
    assert scaled is not None and scaled.scale[:2] == (0.5, 0.5)
    strength.CreateIdAttr("ND_image_float")
    strength.CreateInput("file", Sdf.ValueTypeNames.Asset).Set(Sdf.AssetPath(str(file)))
    assert places(read(stage)[1]) == ["/World/M/Bump"]
    bump.GetInput("scale").ClearSources()
    image.CreateIdAttr("ND_noise2d_vector3")
    scene, said = read(stage)
    assert scene.root.meshes[0].material.normal is None
    assert places(said) == ["/World/M/Image"]


@pytest.mark.parametrize("kind", SURFACES)
def test_every_input_of_a_surface_is_rendered_or_named(kind: str) -> None:
    """As MaterialX defines the surface: names and defaults, so that a new version's inputs are classified."""
    node = _definition(f"ND_{kind}_surfaceshader")
    table = TABLES[kind]
    named = {**table.beyond, **table.beyond_transmission, **table.beyond_coat}
    groups = [set(table.rendered) | {table.normal}, set(named), table.details]
    assert set.union(*groups) == set(node)
    assert sum(len(group) for group in groups) == len(node)
    for name, default in {**table.rendered, **named}.items():
        if default is not None:
            count = 3 if isinstance(default, tuple) else 1
            assert numbers_of(default, count) == numbers_of(node[name], count), name


def test_every_input_of_an_image_is_rendered_or_named() -> None:
    """Of both kinds of image nodes."""
    inputs = {**_definition("ND_image_color3"), **_definition("ND_tiledimage_color3")}
    assert set(inputs) == IMAGE_READ | set(IMAGE_BEYOND) | IMAGE_DETAILS


def _definition(name: str) -> dict[str, object]:
    """The inputs of a node of MaterialX's own libraries, and their defaults."""
    library = mx.createDocument()
    mx.loadLibraries(mx.getDefaultDataLibraryFolders(), mx.getDefaultDataSearchPath(), library)
    found = {}
    for each in library.getNodeDef(name).getActiveInputs():
        text = str(each.getValueString())
        is_numbers = text and text[0] in "-0123456789"
        found[str(each.getName())] = [float(x) for x in text.split(",")] if is_numbers else 0.0
    return found


@pytest.mark.parametrize(
    ("kind", "name", "value", "switch"),
    [
        ("standard_surface", "specular_color", (1.0, 0.0, 0.0), ""),
        ("standard_surface", "coat_IOR", 1.2, "coat"),
        ("standard_surface", "transmission_depth", 2.0, "transmission"),
        ("open_pbr_surface", "fuzz_weight", 0.5, ""),
        ("open_pbr_surface", "coat_ior", 1.2, "coat_weight"),
        ("gltf_pbr", "sheen_color", (0.5, 0.5, 0.5), ""),
        ("gltf_pbr", "thickness", 1.0, "transmission"),
        ("UsdPreviewSurface", "displacement", 1.0, ""),
    ],
)
def test_an_input_that_is_not_rendered_is_named_where_it_counts(
    stage: Usd.Stage, kind: str, name: str, value: object, switch: str
) -> None:
    """Not at its default, and not below a coat or a transmission that the surface does not have."""
    shader = _material(stage, kind, **{name: value})
    text = f"'{name}' is not rendered: /World/M"
    if switch:
        assert text not in read(stage)[1]
        shader.CreateInput(switch, Sdf.ValueTypeNames.Float).Set(0.5)
    assert text in read(stage)[1]
    table = TABLES[kind]
    default = {**table.beyond, **table.beyond_transmission, **table.beyond_coat}[name]
    shader.GetInput(name).Set(Gf.Vec3f(*default) if isinstance(default, tuple) else default)
    assert text not in read(stage)[1]


def test_glass_has_its_colour(stage: Usd.Stage) -> None:
    """A red pane before a white light, of standard_surface and of glTF, whose colour is the base colour."""
    for kind, name in (("standard_surface", "transmission_color"), ("gltf_pbr", "base_color")):
        add_card(stage, "/World/Behind", 4.0, -1.0)
        behind = UsdShade.Material.Define(stage, "/World/Glow")
        source = UsdShade.Shader.Define(stage, "/World/Glow/S")
        source.CreateIdAttr("UsdPreviewSurface")
        source.CreateInput("emissiveColor", Sdf.ValueTypeNames.Color3f).Set(Gf.Vec3f(1, 1, 1))
        behind.CreateSurfaceOutput().ConnectToSource(source.ConnectableAPI(), "surface")
        bind(stage.GetPrimAtPath("/World/Behind"), behind)
        stage.RemovePrim("/World/M")
        transmission = {"transmission": 1.0, name: (1.0, 0.25, 0.0)}
        _material(stage, kind, **transmission)
        seen = at(draw(stage, samples=64), 0, 0)
        assert seen[0] > 0.8 > 0.3 > seen[1] > 0.15 > seen[2], (kind, seen)


def test_a_coat_tints_what_it_covers(stage: Usd.Stage, tmp_path: Path) -> None:
    """A coat of a colour, or of an image, over half of a white surface; over another image it is named."""
    inputs = {"base_color": (1.0, 1.0, 1.0), "coat": 0.5, "coat_color": (1.0, 0.5, 0.0)}
    shader = _material(stage, "standard_surface", **inputs)
    assert read(stage)[0].root.meshes[0].material.diffuse_colour == pytest.approx((1.0, 0.75, 0.5))
    colour = Sdf.ValueTypeNames.Color3f
    image = UsdShade.Shader.Define(stage, "/World/M/Image")
    image.CreateIdAttr("ND_image_color3")
    file = write_image(tmp_path / "red.png", [[(255, 0, 0)] * 4] * 4)
    image.CreateInput("file", Sdf.ValueTypeNames.Asset).Set(Sdf.AssetPath(str(file)))
    shader.GetInput("coat_color").ConnectToSource(image.CreateOutput("out", colour))
    found = read(stage)[0].root.meshes[0].material.diffuse_colour
    assert found.scale == (0.5, 0.5, 0.5, 1.0)
    assert found.bias == (0.5, 0.5, 0.5, 0.0)
    shader.GetInput("base_color").ConnectToSource(image.GetOutput("out"))
    said = read(stage)[1]
    assert "'coat_color'" in said and places(said) == ["/World/M"]


def test_a_preview_surface_of_materialx_has_its_workflows(stage: Usd.Stage) -> None:
    """Specular colour, presence, and the glTF mask: as the surface's own renderer would read them."""
    shader = _material(stage, "UsdPreviewSurface", specularColor=(0.9, 0.1, 0.1), opacity=0.5)
    material = read(stage)[0].root.meshes[0].material
    assert material.specular_colour == (0.0, 0.0, 0.0)
    assert material.transmits
    shader.CreateInput("useSpecularWorkflow", Sdf.ValueTypeNames.Int).Set(1)
    shader.CreateInput("opacityMode", Sdf.ValueTypeNames.Int).Set(1)
    material = read(stage)[0].root.meshes[0].material
    assert material.specular_colour == pytest.approx((0.9, 0.1, 0.1))
    assert material.use_specular_workflow
    assert material.opacity_is_presence
    stage.RemovePrim("/World/M")
    shader = _material(stage, "gltf_pbr", alpha=0.5, alpha_cutoff=0.75, emissive=(0.0, 0.1, 0.0))
    shader.CreateInput("alpha_mode", Sdf.ValueTypeNames.Int).Set(1)
    shader.CreateInput("emissive_strength", Sdf.ValueTypeNames.Float).Set(5.0)
    material = read(stage)[0].root.meshes[0].material
    assert material.is_absent
    assert material.emissive_colour == pytest.approx((0.0, 0.5, 0.0))


def test_a_weak_reflection_is_one_of_a_lower_index(stage: Usd.Stage) -> None:
    """A quarter of the reflection of glass; none at all."""
    for weight, reflectance in ((1.0, 0.04), (0.25, 0.01), (0.0, 0.0)):
        stage.RemovePrim("/World/M")
        _material(stage, "standard_surface", specular=weight)
        ior = read(stage)[0].root.meshes[0].material.ior
        assert ((ior - 1) / (ior + 1)) ** 2 == pytest.approx(reflectance)


def test_what_is_beyond_is_named_as_materialx(stage: Usd.Stage) -> None:
    """A surface of another kind, a node of another kind, an input that nothing here renders."""
    _material(stage, "lama_surface")
    said = read(stage)[1]
    assert "ND_lama_surface_surfaceshader" in said and places(said) == ["/World/M"]
    shader = _material(stage, "standard_surface", sheen=0.5)
    noise = UsdShade.Shader.Define(stage, "/World/M/Noise")
    noise.CreateIdAttr("ND_noise2d_float")
    number = Sdf.ValueTypeNames.Float
    shader.CreateInput("metalness", number).ConnectToSource(noise.CreateOutput("out", number))
    said = read(stage)[1]
    [sheen, node] = said.splitlines()[:2]
    assert "'sheen'" in sheen and "ND_noise2d_float" in node and "metalness" in node
    assert places(said) == ["/World/M", "/World/M/Noise"]


DOCUMENT = """<?xml version="1.0"?>
<materialx version="1.38" fileprefix="tex/">
  <nodegraph name="Graph">
    <image name="picture" type="color3"><input name="file" type="filename" value="green.png" /></image>
    <output name="result" type="color3" nodename="picture" />
  </nodegraph>
  <standard_surface name="Surface" type="surfaceshader">
    <input name="base_color" type="color3" value="0, 0, 0" />
    <input name="emission" type="float" value="1" />
    <input name="emission_color" type="color3" nodegraph="Graph" output="result" />
  </standard_surface>
  <surfacematerial name="Glow" type="material">
    <input name="surfaceshader" type="surfaceshader" nodename="Surface" />
  </surfacematerial>
</materialx>
"""


@pytest.mark.parametrize("target", ["", "</MaterialX>"])
def test_a_mtlx_file_is_read(tmp_path: Path, target: str) -> None:
    """Referenced, with or without a prim; its image lies where its prefix says."""
    (tmp_path / "tex").mkdir()
    write_image(tmp_path / "tex" / "green.png", [[(0, 255, 0)] * 4] * 4)
    (tmp_path / "look.mtlx").write_text(DOCUMENT)
    stage = new_stage()
    add_camera(stage)
    card = add_card(stage, "/World/Card", 2.0)
    UsdShade.MaterialBindingAPI.Apply(card.GetPrim()).GetDirectBindingRel().SetTargets(
        ["/World/Looks/Materials/Glow"]
    )
    text = stage.GetRootLayer().ExportToString()
    text = text.replace(
        'def Xform "World"\n{',
        f'def Xform "World"\n{{\ndef "Looks" (references = @./look.mtlx@{target}) {{}}\n',
    )
    (tmp_path / "scene.usda").write_text(text)
    diagnostics = Diagnostics()
    opened = open_stage(tmp_path / "scene.usda", diagnostics)
    assert diagnostics.take() == ([], [])
    assert at(draw(opened), 0, 0) == pytest.approx([0, 1, 0], abs=0.01)


@pytest.mark.parametrize("content", [None, "<materialx", "hello"])
def test_a_mtlx_file_that_cannot_be_read_is_named(tmp_path: Path, content: str | None) -> None:
    """Missing or damaged: a warning that says MaterialX, and the rest is there."""
    if content is not None:
        (tmp_path / "look.mtlx").write_text(content)
    (tmp_path / "scene.usda").write_text(
        '#usda 1.0\ndef "A" (references = @./look.mtlx@) {}\ndef Sphere "S" {}\n'
    )
    diagnostics = Diagnostics()
    stage = open_stage(tmp_path / "scene.usda", diagnostics)
    warnings = "\n".join(diagnostics.take()[0])
    assert "MaterialX" in warnings
    assert "look.mtlx" in warnings
    assert stage.GetPrimAtPath("/S")
