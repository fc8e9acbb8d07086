"""The cook process: takes requests as lines of JSON on stdin and answers each with one line on stdout.

USD holds Python's lock while it composes, so a large stage cooked in the desktop would freeze its window.
Ends when stdin does. Run as `python -m host.nodes.cook_service`.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import asdict
from typing import Any, TextIO

import psutil

from . import cooking
from .errors import SceneError
from .lights_and_cameras import lights_and_cameras
from .live_cooking import LiveCook
from .project import check_same_at, from_document, resolved

_MEMORY_SHARE = 0.8
"""Of the machine's memory, as renders have by default."""
_PREPARE_AFTER_S = 0.005
"""When the next live cook is prepared after an answer: the desktop may need the core to pass that on."""
_live: dict[int, LiveCook] = {}
"""The incremental cooks by number of the live render."""


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """Return the answer to one request: `{"ok": true, ...}`, or `{"ok": false, "error": message}`.

    Requests have the keys `op` (`export`, `describe`, `list` or `live`), `project`, `node` and `frame`;
    export also `frames`, those of a sequence, `path`, `source` (the project's file), `lists_files` and, to
    pack the scene, `shared_roots`; live also `render`, a number, and `anew`, to have all layers in the
    answer. `end_live` has only `op` and `render`.
    """
    try:
        if request["op"] == "end_live":
            _live.pop(request["render"], None)
            return {"ok": True}
        project = from_document(request["project"])
        graph = resolved(project, request["node"], request["frame"])
        if request["op"] == "live":
            if request["anew"]:
                _live.pop(request["render"], None)
            is_anew = request["render"] not in _live
            cook = _live.setdefault(request["render"], LiveCook())
            return {
                "ok": True,
                "anew": is_anew,
                **asdict(cook.cook(graph, request["node"], request["frame"])),
            }
        check_same_at(project, request["node"], request.get("frames", ()))
        scene = cooking.cook(graph, request["node"], request["frame"])
        result: dict[str, Any] = {"ok": True, "warnings": scene.warnings}
        if request["op"] == "export":
            cooking.check_not_empty(scene, request["node"])
            cooking.export(
                scene,
                request["path"],
                request.get("shared_roots"),
                request.get("source", ""),
                lists_files=request.get("lists_files", False),
            )
            result["render"] = asdict(cooking.describe(scene))
            result["cameras"] = cooking.cameras(scene)
        elif request["op"] == "list":
            listed, result["more"] = lights_and_cameras(scene.stage, request["frame"])
            result["prims"] = [asdict(prim) for prim in listed]
        else:
            result["cameras"] = cooking.cameras(scene)
            result["range"] = cooking.frame_range(scene)
        return result
    except SceneError as error:
        return {"ok": False, "error": str(error)}


def serve(requests: TextIO, answers: TextIO) -> None:
    """Read requests, one JSON object per line, and write an answer line for each, until the end of input."""
    for line in requests:
        try:
            reply = answer(json.loads(line))
        except Exception as error:  # noqa: BLE001  one bad request must not end the service for the next
            reply = {"ok": False, "error": f"Cooking failed unexpectedly: {type(error).__name__}: {error}."}
        answers.write(json.dumps(reply) + "\n")
        answers.flush()
        if _live:
            time.sleep(_PREPARE_AFTER_S)
        for cook in _live.values():
            cook.prepare_next()


def limit_memory(size: int) -> None:
    """Let the system refuse this process more memory than `size` bytes, which ends it; not on Windows.

    Composing holds Python's lock, so no thread could watch it: a small file may make millions of prims.
    """
    if sys.platform != "win32":
        import resource

        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        if hard != resource.RLIM_INFINITY:
            size = min(size, hard)  # a stricter limit of this machine, which only root may raise
        resource.setrlimit(resource.RLIMIT_DATA, (size, size))


def main() -> None:
    """Serve on the standard streams; what libraries print is written to stderr, apart from the answers."""
    limit_memory(int(_MEMORY_SHARE * psutil.virtual_memory().total))
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    serve(sys.stdin, answers)


if __name__ == "__main__":
    main()
