"""Scenes that never end, take all memory, or imitate our log: each meets a limit or a clear error."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

import numpy as np
import pytest
from pxr import Sdf, Usd

from host.renderboot.images import UnreadableImageError, read_image
from host.renderboot.report import escaped
from kq.patterns import load_patterns
from tests.renderboot.stages import add_card, add_material, add_sphere, add_texture, bind, new_stage
from tests.renderboot.test_process import SMALL, _run

PROGRESS = re.compile(r"ALF_PROGRESS \d+%")


def _saved(stage: Usd.Stage, path: Path) -> Path:
    stage.GetRootLayer().Export(str(path))
    return path


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("what", ["pipe", "/dev/zero", "folder"])
def test_what_is_no_file_is_left_out(tmp_path: Path, what: str) -> None:
    """A reference to it, direct or through another layer, is a warning, and the rest is drawn."""
    os.mkfifo(tmp_path / "pipe.usda")
    (tmp_path / "folder.usda").mkdir()
    target = what if what.startswith("/") else f"./{what}.usda"
    (tmp_path / "middle.usda").write_text(
        f'#usda 1.0\n(defaultPrim = "a")\ndef "a" (references = @{target}@) {{}}\n'
    )
    (tmp_path / "scene.usda").write_text(
        '#usda 1.0\ndef Sphere "s" {}\ndef "b" (references = @./middle.usda@) {}\n'
        f'def "c" (payload = @{target}@) {{}}\n'
        f'def "d" (references = @{target}:SDF_FORMAT_ARGS:a=b@</x>) {{}}\n'
        'def "e" (references = @./materials.mtlx@</MaterialX>) {}\n'
    )
    (tmp_path / "materials.mtlx").write_text(
        '<materialx version="1.38" xmlns:xi="http://www.w3.org/2001/XInclude">'
        f'<xi:include href="{target}"/></materialx>'
    )
    ended = _run("-geolib3OpTree", tmp_path / "scene.usda", "-renderOutputFile", tmp_path / "a.png", *SMALL)
    assert ended.code == 0, ended.text
    warnings = [line for line in ended.lines if line.startswith("WARNING: ")]
    for what_is_left_out in (f"{target.removeprefix('./')}' is a", "materials.mtlx' cannot be read"):
        assert any(what_is_left_out in line for line in warnings), (what_is_left_out, warnings)
    ended = _run("-geolib3OpTree", tmp_path / "pipe.usda", *SMALL)
    assert ended.code == 1
    assert "is a named pipe" in ended.lines[-1]


PIPES = """#usda 1.0
(defaultPrim = "W")
def Xform "W" {
    def Sphere "c1" (
        clips = { dictionary default = {
            asset[] assetPaths = [@HERE/pipe.usda@]
            string primPath = "/s"
            double2[] active = [(0, 0)]
            double2[] times = [(0, 0), (1, 1)]
        } }
    ) {
        double radius
    }
    def Sphere "c2" (
        clips = { dictionary default = {
            asset[] assetPaths = [@HERE/clip.usda@]
            asset manifestAssetPath = @HERE/pipe.usda@
            string primPath = "/s"
            double2[] active = [(0, 0)]
            double2[] times = [(0, 0), (1, 1)]
        } }
    ) {
        double radius
    }
    def Sphere "c3" (
        clips = { dictionary default = {
            string templateAssetPath = "HERE/pipe.###.usda"
            double templateStartTime = 1
            double templateEndTime = 1
            double templateStride = 1
            string primPath = "/s"
        } }
    ) {
        double radius
    }
    def DomeLight "dome" {
        asset inputs:texture:file = @HERE/pipe.png@
    }
    def SphereLight "light" ( prepend apiSchemas = ["ShapingAPI"] ) {
        asset inputs:shaping:ies:file = @HERE/pipe.ies@
    }
    def Volume "v" {
        rel field:d = </W/v/d>
        def OpenVDBAsset "d" {
            asset filePath = @HERE/pipe.vdb@
        }
    }
    def "z" ( references = @HERE/pipe.usdz@ ) {}
    def "variants" (
        variants = { string v = "x" }
        prepend variantSets = "v"
    ) {
        variantSet "v" = {
            "x" ( payload = @HERE/pipe.usda@ ) {
            }
        }
    }
    TEXTURED
}
"""
TEXTURED = """
    def Material "NAME" {
        token outputs:surface.connect = </W/NAME/S.outputs:surface>
        def Shader "S" {
            uniform token info:id = "UsdPreviewSurface"
            color3f inputs:diffuseColor.connect = </W/NAME/T.outputs:rgb>
            token outputs:surface
        }
        def Shader "T" {
            uniform token info:id = "UsdUVTexture"
            asset inputs:file = @HERE/FILE@
            float3 outputs:rgb
        }
    }
    def Sphere "on_NAME" ( prepend apiSchemas = ["MaterialBindingAPI"] ) {
        rel material:binding = </W/NAME>
    }
