"""What is prepared while a process waits: used again where nothing of it changed, and never otherwise."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pxr import Gf, Sdf, Usd, UsdGeom, UsdLux, UsdShade, Vt

from host.renderboot.arguments import Arguments
from host.renderboot.cache import PartCache, digest
from host.renderboot.diagnostics import Diagnostics
from host.renderboot.prefetch import BEFORE_VARIABLE, read_before
from host.renderboot.renderers import load_renderer
from host.renderboot.stage.reader import read_scene
from tests.renderboot.stages import (
    Pixels,
    add_camera,
    add_card,
    add_material,
    add_texture,
    bind,
    new_stage,
    places,
    write_image,
)
from tests.renderboot.test_process import COMMAND, ROOT, _run

RED, GREEN, BLUE = (220, 30, 30), (30, 220, 30), (30, 30, 220)


def _scene(folder: Path) -> Usd.Stage:
    """Something of all that is prepared: cards with textures, colours and glass, a sky, a lamp, a variant."""
    write_image(folder / "wall.png", [[RED, GREEN], [GREEN, BLUE]])
    write_image(folder / "sky.png", [[(200, 210, 255)] * 4, [(40, 40, 40)] * 4])
    stage = new_stage()
    stage.SetStartTimeCode(1)
    stage.SetEndTimeCode(2)
    add_camera(stage, distance=12.0)
    wall = add_card(stage, "/World/Wall", 2.0, -1.0)
    bind(wall, add_material(stage, "/World/Painted"))
    add_texture(stage, "/World/Painted", "diffuseColor", "./wall.png")
    moving = add_card(stage, "/World/Moving", 0.5, 0.5)
    points = np.array(moving.GetPointsAttr().Get())
    for frame in (1, 2):
        moving.GetPointsAttr().Set(Vt.Vec3fArray.FromNumpy(points + np.float32((frame - 2, 0, 0))), frame)
    coloured = add_card(stage, "/World/Coloured", 0.4, 1.0)
    coloured.CreateDisplayColorPrimvar("vertex").Set([(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 1, 0)])
    glass = add_card(stage, "/World/Glass", 0.3, 2.0)
    bind(glass, add_material(stage, "/World/Clear", opacity=0.1))
    chooser = UsdGeom.Xform.Define(stage, "/World/Chooser").GetPrim()
    variants = chooser.GetVariantSets().AddVariantSet("size")
    for name, size in (("small", 0.2), ("large", 0.6)):
        variants.AddVariant(name)
        variants.SetVariantSelection(name)
        with variants.GetVariantEditContext():
            add_card(stage, "/World/Chooser/Card", size, 1.5)
    variants.SetVariantSelection("small")
    UsdGeom.Xformable(chooser).AddTranslateOp().Set(Gf.Vec3d(0, 1.2, 0))
    sky = UsdLux.DomeLight.Define(stage, "/World/Sky")
    sky.CreateTextureFileAttr("./sky.png")
    lamp = UsdLux.RectLight.Define(stage, "/World/Lamp")
    lamp.AddTranslateOp().Set(Gf.Vec3d(1, 1, 4))
    lamp.CreateIntensityAttr(5.0)
    stage.GetRootLayer().Export(str(folder / "scene.usda"))
    return Usd.Stage.Open(str(folder / "scene.usda"))


def _mesh(stage: Usd.Stage, name: str) -> UsdGeom.Mesh:
    return UsdGeom.Mesh(stage.GetPrimAtPath(f"/World/{name}"))


def _point(stage: Usd.Stage, _: Path) -> None:
    points = _mesh(stage, "Wall").GetPointsAttr()
    moved = list(points.Get())
    moved[2] = Gf.Vec3f(0.5, 0.5, -1.0)
    points.Set(moved)


def _transform(stage: Usd.Stage, _: Path) -> None:
    _mesh(stage, "Wall").AddRotateZOp().Set(30.0)


def _uvs(stage: Usd.Stage, _: Path) -> None:
    UsdGeom.PrimvarsAPI(_mesh(stage, "Wall")).GetPrimvar("st").Set([(1, 0), (0, 0), (0, 1), (1, 1)])


def _faces(stage: Usd.Stage, _: Path) -> None:
    _mesh(stage, "Wall").GetFaceVertexCountsAttr().Set([3])
    _mesh(stage, "Wall").GetFaceVertexIndicesAttr().Set([0, 1, 2])


def _hole(stage: Usd.Stage, _: Path) -> None:
    _mesh(stage, "Coloured").CreateHoleIndicesAttr([0])


def _normals(stage: Usd.Stage, _: Path) -> None:
    _mesh(stage, "Wall").CreateNormalsAttr([(0.6, 0, 0.8)] * 4)


def _vertex_colours(stage: Usd.Stage, _: Path) -> None:
    _mesh(stage, "Coloured").GetDisplayColorPrimvar().Set([(0, 1, 1)] * 4)


def _interpolation(stage: Usd.Stage, _: Path) -> None:
    _mesh(stage, "Coloured").GetDisplayColorPrimvar().SetInterpolation("uniform")


def _shader(stage: Usd.Stage, name: str) -> UsdShade.Shader:
    return next(
        UsdShade.Shader(prim)
        for prim in Usd.PrimRange(stage.GetPrimAtPath("/World"))
        if prim.IsA(UsdShade.Shader) and UsdShade.Shader(prim).GetShaderId() == name
    )


def _material(stage: Usd.Stage, _: Path) -> None:
    _shader(stage, "UsdPreviewSurface").CreateInput("roughness", Sdf.ValueTypeNames.Float).Set(0.1)


def _texture_scale(stage: Usd.Stage, _: Path) -> None:
    _shader(stage, "UsdUVTexture").CreateInput("scale", Sdf.ValueTypeNames.Float4).Set((0.2, 0.2, 1, 1))


def _texture_wrap(stage: Usd.Stage, _: Path) -> None:
    UsdGeom.PrimvarsAPI(_mesh(stage, "Wall")).GetPrimvar("st").Set([(0, 0), (3, 0), (3, 3), (0, 3)])
    _shader(stage, "UsdUVTexture").CreateInput("wrapS", Sdf.ValueTypeNames.Token).Set("clamp")


def _rebound(stage: Usd.Stage, _: Path) -> None:
    bind(_mesh(stage, "Wall"), UsdShade.Material(stage.GetPrimAtPath("/World/Clear")))


def _rewritten(folder: Path, name: str, rows: list[list[tuple[int, int, int]]]) -> None:
    """Another image of the same name, size and times: nothing but its content tells."""
    before = (folder / name).stat()
    write_image(folder / name, rows)
    os.utime(folder / name, ns=(before.st_atime_ns, before.st_mtime_ns))


def _texture_content(_: Usd.Stage, folder: Path) -> None:
    _rewritten(folder, "wall.png", [[BLUE, GREEN], [RED, RED]])


def _sky_content(_: Usd.Stage, folder: Path) -> None:
    _rewritten(folder, "sky.png", [[(255, 120, 20)] * 4, [(40, 40, 40)] * 4])


def _texture_gone(_: Usd.Stage, folder: Path) -> None:
    (folder / "wall.png").unlink()


def _texture_damaged(_: Usd.Stage, folder: Path) -> None:
    (folder / "wall.png").write_bytes((folder / "wall.png").read_bytes()[:40])


def _light(stage: Usd.Stage, _: Path) -> None:
    UsdLux.RectLight(stage.GetPrimAtPath("/World/Lamp")).GetIntensityAttr().Set(50.0)


def _visibility(stage: Usd.Stage, _: Path) -> None:
    _mesh(stage, "Coloured").MakeInvisible()


def _variant(stage: Usd.Stage, _: Path) -> None:
    stage.GetPrimAtPath("/World/Chooser").GetVariantSet("size").SetVariantSelection("large")


def _time_sample(stage: Usd.Stage, _: Path) -> None:
    attribute = _mesh(stage, "Moving").GetPointsAttr()
    attribute.Set(Vt.Vec3fArray.FromNumpy(np.array(attribute.Get(2)) + np.float32((0.5, 0.7, 0))), 1)


def _added(stage: Usd.Stage, _: Path) -> None:
    add_card(stage, "/World/New", 0.5, 1.7)


CHANGES: list[Callable[[Usd.Stage, Path], None]] = [
    _point,
    _transform,
    _uvs,
    _faces,
    _hole,
    _normals,
    _vertex_colours,
    _interpolation,
    _material,
    _texture_scale,
    _texture_wrap,
    _texture_content,
    _texture_gone,
    _texture_damaged,
    _sky_content,
    _rebound,
    _light,
    _visibility,
    _variant,
    _time_sample,
    _added,
]


def _arguments(folder: Path, frame: float = 1.0) -> Arguments:
    return Arguments(stage=folder / "scene.usda", width=48, height=48, frame=frame)


def _prepared(folder: Path) -> PartCache:
    """As a waiting process prepares."""
    cache = PartCache(lambda: None)
    scene = read_scene(_arguments(folder), Diagnostics(), cache)
    load_renderer("mitsuba").prefetch_parts(scene, 1, cache)
    cache.close()
    return cache


def _picture(
    arguments: Arguments, cache: PartCache | None = None
) -> tuple[Pixels, tuple[list[str], list[str]]]:
    """The picture of one thread, which is the same each time, and all that was said of the scene."""
    diagnostics = Diagnostics()
    scene = read_scene(arguments, diagnostics, cache)
    picture = load_renderer("mitsuba").prepare(scene, 1, diagnostics, cache)
    picture.render_pass(2)
    return picture.pixels(), diagnostics.take()


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__.strip("_"))
def test_a_change_is_seen_as_by_a_new_process(
    tmp_path: Path, change: Callable[[Usd.Stage, Path], None]
) -> None:
    """Pixel for pixel and word for word, with the stage and its images under the names they had before."""
    stage = _scene(tmp_path)
    before, _ = _picture(_arguments(tmp_path))
    cache = _prepared(tmp_path)
    change(stage, tmp_path)
    stage.GetRootLayer().Save()
    prepared = _picture(_arguments(tmp_path), cache)
    anew = _picture(_arguments(tmp_path))
    assert np.array_equal(prepared[0], anew[0])
    assert prepared[1] == anew[1]
    assert not np.array_equal(prepared[0], before)
    assert cache.found > 0


def test_another_frame_is_seen_as_by_a_new_process(tmp_path: Path) -> None:
    """What moves is made anew, what does not is found."""
    _scene(tmp_path)
    cache = _prepared(tmp_path)
    prepared, _ = _picture(_arguments(tmp_path, 2.0), cache)
    assert np.array_equal(prepared, _picture(_arguments(tmp_path, 2.0))[0])
    assert not np.array_equal(prepared, _picture(_arguments(tmp_path))[0])
    assert (cache.missed, cache.found > 0) == (1, True)


def test_all_of_a_scene_that_is_as_before_is_found(tmp_path: Path) -> None:
    """Each mesh, the texture, and the sky's image."""
    _scene(tmp_path)
    cache = _prepared(tmp_path)
    prepared, _ = _picture(_arguments(tmp_path), cache)
    assert np.array_equal(prepared, _picture(_arguments(tmp_path))[0])
    assert (cache.found, cache.missed) == (7, 0)


