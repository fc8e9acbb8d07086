"""Project files: a graph, its frames and variables as JSON, written atomically.

The same document, as a dictionary, is sent to the cook process.
"""

from __future__ import annotations

import json
import logging
import math
import os
import re
import secrets
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from .errors import CookError, ProjectError, SceneError
from .frames import MAX_FRAME, frame_text
from .graph import Graph
from .parameters import Kind, stored
from .types import node_type
from .variables import Variable, resolve, values_of

_log = logging.getLogger("Katana.File")
SUFFIX = ".kqproject"
FORMAT = "katana-queue-project"
VERSION = 1
_READS_FRAME = re.compile(r"\bframe\b")


@dataclass
class Project:
    """A graph with its current frame, working range and graph state variables."""

    graph: Graph = field(default_factory=Graph)
    frame: float = 1.0
    first_frame: float = 1.0
    last_frame: float = 1.0
    variables: tuple[Variable, ...] = ()


def resolved(project: Project, name: str, frame: float) -> Graph:
    """Return the graph upstream of the node `name` at `frame`, with variables and expressions evaluated.

    Raises SceneError: see `variables.resolve`.
    """
    return resolve(project.graph, name, frame, values_of(project.variables))


def check_same_at(project: Project, name: str, frames: Sequence[float]) -> None:
    """Raise CookError where what is upstream of the node `name` differs among `frames`, by an expression.

    The frames of a sequence share one scene, which is cooked at one of them.
    """
    expressions = (node.expression(spec.name) for node in project.graph.nodes for spec in node.specs)
    if not any(_READS_FRAME.search(expression) for expression in expressions):
        return
    first: dict[str, object] = {}
    for frame in frames:
        content = _content(resolved(project, name, frame))
        first = first or content
        differing = [each for each in {**first, **content} if first.get(each) != content.get(each)]
        if differing:
            raise CookError(
                f"{differing[0]} depends on the frame, and the frames of one job share a scene: render them "
                "with Start Multiple Renders, which cooks each."
            )


def _content(graph: Graph) -> dict[str, object]:
    """Return all that a resolved graph is made of: values by `node.parameter`, and the inputs of nodes."""
    content: dict[str, object] = {}
    for node in graph.nodes:
        content.update({f"{node.name}.{spec.name}": node.value(spec.name) for spec in node.specs})
        sources = {port: source.name for port, source in node.sources.items()}
        content[f"The input of {node.name}"] = (node.type.name, node.bypassed, sources)
    return content


def with_values(project: Project, values: Mapping[str, str]) -> Project:
    """Return a copy of `project` in which the graph state variables in `values` are enabled and set."""
    others = [each for each in project.variables if each.name not in values]
    given = {each.name: each for each in project.variables}
    changed = [
        replace(given.get(name, Variable(name, value)), value=value, enabled=True)
        for name, value in values.items()
    ]
    return replace(project, variables=(*others, *changed))


def to_document(project: Project, folder: Path | None = None) -> dict[str, Any]:
    """Return `project` as a JSON-compatible dictionary. Paths below `folder` are made relative to it."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "frame": project.frame,
        "range": [project.first_frame, project.last_frame],
        "variables": [
            {
                "name": each.name,
                "value": each.value,
                "options": list(each.options),
                "enabled": each.enabled,
            }
            for each in project.variables
        ],
        "nodes": [
            {
                "name": node.name,
                "type": node.type.name,
                "position": list(node.position),
                "bypassed": node.bypassed,
                "inputs": {port: source.name for port, source in node.sources.items()},
                "parameters": {
                    spec.name: _relative(stored(node.value(spec.name)), folder)
                    if spec.kind is Kind.FILE
                    else stored(node.value(spec.name))
                    for spec in node.specs
                },
                "expressions": {
                    spec.name: node.expression(spec.name) for spec in node.specs if node.expression(spec.name)
                },
            }
            for node in project.graph.nodes
        ],
    }


def from_document(document: object, folder: Path | None = None) -> Project:
    """Return the project that `document` describes. Relative paths are joined to `folder`.

    Raises ProjectError with what is wrong.
    """
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ProjectError("it is not a project of this desktop.")
    if document.get("version") != VERSION:
        raise ProjectError(
            f"it has version {document.get('version')!r}, and this desktop reads version {VERSION}."
        )
    try:
        first, last = (_frame(value) for value in document["range"])
        variables = _variables(document.get("variables", ()))
        project = Project(Graph(), _frame(document["frame"]), first, last, variables)
        entries = list(document["nodes"])
        for entry in entries:
            _add_node(project.graph, entry, folder)
        for entry in entries:
            for port, source in entry["inputs"].items():
                project.graph.connect(project.graph.node(source), project.graph.node(entry["name"]), port)
    except SceneError as error:
        raise ProjectError(str(error)) from error
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise ProjectError(f"a part of it is missing or malformed ({error}).") from error
    return project


def _finite(value: Any) -> float:
    """Return `value` as a float; raises ValueError where it is infinite or NaN."""
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{number} is not a finite number")
    return number


def _frame(value: Any) -> float:
    """Return `value` as a frame: the timeline's limit where it is beyond; raises ValueError as `_finite`."""
    number = _finite(value)
    frame = min(max(number, -MAX_FRAME), MAX_FRAME)
    if frame != number:
        _log.warning(
            "Frame %s of the project is beyond the timeline: it is %s now.", number, frame_text(frame)
        )
    return frame


