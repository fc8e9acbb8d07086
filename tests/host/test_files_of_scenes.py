"""The files of a scene are read alike by all that compose it: the cook, a live cook, and renderboot."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from pxr import Sdf, Usd, UsdShade

from host.nodes import cooking
from host.nodes.errors import CookError
from host.nodes.graph import Graph
from host.nodes.live_cooking import LiveCook
from host.nodes.project import usd_project
from host.renderboot.diagnostics import Diagnostics
from host.renderboot.live.stage import LiveStage
from host.renderboot.live.state import LayerText, Update
from host.renderboot.stage.open_stage import open_stage

LOOK = """<?xml version="1.0"?>
<materialx version="1.38">
  <standard_surface name="Surface" type="surfaceshader">
    <input name="base_color" type="color3" value="RED, 0.5, 0.25" />
  </standard_surface>
  <surfacematerial name="Glow" type="material">
    <input name="surfaceshader" type="surfaceshader" nodename="Surface" />
  </surfacematerial>
</materialx>
"""
Opened = tuple[Usd.Stage, list[str]]


def alone(file: Path) -> Opened:
    """As `renderboot -geolib3OpTree file` opens it."""
    diagnostics = Diagnostics()
    return open_stage(file, diagnostics), diagnostics.take()[0]


def cooked(file: Path) -> Opened:
    """As a render of the desktop opens it: cooked, written flat, and opened by renderboot."""
    scene = cooking.cook(usd_project(file).graph, "Render", 1)
    out = file.parent / "Render.usdc"
    cooking.export(scene, str(out))
    return alone(out)


def live(file: Path) -> Opened:
    """As a live render opens it."""
    return live_of(usd_project(file).graph, LiveCook(), LiveStage())


def live_of(graph: Graph, cook: LiveCook, stage: LiveStage) -> Opened:
    answer = cook.cook(graph, "Render", 1)
    layers = {key: LayerText(each["text"], tuple(each["beneath"])) for key, each in answer.layers.items()}
    diagnostics = Diagnostics()
    stage.apply(Update(root=answer.root, layers=layers), diagnostics)
    return stage.stage, [*answer.warnings, *diagnostics.take()[0]]


WAYS = [alone, cooked, live]
Way = Callable[[Path], Opened]


def scene_of(folder: Path, target: str) -> Path:
    """A scene that refers to `target`, in the variant that is chosen and in another."""
    path = folder / "scene.usda"
    path.write_text(
        f"""#usda 1.0
def Sphere "Ball" {{}}
def Scope "Looks" (
    variants = {{ string model = "a" }}
    prepend variantSets = "model"
) {{
    variantSet "model" = {{
        "a" {{
            def "mtlx" (references = @{target}@</MaterialX>) {{}}
        }}
        "b" {{
            def "mtlx" (references = @./b_{target.removeprefix("./")}@</MaterialX>) {{}}
        }}
    }}
}}
"""
    )
    return path


def red_of(stage: Usd.Stage) -> float:
    surface = UsdShade.Shader(stage.GetPrimAtPath("/Looks/mtlx/Materials/Glow/Surface"))
    assert surface.GetIdAttr().Get() == "ND_standard_surface_surfaceshader"
    red: float = surface.GetInput("base_color").Get()[0]
    return red


@pytest.mark.parametrize("way", WAYS)
def test_materialx_files_are_read(way: Way, tmp_path: Path) -> None:
    """Those of the chosen variant, even though the other's is missing."""
    (tmp_path / "look.mtlx").write_text(LOOK.replace("RED", "0.75"))
    stage, warnings = way(scene_of(tmp_path, "./look.mtlx"))
    assert warnings == []
    assert red_of(stage) == 0.75


@pytest.mark.parametrize("way", WAYS)
def test_materialx_files_are_read_from_packages(way: Way, tmp_path: Path) -> None:
    """A package within a package, whose file includes another."""
    for name, text in {
        "look.mtlx": '<materialx version="1.38" xmlns:xi="http://www.w3.org/2001/XInclude">'
        '<xi:include href="parts/surface.mtlx" /></materialx>',
        "surface.mtlx": LOOK.replace("RED", "0.75"),
        "inner.usda": '#usda 1.0\n(defaultPrim = "M")\ndef "M" (references = @look.mtlx@</MaterialX>) {}\n',
        "outer.usda": '#usda 1.0\n(defaultPrim = "M")\ndef "M" (references = @inner.usdz@) {}\n',
    }.items():
        (tmp_path / name).write_text(text)
    inner = {"inner.usda": "inner.usda", "look.mtlx": "look.mtlx", "surface.mtlx": "parts/surface.mtlx"}
    for package, files in (
        ("inner.usdz", inner),
        ("outer.usdz", {"outer.usda": "outer.usda", "inner.usdz": "inner.usdz"}),
    ):
        with Sdf.ZipFileWriter.CreateNew(str(tmp_path / package)) as writer:
            for file, name in files.items():
                writer.AddFile(str(tmp_path / file), name)
    for name in ("look.mtlx", "surface.mtlx", "inner.usdz", "inner.usda"):
        (tmp_path / name).unlink()
    scene = tmp_path / "scene.usda"
    scene.write_text(
        '#usda 1.0\ndef Sphere "Ball" {}\ndef "Looks" {\ndef "mtlx" (references = @./outer.usdz@) {}\n}\n'
    )
    stage, warnings = way(scene)
    assert warnings == []
    assert red_of(stage) == 0.75


def _no_file(_path: Path) -> None:
    pass


def _damaged(path: Path) -> None:
    path.write_text("<materialx")


