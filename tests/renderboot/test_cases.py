"""Scenes that renderers commonly get wrong, each by the values of its pixels."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from pxr import Gf, Sdf, Usd, UsdGeom, UsdLux, UsdRender, UsdShade

from host.renderboot.scene import DomeLight
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
    places,
    read,
    write_image,
)

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
QUARTERS = [[RED, GREEN], [BLUE, WHITE]]
TOKEN, COLOUR = Sdf.ValueTypeNames.Token, Sdf.ValueTypeNames.Color3f


@pytest.fixture
def stage() -> Usd.Stage:
    """A camera that sees 4 by 4 units, and no light."""
    stage = new_stage()
    add_camera(stage)
    return stage


def at(pixels: Pixels, x: float, y: float) -> list[float]:
    """The colour at a place; x and y from -2 to 2, as the camera sees the origin's plane."""
    height, width = pixels.shape[:2]
    return [float(c) for c in pixels[int((2 - y) / 4 * height), int((x + 2) / 4 * width), :3]]


def glowing(stage: Usd.Stage, path: str, **inputs: object) -> UsdShade.Material:
    """A black material whose emission is all that is seen."""
    return add_material(stage, path, diffuseColor=(0.0, 0.0, 0.0), roughness=1.0, **inputs)


def reader(
    stage: Usd.Stage, material: str, target: str, primvar: str, kind: str = "float3"
) -> UsdShade.Shader:
    """A primvar reader on an input of a material's surface."""
    node = UsdShade.Shader.Define(stage, f"{material}/Reader{target}")
    node.CreateIdAttr(f"UsdPrimvarReader_{kind}")
    node.CreateInput("varname", Sdf.ValueTypeNames.String).Set(primvar)
    value = Sdf.ValueTypeNames.Float if kind == "float" else Sdf.ValueTypeNames.Float3
    surface = UsdShade.Shader.Get(stage, f"{material}/Surface")
    source = COLOUR if kind == "float3" else Sdf.ValueTypeNames.Float
    surface.CreateInput(target, source).ConnectToSource(node.CreateOutput("result", value))
    return node


def primvar(
    prim: Usd.Prim, name: str, values: list[object], interpolation: str = "constant"
) -> UsdGeom.Primvar:
    """A primvar of colours or of numbers."""
    kind = Sdf.ValueTypeNames.FloatArray if isinstance(values[0], float) else Sdf.ValueTypeNames.Color3fArray
    made = UsdGeom.PrimvarsAPI(prim).CreatePrimvar(name, kind, interpolation)
    made.Set(values)
    return made


# --- Prototypes ---


def _scatter(stage: Usd.Stage, target: str, count: int = 2) -> UsdGeom.PointInstancer:
    instancer = UsdGeom.PointInstancer.Define(stage, "/World/Scatter")
    instancer.CreatePositionsAttr([(x, 0, 0) for x in np.linspace(-1, 1, count).tolist()])
    instancer.CreateProtoIndicesAttr([0] * count)
    instancer.CreatePrototypesRel().SetTargets([target])
    return instancer


@pytest.mark.parametrize("specifier", [Sdf.SpecifierOver, Sdf.SpecifierClass, Sdf.SpecifierDef])
def test_prototypes_may_lie_below_anything(stage: Usd.Stage, specifier: Sdf.Specifier) -> None:
    """Inside a prototype a defining specifier is asked for, not defined ancestors."""
    add_dome(stage)
    _scatter(stage, "/World/Scatter/Protos/Thing")
    UsdGeom.Xform.Define(stage, "/World/Scatter/Protos/Thing")
    ball = add_sphere(stage, "/World/Scatter/Protos/Thing/Ball", radius=0.6)
    ball.CreateDisplayColorAttr([(1, 0, 0)])
    stage.GetRootLayer().GetPrimAtPath("/World/Scatter/Protos").specifier = specifier
    pixels = draw(stage)
    assert at(pixels, -1, 0)[1] < 0.2 < 0.6 < at(pixels, -1, 0)[0]
    assert at(pixels, 1, 0)[1] < 0.2 < 0.6 < at(pixels, 1, 0)[0]
    assert at(pixels, 0, 1.5) == pytest.approx([1, 1, 1])


def _two_prototypes(stage: Usd.Stage) -> None:
    """Blue spheres A, on the left, and B, before a white dome."""
    add_dome(stage)
    instancer = _scatter(stage, "/World/Scatter/A")
    for name in "AB":
        add_sphere(stage, f"/World/Scatter/{name}", radius=0.6).CreateDisplayColorAttr([(0, 0, 1)])
    instancer.GetPrototypesRel().SetTargets(["/World/Scatter/A", "/World/Scatter/B"])
    instancer.GetProtoIndicesAttr().Set([0, 1])


@pytest.mark.parametrize("how", ["visibility", "purpose"])
def test_a_hidden_prototype_is_not_drawn(stage: Usd.Stage, how: str) -> None:
    """A prototype's root counts like every other prim."""
    _two_prototypes(stage)
    hidden = UsdGeom.Imageable(stage.GetPrimAtPath("/World/Scatter/A"))
    if how == "visibility":
        hidden.MakeInvisible()
    else:
        hidden.CreatePurposeAttr("guide")
    pixels = draw(stage)
    assert at(pixels, -1, 0) == pytest.approx([1, 1, 1])
    assert at(pixels, 1, 0)[0] < 0.2


