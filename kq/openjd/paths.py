"""Which words of a job's commands are files and folders, and what stands for them in a bundle.

Only looks whether paths exist; nothing is copied here.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path

from ..errors import BadInput
from ..plain_text import quoted
from ..records import JobSpec

__all__ = ["ASSETS", "ASSETS_IN_BUNDLE", "OUTPUT", "SCENE", "SCENE_IN_BUNDLE", "BundlePaths"]

SCENE, ASSETS, OUTPUT = "SceneFolder", "AssetFolder", "OutputFolder"
"""Names of the template's parameters; of OUTPUT a number follows from the second on."""
SCENE_IN_BUNDLE, ASSETS_IN_BUNDLE = "scene", "assets"
"""Folders in the bundle, the defaults of these parameters."""
_FRAME = re.compile(r"\{(?:frame|start|end|step)(?::0?[1-9]d)?\}|#+|%(?:0[1-9])?d")
_HEAD = re.compile(r"(--?[\w.-]+=)(.*)", re.DOTALL)
_OURS = "{Param."


class BundlePaths:
    """The commands of a job, with `{Param.NAME}` where a bundle may be used elsewhere.

    Attributes:
        commands: the job's, rewritten.
        environment: likewise.
        folder: the working folder, likewise.
        programs: parameter to program.
        assets: files outside the scene's folder, each with its path below the bundle's folder of assets.
        outputs: parameter to the folder where pictures are written.
        referenced: paths that are named and stay where they are.
        writes_scene_folder: whether pictures are written beside the scene.
    """

    def __init__(self, spec: JobSpec, environment: Mapping[str, str]) -> None:
        """Raises BadInput for commands that already contain what stands for a parameter here."""
        for text in (*(each for command in spec.commands for each in command), *environment.values()):
            if _OURS in text:
                raise BadInput(
                    f"{quoted(text[:80])} holds {quoted(_OURS)}, which a bundle uses itself: change it"
                )
        self._scene = spec.temp_dir.rstrip("/\\") if Path(spec.temp_dir).is_absolute() else ""
        self._cwd = spec.cwd
        self._picture = spec.picture
        self._writes_scene = False
        self.programs: dict[str, str] = {}
        self.assets: dict[str, str] = {}
        self.outputs: dict[str, str] = {}
        self.referenced: set[str] = set()
        self.commands = [
            [self._program(command[0]), *(self._argument(text) for text in command[1:])]
            for command in spec.commands
        ]
        self.writes_scene_folder = bool(self._scene) and (self._writes_scene or not self.outputs)
        self.environment = {name: self._in_scene(value) for name, value in environment.items()}
        self.folder = self._in_scene(spec.cwd)

    def _in_scene(self, text: str) -> str:
        """`text` with the parameter in place of the scene's folder."""
        if not self._scene:
            return text
        return re.sub(rf"{re.escape(self._scene)}(?![^/\\\s\"':;,])", lambda _: f"{_OURS}{SCENE}}}", text)

    def _program(self, text: str) -> str:
        inside = self._in_scene(text)
        if inside != text:
            return inside
        for name, program in self.programs.items():
            if program == text:
                return f"{_OURS}{name}}}"
        name = _numbered("Program", len(self.programs))
        self.programs[name] = text
        return f"{_OURS}{name}}}"

    def _argument(self, text: str) -> str:
        found = _HEAD.fullmatch(text)
        head, value = (found[1], found[2]) if found else ("", text)
        if self._is_picture(value):
            return head + self._output(value)
        inside = self._in_scene(text)
        if inside != text or not value or value.startswith("-") or "\0" in value or len(value) > 4096:
            return inside
        path = Path(self._cwd, value)
        try:
            if path.is_file():
                return head + self._asset(path)
            if path.is_absolute() and path.is_dir():
                self.referenced.add(str(path))
                return text
            if self._may_be_written(value, path):
                return head + self._output(value)
        except OSError:
            pass  # too long, or not to be looked at: no path of ours
        return text

    def _is_picture(self, value: str) -> bool:
        return bool(self._picture) and value == self._picture and Path(self._cwd, value).is_absolute()

    def _may_be_written(self, value: str, path: Path) -> bool:
        """Whether `value` looks like a file that the render makes: in a folder that exists, with a suffix."""
        if not path.is_absolute() or not path.suffix or "\n" in value:
            return False
        if not ("/" in value or "\\" in value or _FRAME.search(value)):
            return False
        return path.parent.is_dir() and path.parent != Path(path.anchor)

    def _asset(self, path: Path) -> str:
        source = Path(os.path.normpath(path))
        folder = hashlib.sha256(str(source.parent).encode()).hexdigest()[:12]
        self.assets[str(source)] = f"{folder}/{source.name}"
        return f"{_OURS}{ASSETS}}}/{folder}/{source.name}"

    def _output(self, value: str) -> str:
        folder, name = os.path.split(os.path.normpath(Path(self._cwd, value)))
        while _FRAME.search(folder):  # a folder a frame: what stands for it is the one above
            folder, above = os.path.split(folder)
            name = f"{above}/{name}"
        if self._scene and self._in_scene(folder) != folder:
            self._writes_scene = True
            return f"{self._in_scene(folder)}/{name}"
        for parameter, known in self.outputs.items():
            if known == folder:
                return f"{_OURS}{parameter}}}/{name}"
        parameter = _numbered(OUTPUT, len(self.outputs))
        self.outputs[parameter] = folder
        return f"{_OURS}{parameter}}}/{name}"


def _numbered(name: str, count: int) -> str:
    return f"{name}{count + 1}" if count else name