def test_warnings_of_a_mesh_are_told_each_time(tmp_path: Path) -> None:
    """They were found while the part was made, which it is not again."""
    stage = _scene(tmp_path)
    UsdGeom.PrimvarsAPI(_mesh(stage, "Wall")).GetPrimvar("st").Set([(0, 0)])
    stage.GetRootLayer().Save()
    cache = _prepared(tmp_path)
    _, (warnings, _) = _picture(_arguments(tmp_path), cache)
    assert any("'st'" in line and places(line) == ["/World/Wall"] for line in warnings)
    assert cache.missed == 0


def test_digests_differ_where_parts_do() -> None:
    """In value, shape, kind, and where one part ends and the next begins."""
    array = np.arange(6, dtype=np.float32)
    parts: list[tuple[object, ...]] = [
        (array,),
        (array.reshape(2, 3),),
        (array.astype(np.float64),),
        (array, None),
        (array[:3], array[3:]),
        (array[:2], array[2:]),
        (array[:0],),
        (b"ab", b"c"),
        (b"a", b"bc"),
        ("a", "bc"),
        ("abc",),
        (1, 2),
        (12,),
        (1.0, 2),
        (True, 2),
        ((1, 2),),
        (),
    ]
    assert len({digest(*each) for each in parts}) == len(parts)
    assert digest(array, "a") == digest(array.copy(), "a")
    assert digest(array[::2]) == digest(array[::2].copy())


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"argv": ["-x"], "cwd": "/", "memory": 1}', '{"argv": 1, "cwd": 1}']
)
def test_what_says_nothing_of_a_render_is_not_prepared_for(text: str) -> None:
    """The variable may hold anything; a process that waits does not end of it."""
    assert read_before(text) is None