def _includes_itself(path: Path) -> None:
    path.write_text(
        '<materialx version="1.38" xmlns:xi="http://www.w3.org/2001/XInclude">'
        '<xi:include href="./look.mtlx" /></materialx>'
    )


@pytest.mark.parametrize("make", [_no_file, _damaged, _includes_itself])
@pytest.mark.parametrize("way", WAYS)
def test_materialx_files_that_cannot_be_read_are_named(
    way: Way, make: Callable[[Path], None], tmp_path: Path
) -> None:
    """As MaterialX; the rest is there."""
    make(tmp_path / "look.mtlx")
    stage, warnings = way(scene_of(tmp_path, "./look.mtlx"))
    assert any("MaterialX" in text and "look.mtlx'" in text for text in warnings)
    assert stage.GetPrimAtPath("/Ball")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("RED, 0.5, 0.25", "0.5", "'0.5' of the MaterialX input 'Surface/base_color' is no color3"),
        ("RED, 0.5, 0.25", "1, 2", "'1, 2'"),
        ("RED, 0.5, 0.25", "red", "'red' of the MaterialX input"),
        (
            "  </surfacematerial>",
            '<input name="displacementshader" type="displacementshader" nodename="Bumps" />'
            '</surfacematerial><displacement name="Bumps" type="displacementshader" />',
            "The displacementshader 'Bumps' of the MaterialX material 'Glow' is not",
        ),
    ],
)
@pytest.mark.parametrize("way", WAYS)
def test_what_is_left_out_of_a_materialx_file_is_named(
    way: Way, old: str, new: str, said: str, tmp_path: Path
) -> None:
    """And the rest of the file is read."""
    (tmp_path / "look.mtlx").write_text(LOOK.replace(old, new).replace("RED", "0.75"))
    stage, warnings = way(scene_of(tmp_path, "./look.mtlx"))
    assert any(said in text for text in warnings), warnings
    assert stage.GetPrimAtPath("/Looks/mtlx/Materials/Glow/Surface")


def test_materialx_nodes_that_are_connected_too_deeply_are_named(tmp_path: Path) -> None:
    """Deeper than Python's stack."""
    nodes = "".join(
        f'<sqrt name="n{i}" type="color3"><input name="in" type="color3" nodename="n{i + 1}" /></sqrt>'
        for i in range(3000)
    )
    text = LOOK.replace('value="RED, 0.5, 0.25"', 'nodename="n0"')
    (tmp_path / "look.mtlx").write_text(text.replace("</materialx>", f"{nodes}</materialx>"))
    stage, warnings = alone(scene_of(tmp_path, "./look.mtlx"))
    assert any("look.mtlx' cannot be read (its nodes are connected too deeply)" in text for text in warnings)
    assert stage.GetPrimAtPath("/Ball")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("way", WAYS)
def test_a_pipe_is_left_out(way: Way, tmp_path: Path) -> None:
    """USD would wait for ever for what it says."""
    os.mkfifo(tmp_path / "pipe.usda")
    (tmp_path / "between.usda").write_text("#usda 1.0\n(subLayers = [@./pipe.usda@])\n")
    scene = tmp_path / "scene.usda"
    scene.write_text('#usda 1.0\n(subLayers = [@./between.usda@])\ndef Sphere "Ball" {}\n')
    stage, warnings = way(scene)
    assert any("pipe.usda' is a named pipe" in text for text in warnings)
    assert stage.GetPrimAtPath("/Ball")


def test_what_is_left_out_is_missing_from_a_package(tmp_path: Path) -> None:
    """A scene for another site is refused, as with any file that is missing."""
    scene = cooking.cook(usd_project(scene_of(tmp_path, "./gone.mtlx")).graph, "Render", 1)
    with pytest.raises(CookError, match=r"MaterialX.*\bgone\.mtlx"):
        cooking.export(scene, str(tmp_path / "Render.usdc"), shared_roots=[])


def test_a_changed_file_is_read_anew_beside_a_live_render(tmp_path: Path) -> None:
    """The USD file, though the live stage holds it, and its MaterialX file."""
    (tmp_path / "look.mtlx").write_text(LOOK.replace("RED", "0.25"))
    file = scene_of(tmp_path, "./look.mtlx")
    graph, cook, stage = usd_project(file).graph, LiveCook(), LiveStage()
    assert red_of(live_of(graph, cook, stage)[0]) == 0.25
    (tmp_path / "look.mtlx").write_text(LOOK.replace("RED", "0.5"))
    assert red_of(cooked(file)[0]) == 0.5
    file.write_text(file.read_text().replace("Ball", "Bowl"))
    os.utime(file, ns=(1, 1))  # some file systems keep time in steps
    scene = cooking.cook(graph, "Render", 1)
    assert scene.stage.GetPrimAtPath("/Bowl")
    assert red_of(scene.stage) == 0.5


def test_a_layer_that_is_held_refers_to_materialx_for_as_long(tmp_path: Path) -> None:
    """A variant that is chosen later finds its file."""
    (tmp_path / "b_look.mtlx").write_text(LOOK.replace("RED", "0.25"))
    held = Sdf.Layer.FindOrOpen(str(scene_of(tmp_path, "./look.mtlx")))
    stage, _warnings = alone(Path(held.realPath))
    stage.GetPrimAtPath("/Looks").GetVariantSet("model").SetVariantSelection("b")
    assert red_of(stage) == 0.25


def test_a_materialx_file_instead_of_a_usd_file_is_named(tmp_path: Path) -> None:
    """Of a UsdIn node."""
    (tmp_path / "look.mtlx").write_text(LOOK)
    with pytest.raises(CookError, match="MaterialX"):
        cooking.cook(usd_project(tmp_path / "look.mtlx").graph, "UsdIn", 1)
