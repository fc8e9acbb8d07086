"""A standby process: loads everything, waits for one job on stdin, renders it, exits.

Never renders twice: a job reuses earlier results only by a digest of its own scene.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from . import frames, job
from .arguments import Arguments, parse
from .diagnostics import Diagnostics
from .errors import EXIT_OK, ArgumentError
from .picture import png
from .prefetch import BEFORE_VARIABLE, Prefetch, read_before
from .renderers import Renderer, load_renderer
from .report import Report

READY_LINE = "kq_standby: ready"
PREPARED_LINE = "kq_standby: prepared"
TAKEN_LINE = "kq_standby: taken"
DEFAULT_RENDERER = "mitsuba"

_TO_APPEND = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
"""Binary mode: text mode on Windows would write line ends twice as CR LF."""


@dataclass(frozen=True)
class StandbyJob:
    """A job, as one line of stdin describes it."""

    argv: list[str]
    cwd: str | None
    env: dict[str, str]
    log: str | None


def stand_by() -> int:
    """Load, report readiness on stdout, read one job, acknowledge it, and become its render process.

    Returns:
        The job's exit code; 0 when stdin ends without one.
    """
    # Removed from the environment: the render must not inherit it.
    before = read_before(os.environ.pop(BEFORE_VARIABLE, ""))
    renderer = load_renderer(DEFAULT_RENDERER)
    _warm_up(renderer)
    _say(READY_LINE)
    prefetch = None
    if before and before.arguments.renderer == DEFAULT_RENDERER:
        prefetch = Prefetch(before, renderer, lambda: _say(PREPARED_LINE))
    line = sys.stdin.readline()
    if not line.strip():
        return EXIT_OK
    if prefetch:
        prefetch.hurry()
    asked = read_job(line)
    _leave_own_streams(asked.log)
    os.environ.update(asked.env)
    if asked.cwd:
        try:
            os.chdir(asked.cwd)
        except OSError as error:
            raise ArgumentError(
                f"The working folder '{asked.cwd}' cannot be entered: {error.strerror}."
            ) from error
    arguments = parse(asked.argv, os.environ)
    report = Report()
    report.say(f"in a process that was kept ready, with {DEFAULT_RENDERER} loaded")
    cache = prefetch.finish() if prefetch else None
    if arguments.frames:
        return frames.run(arguments)
    if arguments.renderer != DEFAULT_RENDERER:
        return job.run(arguments, None, report)
    return job.run(arguments, renderer, report, cache)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _warm_up(renderer: Renderer) -> None:
    """Render a small stage in memory: USD and renderers load most of their code at first use."""
    # Imported here: `read_job` and argument errors do not need USD.
    from pxr import Usd, UsdGeom, UsdLux, UsdShade

    from .stage.reader import read_stage

    stage = Usd.Stage.CreateInMemory()
    card = UsdGeom.Mesh.Define(stage, "/Card")
    card.CreatePointsAttr([(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)])
    card.CreateFaceVertexCountsAttr([4])
    card.CreateFaceVertexIndicesAttr([0, 1, 2, 3])
    material = UsdShade.Material.Define(stage, "/Look")
    shader = UsdShade.Shader.Define(stage, "/Look/Surface")
    shader.CreateIdAttr("UsdPreviewSurface")
    material.CreateSurfaceOutput().ConnectToSource(shader.ConnectableAPI(), "surface")
    UsdShade.MaterialBindingAPI.Apply(card.GetPrim()).Bind(material)
    UsdLux.RectLight.Define(stage, "/Window")
    UsdLux.DomeLight.Define(stage, "/Sky")
    # The size of a usual preview: freed memory is reallocated faster than new memory.
    asked = Arguments(stage=Path("warm-up"), width=640, height=360, samples=1)
    picture = renderer.prepare(read_stage(stage, asked, Diagnostics()), 1, Diagnostics())
    picture.render_preview()
    png(picture.pixels())
    picture.render_pass(1)
    png(picture.pixels())


def read_job(line: str) -> StandbyJob:
    """Parse a job from one line of JSON.

    Raises:
        ArgumentError: It is not a job.
    """
    try:
        data = json.loads(line)
    except json.JSONDecodeError as error:
        raise ArgumentError(f"The standby job is not JSON: {error}.") from error
    if not isinstance(data, dict):
        raise ArgumentError("The standby job must be a JSON object.")
    argv, cwd, env, log = data.get("argv"), data.get("cwd"), data.get("env") or {}, data.get("log")
    if not isinstance(argv, list) or not all(isinstance(word, str) for word in argv):
        raise ArgumentError("The standby job's argv must be a list of strings.")
    if not isinstance(env, dict) or not all(isinstance(v, str) for pair in env.items() for v in pair):
        raise ArgumentError("The standby job's env must map strings to strings.")
    if not all(value is None or isinstance(value, str) for value in (cwd, log)):
        raise ArgumentError("The standby job's cwd and log must be strings.")
    return StandbyJob(argv, cwd, env, log)


def _leave_own_streams(log: str | None) -> None:
    """Acknowledge the job on stdout, and redirect stdout and stderr to the job's log.

    Without the acknowledgement the Agent starts a new process for the render, so everything that may fail
    is done before it.
    """
    descriptor = -1
    if log:
        try:
            descriptor = os.open(log, _TO_APPEND, 0o644)
        except OSError as error:
            raise ArgumentError(f"The log '{log}' cannot be opened: {error.strerror}.") from error
    nothing = os.open(os.devnull, os.O_RDONLY)
    _say(TAKEN_LINE)
    os.dup2(nothing, 0)
    os.close(nothing)
    if descriptor >= 0:
        sys.stderr.flush()
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        os.close(descriptor)