def _add_node(graph: Graph, entry: dict[str, Any], folder: Path | None) -> None:
    name = str(entry["name"])
    x, y = (_finite(value) for value in entry["position"])
    node = graph.create(node_type(str(entry["type"])), name, (x, y))
    if node.name != name:
        raise ProjectError(f"the node name {name!r} is taken twice or is not a name.")
    node.bypassed = bool(entry.get("bypassed", False))
    for parameter, value in entry["parameters"].items():
        if node.spec(parameter).kind is Kind.FILE:
            value = _absolute(value, folder)
        node.set_value(parameter, value)

    for parameter, expression in entry.get("expressions", {}).items():
        node.set_expression(parameter, str(expression))


def _variables(entries: Any) -> tuple[Variable, ...]:
    found = [
        Variable(
            str(entry["name"]),
            str(entry["value"]),
            tuple(str(option) for option in entry.get("options", ())),
            bool(entry.get("enabled", True)),
        )
        for entry in entries
    ]
    if len({variable.name for variable in found}) < len(found):
        raise ProjectError("two of its variables have the same name.")
    return tuple(found)


def _relative(value: object, folder: Path | None) -> object:
    """Return a path below `folder` relative to it, so that a project's folder can be moved as a whole."""
    if folder is None or not isinstance(value, str) or not value:
        return value
    try:
        relative = Path(value).relative_to(folder).as_posix()
    except ValueError:
        return value
    return f"./{relative}" if relative.startswith("~") else relative  # `~name` is a user's home folder


def _absolute(value: object, folder: Path | None) -> object:
    """Return a relative path joined to `folder`; other paths, also those of another system, as they are."""
    if folder is None or not isinstance(value, str) or not _is_relative(value):
        return value
    return str(folder / value)


def _is_relative(text: str) -> bool:
    path = text.strip()
    is_whole = PurePosixPath(path).is_absolute() or bool(PureWindowsPath(path).drive)
    return bool(path) and not is_whole and not path.startswith("~")


def output_path(output: str, project: Path | None) -> str:
    """Return the whole path of an Output: a relative one is below the project's folder, as it is once saved.

    Args:
        output: the value of the parameter; may be empty, or begin with `~` for the home folder.
        project: the project's file; None: it was never saved.

    Raises:
        SceneError: it is relative, and the project has no folder; or there is no such home folder.
    """
    if output.startswith("~"):
        try:
            return str(Path(output).expanduser())
        except RuntimeError:
            user = Path(output).parts[0]
            raise SceneError(f"Output {output}: there is no home folder {user} on this machine.") from None
    if not _is_relative(output):
        return output
    if project is None:
        raise SceneError(
            f"Output {output} is relative to the project's folder: save the project first, or write the "
            "whole path."
        )
    return str(_real(project.absolute()).parent / output)


def load(path: str | Path) -> Project:
    """Read and return the project at `path`; raises ProjectError. Reads a file: may wait for a share."""
    file = Path(path).absolute()
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ProjectError(f"The project {file} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:  # also numbers of thousands of digits
        raise ProjectError(f"The project {file} cannot be read: it is not valid JSON ({error}).") from error
    try:
        return from_document(document, _real(file).parent)
    except ProjectError as error:
        raise ProjectError(f"The project {file} cannot be opened: {error}") from error


def save(project: Project, path: str | Path) -> None:
    """Write `project` to `path`, replacing the file atomically; raises ProjectError."""
    file = _real(Path(path).absolute())
    write_document(to_document(project, file.parent), file)


def _real(file: Path) -> Path:
    """Return the file that `file` links to, such as shot_v003 of a link `latest`, else `file` itself."""
    # Not pathlib's, which raises where the folder may not be entered: the error is the save's own.
    return Path(os.path.realpath(file)) if os.path.islink(file) else file


def write_document(document: dict[str, Any], file: Path) -> None:
    """Write a project's document to `file`, replacing it atomically; raises ProjectError. Any thread."""
    text = json.dumps(document, indent=2) + "\n"
    temporary: Path | None = None
    try:
        draft = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
        # "x": with the permissions of the artist's umask, which only the system can apply without a race.
        with draft.open("x", encoding="utf-8") as stream:
            temporary = draft
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        if file.exists():
            with suppress(OSError):  # on some shares files belong to another user
                shutil.copymode(file, draft)  # a project that a team may write stays one
        draft.replace(file)
    except OSError as error:
        if temporary is not None:
            with suppress(OSError):  # the error that is raised is the first
                temporary.chmod(0o600)  # Windows deletes no read-only file
                temporary.unlink(missing_ok=True)
        raise ProjectError(f"The project cannot be written to {file}: {error.strerror}.") from error


def usd_project(path: str | Path) -> Project:
    """Return a project that renders one USD file: UsdIn, RenderSettings, Render."""
    project = Project()
    graph = project.graph
    usd_in = graph.create(node_type("UsdIn"), position=(0.0, -140.0))
    settings = graph.create(node_type("RenderSettings"), position=(0.0, 0.0))
    render = graph.create(node_type("Render"), position=(0.0, 140.0))
    usd_in.set_value("file", str(Path(path).absolute()))
    graph.connect(usd_in, settings)
    graph.connect(settings, render)
    return project
