"""Writes a bundle: a new folder with the documents, the scene and the files that its commands name.

To be called from a thread that may wait for a file share.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from ..errors import BadInput, Refused
from ..plain_text import quoted
from ..records import JobSpec
from .paths import ASSETS_IN_BUNDLE, SCENE_IN_BUNDLE, BundlePaths
from .template import RUNNER, asset_references, parameter_values, template
from .variables import choose_variables

__all__ = ["FILE_LIST", "WrittenBundle", "write_bundle"]

FILE_LIST = ".kq-scene-files.json"
"""In a scene's folder: a JSON list of the files elsewhere that it names, written by who made the scene."""


class WrittenBundle(NamedTuple):
    """What was written, for people."""

    folder: Path
    files: int
    """Files of the scene and assets."""
    size: int
    """Their bytes."""
    variables_left_out: list[str]
    referenced: list[str]
    """Paths that the commands or the scene name and that were not copied."""
    scene_files: list[str] | None
    """Those of the scene among them; None where nothing lists them."""

    def notes(self) -> list[str]:
        """What the machines that render need besides the bundle, a line each."""
        lines = [
            f"missing here, and not in the bundle: {path}"
            if _is_missing(path)
            else f"not copied, the machines that render must have it: {path}"
            for path in self.referenced
        ]
        if self.variables_left_out:
            lines.append(f"variables left out: {', '.join(self.variables_left_out)}")
        if self.scene_files is None:
            lines.append(
                "files that the scene references outside its folder are not known, and not in the bundle"
            )
        if self.scene_files != []:
            lines.append("OpenJD in the menu of the scene's node writes a bundle with all its files")
        return lines


def write_bundle(
    description: str, spec: JobSpec, folder: Path, variables: Sequence[str] = (), pictures: Iterable[str] = ()
) -> WrittenBundle:
    """Write the bundle of a job to `folder`, which must be empty or not exist yet. Whole, or not at all.

    Args:
        description: where the job comes from, for people.
        spec: the job.
        folder: where to.
        variables: names of variables that go along besides those known to be safe.
        pictures: what the job has rendered so far; it is left out.

    Raises:
        BadInput: `folder` is used already, or the job cannot be exported.
        Refused: a file cannot be read or written.
    """
    spec.check()
    chosen = choose_variables(spec.environment, variables)
    paths = BundlePaths(spec, chosen.kept)
    folder = folder.absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadInput(f"{folder} is not an empty folder: name one that does not exist yet")
    scene = Path(spec.temp_dir) if Path(spec.temp_dir).is_absolute() else None
    if scene is not None and not scene.is_dir():
        raise Refused(f"the job's scene is gone: the folder {scene} does not exist")
    if scene is not None and folder.is_relative_to(scene):
        raise BadInput(f"{folder} is in the folder of the scene itself: name another one")
    listed = None if scene is None else _listed_files(scene)
    paths.referenced |= set(listed or ())
    draft = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    try:
        draft.mkdir(parents=True)
        copied = [(Path(source), draft / ASSETS_IN_BUNDLE / to) for source, to in paths.assets.items()]
        if scene is not None:
            copied += _scene_files(scene, draft / SCENE_IN_BUNDLE, set(pictures))
            (draft / SCENE_IN_BUNDLE).mkdir()
        size = sum(_copy(source, target) for source, target in copied)
        documents = {
            "template": template(
                description, spec, paths, RUNNER.read_text(encoding="utf-8"), has_scene=scene is not None
            ),
            "parameter_values": parameter_values(spec, paths),
            "asset_references": asset_references(paths),
        }
        for name, document in documents.items():
            (draft / f"{name}.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        if folder.exists():
            folder.rmdir()
        draft.rename(folder)
    except OSError as error:
        raise Refused(f"the bundle cannot be written: {error.filename}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    has_stage = any((folder / SCENE_IN_BUNDLE).glob("*.usd*"))
    return WrittenBundle(
        folder,
        len(copied),
        size,
        chosen.left_out,
        sorted(paths.referenced),
        listed if listed is not None or has_stage else [],
    )


def _listed_files(scene: Path) -> list[str] | None:
    """What the scene names outside its folder, as its maker has listed it; None where it has not."""
    try:
        return msgspec.json.decode((scene / FILE_LIST).read_bytes(), type=list[str])
    except (OSError, msgspec.DecodeError):
        return None


def _is_missing(path: str) -> bool:
    # The tiles of a UDIM have numbers in place of the mark.
    return not any(mark in path for mark in ("<UDIM>", "<UVTILE>")) and not Path(path).exists()


def _scene_files(scene: Path, target: Path, pictures: set[str]) -> Iterator[tuple[Path, Path]]:
    """The files of the scene's folder, and where each is copied. Hidden ones are for this machine alone."""
    rendered = {Path(picture).with_suffix("") for picture in pictures if picture}
    for parent, folders, names in os.walk(scene, followlinks=False):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(parent, name)
            if name.startswith(".") or path.with_suffix("") in rendered:
                continue
            try:
                mode = path.stat().st_mode
            except OSError as error:
                raise Refused(f"{quoted(str(path))} cannot be read: {error.strerror or error}") from error
            if stat.S_ISREG(mode):
                yield path, target / path.relative_to(scene)


def _copy(source: Path, target: Path) -> int:
    """Copy one file, what a link leads to rather than the link. Returns its bytes."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    shutil.copymode(source, target)
    return target.stat().st_size
