"""Cycles renders the same scenes as mitsuba: its pictures are compared with mitsuba's, block by block.

One render process draws many frames, each of which shows one light or one object.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import OpenImageIO as oiio  # noqa: N813
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
    read_png,
    write_image,
)

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(
        importlib.util.find_spec("bpy") is None, reason="cycles is not installed: ./start --install-cycles"
    ),
]

ROOT = Path(__file__).resolve().parents[2]
SIZE = 32
SAMPLES = 64
BLOCKS = 4


def _command(stage: Path, output: Path, *arguments: object) -> list[str]:
    command = [sys.executable, "-m", "host.renderboot", "-renderer", "cycles", "-geolib3OpTree", str(stage)]
    command += ["-renderOutputFile", str(output), "-width", str(SIZE), "-height", str(SIZE), "-threads", "1"]
    return [*command, *[str(argument) for argument in arguments]]


def _rendered(stage: Usd.Stage, folder: Path, *arguments: object) -> str:
    """Render a stage to `folder/f####.exr`; returns the log."""
    file = folder / "stage.usda"
    stage.Export(str(file))
    command = _command(file, folder / "f####.exr", "-samples", SAMPLES, *arguments)
    done = subprocess.run(
        command,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def _exr(path: Path) -> Pixels:
    pixels = oiio.ImageBuf(str(path)).get_pixels(oiio.FLOAT)
    return np.asarray(pixels, np.float32)[..., :4]


def _blocks(pixels: Pixels) -> Pixels:
    """The mean of each of 4 by 4 blocks, in which noise averages out."""
    side = SIZE // BLOCKS
    means: Pixels = pixels.reshape(BLOCKS, side, BLOCKS, side, 4).mean(axis=(1, 3))
    return means


def _compare(stage: Usd.Stage, names: list[str], folder: Path, tolerance: float) -> None:
    _rendered(stage, folder, "-frame", f"1-{len(names)}")
    differences = {}
    for frame, name in enumerate(names, 1):
        ours = _blocks(_exr(folder / f"f{frame:04d}.exr"))
        theirs = _blocks(draw(stage, samples=256, width=SIZE, height=SIZE, frame=float(frame)))
        allowed = tolerance * np.maximum(theirs, 0.05 * theirs.max()) + 0.01
        if not (np.abs(ours - theirs) < allowed).all():
            differences[name] = [blocks.mean(axis=(0, 1)).round(3).tolist() for blocks in (ours, theirs)]
        assert theirs[..., :3].max() > 0.02, f"{name}: mitsuba's picture is black"
    assert not differences


def _show_in_frame(prim: Usd.Prim, frame: int, count: int) -> None:
    visibility = UsdGeom.Imageable(prim).CreateVisibilityAttr()
    for number in range(1, count + 1):
        visibility.Set(UsdGeom.Tokens.inherited if number == frame else UsdGeom.Tokens.invisible, number)


# --- Lights ---


def _placed(light: Usd.SchemaBase, z: float = 3.0) -> Usd.Prim:
    UsdGeom.Xformable(light.GetPrim()).AddTranslateOp().Set(Gf.Vec3d(0.5, 0.3, z))
    return light.GetPrim()


def _sphere(stage: Usd.Stage, path: str) -> Usd.Prim:
    light = UsdLux.SphereLight.Define(stage, path)
    light.CreateRadiusAttr(0.4)
    light.CreateIntensityAttr(20.0)
    light.CreateColorAttr(Gf.Vec3f(1.0, 0.5, 0.25))
    return _placed(light)


def _point(stage: Usd.Stage, path: str) -> Usd.Prim:
    light = UsdLux.SphereLight.Define(stage, path)
    light.CreateTreatAsPointAttr(True)
    light.CreateRadiusAttr(0.5)
    light.CreateIntensityAttr(12.0)
    return _placed(light)


def _spot(stage: Usd.Stage, path: str) -> Usd.Prim:
    light = UsdLux.SphereLight.Define(stage, path)
    light.CreateTreatAsPointAttr(True)
    light.CreateRadiusAttr(0.5)
    light.CreateIntensityAttr(12.0)
    # So wide that the card lies within, where both renderers' cones are equal.
    UsdLux.ShapingAPI.Apply(light.GetPrim()).CreateShapingConeAngleAttr(80.0)
    return _placed(light)


def _sun(stage: Usd.Stage, path: str) -> Usd.Prim:
    light = UsdLux.DistantLight.Define(stage, path)
    light.CreateAngleAttr(2.0)
    light.CreateIntensityAttr(1500.0)
    light.AddRotateXOp().Set(40.0)
    return light.GetPrim()


def _rect(stage: Usd.Stage, path: str) -> Usd.Prim:
    light = UsdLux.RectLight.Define(stage, path)
    light.CreateWidthAttr(2.0)
    light.CreateHeightAttr(0.5)
    light.CreateIntensityAttr(9.0)
    return _placed(light)


def _disk(stage: Usd.Stage, path: str) -> Usd.Prim:
    light = UsdLux.DiskLight.Define(stage, path)
    light.CreateRadiusAttr(0.6)
    light.CreateIntensityAttr(9.0)
    return _placed(light)


def _cylinder(stage: Usd.Stage, path: str) -> Usd.Prim:
    light = UsdLux.CylinderLight.Define(stage, path)
    light.CreateRadiusAttr(0.2)
    light.CreateLengthAttr(2.0)
    light.CreateIntensityAttr(9.0)
    return _placed(light)


def _two_domes(stage: Usd.Stage, path: str) -> Usd.Prim:
    group = UsdGeom.Xform.Define(stage, path)
    for name, strength in (("One", 0.5), ("Two", 0.25)):
        UsdLux.DomeLight.Define(stage, f"{path}/{name}").CreateIntensityAttr(strength)
    return group.GetPrim()


def test_lights_are_as_bright_as_with_mitsuba(tmp_path: Path) -> None:
    """Every kind of light on a white card; lamps before the camera do not hide the card behind them."""
    stage = new_stage()
    add_camera(stage)
    white = add_material(stage, "/World/White", diffuseColor=(0.8, 0.8, 0.8), roughness=1.0)
    bind(add_card(stage, "/World/Card", size=3.0), white)
    colours = [[(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)], [(90, 90, 90), (0, 0, 0)] * 2]
    # Large enough for it not to matter how each of them interpolates.
    wide = [[colour for colour in row for _ in range(16)] for row in colours for _ in range(16)]
    image = write_image(tmp_path / "sky.png", wide)

    def dome(stage: Usd.Stage, path: str) -> Usd.Prim:
        light = UsdLux.DomeLight.Define(stage, path)
        light.CreateTextureFileAttr(str(image))
        light.AddRotateXYZOp().Set(Gf.Vec3f(20.0, 70.0, -15.0))
        return light.GetPrim()

    def picture(stage: Usd.Stage, path: str) -> Usd.Prim:
        light = UsdLux.RectLight.Define(stage, path)
        light.CreateTextureFileAttr(str(image))
        light.CreateWidthAttr(3.0)
        light.CreateHeightAttr(3.0)
        light.CreateIntensityAttr(4.0)
        return _placed(light, 0.7)

    lights: dict[str, Callable[[Usd.Stage, str], Usd.Prim]] = {
        "Sphere": _sphere,
        "Point": _point,
        "Spot": _spot,
        "Sun": _sun,
        "Rect": _rect,
        "Disk": _disk,
        "Cylinder": _cylinder,
        "TwoDomes": _two_domes,
        "PicturedDome": dome,
        "PicturedRect": picture,
    }
    for frame, (name, make) in enumerate(lights.items(), 1):
        _show_in_frame(make(stage, f"/World/{name}"), frame, len(lights))
    _compare(stage, list(lights), tmp_path, 0.08)


# --- Surfaces ---


def _mirrored_image(stage: Usd.Stage, material: str, file: Path) -> None:
    shader = add_texture(stage, material, "diffuseColor", file)
    shader.CreateInput("wrapS", Sdf.ValueTypeNames.Token).Set("mirror")
    shader.CreateInput("wrapT", Sdf.ValueTypeNames.Token).Set("mirror")
    place = UsdShade.Shader.Define(stage, f"{material}/Place")
    place.CreateIdAttr("UsdTransform2d")
    place.CreateInput("rotation", Sdf.ValueTypeNames.Float).Set(30.0)
    place.CreateInput("scale", Sdf.ValueTypeNames.Float2).Set(Gf.Vec2f(1.5, 0.8))
    place.CreateInput("translation", Sdf.ValueTypeNames.Float2).Set(Gf.Vec2f(0.2, 0.1))
    reader = UsdShade.Shader.Define(stage, f"{material}/St")
    reader.CreateIdAttr("UsdPrimvarReader_float2")
    reader.CreateInput("varname", Sdf.ValueTypeNames.String).Set("st")
    pair = Sdf.ValueTypeNames.Float2
    source = reader.CreateOutput("result", pair)
    place.CreateInput("in", pair).ConnectToSource(source)
    shader.CreateInput("st", pair).ConnectToSource(place.CreateOutput("result", pair))


def test_surfaces_are_as_with_mitsuba(tmp_path: Path) -> None:
    """Images, cut-outs, metal, glass, emission and a sheared, mirrored transform, under an even dome."""
    stage = new_stage()
    add_camera(stage)
    add_dome(stage)
    image = write_image(
        tmp_path / "four.png", [[(250, 20, 20), (20, 250, 20)], [(20, 20, 250), (200, 200, 200)]]
    )
    shown: dict[str, UsdGeom.Imageable] = {}

    shown["Image"] = add_card(stage, "/World/Image", size=1.8)
    bind(shown["Image"], add_material(stage, "/World/ImageLook", roughness=1.0))
    _mirrored_image(stage, "/World/ImageLook", image)

    shown["Cutout"] = add_card(stage, "/World/Cutout", size=1.8)
    look = add_material(stage, "/World/CutoutLook", diffuseColor=(0.5, 0.1, 0.1), opacityThreshold=0.5)
    bind(shown["Cutout"], look)
    add_texture(stage, "/World/CutoutLook", "opacity", image, "r")

    shown["Metal"] = add_sphere(stage, "/World/Metal", radius=1.8)
    metal = {"diffuseColor": (0.9, 0.6, 0.3), "metallic": 1.0, "roughness": 0.3}
    bind(shown["Metal"], add_material(stage, "/World/MetalLook", **metal))

    shown["Glass"] = add_sphere(stage, "/World/Glass", radius=1.8)
    bind(shown["Glass"], add_material(stage, "/World/GlassLook", opacity=0.3, roughness=0.0, ior=1.5))

    shown["Sheet"] = add_card(stage, "/World/Sheet", size=1.8)
    bind(shown["Sheet"], add_material(stage, "/World/SheetLook", opacity=0.0, roughness=0.0, ior=1.5))

    shown["Glow"] = add_card(stage, "/World/Glow", size=1.8)
    black = {"diffuseColor": (0.0, 0.0, 0.0), "roughness": 1.0, "emissiveColor": (0.5, 2.0, 1.0)}
    bind(shown["Glow"], add_material(stage, "/World/GlowLook", **black))

    shown["Sheared"] = add_sphere(stage, "/World/Sheared", radius=1.0)
    matrix = Gf.Matrix4d(-1, 0.4, 0, 0, 0.8, 1, 0, 0, 0, 0, 1, 0, 0.2, 0, 0, 1)
    shown["Sheared"].ClearXformOpOrder()
    shown["Sheared"].AddTransformOp().Set(matrix)
    bind(shown["Sheared"], add_material(stage, "/World/ShearedLook", diffuseColor=(0.2, 0.5, 0.2)))

    shown["Primvar"] = add_card(stage, "/World/Primvar", size=1.8)
    colours = UsdGeom.PrimvarsAPI(shown["Primvar"]).CreatePrimvar(
        "odd:name", Sdf.ValueTypeNames.Color3fArray, UsdGeom.Tokens.vertex
    )
    colours.Set([(0.8, 0, 0), (0, 0.8, 0), (0, 0, 0.8), (0.8, 0.8, 0)])
    bind(shown["Primvar"], add_material(stage, "/World/PrimvarLook", roughness=1.0))
    reader = UsdShade.Shader.Define(stage, "/World/PrimvarLook/Reader")
    reader.CreateIdAttr("UsdPrimvarReader_float3")
    reader.CreateInput("varname", Sdf.ValueTypeNames.String).Set("odd:name")
    surface = UsdShade.Shader.Get(stage, "/World/PrimvarLook/Surface")
    surface.CreateInput("diffuseColor", Sdf.ValueTypeNames.Color3f).ConnectToSource(
        reader.CreateOutput("result", Sdf.ValueTypeNames.Float3)
    )
    for frame, prim in enumerate(shown.values(), 1):
        _show_in_frame(prim.GetPrim(), frame, len(shown))
    _compare(stage, list(shown), tmp_path, 0.12)


def test_lenses_are_as_with_mitsuba(tmp_path: Path) -> None:
    """Depth of field, and a lens that is shifted."""
    stage = new_stage()
    camera = add_camera(stage)
    add_dome(stage, 0.1)
    camera.CreateFocusDistanceAttr(5.0)
    camera.CreateFStopAttr().Set(5.0, 1)
    camera.CreateFStopAttr().Set(0.0, 2)
    camera.CreateHorizontalApertureOffsetAttr().Set(0.0, 1)
    camera.CreateHorizontalApertureOffsetAttr().Set(4.0, 2)
    camera.CreateVerticalApertureOffsetAttr().Set(0.0, 1)
    camera.CreateVerticalApertureOffsetAttr().Set(3.0, 2)
    white = {"diffuseColor": (0.0, 0.0, 0.0), "roughness": 1.0, "emissiveColor": (1.0, 1.0, 1.0)}
    bind(add_sphere(stage, "/World/Ball", radius=0.7), add_material(stage, "/World/White", **white))
    _compare(stage, ["Blurred", "Shifted"], tmp_path, 0.08)


_LIVE = """
import os, sys
from pathlib import Path
from host.renderboot.arguments import Arguments
from host.renderboot.live.scene import LiveScene
from host.renderboot.live.state import LayerText, Update
from host.renderboot.renderers import load_renderer

