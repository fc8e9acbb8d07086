"""The one open project of the desktop, as Katana has exactly one: its graph, file, frame and selection.

Belongs to the thread that shows it. Reading and writing files is project.py's.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from pathlib import Path

from . import project as projects
from .frames import frame_number
from .graph import Change, Graph, GraphEvent, Node
from .project import Project
from .variables import Variable

UNTITLED = "Untitled"
"""Name of a project without a file."""


class SceneChange(Enum):
    """What changed about the scene as a whole."""

    REPLACED = auto()
    """Another project was opened."""
    FILE = auto()
    """The project was saved, or became dirty."""
    FRAME = auto()
    """The current frame or the working range."""
    VARIABLES = auto()
    """The graph state variables of the project."""
    SELECTION = auto()
    """Which nodes are selected, or which one is edited."""


class Scene:
    """The open project. Observers stay registered when another project is opened. One thread."""

    def __init__(self) -> None:
        self._project = Project()
        self._path: Path | None = None
        self._dirty = False
        self._is_changed = False
        """Whether it differs from its file by a change that undo does not revert."""
        self._selected: list[str] = []
        self._edited = ""
        self._observers: list[Callable[[SceneChange], None]] = []
        self._graph_observers: list[Callable[[GraphEvent], None]] = []
        self._project.graph.observe(self._on_graph_changed)

    def observe(self, observer: Callable[[SceneChange], None]) -> None:
        """Call `observer` after each SceneChange, on the thread that makes it."""
        self._observers.append(observer)

    def observe_graph(self, observer: Callable[[GraphEvent], None]) -> None:
        """Call `observer` after each change of the open graph, on the thread that makes it."""
        self._graph_observers.append(observer)

    def ignore(self, observer: Callable[..., None]) -> None:
        """Stop calling `observer`."""
        if observer in self._observers:
            self._observers.remove(observer)
        if observer in self._graph_observers:
            self._graph_observers.remove(observer)

    @property
    def project(self) -> Project:
        """The open project."""
        return self._project

    @property
    def graph(self) -> Graph:
        """The open project's graph."""
        return self._project.graph

    @property
    def path(self) -> Path | None:
        """The project file; None until the project is saved."""
        return self._path

    @property
    def dirty(self) -> bool:
        """Whether something has changed since the project was opened or saved."""
        return self._dirty

    @property
    def frame(self) -> float:
        """The current frame."""
        return self._project.frame

    def set_frame(self, frame: float) -> None:
        """Set the current frame. Raises ValueError where it is beyond the timeline's limits."""
        frame = frame_number(frame)
        if frame != self._project.frame:
            self._project.frame = frame
            self._notify(SceneChange.FRAME)

    def set_range(self, first: float, last: float) -> None:
        """Set the working range, both ends inclusive. Raises ValueError as `set_frame`."""
        first, last = frame_number(first), frame_number(last)
        if (first, last) != (self._project.first_frame, self._project.last_frame):
            self._project.first_frame, self._project.last_frame = first, last
            self._notify(SceneChange.FRAME)

    def set_variables(self, variables: tuple[Variable, ...]) -> None:
        """Replace the project's graph state variables."""
        if variables != self._project.variables:
            self._project.variables = variables
            self._notify(SceneChange.VARIABLES)
            self.mark_dirty()

    @property
    def selected(self) -> tuple[Node, ...]:
        """The selected nodes, in the order they were selected."""
        return tuple(node for name in self._selected if (node := self.graph.find(name)) is not None)

    def select(self, nodes: tuple[Node, ...]) -> None:
        """Select exactly `nodes`."""
        names = [node.name for node in nodes]
        if names != self._selected:
            self._selected = names
            self._notify(SceneChange.SELECTION)

    @property
    def edited(self) -> Node | None:
        """The node whose parameters are shown, or None."""
        return self.graph.find(self._edited)

    def edit(self, node: Node | None) -> None:
        """Show the parameters of `node`; None shows none."""
        name = node.name if node is not None else ""
        if name != self._edited:
            self._edited = name
            self._notify(SceneChange.SELECTION)

    def open_project(self, project: Project, path: Path | None = None) -> None:
        """Replace the open project by `project`; `path` is its file, or None where it has none yet."""
        self._project.graph.ignore(self._on_graph_changed)
        self._project = project
        self._project.graph.observe(self._on_graph_changed)
        self._path = path
        self._dirty = self._is_changed = False
        self._selected = []
        self._edited = ""
        self._notify(SceneChange.REPLACED)

    def save(self, path: Path) -> None:
        """Write the open project to `path`; raises ProjectError."""
        projects.save(self._project, path)
        self._path = path
        self._dirty = self._is_changed = False
        self._notify(SceneChange.FILE)

    def mark_dirty(self) -> None:
        """Mark the project as different from its file."""
        if not self._dirty:
            self._dirty = True
            self._notify(SceneChange.FILE)

    def mark_changed(self) -> None:
        """Mark the project as different from its file until it is saved, whatever is undone."""
        self._is_changed = True
        self.mark_dirty()

    def mark_reverted(self) -> None:
        """Mark the project as equal to its file after all steps were undone, unless more was changed."""
        if self._dirty and not self._is_changed:
            self._dirty = False
            self._notify(SceneChange.FILE)

    def _on_graph_changed(self, event: GraphEvent) -> None:
        if event.change is Change.NODE_RENAMED:
            self._selected = [event.node.name if name == event.detail else name for name in self._selected]
            if self._edited == event.detail:
                self._edited = event.node.name
        self.mark_dirty()
        for observer in tuple(self._graph_observers):
            observer(event)
        if event.change is Change.NODE_REMOVED:
            self._selected = [name for name in self._selected if name != event.node.name]
            if self._edited == event.node.name:
                self._edited = ""  # a later node of that name is another one
            self._notify(SceneChange.SELECTION)

    def _notify(self, change: SceneChange) -> None:
        for observer in tuple(self._observers):
            observer(change)


_scene = Scene()


def active_scene() -> Scene:
    """Return the scene of this desktop."""
    return _scene