@pytest.mark.parametrize("how", ["over", "inactive"])
def test_a_prototype_that_is_not_defined_is_not_drawn(stage: Usd.Stage, how: str) -> None:
    """And the instancer is named; its other prototype is drawn."""
    _two_prototypes(stage)
    if how == "over":
        stage.GetRootLayer().GetPrimAtPath("/World/Scatter/A").specifier = Sdf.SpecifierOver
    else:
        stage.GetPrimAtPath("/World/Scatter/A").SetActive(False)
    pixels = draw(stage)
    assert at(pixels, -1, 0) == pytest.approx([1, 1, 1])
    assert at(pixels, 1, 0)[0] < 0.2
    said = read(stage)[1]
    assert "/World/Scatter/A" in said, said


# --- Primvars ---


def test_point_instances_have_their_colours(stage: Usd.Stage) -> None:
    """Three instances, indexed colours; the geometry has none of its own."""
    add_dome(stage)
    instancer = _scatter(stage, "/World/Scatter/Ball", 3)
    add_sphere(stage, "/World/Scatter/Ball", radius=0.4)
    colours = primvar(instancer.GetPrim(), "displayColor", [(1, 0, 0), (0, 0, 1)], "vertex")
    colours.SetIndices([0, 1, 0])
    pixels = draw(stage)
    assert [int(np.argmax(at(pixels, x, 0))) for x in (-1, 0, 1)] == [0, 2, 0]
    UsdGeom.Sphere.Get(stage, "/World/Scatter/Ball").CreateDisplayColorAttr([(0, 1, 0)])
    assert np.argmax(at(draw(stage), -1, 0)) == 1


def test_colours_reach_the_instances_of_instances(stage: Usd.Stage) -> None:
    """An instancer whose prototype is an instancer: red on the left, blue on the right."""
    add_dome(stage)
    outer = _scatter(stage, "/World/Scatter/Inner")
    primvar(outer.GetPrim(), "displayColor", [(1, 0, 0), (0, 0, 1)], "vertex")
    inner = UsdGeom.PointInstancer.Define(stage, "/World/Scatter/Inner")
    inner.CreatePositionsAttr([(0, 0.6, 0), (0, -0.6, 0)])
    inner.CreateProtoIndicesAttr([0, 0])
    inner.CreatePrototypesRel().SetTargets(["/World/Scatter/Inner/Ball"])
    add_sphere(stage, "/World/Scatter/Inner/Ball", radius=0.4)
    pixels = draw(stage)
    for y in (0.6, -0.6):
        assert [int(np.argmax(at(pixels, x, y))) for x in (-1, 1)] == [0, 2]


def test_many_different_instances_are_rendered_as_fewer_and_said(stage: Usd.Stage) -> None:
    """A thousand colours make no thousand copies of the prototype."""
    instancer = _scatter(stage, "/World/Scatter/Ball", 1000)
    add_sphere(stage, "/World/Scatter/Ball", radius=0.4)
    colours = np.random.default_rng(1).random((1000, 3))
    primvar(instancer.GetPrim(), "displayColor", [Gf.Vec3f(*c) for c in colours.tolist()], "vertex")
    scene, said = read(stage)
    assert len(scene.root.instances) <= 256
    assert sum(len(each.matrices) for each in scene.root.instances) == 1000
    assert "/World/Scatter" in said


def test_inherited_primvars_make_instances_differ(stage: Usd.Stage) -> None:
    """Two instances of one class whose tints are on the instances; an unrelated primvar makes no third."""
    UsdGeom.Xform(stage.CreateClassPrim("/Ball"))
    stage.GetPrimAtPath("/Ball").SetTypeName("Xform")
    material = glowing(stage, "/Ball/M")
    bind(add_sphere(stage, "/Ball/Shape", radius=0.6), material)
    reader(stage, "/Ball/M", "emissiveColor", "tint")
    for name, x, tint in (("A", -1, (1, 0, 0)), ("B", 1, (0, 0, 1)), ("C", 0, (1, 0, 0))):
        prim = UsdGeom.Xform.Define(stage, f"/World/{name}").GetPrim()
        prim.GetReferences().AddInternalReference("/Ball")
        prim.SetInstanceable(True)
        UsdGeom.Xformable(prim).AddTranslateOp().Set(Gf.Vec3d(x, 1.2 * (name == "C"), 0))
        primvar(prim, "tint", [tint])
        primvar(prim, "serial", [float(x)])
    assert [len(each.matrices) for each in read(stage)[0].root.instances] == [2, 1]
    pixels = draw(stage)
    assert at(pixels, -1, 0) == pytest.approx([1, 0, 0], abs=0.05)
    assert at(pixels, 1, 0) == pytest.approx([0, 0, 1], abs=0.05)