live = LiveScene(Arguments(stage=Path("live"), threads=1), load_renderer("cycles"))
text = Path(sys.argv[1]).read_text()
for colour in ("(0.8, 0, 0)", "(0, 0.8, 0)"):
    layer = LayerText(text.replace("(0.8, 0, 0)", colour))
    update = Update(1, root="all", layers={"all": layer}, region=(0.25, 0.25, 0.75, 0.75))
    scene, picture = live.updated(update)
    picture.render_preview()
    picture.render_pass(4)
    print("preview", *picture.preview_pixels().shape)
    print("picture", *picture.pixels().mean(axis=(0, 1)).tolist())
sys.stdout.flush()
os._exit(0)
"""


def test_a_live_scene_is_rendered_anew_after_each_change(red_ball: Usd.Stage, tmp_path: Path) -> None:
    """A first picture of a sixteenth of the pixels, then passes; a region of the picture alone."""
    stage = tmp_path / "live.usda"
    red_ball.GetRootLayer().Export(str(stage))
    command = [sys.executable, "-c", _LIVE, str(stage)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [line[0] for line in lines] == ["preview", "picture"] * 2
    # A quarter of 640 by 360 pixels, at a quarter of width and height.
    assert lines[0][1:] == ["45", "80", "4"]
    first, second = ([float(value) for value in line[1:]] for line in lines if line[0] == "picture")
    assert first[0] > 10 * first[1] and second[1] > 10 * second[0]


# --- The process ---


@pytest.fixture
def red_ball(tmp_path: Path) -> Usd.Stage:
    """A red ball without a dome, so that the background is transparent."""
    stage = new_stage()
    add_camera(stage)
    UsdLux.DistantLight.Define(stage, "/World/Sun").CreateIntensityAttr(50000.0)
    bind(add_sphere(stage, "/World/Ball"), add_material(stage, "/World/Red", diffuseColor=(0.8, 0.0, 0.0)))
    return stage


def test_pictures_and_log_are_as_with_mitsuba(red_ball: Usd.Stage, tmp_path: Path) -> None:
    """The EXR's header, alpha, progress to 100, a PNG that is announced, and none of Blender's own lines."""
    log = _rendered(red_ball, tmp_path, "-frame", "7-7", "-nodeName", "Lit")
    header = oiio.ImageBuf(str(tmp_path / "f0007.exr")).spec()
    assert header.getattribute("renderer").startswith("cycles 4.")
    assert header.getattribute("samples") == SAMPLES
    assert (header.getattribute("node"), header.getattribute("frame")) == ("Lit", 7.0)
    pixels = _exr(tmp_path / "f0007.exr")
    assert pixels[0, 0].tolist() == [0, 0, 0, 0]
    assert pixels[SIZE // 2, SIZE // 2, 3] == pytest.approx(1.0, abs=1e-3)
    assert read_png(tmp_path / "f0007.png")[SIZE // 2, SIZE // 2, 0] > 100
    lines = log.splitlines()
    assert "ALF_PROGRESS 100%" in lines
    assert f"kq_picture: {tmp_path / 'f0007.png'}" in lines
    ours = ("[", "ALF_PROGRESS ", "kq_picture: ")
    assert [line for line in lines if not line.startswith(ours)] == []


def test_a_crop_and_wide_pixels_are_as_with_mitsuba(red_ball: Usd.Stage, tmp_path: Path) -> None:
    """A quarter of the picture, with pixels that are twice as wide as high."""
    from pxr import UsdRender

    settings = UsdRender.Settings.Define(red_ball, "/Render/Settings")
    settings.CreatePixelAspectRatioAttr(2.0)
    settings.CreateDataWindowNDCAttr(Gf.Vec4f(0.25, 0.5, 0.75, 1.0))
    red_ball.GetRootLayer().pseudoRoot.SetInfo("renderSettingsPrimPath", "/Render/Settings")
    _rendered(red_ball, tmp_path, "-frame", "1-1")
    ours = _exr(tmp_path / "f0001.exr")
    theirs = draw(red_ball, samples=256, width=SIZE, height=SIZE)
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).mean() < 0.02 * theirs.mean() + 0.01


@pytest.mark.skipif(sys.platform == "win32", reason="SIGTERM")
def test_a_stop_ends_it_with_the_picture_so_far(red_ball: Usd.Stage, tmp_path: Path) -> None:
    """Though a pass of Cycles cannot be interrupted; nothing is left in the folder for temporary files."""
    stage, output, temporary = tmp_path / "stage.usda", tmp_path / "stopped.png", tmp_path / "temporary"
    temporary.mkdir()
    red_ball.Export(str(stage))
    command = _command(stage, output, "-samples", 100000)
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(temporary)},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        log = []
        for line in process.stderr:
            log.append(line)
            if line.startswith("kq_picture"):
                process.send_signal(signal.SIGTERM)
                break
        log += process.stderr.readlines()
        assert process.wait() == 128 + signal.SIGTERM, "".join(log)
    assert read_png(output)[SIZE // 2, SIZE // 2, 0] > 100
    assert list(temporary.iterdir()) == []
