"""The documents of a bundle: template, parameter values, asset references. Pure.

Forms: Open Job Description 2023-09, and AWS Deadline Cloud's two files beside it.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from ..frame_ranges import parse_frames, stepped_ranges
from ..plain_text import one_line
from ..records import JobSpec
from .paths import ASSETS, ASSETS_IN_BUNDLE, OUTPUT, SCENE, SCENE_IN_BUNDLE, BundlePaths

__all__ = ["RUNNER", "asset_references", "parameter_values", "template"]

RUNNER = Path(__file__).resolve().parents[2] / "resources" / "openjd" / "run_task.py"
_NOTICE_S = 30
"""How long a render that is cancelled may take to write its picture before it is killed."""
_MAX_NAME = 128
_MAX_DEFAULT = 1024
"""OpenJD: the longest default value of a parameter."""
_MIB = 2**20
Document = dict[str, Any]


def template(
    description: str, spec: JobSpec, paths: BundlePaths, runner: str, *, has_scene: bool
) -> Document:
    """`template.json`.

    Args:
        description: where the job comes from, for people.
        spec, paths: the job, and what stands for its paths.
        runner: the text of RUNNER.
        has_scene: whether the bundle has the scene's folder.
    """
    frames = _frames(spec)
    step: Document = {"name": "Render", "hostRequirements": _requirements(spec)}
    if frames:
        step["parameterSpace"] = {"taskParameterDefinitions": [_task_parameter(spec, frames)]}
    definitions = _definitions(paths, frames, has_scene=has_scene)
    passed = [each["name"] for each in definitions if each["name"] not in ("Frames", "Python")]
    arguments = ["-I", "{{Task.File.Run}}", "{{Task.File.Job}}"]
    if frames:
        arguments.append("Frame={{Task.Param.Frame}}")
    arguments += [f"{name}={_reference(name)}" for name in passed]
    run: Document = {
        "command": _reference("Python"),
        "args": arguments,
        "cancelation": {"mode": "NOTIFY_THEN_TERMINATE", "notifyPeriodInSeconds": _NOTICE_S},
    }
    if spec.timeout_s:
        run["timeout"] = math.ceil(spec.timeout_s)
    step["script"] = {
        "actions": {"onRun": run},
        "embeddedFiles": [
            {"name": "Run", "type": "TEXT", "filename": "run_task.py", "data": runner},
            {"name": "Job", "type": "TEXT", "filename": "job.json", "data": _job_file(spec, paths)},
        ],
    }
    made: Document = {
        "specificationVersion": "jobtemplate-2023-09",
        "name": _plain(spec.name)[:_MAX_NAME] or "Render",
        "description": f"{_plain(description)[:_MAX_NAME]}, exported from Katana Queue",
        "parameterDefinitions": definitions,
        "steps": [step],
    }
    return {**made, "extensions": ["TASK_CHUNKING"]} if frames and spec.chunk > 1 else made


def parameter_values(spec: JobSpec, paths: BundlePaths) -> Document:
    """`parameter_values.json`: what the job had, where a template cannot say so."""
    values: Document = dict(paths.outputs)
    values["deadline:maxRetriesPerTask"] = spec.retries  # also 0: Deadline Cloud's own default is higher
    if spec.max_parallel:
        values["deadline:maxWorkerCount"] = spec.max_parallel
    return {"parameterValues": [{"name": name, "value": value} for name, value in values.items()]}


def asset_references(paths: BundlePaths) -> Document:
    """`asset_references.json`. The files of the bundle are parameters, and so are not named again."""
    return {
        "assetReferences": {
            "inputs": {"filenames": [], "directories": []},
            "outputs": {"directories": sorted(paths.outputs.values())},
            "referencedPaths": sorted(paths.referenced),
        }
    }


def _frames(spec: JobSpec) -> str:
    """The frames as OpenJD writes them, `1-9:2,20`; empty where the commands do not depend on them.

    Ascending, as OpenJD runs them: it refuses ranges that overlap, such as odd frames and then even ones.
    """
    if not spec.frames.strip() or not any("{" in text for command in spec.commands for text in command):
        return ""
    parts = []
    for each in stepped_ranges(sorted(chain.from_iterable(parse_frames(spec.frames)))):
        step = f":{each.step}" if each.step > 1 else ""
        parts.append(f"{each[0]}-{each[-1]}{step}" if len(each) > 1 else str(each[0]))
    return ",".join(parts)


def _task_parameter(spec: JobSpec, frames: str) -> Document:
    defined: Document = {"name": "Frame", "type": "INT", "range": _range(frames)}
    if spec.chunk > 1:
        # Of a range with steps a chunk has several frames only if the commands are given the step;
        # run_task.py divides a chunk where the step changes.
        constraint = "NONCONTIGUOUS" if ":" in frames and _has_step(spec) else "CONTIGUOUS"
        defined["type"] = "CHUNK[INT]"
        defined["chunks"] = {"defaultTaskCount": spec.chunk, "rangeConstraint": constraint}
    return defined


def _range(frames: str) -> str:
    return _reference("Frames") if _is_parameter(frames) else frames


def _is_parameter(frames: str) -> bool:
    """Whether the frames are the default of a parameter, and not in the task parameter itself."""
    return 0 < len(frames) <= _MAX_DEFAULT


def _reference(name: str) -> str:
    return f"{{{{Param.{name}}}}}"


def _has_step(spec: JobSpec) -> bool:
    return any("{step}" in text for command in spec.commands for text in command)


def _definitions(paths: BundlePaths, frames: str, *, has_scene: bool) -> list[Document]:
    found: list[Document] = []
    if _is_parameter(frames):
        found.append({"name": "Frames", "type": "STRING", "default": frames})
    if has_scene:
        flow = "INOUT" if paths.writes_scene_folder else "IN"
        found.append(_folder(SCENE, flow, SCENE_IN_BUNDLE, "The folder with the scene"))
    if paths.assets:
        found.append(_folder(ASSETS, "IN", ASSETS_IN_BUNDLE, "The files that the commands name"))
    for name in paths.outputs:
        below = "output" + name.removeprefix(OUTPUT)
        found.append(_folder(name, "OUT", below, "Where pictures are written"))
    for name, program in paths.programs.items():
        about = "A program that the commands run, as the machines that render know it"
        found.append({"name": name, "type": "STRING", "default": program, "description": about})
    about = "Python 3.6 or later on the machines that render"
    python = "python" if sys.platform == "win32" else "python3"
    found.append({"name": "Python", "type": "STRING", "default": python, "description": about})
    return found


def _folder(name: str, flow: str, default: str, about: str) -> Document:
    return {
        "name": name,
        "type": "PATH",
        "objectType": "DIRECTORY",
        "dataFlow": flow,
        "default": default,
        "description": about,
    }


def _requirements(spec: JobSpec) -> Document:
    family = {"win32": "windows", "darwin": "macos"}.get(sys.platform, "linux")
    needed: Document = {"attributes": [{"name": "attr.worker.os.family", "anyOf": [family]}]}
    if spec.memory_limit:
        needed["amounts"] = [{"name": "amount.worker.memory", "min": math.ceil(spec.memory_limit / _MIB)}]
    return needed


def _job_file(spec: JobSpec, paths: BundlePaths) -> str:
    """What run_task.py reads. Two braces would begin a parameter of OpenJD: one is written escaped."""
    content: Mapping[str, Any] = {
        "commands": paths.commands,
        "environment": paths.environment,
        "folder": paths.folder,
        "outputs": list(paths.outputs),
        "has_step": _has_step(spec),
    }
    text = json.dumps(content, indent=1)
    return re.sub(r"\{(?=\{)|\}(?=\})", lambda found: f"\\u{ord(found[0]):04x}", text)


def _plain(text: str) -> str:
    """The text on one line, and as no format string."""
    return re.sub(r"(\{(?=\{)|\}(?=\}))", r"\1 ", one_line(text)).strip()
