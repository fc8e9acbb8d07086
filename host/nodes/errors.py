"""What can be wrong with a scene; the messages are for the artist.

SceneError
├── ParameterError   a value that its parameter cannot hold
├── ExpressionError  an expression that cannot be evaluated
├── GraphError       a connection or a name that the graph refuses
├── ProjectError     a project file that cannot be read or written
└── CookError        a node that cannot be cooked, or a stage that cannot be exported
"""

from __future__ import annotations


class SceneError(Exception):
    """Base of all errors of the scene. Its text is shown to the user."""


class ParameterError(SceneError):
    """A value that its parameter cannot hold."""


class ExpressionError(SceneError):
    """An expression that cannot be evaluated, or needs its own value."""


class GraphError(SceneError):
    """A node, name or connection that the graph refuses."""


class ProjectError(SceneError):
    """A project file that cannot be read or written."""


class CookError(SceneError):
    """A node that cannot be cooked, or whose stage cannot be exported."""