@pytest.mark.parametrize("interpolation", ["constant", "uniform", "vertex", "varying", "faceVarying"])
def test_a_reader_on_emission_shows_the_primvar(stage: Usd.Stage, interpolation: str) -> None:
    """On a mesh of two faces, beside another reader of another primvar on the diffuse colour."""
    mesh = UsdGeom.Mesh.Define(stage, "/World/Two")
    mesh.CreatePointsAttr([(-2, -2, 0), (0, -2, 0), (2, -2, 0), (-2, 2, 0), (0, 2, 0), (2, 2, 0)])
    mesh.CreateFaceVertexCountsAttr([4, 4])
    mesh.CreateFaceVertexIndicesAttr([0, 1, 4, 3, 1, 2, 5, 4])
    mesh.CreateSubdivisionSchemeAttr("none")
    bind(mesh, add_material(stage, "/World/M", roughness=1.0))
    reader(stage, "/World/M", "emissiveColor", "glow")
    reader(stage, "/World/M", "diffuseColor", "paint")
    count = {"constant": 1, "uniform": 2, "faceVarying": 8}.get(interpolation, 6)
    colours = {"uniform": [(1, 0, 0), (0, 1, 0)], "faceVarying": [(1, 0, 0)] * 4 + [(0, 1, 0)] * 4}
    primvar(mesh.GetPrim(), "glow", colours.get(interpolation, [(1, 0, 0)] * count), interpolation)
    primvar(mesh.GetPrim(), "paint", [(0, 0, 0)] * 6, "vertex")
    pixels = draw(stage)
    right = [0, 1, 0] if interpolation in colours else [1, 0, 0]
    assert at(pixels, -1, 0) == pytest.approx([1, 0, 0], abs=0.02)
    assert at(pixels, 1, 0) == pytest.approx(right, abs=0.02)


def test_emission_varies_between_vertices(stage: Usd.Stage) -> None:
    """From black on the left to red on the right: half of it in the middle."""
    card = add_card(stage, "/World/Card", 2.0)
    bind(card, glowing(stage, "/World/M"))
    reader(stage, "/World/M", "emissiveColor", "glow")
    primvar(card.GetPrim(), "glow", [(0, 0, 0), (1, 0, 0), (1, 0, 0), (0, 0, 0)], "vertex")
    pixels = draw(stage)
    assert [at(pixels, x, 0)[0] for x in (-1, 0, 1)] == pytest.approx([0.25, 0.5, 0.75], abs=0.05)


@pytest.mark.parametrize("target", ["metallic", "roughness", "clearcoat", "clearcoatRoughness", "opacity"])
@pytest.mark.parametrize("interpolation", ["constant", "vertex"])
def test_a_reader_drives_every_number(stage: Usd.Stage, target: str, interpolation: str) -> None:
    """The picture with the primvar is the one with the value itself."""
    add_dome(stage)
    card = add_card(stage, "/World/Card", 2.0)
    bind(
        card,
        add_material(stage, "/World/M", diffuseColor=(0.8, 0.1, 0.1), opacityThreshold=0.5, **{target: 0.9}),
    )
    plain = draw(stage, samples=16)
    reader(stage, "/World/M", target, "amount", "float")
    primvar(card.GetPrim(), "amount", [0.9] * (1 if interpolation == "constant" else 4), interpolation)
    assert draw(stage, samples=16)[16, 16] == pytest.approx(plain[16, 16], abs=0.12)


@pytest.mark.parametrize(
    ("name", "value"), [("ior", 2.5), ("opacityThreshold", 0.7), ("useSpecularWorkflow", 1.0)]
)
def test_a_reader_of_one_value_drives_plain_numbers(stage: Usd.Stage, name: str, value: float) -> None:
    """Inputs that cannot vary take the primvar's one value."""
    card = add_card(stage, "/World/Card")
    bind(card, add_material(stage, "/World/M"))
    reader(stage, "/World/M", name, "amount", "float")
    primvar(card.GetPrim(), "amount", [value])
    material = read(stage)[0].root.meshes[0].material
    found = {
        "ior": material.ior,
        "opacityThreshold": material.opacity_threshold,
        "useSpecularWorkflow": float(material.use_specular_workflow),
    }
    assert found[name] == pytest.approx(value)


def test_a_cube_has_a_colour_for_each_face(stage: Usd.Stage) -> None:
    """In USD's own order: the first face looks to +Z. Eight colours are its corners'."""
    add_dome(stage)
    cube = UsdGeom.Cube.Define(stage, "/World/Cube")
    cube.CreateSizeAttr(1.0)
    colours = cube.CreateDisplayColorPrimvar("uniform")
    colours.Set([(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0), (1, 0, 1), (0, 1, 1)])
    turn = cube.AddRotateXYZOp()
    for degrees, channels in (((0, 0, 0), (1, 0, 0)), ((0, 180, 0), (0, 1, 0)), ((90, 0, 0), (0, 0, 1))):
        turn.Set(Gf.Vec3f(*degrees))
        seen = at(draw(stage), 0, 0)
        assert [channel > 0.5 for channel in seen] == [bool(channel) for channel in channels]
    sphere = add_sphere(stage, "/World/Ball")
    sphere.CreateDisplayColorPrimvar("vertex").Set([(1, 0, 0), (0, 1, 0)])
    said = read(stage)[1]
    assert places(said) == ["/World/Ball"] and "displayColor" in said


