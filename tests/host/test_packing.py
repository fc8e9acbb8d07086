"""Packing: a scene for machines that do not see this one's disks takes its files along, and misses none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from pxr import Sdf, Usd, UsdShade, UsdUtils

from host.nodes import cook_service, cooking
from host.nodes.errors import CookError
from host.nodes.project import to_document, usd_project
from host.nodes.scene_files import FILE_LIST
from host.renderboot.diagnostics import Diagnostics
from host.renderboot.stage.open_stage import open_stage
from kq.openjd import bundle


def scene_of(tmp_path: Path, *textures: str) -> Path:
    """A stage with an animated ball that refers to a part, and shaders that name `textures`."""
    part = tmp_path / "work" / "part.usda"
    part.parent.mkdir(exist_ok=True)
    shutil.copyfile(Path(__file__).parent / "data" / "small.usda", part)
    path = tmp_path / "work" / "scene.usda"
    stage = Usd.Stage.CreateNew(str(path))
    stage.DefinePrim("/World").GetReferences().AddReference("./part.usda")
    for number, texture in enumerate(textures):
        shader = UsdShade.Shader.Define(stage, f"/Look/Texture{number}")
        shader.CreateInput("file", Sdf.ValueTypeNames.Asset).Set(texture)
    stage.Save()
    return path


def packed(scene: Path, folder: Path, *roots: Path) -> Path:
    """The scene, cooked and packed into `folder`."""
    folder.mkdir()
    graph = usd_project(scene).graph
    out = folder / "Render.usdc"
    cooking.export(cooking.cook(graph, "UsdIn", 1), str(out), [str(root) for root in roots])
    return out


def named(stage: Path) -> set[str]:
    """The asset paths in a packed stage, as they are written there."""
    found: set[str] = set()

    def note(path: str) -> str:
        found.add(path)
        return path

    UsdUtils.ModifyAssetPaths(Sdf.Layer.FindOrOpen(str(stage)), note)
    return found - {""}


def test_one_stage_has_all_frames_and_what_it_names(tmp_path: Path) -> None:
    """Whatever becomes of the disk that it came from; what two shaders name is copied once."""
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "wood.png").write_bytes(b"wood")
    (tmp_path / "work" / "also.png").write_bytes(b"wood, too")
    scene = scene_of(tmp_path, "./wood.png", "wood.png", str(tmp_path / "work" / "also.png"))
    out = packed(scene, tmp_path / "job")
    shutil.rmtree(tmp_path / "work")
    moved = tmp_path / "moved"
    (tmp_path / "job").rename(moved)
    stage = Usd.Stage.Open(str(moved / out.name))
    assert not stage.GetCompositionErrors()
    assert stage.GetPrimAtPath("/World/Ball").GetAttribute("xformOp:translate").GetNumTimeSamples() > 1
    layers, assets, unresolved = UsdUtils.ComputeAllDependencies(str(moved / out.name))
    assert (len(layers), unresolved) == (1, [])
    assert {Path(each).name for each in assets} == {"wood.png", "also.png"}
    assert all(path.startswith("./assets/") for path in named(moved / out.name))
    assert len(list((moved / "assets").iterdir())) == 2


def test_files_below_shared_roots_stay(tmp_path: Path) -> None:
    """They are not copied, and named as they were."""
    (tmp_path / "share" / "textures").mkdir(parents=True)
    (tmp_path / "share" / "textures" / "sky.exr").write_bytes(b"sky")
    (tmp_path / "share below").mkdir()
    (tmp_path / "share below" / "near.png").write_bytes(b"a folder that only begins like it")
    sky = str(tmp_path / "share" / "textures" / "sky.exr")
    scene = scene_of(tmp_path, sky, str(tmp_path / "share below" / "near.png"))
    out = packed(scene, tmp_path / "job", tmp_path / "share")
    paths = named(out)
    assert sky in paths
    [copied] = paths - {sky}
    assert (out.parent / copied).read_bytes() == b"a folder that only begins like it"


def test_tiles_stay_together(tmp_path: Path) -> None:
    """A path with <UDIM> stands for all of them; other files beside them are left."""
    (tmp_path / "work").mkdir()
    for name in ("skin.1001.png", "skin.1002.png", "skin.preview.png"):
        (tmp_path / "work" / name).write_bytes(name.encode())
    out = packed(scene_of(tmp_path, str(tmp_path / "work" / "skin.<UDIM>.png")), tmp_path / "job")
    [path] = named(out)
    assert path.endswith("/skin.<UDIM>.png")
    assert {each.name for each in (out.parent / path).parent.iterdir()} == {"skin.1001.png", "skin.1002.png"}


def test_a_package_is_copied_once_whatever_is_named_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second copy would take its time, and fail where the first is read-only, as published files are."""
    (tmp_path / "work").mkdir()
    for name in ("a.png", "b.png"):
        (tmp_path / "work" / name).write_bytes(name.encode())
    package = tmp_path / "set.usdz"
    assert UsdUtils.CreateNewUsdzPackage(str(scene_of(tmp_path, "./a.png", "./b.png")), str(package))
    copied: list[str] = []
    copy = shutil.copy2
    monkeypatch.setattr(shutil, "copy2", lambda *paths: copied.append(paths[0].name) or copy(*paths))
    out = packed(package, tmp_path / "job")
    [first, second] = sorted(named(out))
    assert first.rpartition("[")[0] == second.rpartition("[")[0]
    assert copied == ["set.usdz"]