def _in_a_standby(folder: Path, before: dict[str, object], job: dict[str, object], *, waits: bool) -> str:
    """Have a process that was told of `before` render `job`; returns what it said on its own output."""
    with subprocess.Popen(
        [*COMMAND, "--standby"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "KQ_THREADS": "1", BEFORE_VARIABLE: json.dumps(before)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        if waits:
            said += process.stdout.readline()
        rest, _ = process.communicate(json.dumps(job) + "\n", timeout=60)
    assert process.returncode == 0
    return said + rest


def _exr_values(path: Path) -> np.ndarray:
    """The pixels alone: an EXR's header says when it was made."""
    import OpenImageIO as oiio  # noqa: N813

    return np.array(oiio.ImageInput.open(str(path)).read_image("half"))


@pytest.mark.parametrize(
    ("waits", "memory", "used"),
    [(True, 2**40, True), (False, 2**40, None), (True, 1, None)],
    ids=["ready", "interrupted", "no memory"],
)
def test_a_process_that_prepared_draws_what_a_new_one_draws(
    tmp_path: Path, waits: bool, memory: int, used: bool | None
) -> None:
    """Whether it was through, was interrupted by its render, or had no memory left after the first thing."""
    stage = _scene(tmp_path)
    words = ["-geolib3OpTree", "scene.usda", "-width", "48", "-height", "48", "-samples", "2"]
    before = {"argv": words, "cwd": str(tmp_path), "memory": memory}
    log, output = tmp_path / "log", tmp_path / "prepared.png"
    job = {"argv": [*words, "-renderOutputFile", str(output)], "cwd": str(tmp_path), "log": str(log)}
    _light(stage, tmp_path)
    stage.GetRootLayer().Save()
    said = _in_a_standby(tmp_path, before, job, waits=waits)
    prepared = "kq_standby: prepared\n" if waits else ""
    assert (
        said.replace("kq_standby: prepared\n", prepared)
        == f"kq_standby: ready\n{prepared}kq_standby: taken\n"
    )
    anew = tmp_path / "anew.png"
    ended = _run(*words[:1], tmp_path / "scene.usda", *words[2:], "-renderOutputFile", anew, KQ_THREADS="1")
    assert ended.code == 0, ended.text
    assert output.read_bytes() == anew.read_bytes()
    drawn, expected = (_exr_values(path.with_suffix(".exr")) for path in (output, anew))
    assert np.array_equal(drawn, expected)
    if used:
        assert "7 of 7 " in log.read_text()