@pytest.mark.parametrize("shape", ["Sphere", "Cube", "Mesh", "Points"])
@pytest.mark.parametrize("where", ["own", "above"])
def test_a_primvar_may_be_one_value_without_brackets(stage: Usd.Stage, shape: str, where: str) -> None:
    """`color3f primvars:displayColor = (1, 0, 0)`, on the shape or on an ancestor."""
    add_dome(stage)
    above = UsdGeom.Xform.Define(stage, "/World/Above").GetPrim()
    if shape == "Mesh":
        prim = add_card(stage, "/World/Above/Shape").GetPrim()
    else:
        prim = stage.DefinePrim("/World/Above/Shape", shape)
    if shape == "Points":
        UsdGeom.Points(prim).CreatePointsAttr([(0, 0, 0)])
    prim.RemoveProperty("primvars:displayColor")
    holder = prim if where == "own" else above
    made = Sdf.AttributeSpec(
        stage.GetRootLayer().GetPrimAtPath(holder.GetPath()), "primvars:displayColor", COLOUR
    )
    made.default = Gf.Vec3f(1, 0, 0)
    seen = at(draw(stage), 0, 0)
    assert seen[0] > 0.6 > 0.2 > seen[1]


def test_display_opacity_may_vary(stage: Usd.Stage) -> None:
    """Clear on the left, opaque on the right, over a dome of 1."""
    add_dome(stage)
    card = add_card(stage, "/World/Card", 2.0)
    card.CreateDisplayColorAttr([(0, 0, 0)])
    card.CreateDisplayOpacityPrimvar("vertex").Set([0, 1, 1, 0])
    pixels = draw(stage, samples=64)
    assert at(pixels, -1.9, 0)[0] > 0.85 > 0.65 > at(pixels, 0, 0)[0] > 0.35 > 0.25 > at(pixels, 1.9, 0)[0]


# --- Images ---


def _shown(stage: Usd.Stage, file: Path | str, size: float = 2.0) -> UsdShade.Shader:
    bind(add_card(stage, "/World/Card", size), glowing(stage, "/World/M"))
    return add_texture(stage, "/World/M", "emissiveColor", file)


def _image(path: Path, values: np.ndarray, kind: str) -> Path:
    import OpenImageIO as oiio  # noqa: N813

    height, width, channels = values.shape
    output = oiio.ImageOutput.create(str(path))
    assert output, path
    assert output.open(str(path), oiio.ImageSpec(width, height, channels, kind)), output.geterror()
    assert output.write_image(np.ascontiguousarray(values, np.float32)), output.geterror()
    assert output.close()
    return path


@pytest.mark.parametrize(
    ("suffix", "kind", "channels", "expected"),
    [
        ("png", "uint8", 1, 0.502),
        ("png", "uint8", 2, 0.502),
        ("png", "uint8", 3, 0.216),
        ("png", "uint8", 4, 0.216),
        ("png", "uint16", 1, 0.502),
        ("png", "uint16", 3, 0.502),
        ("jpg", "uint8", 1, 0.502),
        ("jpg", "uint8", 3, 0.216),
        ("tif", "uint8", 3, 0.216),
        ("tif", "uint16", 3, 0.502),
        ("tif", "float", 3, 0.502),
        ("tga", "uint8", 3, 0.216),
        ("hdr", "float", 3, 0.502),
        ("exr", "half", 3, 0.502),
        ("exr", "half", 1, 0.502),
    ],
)
def test_automatic_colour_space_is_srgb_for_eight_bit_colours_only(
    stage: Usd.Stage, tmp_path: Path, suffix: str, kind: str, channels: int, expected: float
) -> None:
    """One channel or two, more bits, or floats are linear."""
    values = np.full((8, 8, channels), 128 / 255, np.float32)
    if channels in (2, 4):
        values[..., -1] = 1.0
    _shown(stage, _image(tmp_path / f"grey.{suffix}", values, kind))
    assert at(draw(stage), 0, 0) == pytest.approx([expected] * 3, rel=0.02)


def test_a_jpeg_of_four_components_is_read(stage: Usd.Stage, tmp_path: Path) -> None:
    """Cyan, magenta, yellow and black, as print has them."""
    from PySide6.QtGui import QImage

    if not hasattr(QImage.Format, "Format_CMYK8888"):
        pytest.skip("this Qt writes no JPEG of four components")
    image = QImage(bytes((0, 255, 255, 0)) * 64, 8, 8, 32, QImage.Format.Format_CMYK8888)
    assert image.save(str(tmp_path / "print.jpg"), None, 100)
    _shown(stage, tmp_path / "print.jpg")
    found = at(draw(stage), 0, 0)
    assert found[0] > 0.8
    assert max(found[1:]) < 0.1


def test_brackets_belong_to_a_folder_unless_they_end_the_path(stage: Usd.Stage, tmp_path: Path) -> None:
    """`shots [v2]/a.png` is a file; `a.usdz[b.usdz[c.png]]` is one in a package in a package."""
    folder = tmp_path / "shots [v2]"
    folder.mkdir()
    file = write_image(folder / "red [1].png", [[RED]])
    _shown(stage, file)
    assert at(draw(stage), 0, 0) == pytest.approx([1, 0, 0], abs=0.01)
    inner, outer = tmp_path / "inner.usdz", tmp_path / "outer.usdz"
    with zipfile.ZipFile(inner, "w") as package:
        package.write(file, "tex/red.png")
    with zipfile.ZipFile(outer, "w") as package:
        package.write(inner, "inner.usdz")
    for inside in (f"{inner}[tex/red.png]", f"{outer}[inner.usdz[tex/red.png]]"):
        _shown(stage, inside)
        assert at(draw(stage), 0, 0) == pytest.approx([1, 0, 0], abs=0.01), inside


