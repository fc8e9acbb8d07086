"""Queries of tabs about the cooked scene: run in the cook process, results emitted on Qt's thread."""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QObject, Signal

from ..nodes.errors import CookError
from ..nodes.lights_and_cameras import ListedPrim
from ..nodes.project import Project, to_document
from ..nodes.scene import active_scene
from .cook_client import CookClient
from .worker import Worker

_log = logging.getLogger("Katana.Cooking")


@dataclass(frozen=True)
class SceneListing:
    """The first lights and cameras of a node's scene, how many more there are, and warnings of the cook.

    `error`: why the scene cannot be cooked; empty: it was.
    """

    prims: tuple[ListedPrim, ...] = ()
    more: int = 0
    warnings: tuple[str, ...] = ()
    error: str = ""


class SceneQueries(QObject):
    """Runs the queries in order on a thread of its own; methods return at once. Qt's thread.

    An answer about a project that has been replaced meanwhile is dropped.

    Signals:
        cameras_found: a node's name and the paths of the cameras in its scene.
        range_found: a node's name, and the first and last frame in its stage's metadata.
        query_failed: a node's name and the reason why its scene cannot be cooked.
        range_read: a node's name, after range_found or query_failed, or alone where the scene has no range.
        prims_listed: a node's name and the SceneListing of its scene.
    """

    cameras_found = Signal(str, list)
    range_found = Signal(str, float, float)
    query_failed = Signal(str, str)
    range_read = Signal(str)
    prims_listed = Signal(str, object)
    _answered = Signal(object, object)

    def __init__(self, cook: CookClient, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._cook = cook
        self._answered.connect(self._on_answered)
        self._to_list: queue.SimpleQueue[tuple[Project, dict[str, object], str, float]] = queue.SimpleQueue()
        self._worker = Worker("scene-queries")
        self._worker.put(self._warm_up)

    def ask_for_cameras(self, node: str) -> None:
        """Query the cameras in the scene of `node`; emits `cameras_found`."""
        self._ask(node, with_range=False)

    def ask_for_range(self, node: str) -> None:
        """Query the frame range of a node's scene; emits `range_found`, `query_failed` or neither of them,
        then `range_read`. Emits nothing where the project is replaced meanwhile.
        """
        self._ask(node, with_range=True)

    def ask_for_prims(self, node: str) -> None:
        """Query the lights and cameras in the scene of `node`; emits `prims_listed`.

        Of several queries that wait, as while the frame is dragged, only the last is answered.
        """
        project = active_scene().project
        self._to_list.put((project, to_document(project), node, project.frame))
        self._worker.put(self._list_prims)

    def close(self) -> None:
        """End the thread. Close the cook process first, or this waits for the running query."""
        self._worker.close()

    def _ask(self, node: str, *, with_range: bool) -> None:
        project = active_scene().project
        document, frame = to_document(project), project.frame
        self._worker.put(lambda: self._describe(project, document, node, frame, with_range))

    def _on_answered(self, project: Project, announce: Callable[[], None]) -> None:
        """Emit the signals of an answer, unless the project has been replaced since. Qt's thread."""
        if project is active_scene().project:
            announce()

    # --- On the thread ---

    def _warm_up(self) -> None:
        try:
            self._cook.warm_up()
        except CookError as error:
            _log.error("%s", error)

    def _describe(
        self, project: Project, document: dict[str, object], node: str, frame: float, with_range: bool
    ) -> None:
        answer, problem = None, ""
        try:
            answer = self._cook.request(op="describe", project=document, node=node, frame=frame)
        except CookError as error:
            problem = str(error)

        def announce() -> None:
            if answer is not None:
                self.cameras_found.emit(node, answer["cameras"])
            if not with_range:
                return
            if answer is None:
                self.query_failed.emit(node, problem)
            elif answer["range"] is not None:
                self.range_found.emit(node, *answer["range"])
            self.range_read.emit(node)

        self._answered.emit(project, announce)

    def _list_prims(self) -> None:
        query = None
        while not self._to_list.empty():
            query = self._to_list.get()
        if query is None:
            return  # answered with an earlier one
        project, document, node, frame = query
        try:
            answer = self._cook.request(op="list", project=document, node=node, frame=frame)
        except CookError as error:
            listing = SceneListing(error=str(error))
        else:
            prims = tuple(
                ListedPrim(
                    prim["path"], prim["type"], tuple((label, value) for label, value in prim["values"])
                )
                for prim in answer["prims"]
            )
            listing = SceneListing(prims, answer["more"], tuple(answer["warnings"]))
        self._answered.emit(project, lambda: self.prims_listed.emit(node, listing))


_queries: SceneQueries | None = None


def set_active_queries(queries: SceneQueries | None) -> None:
    """Set the object that tabs send queries to; None as the desktop closes."""
    global _queries
    _queries = queries


def active_queries() -> SceneQueries:
    """Return the object that tabs send queries to; raises RuntimeError where there is no desktop."""
    if _queries is None:
        raise RuntimeError("There is no desktop to ask.")
    return _queries