"""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("form", ["usda", "usdc", "usdz"])
def test_a_pipe_is_read_nowhere_in_a_scene(tmp_path: Path, form: str) -> None:
    """As value clips, their manifest and template, textures, tiles, a package, a volume, in a variant."""
    for name in ("usda", "001.usda", "png", "1001.png", "usdz", "vdb", "ies"):
        os.mkfifo(tmp_path / f"pipe.{name}")
    (tmp_path / "clip.usda").write_text('#usda 1.0\ndef "s" {\ndouble radius.timeSamples = {0: 2}\n}\n')
    files = {"plain": "pipe.png", "tiles": "pipe.<UDIM>.png", "packed": "pipe.usdz[a.png]"}
    textured = "".join(TEXTURED.replace("NAME", name).replace("FILE", file) for name, file in files.items())
    text = PIPES.replace("TEXTURED", textured).replace("HERE", str(tmp_path))
    (tmp_path / "scene.usda").write_text(text)
    scene = tmp_path / f"scene.{form}"
    if form == "usdc":
        Sdf.Layer.FindOrOpen(str(tmp_path / "scene.usda")).Export(str(scene))
    elif form == "usdz":
        with Sdf.ZipFileWriter.CreateNew(str(scene)) as package:
            package.AddFile(str(tmp_path / "scene.usda"), "scene.usda")
    ended = _run("-geolib3OpTree", scene, "-renderOutputFile", tmp_path / "a.png", *SMALL)
    assert ended.code == 0, ended.text
    for name in ("pipe.usda", "pipe.001.usda", "pipe.usdz"):
        assert any(f"{name}' is a named pipe" in line for line in ended.lines), (name, ended.text)


def test_names_of_a_scene_say_nothing_to_other_programs(tmp_path: Path) -> None:
    """A shader's id and a texture's path that hold lines of our own log stay within their warning."""
    stage = new_stage()
    card = add_card(stage, "/World/Card")
    material = add_material(stage, "/World/M")
    bind(card, material)
    evil = "x\nkq_picture: /dev/ptmx\r\nALF_PROGRESS 77%\u2028ERROR: no\x1b[31m\u202e progress: 88%"
    add_texture(stage, "/World/M", "diffuseColor", "./" + "ALF_PROGRESS 77% progress: 88%")
    node = stage.DefinePrim("/World/M/Node", "Shader")
    node.CreateAttribute("info:id", Sdf.ValueTypeNames.Token).Set(evil)
    node.CreateAttribute("outputs:out", Sdf.ValueTypeNames.Float)
    surface = stage.GetPrimAtPath("/World/M/Surface")
    surface.CreateAttribute("inputs:roughness", Sdf.ValueTypeNames.Float).AddConnection(
        "/World/M/Node.outputs:out"
    )
    path = _saved(stage, tmp_path / "scene.usda")
    ended = _run("-geolib3OpTree", path, "-renderOutputFile", tmp_path / "a.png", *SMALL)
    assert ended.code == 0, ended.text
    assert "/World/M/Node" in ended.text
    assert not [line for line in ended.lines if line.startswith("kq_picture:") and "ptmx" in line]
    assert "\x1b" not in ended.text
    assert "\u202e" not in ended.text
    assert {line for line in ended.lines if "77%" in line or "88%" in line} <= {
        line for line in ended.lines if line.startswith("WARNING: ")
    }
    patterns = load_patterns("mitsuba")
    for line in ended.lines:
        if line.startswith("WARNING: "):
            assert patterns.progress(line.encode()) is None, line
            assert patterns.picture(line.encode()) is None, line


@pytest.mark.parametrize(
    "text",
    ["ALF_PROGRESS 50%", "kq_picture: /tmp/a.png", "openjd_progress: 3", "progress 40 %", "80% complete"],
)
def test_forms_that_are_read_are_broken_in_text(text: str) -> None:
    """Whatever a message quotes, no percentage and no beginning of a form is left in it."""
    assert text not in escaped(f"Cannot render {text}")


def test_two_thousand_levels_are_drawn(tmp_path: Path) -> None:
    """Deeper than Python's stack."""
    levels = 2000
    text = "".join(f'def Xform "x{level}"\n{{\n' for level in range(levels))
    (tmp_path / "deep.usda").write_text(f'#usda 1.0\n{text}def Sphere "s" {{}}\n' + "}\n" * levels)
    ended = _run("-geolib3OpTree", tmp_path / "deep.usda", "-renderOutputFile", tmp_path / "a.png", *SMALL)
    assert ended.code == 0, ended.text
    assert (tmp_path / "a.png").exists()