def test_what_no_reader_understands_shows_the_fallback(stage: Usd.Stage, tmp_path: Path) -> None:
    """Missing or damaged, for colours and for numbers, each channel its own; and the file is named."""
    (tmp_path / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    for file in (tmp_path / "missing.png", tmp_path / "damaged.png"):
        image = _shown(stage, file)
        fallback = image.CreateInput("fallback", Sdf.ValueTypeNames.Float4)
        fallback.Set(Gf.Vec4f(0, 1, 0, 1))
        assert at(draw(stage), 0, 0) == pytest.approx([0, 1, 0], abs=0.01), file
        cut = glowing(stage, "/World/M", emissiveColor=(1.0, 0.0, 0.0), opacityThreshold=0.5)
        UsdShade.Shader.Get(stage, "/World/M/Surface").GetInput("emissiveColor").ClearSources()
        mask = add_texture(stage, "/World/M", "opacity", file, "r")
        mask.CreateInput("fallback", Sdf.ValueTypeNames.Float4).Set(Gf.Vec4f(0, 1, 1, 1))
        bind(stage.GetPrimAtPath("/World/Card"), cut)
        behind = add_card(stage, "/World/Behind", 3.0, -1.0)
        bind(behind, glowing(stage, "/World/Blue", emissiveColor=(0.0, 0.0, 1.0)))
        assert at(draw(stage), 0, 0) == pytest.approx([0, 0, 1], abs=0.01), file
        stage.RemovePrim("/World/M")
        stage.RemovePrim("/World/Behind")


def _connected(stage: Usd.Stage, image: UsdShade.Shader) -> None:
    """Coordinates from the mesh, as a whole network has them."""
    pair = Sdf.ValueTypeNames.Float2
    coordinates = UsdShade.Shader.Define(stage, "/World/M/Coordinates")
    coordinates.CreateIdAttr("UsdPrimvarReader_float2")
    coordinates.CreateInput("varname", Sdf.ValueTypeNames.String).Set("st")
    image.CreateInput("st", pair).ConnectToSource(coordinates.CreateOutput("result", pair))


def test_a_texture_without_coordinates_repeats(stage: Usd.Stage, tmp_path: Path) -> None:
    """Neither connected coordinates nor wrap modes, as simple exporters write it: no black beyond 0 to 1."""
    _shown(stage, write_image(tmp_path / "red.png", [[RED] * 4] * 4))
    st = UsdGeom.PrimvarsAPI(stage.GetPrimAtPath("/World/Card")).GetPrimvar("st")
    st.Set([(-30, -30), (30, -30), (30, 30), (-30, 30)])
    assert at(draw(stage), 0.3, 0.3) == pytest.approx([1, 0, 0], abs=0.01)
    assert "/World/M/ImageemissiveColor and 1 more" in places(read(stage)[1])


WRAPS = ["repeat", "mirror", "clamp", "black", "useMetadata", None]


def _expected(wrap: str | None, position: float) -> int | None:
    """Which of two pixels is seen at a coordinate; None: black."""
    if 0 <= position < 1:
        return int(position * 2)
    if wrap == "repeat":
        return int(position % 1 * 2)
    if wrap == "mirror":
        return int(min(position % 2, 2 - position % 2) * 2)
    if wrap == "clamp":
        return int(position > 0)
    return None


@pytest.mark.parametrize("wrap_t", WRAPS)
@pytest.mark.parametrize("wrap_s", WRAPS)
def test_wrap_modes_are_separate(
    stage: Usd.Stage, tmp_path: Path, wrap_s: str | None, wrap_t: str | None
) -> None:
    """A card from -1 to 2 in both directions: nine tiles of four fields."""
    pixels = 8
    rows = [[QUARTERS[y * 2 // pixels][x * 2 // pixels] for x in range(pixels)] for y in range(pixels)]
    image = _shown(stage, write_image(tmp_path / "quarters.png", rows))
    _connected(stage, image)
    for name, wrap in (("wrapS", wrap_s), ("wrapT", wrap_t)):
        if wrap:
            image.CreateInput(name, TOKEN).Set(wrap)
    st = UsdGeom.PrimvarsAPI(stage.GetPrimAtPath("/World/Card")).GetPrimvar("st")
    st.Set([(-1, -1), (2, -1), (2, 2), (-1, 2)])
    found = draw(stage, width=96, height=96)
    for s in (-0.75, -0.25, 0.25, 0.75, 1.25, 1.75):
        for t in (-0.75, -0.25, 0.25, 0.75, 1.25, 1.75):
            x, y = _expected(wrap_s, s), _expected(wrap_t, t)
            colour = (0, 0, 0) if x is None or y is None else QUARTERS[1 - y][x]
            where = ((s + 1) / 3 * 4 - 2, (t + 1) / 3 * 4 - 2)
            assert at(found, *where) == pytest.approx([c / 255 for c in colour], abs=0.06), (s, t)


@pytest.mark.parametrize("path", ["./tile_<UDIM>.png", "tile_<UDIM>.png", "{folder}/tile_<UDIM>.png"])
def test_all_tiles_of_a_udim_set_are_shown(tmp_path: Path, path: str) -> None:
    """Two columns and two rows, one tile missing; with and without ./ before the name."""
    for tile, colour in ((1001, RED), (1002, GREEN), (1012, BLUE)):
        write_image(tmp_path / f"tile_{tile}.png", [[colour] * 4] * 4)
    stage = Usd.Stage.CreateNew(str(tmp_path / "scene.usda"))
    stage.SetDefaultPrim(UsdGeom.Xform.Define(stage, "/World").GetPrim())
    add_camera(stage)
    _shown(stage, path.format(folder=tmp_path))
    st = UsdGeom.PrimvarsAPI(stage.GetPrimAtPath("/World/Card")).GetPrimvar("st")
    st.Set([(0, 0), (2, 0), (2, 2), (0, 2)])
    pixels = draw(stage)
    assert at(pixels, -1, -1) == pytest.approx([1, 0, 0], abs=0.02)
    assert at(pixels, 1, -1) == pytest.approx([0, 1, 0], abs=0.02)
    assert at(pixels, 1, 1) == pytest.approx([0, 0, 1], abs=0.02)
    assert at(pixels, -1, 1) == pytest.approx([0, 0, 0], abs=0.02)


# --- Opacity and emission ---


@pytest.mark.parametrize("how", ["constant", "image", "primvar"])
def test_what_is_cut_out_does_not_emit(stage: Usd.Stage, tmp_path: Path, how: str) -> None:
    """Red glow in front of blue glow: cut out on the left, or everywhere."""
    add_card(stage, "/World/Card", 2.0)
    cut = glowing(stage, "/World/M", emissiveColor=(1.0, 0.0, 0.0), opacityThreshold=0.5, opacity=0.0)
    card = stage.GetPrimAtPath("/World/Card")
    if how == "image":
        mask = write_image(tmp_path / "mask.png", [[(0, 0, 0), WHITE]])
        add_texture(stage, "/World/M", "opacity", mask, "r").CreateInput("wrapS", TOKEN).Set("clamp")
    if how == "primvar":
        UsdGeom.Mesh(card).GetPointsAttr().Set([(-2, -2, 0), (0, -2, 0), (0, 2, 0), (-2, 2, 0)])
        reader(stage, "/World/M", "opacity", "cut", "float")
        primvar(card, "cut", [0.0] * 4, "vertex")
    bind(card, cut)
    behind = add_card(stage, "/World/Behind", 3.0, -1.0)
    bind(behind, glowing(stage, "/World/Blue", emissiveColor=(0.0, 0.0, 1.0)))
    pixels = draw(stage, samples=16)
    assert at(pixels, -1.5, 0) == pytest.approx([0, 0, 1], abs=0.02)
    assert at(pixels, 1.5, 0) == pytest.approx([1, 0, 0] if how == "image" else [0, 0, 1], abs=0.02)


@pytest.mark.parametrize("ior", [1.0, 1.5])
@pytest.mark.parametrize("opacity", [0.0, 0.5])
def test_what_is_clear_emits_before_an_empty_background(stage: Usd.Stage, opacity: float, ior: float) -> None:
    """As much as before a wall: without a threshold a low opacity cuts nothing out."""
    bind(
        add_card(stage, "/World/Card", 2.0),
        glowing(stage, "/World/M", emissiveColor=(1.0, 0.0, 0.0), opacity=opacity, ior=ior),
    )
    assert at(draw(stage, samples=16), 0, 0) == pytest.approx([1, 0, 0], abs=0.02)


def test_a_material_that_is_cut_out_is_no_light(stage: Usd.Stage) -> None:
    """The scene has no other light, so that it gets its soft dome."""
    bind(
        add_card(stage, "/World/Card"),
        glowing(stage, "/World/M", emissiveColor=(1.0, 0.0, 0.0), opacity=0.0, opacityThreshold=0.5),
    )
    assert [type(light) for light in read(stage)[0].root.lights] == [DomeLight]


# --- Lights ---


def test_a_rect_lights_picture_is_upright(stage: Usd.Stage, tmp_path: Path) -> None:
    """Seen from the lit side: red and green above, blue and white below, before an empty background too."""
    light = UsdLux.RectLight.Define(stage, "/World/Screen")
    light.CreateWidthAttr(4.0)
    light.CreateHeightAttr(4.0)
    light.CreateTextureFileAttr(Sdf.AssetPath(str(write_image(tmp_path / "four.png", QUARTERS))))
    light.AddRotateYOp().Set(180.0)
    add_card(stage, "/World/Far", 0.01, -50.0)
    pixels = draw(stage)
    for (x, y), colour in (
        ((-1.5, 1.5), RED),
        ((1.5, 1.5), GREEN),
        ((-1.5, -1.5), BLUE),
        ((1.5, -1.5), WHITE),
    ):
        assert at(pixels, x, y) == pytest.approx([c / 255 for c in colour], abs=0.02)


@pytest.mark.parametrize("clear", [{"opacity": 0.0, "ior": 1.0}, {"opacity": 0.0, "opacityThreshold": 0.5}])
def test_a_light_behind_something_clear_is_seen(stage: Usd.Stage, clear: dict[str, float]) -> None:
    """And nothing lies behind the light."""
    bind(add_card(stage, "/World/Card", 2.0, 1.0), add_material(stage, "/World/Clear", **clear))
    light = UsdLux.SphereLight.Define(stage, "/World/Lamp")
    light.CreateRadiusAttr(1.0)
    assert at(draw(stage), 0, 0) == pytest.approx([1, 1, 1], abs=0.02)


def test_several_dome_lights_are_one(tmp_path: Path) -> None:
    """Two pictures, one of them turned by a quarter, and a plain dome: what each gives is added."""
    stage = new_stage()
    camera = UsdGeom.Camera.Define(stage, "/World/Camera")
    camera.CreateFocalLengthAttr(40.0)
    turn = camera.AddRotateYOp()
    add_sphere(stage, "/World/Far", (0, 0, 0), 0.001)
    middle = [[(0, 0, 0)] * 6 + [(255, 0, 0)] * 4 + [(0, 0, 0)] * 6 for _ in range(8)]
    red = write_image(tmp_path / "red.png", middle)
    green = write_image(tmp_path / "green.png", [[(g, r, b) for r, g, b in row[::2]] for row in middle[::2]])
    for name, file in (("Red", red), ("Green", green)):
        dome = UsdLux.DomeLight.Define(stage, f"/World/{name}")
        dome.CreateTextureFileAttr(Sdf.AssetPath(str(file)))
        if name == "Green":
            dome.AddRotateYOp().Set(90.0)
    UsdLux.DomeLight.Define(stage, "/World/Plain").CreateColorAttr(Gf.Vec3f(0, 0, 0.25))

    def seen(degrees: float) -> list[float]:
        turn.Set(degrees)
        pixels = draw(stage, samples=4, camera="/World/Camera")
        return [float(c) for c in pixels[4, 16, :3]]

    assert seen(180) == pytest.approx([1, 0, 0.25], abs=0.03)
    assert seen(-90) == pytest.approx([0, 1, 0.25], abs=0.03)
    assert seen(0) == pytest.approx([0, 0, 0.25], abs=0.03)


# --- Bindings ---


def test_the_first_binding_that_can_be_rendered_counts(stage: Usd.Stage) -> None:
    """Full before preview before all purposes; one that nothing here renders is passed over."""
    card = add_card(stage, "/World/Card", 2.0)
    bindings = UsdShade.MaterialBindingAPI.Apply(card.GetPrim())
    strange = UsdShade.Material.Define(stage, "/World/Strange")
    node = UsdShade.Shader.Define(stage, "/World/Strange/S")
    node.CreateIdAttr("PxrSurface")
    strange.CreateSurfaceOutput("ri").ConnectToSource(node.ConnectableAPI(), "out")
    looks = {
        name: glowing(stage, f"/World/{name}", emissiveColor=colour)
        for name, colour in (
            ("All", (1.0, 0.0, 0.0)),
            ("Preview", (0.0, 1.0, 0.0)),
            ("Full", (0.0, 0.0, 1.0)),
        )
    }
    bindings.Bind(looks["All"])
    assert at(draw(stage), 0, 0) == pytest.approx([1, 0, 0], abs=0.01)
    bindings.Bind(looks["Preview"], materialPurpose=UsdShade.Tokens.preview)
    assert at(draw(stage), 0, 0) == pytest.approx([0, 1, 0], abs=0.01)
    bindings.Bind(strange, materialPurpose=UsdShade.Tokens.full)
    assert at(draw(stage), 0, 0) == pytest.approx([0, 1, 0], abs=0.01)
    bindings.Bind(looks["Full"], materialPurpose=UsdShade.Tokens.full)
    assert at(draw(stage), 0, 0) == pytest.approx([0, 0, 1], abs=0.01)


def test_a_collection_binds_for_a_purpose(stage: Usd.Stage) -> None:
    """On an ancestor, for full renders."""
    card = add_card(stage, "/World/Card", 2.0)
    bind(card, glowing(stage, "/World/All", emissiveColor=(1.0, 0.0, 0.0)))
    world = stage.GetPrimAtPath("/World")
    collection = Usd.CollectionAPI.Apply(world, "cards")
    collection.CreateIncludesRel().AddTarget("/World/Card")
    full = glowing(stage, "/World/Full", emissiveColor=(0.0, 1.0, 0.0))
    UsdShade.MaterialBindingAPI.Apply(world).Bind(
        collection, full, "cards", materialPurpose=UsdShade.Tokens.full
    )
    assert at(draw(stage), 0, 0) == pytest.approx([0, 1, 0], abs=0.01)


# --- Render settings ---


def test_pixels_may_be_wide(stage: Usd.Stage) -> None:
    """A pixel aspect ratio of 2 makes a square half as wide; of 0.5, and of 1.5, likewise."""
    bind(add_card(stage, "/World/Card", 1.0), glowing(stage, "/World/M", emissiveColor=(1.0, 0.0, 0.0)))
    settings = UsdRender.Settings.Define(stage, "/Render/S")
    ratio = settings.CreatePixelAspectRatioAttr()
    for value in (1.0, 2.0, 1.5, 0.5):
        ratio.Set(value)
        red = draw(stage, width=64, height=64, samples=16)[..., 0]
        wide, high = red[32].sum(), red[:, 32].sum()
        assert wide / high == pytest.approx(1 / value, rel=0.08), value


def test_a_data_window_is_a_part_of_the_same_picture(stage: Usd.Stage, tmp_path: Path) -> None:
    """A quarter of it, and beyond its edges."""
    bind(add_card(stage, "/World/Card", 2.0), glowing(stage, "/World/M"))
    rows = [[QUARTERS[y // 4][x // 4] for x in range(8)] for y in range(8)]
    add_texture(stage, "/World/M", "emissiveColor", write_image(tmp_path / "four.png", rows))
    settings = UsdRender.Settings.Define(stage, "/Render/S")
    whole = draw(stage, width=64, height=64)
    settings.CreateDataWindowNDCAttr(Gf.Vec4f(0.5, 0.5, 1.0, 1.0))
    part = draw(stage, width=64, height=64)
    assert part.shape == (32, 32, 4)
    assert np.abs(part[2:-2, 2:-2] - whole[:32, 32:][2:-2, 2:-2]).mean() < 0.02
    settings.GetDataWindowNDCAttr().Set(Gf.Vec4f(-0.25, 0.0, 1.25, 1.0))
    more = draw(stage, width=64, height=64)
    assert more.shape == (64, 96, 4)
    assert np.abs(more[2:-2, 18:78] - whole[2:-2, 2:62]).mean() < 0.02
    assert more[32, 4, :3].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("name", "kind", "value"),
    [
        ("pixelAspectRatio", Sdf.ValueTypeNames.Float, 0.0),
        ("pixelAspectRatio", Sdf.ValueTypeNames.Float, float("nan")),
        ("dataWindowNDC", Sdf.ValueTypeNames.Float4, Gf.Vec4f(1, 1, 0, 0)),
        ("dataWindowNDC", Sdf.ValueTypeNames.Float4, Gf.Vec4f(float("nan"), 0, 1, 1)),
        ("dataWindowNDC", Sdf.ValueTypeNames.Float4, Gf.Vec4f(-1e30, -1e30, 1e30, 1e30)),
        ("resolution", Sdf.ValueTypeNames.Int2, Gf.Vec2i(0, -5)),
    ],
)
def test_settings_that_cannot_be_are_ignored_and_named(
    stage: Usd.Stage, name: str, kind: Sdf.ValueTypeName, value: object
) -> None:
    """The picture is the one without them."""
    add_card(stage, "/World/Card")
    settings = UsdRender.Settings.Define(stage, "/Render/S")
    plain, said = read(stage)
    assert "/Render/S" not in said
    settings.GetPrim().CreateAttribute(name, kind).Set(value)
    scene, said = read(stage)
    assert scene.settings == plain.settings
    assert "/Render/S" in said, said


# --- What is not finite ---


def test_nothing_that_is_not_finite_reaches_the_picture(stage: Usd.Stage, tmp_path: Path) -> None:
    """Texture coordinates, normals, colours, transforms, lights: each named, and all pixels are numbers."""
    add_dome(stage)
    card = _shown(stage, write_image(tmp_path / "grey.png", [[(128, 128, 128)] * 4] * 4))
    assert card
    nan, endless = float("nan"), float("inf")
    mesh = UsdGeom.Mesh.Get(stage, "/World/Card")
    UsdGeom.PrimvarsAPI(mesh).GetPrimvar("st").Set([(nan, 0), (1, 0), (1, 1), (nan, 1)])
    mesh.CreateNormalsAttr([(0, 0, nan), (0, 0, 1), (0, 0, endless), (0, 0, 1)])
    add_sphere(stage, "/World/Moved", (nan, 0, 0))
    add_sphere(stage, "/World/Huge").GetRadiusAttr().Set(endless)
    lamp = UsdLux.SphereLight.Define(stage, "/World/Lamp")
    lamp.CreateIntensityAttr(endless)
    bind(
        add_card(stage, "/World/Odd", 0.5, 1.0),
        add_material(stage, "/World/Bad", diffuseColor=(nan, 0.5, 0.5)),
    )
    said = read(stage)[1]
    for path in ("/World/Card", "/World/Moved", "/World/Huge", "/World/Lamp", "/World/Bad"):
        assert path in said, said
    assert np.isfinite(draw(stage)).all()


@pytest.mark.parametrize("name", ["scale", "bias", "fallback"])
def test_numbers_of_a_texture_that_are_not_finite_are_named(
    stage: Usd.Stage, tmp_path: Path, name: str
) -> None:
    """The image is shown without them."""
    image = _shown(stage, write_image(tmp_path / "red.png", [[RED]]))
    image.CreateInput(name, Sdf.ValueTypeNames.Float4).Set(Gf.Vec4f(float("nan"), 1, 1, 1))
    said = read(stage)[1]
    assert str(image.GetPath()) in places(said) and f"'{name}'" in said
    assert at(draw(stage), 0, 0) == pytest.approx([1, 0, 0], abs=0.01)


def test_normals_of_no_length_are_replaced(stage: Usd.Stage) -> None:
    """All of them, or some: the surface is lit, and the mesh is named."""
    add_dome(stage)
    card = add_card(stage, "/World/Card", 2.0)
    card.CreateDisplayColorAttr([(0.5, 0.5, 0.5)])
    for normals in ([(0, 0, 0)] * 4, [(0, 0, 1), (0, 0, 0), (0, 0, 1), (0, 0, 0)]):
        card.CreateNormalsAttr(normals)
        assert at(draw(stage, samples=32), 0, 0)[0] > 0.3
        assert "/World/Card" in read(stage)[1]