def test_a_path_that_leaves_a_shared_root_again_is_copied(tmp_path: Path) -> None:
    """With `..`, a path begins like a shared folder and is of another: also of a set of tiles."""
    for folder in ("share", "home"):
        (tmp_path / folder).mkdir()
    (tmp_path / "home" / "skin.1001.png").write_bytes(b"skin")
    scene = scene_of(tmp_path, str(tmp_path / "share" / ".." / "home" / "skin.<UDIM>.png"))
    [path] = named(packed(scene, tmp_path / "job", tmp_path / "share"))
    assert path.startswith("./assets/")


@pytest.mark.parametrize("texture", ["gone.png", "skin.<UDIM>.png", "$SHOW/sky.exr"])
def test_a_missing_file_is_named_before_anything_is_sent(tmp_path: Path, texture: str) -> None:
    """And no stage is written."""
    scene = scene_of(tmp_path, str(tmp_path / "work" / texture) if "$" not in texture else texture)
    with pytest.raises(CookError, match=texture.split("/")[-1].replace(".", r"\.")):
        packed(scene, tmp_path / "job")
    assert not list((tmp_path / "job").iterdir())


def test_files_that_are_not_packed_are_listed(tmp_path: Path) -> None:
    """For who takes the scene elsewhere: those on shares, and those that are missing."""
    (tmp_path / "share").mkdir()
    (tmp_path / "share" / "wood.png").touch()
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "own.png").touch()
    scene = scene_of(tmp_path, "./own.png", str(tmp_path / "share" / "wood.png"), "/gone/brick.<UDIM>.png")
    (tmp_path / "job").mkdir()
    cooked = cooking.cook(usd_project(scene).graph, "UsdIn", 1)
    stage = str(tmp_path / "job" / "Render.usdc")
    cooking.export(cooked, stage, lists_files=True)
    listed = [str(tmp_path / "share" / "wood.png"), str(tmp_path / "work" / "own.png")]
    assert json.loads((tmp_path / "job" / FILE_LIST).read_text()) == ["/gone/brick.<UDIM>.png", *listed]
    assert FILE_LIST == bundle.FILE_LIST


def test_a_missing_reference_is_named(tmp_path: Path) -> None:
    """Flattened without packing it is a warning in the render's log."""
    scene = scene_of(tmp_path)
    (tmp_path / "work" / "part.usda").unlink()
    with pytest.raises(CookError, match=r"part\.usda"):
        packed(scene, tmp_path / "job")
    assert not list((tmp_path / "job").iterdir())


def test_a_scene_that_was_packed_is_rendered(tmp_path: Path) -> None:
    """The reader of the render program finds what the stage names relative to itself."""
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "wood.png").write_bytes(b"wood")
    out = packed(scene_of(tmp_path, "./wood.png"), tmp_path / "job")
    stage = open_stage(out, Diagnostics())
    value = stage.GetPrimAtPath("/Look/Texture0").GetAttribute("inputs:file").Get()
    assert Path(value.resolvedPath).read_bytes() == b"wood"


def test_the_cook_process_packs_on_request(tmp_path: Path) -> None:
    """And says what is missing as its answer."""
    document = to_document(usd_project(scene_of(tmp_path, "gone.png")))
    request = {
        "op": "export",
        "project": document,
        "node": "UsdIn",
        "frame": 1,
        "path": str(tmp_path / "out.usdc"),
    }
    assert cook_service.answer(request)["ok"]
    answer = cook_service.answer({**request, "shared_roots": []})
    assert not answer["ok"] and "gone.png" in answer["error"]
