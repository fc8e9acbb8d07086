"""The sample scene is what it is meant to be, and renders without a warning."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pxr import Usd, UsdGeom

from host.renderboot.arguments import Arguments
from host.renderboot.diagnostics import Diagnostics
from host.renderboot.renderers import load_renderer
from host.renderboot.stage.reader import read_scene

FOLDER = Path(__file__).resolve().parents[2] / "resources" / "scenes"
MAIN = FOLDER / "sample.usda"


def _read(**arguments: object) -> tuple[object, str]:
    diagnostics = Diagnostics()
    scene = read_scene(Arguments(stage=MAIN, **arguments), diagnostics)  # type: ignore[arg-type]
    return scene, "\n".join(line for lines in diagnostics.take() for line in lines)


def test_it_has_what_a_lighting_artist_tries_things_on() -> None:
    """Three kinds of light, a hundred objects, textures, two cameras, 24 frames, modest settings."""
    scene, said = _read()
    assert said == ""
    assert len({type(light) for light in scene.root.lights}) >= 3
    objects = len(scene.root.meshes) + sum(len(instances.matrices) for instances in scene.root.instances)
    assert objects > 100
    assert len({texture.file for mesh in scene.root.meshes for texture in mesh.material.textures}) >= 4
    stage = Usd.Stage.Open(str(MAIN))
    assert len([prim for prim in stage.Traverse() if prim.IsA(UsdGeom.Camera)]) == 2
    assert (stage.GetStartTimeCode(), stage.GetEndTimeCode()) == (1, 24)
    assert (scene.settings.width, scene.settings.height) == (640, 360)
    assert scene.settings.samples <= 32


def test_it_moves() -> None:
    """Camera, hero and beads stand elsewhere at another frame."""
    first, later = _read(frame=1.0)[0], _read(frame=13.0)[0]
    assert not np.allclose(first.camera.transform, later.camera.transform)
    for one, other in zip(first.root.instances, later.root.instances, strict=True):
        moved = not np.allclose(one.matrices, other.matrices)
        assert moved == ("Beads" in one.path)
    hero = [
        np.allclose(a.transform, b.transform)
        for a, b in zip(first.root.meshes, later.root.meshes, strict=True)
        if "Hero" in a.path
    ]
    assert hero == [False] * 3


def test_it_is_small() -> None:
    """Under a megabyte with its textures and scripts."""
    assert (
        sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file() and path.suffix != ".pyc")
        < 1_000_000
    )


@pytest.mark.parametrize("camera", ["/World/Cameras/Shot", "/World/Cameras/Detail"])
def test_both_cameras_see_a_lit_scene(camera: str) -> None:
    """Neither black nor burnt out, in the warm palette it was made in."""
    scene, _ = _read(camera=camera, width=48, height=27)
    diagnostics = Diagnostics()
    picture = load_renderer("mitsuba").prepare(scene, 1, diagnostics)
    picture.render_pass(4)
    assert diagnostics.take() == ([], [])
    red, green, blue, _ = picture.pixels().reshape(-1, 4).mean(axis=0)
    assert 0.1 < green < 0.6
    assert red > green > blue