@pytest.mark.slow
def test_a_scene_that_doubles_itself_ends_at_the_memory_limit(tmp_path: Path) -> None:
    """2 to the 24 prims from a small file: an error that names the limit, long before all memory is used."""
    lines = ['#usda 1.0\ndef Sphere "L0" {}\n']
    for level in range(1, 25):
        below = f"(references = </L{level - 1}>)"
        lines.append(f'def Xform "L{level}"\n{{\ndef "a" {below} {{}}\ndef "b" {below} {{}}\n}}\n')
    (tmp_path / "many.usda").write_text("".join(lines))
    ended = _run("-geolib3OpTree", tmp_path / "many.usda", *SMALL, "-memoryLimit", 300 * 2**20)
    assert ended.code == 1, ended.text
    assert ended.lines[-1].startswith("ERROR: ")
    assert "0.3 GiB" in ended.lines[-1]
    assert "Traceback" not in ended.text


def test_an_image_that_the_system_refuses_to_look_for_is_unreadable(tmp_path: Path) -> None:
    """Such as one with too long a name, or in a folder that may not be entered."""
    with pytest.raises(UnreadableImageError, match=os.strerror(errno.ENAMETOOLONG)):
        read_image(str(tmp_path / ("i" * 300 + ".png")), "auto")


@pytest.mark.slow
def test_a_huge_image_is_read_small(tmp_path: Path) -> None:
    """A file of a few hundred kilobytes that holds 108 million pixels."""
    import OpenImageIO as oiio  # noqa: N813

    side = 10400
    output = oiio.ImageOutput.create("png")
    assert output.open(str(tmp_path / "bomb.png"), oiio.ImageSpec(side, side, 1, "uint8"))
    row = np.full((side, 1), 128, np.uint8)
    for y in range(side):
        output.write_scanline(y, 0, row)
    output.close()
    image = read_image(str(tmp_path / "bomb.png"), "auto")
    assert image.pixels.shape[0] * image.pixels.shape[1] <= 2**24
    assert float(image.pixels[7, 7, 0]) == pytest.approx(128 / 255, abs=0.001)
    assert f"{side} by {side}" in image.warnings[0]


def test_more_prims_than_can_be_read_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Instances are counted once; the message names the limit."""
    from host.renderboot.errors import RenderBootError
    from host.renderboot.stage import traversal
    from tests.renderboot.stages import read

    monkeypatch.setattr(traversal, "MAX_PRIMS", 3)
    stage = new_stage()
    for number in range(4):
        add_sphere(stage, f"/World/Ball{number}")
    with pytest.raises(RenderBootError, match=r"\b3 prims"):
        read(stage)
