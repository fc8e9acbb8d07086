"""The desktop without its UI, as Katana runs on farms and for scripts: plug-ins are loaded, UI4 is missing.

`--script FILE` runs a script; `--batch` renders frames of a project, one process after the other.
"""

from __future__ import annotations

import logging
import os
import re
import runpy
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from .. import katana_alias, session
from ..Katana import Configuration, KatanaFile
from ..Katana._callbacks import Callbacks, ExecuteCallbacksForType
from ..Katana.FarmAPI import FarmPluginManager
from ..Katana.Utils import Plugins
from ..nodes import cooking
from ..nodes.errors import SceneError
from ..nodes.project import output_path, resolved
from ..nodes.scene import active_scene
from .frame_sequence import numbered

_log = logging.getLogger("Katana.Batch")
_MAX_FRAMES = 100_000
_POLL_INTERVAL_S = 0.05
_RANGE = re.compile(r"(-?\d+)(?:-(-?\d+))?")


def parse_frames(text: str) -> list[int]:
    """Return the frames of `1-10`, `5` or `1,3,7-9`; raises ValueError for anything else."""
    frames: list[int] = []
    for part in text.split(","):
        found = _RANGE.fullmatch(part.strip())
        if found is None:
            raise ValueError(f"expected frames such as 1-10 or 1,5, got {text!r}")
        first = int(found[1])
        last = int(found[2]) if found[2] is not None else first
        if not 0 <= last - first < _MAX_FRAMES - len(frames):
            raise ValueError(f"{part.strip()!r} is not a range of at most {_MAX_FRAMES} frames")
        frames += range(first, last + 1)
    return frames


def run_script(script: Path, arguments: list[str]) -> int:
    """Run a script as `katana --script` does; returns the exit code."""
    if not os.path.isfile(script):  # pathlib's raises for a name that is too long
        print(f"katana-queue: There is no script {script}.", file=sys.stderr)
        return 2
    _start()
    sys.argv = [str(script), *arguments]
    try:
        runpy.run_path(str(script), run_name="__main__")
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            return error.code or 0
        print(error.code, file=sys.stderr)  # as Python does: a script ends itself with a message
        return 1
    except Exception as error:  # noqa: BLE001  a script may raise anything; the session still ends in order
        _log.error("The script %s failed: %s: %s", script, type(error).__name__, error, exc_info=True)
        return 1
    finally:
        _end()
    return 0


def run_batch(project: Path, node: str, frames: list[int]) -> int:
    """Render frames of a node to its Output, as `katana --batch` does; stops at the first that fails."""
    _start()
    try:
        KatanaFile.Load(str(project))
        for frame in frames:
            code = _render(node, frame)
            if code:
                _log.error("Frame %d of %s was not rendered (exit code %d).", frame, node, code)
                return code
    except SceneError as error:
        _log.error("%s", error)
        return 1
    finally:
        _end()
    return 0


def _start() -> None:
    """Load what Katana loads without its UI: no tabs, shelves or UI plug-ins, and no UI mode is set."""
    katana_alias.install(ui=False)
    Configuration.set("KATANA_BATCH_MODE", "1")
    for path in Plugins.DefaultPaths("Plugins"):
        for file in Plugins.ExpandPaths(path):
            Plugins.LoadModule(file)
    ExecuteCallbacksForType(Callbacks.Type.onStartup)
    FarmPluginManager.Initialize()
    ExecuteCallbacksForType(Callbacks.Type.onStartupComplete)


def _end() -> None:
    ExecuteCallbacksForType(Callbacks.Type.onShutdown)


def _render(name: str, frame: int) -> int:
    node = active_scene().graph.node(name)
    if not node.type.is_render_node:
        raise SceneError(f"Node {name} is a {node.type.name}: only Render nodes are rendered in batch mode.")
    scene_graph = resolved(active_scene().project, name, float(frame))
    node = scene_graph.node(name)
    output = output_path(str(node.value("output")), active_scene().path)
    if not output:
        raise SceneError(f"Node {name} has no Output: set where its picture is written.")
    with tempfile.TemporaryDirectory(prefix="katana-batch-") as folder:
        scene = cooking.cook(scene_graph, name, float(frame))
        cooking.check_not_empty(scene, name)
        stage = str(Path(folder) / f"{name}.usdc")
        cooking.export(scene, stage)
        arguments = [
            *session.renderboot_command(),
            *("-renderer", str(node.value("renderer")), "-geolib3OpTree", stage),
            *("-renderMethodType", "diskRender", "-renderMethodName", "disk", "-tempDir", folder),
            *("-frame", str(frame), "-renderOutputFile", numbered(output, frame)),
        ]
        for key, value in asdict(cooking.describe(scene)).items():
            if value is not None:
                arguments += [f"-{key}", str(value)]
        return _run(arguments)


def _run(arguments: list[str]) -> int:
    """Run one render; a signal that ends this process ends it first."""
    render = subprocess.Popen(arguments, env={**os.environ, **session.render_environment()})
    before = signal.signal(signal.SIGTERM, lambda *_: render.terminate())
    try:
        # Not wait(): a signal that comes just before it would be handled only after it.
        while (code := render.poll()) is None:
            time.sleep(_POLL_INTERVAL_S)
        return code
    except KeyboardInterrupt:
        render.terminate()
        return render.wait()
    finally:
        signal.signal(signal.SIGTERM, before)
