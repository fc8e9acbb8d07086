"""Renders a job's node again through Katana, where its commands only send pixels to one that may be gone.

All functions: Qt's thread.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, Sequence
from enum import Enum

from Katana import Callbacks, NodegraphAPI, RenderManager

from ..kq.api import DesktopRender, JobRecord, Refused, quoted
from . import import_isolation
from .render_commands import only_sends_pixels
from .start_render import start_render

__all__ = ["Obstacle", "desktop_render", "follow_scenes", "obstacle", "render_again"]


class Obstacle(Enum):
    """Why a render cannot be started again in this Katana."""

    OTHER_SCENE = "other scene"
    """Another scene is open."""
    UNSAVED_SCENE = "unsaved scene"
    """Its scene was not saved, and is no longer open."""
    NO_NODE = "no node"
    """The scene has no node of that name any more."""


_scene_id = secrets.token_hex(8)
"""Identifies the open scene; a new one when another scene is opened."""


def follow_scenes() -> None:
    """Notice when another scene is opened. Call it once."""
    for event in (Callbacks.Type.onNewScene, Callbacks.Type.onSceneLoad):
        Callbacks.addCallback(event, _on_scene_replaced)


def _on_scene_replaced(objectHash: object = None, **_kwargs: object) -> None:
    global _scene_id  # one scene is open in a process
    _scene_id = secrets.token_hex(8)


def desktop_render(
    options: Mapping[str, str], frames: Sequence[int], variables: Mapping[str, str]
) -> DesktopRender | None:
    """Return how to start a render again, if it only sends its pixels to this Katana; else None.

    Args:
        options: the `-key value` pairs of its command line, without the dash.
        frames: its frames; empty: not known.
        variables: its graph state variables.
    """
    if not only_sends_pixels(options):
        return None
    return DesktopRender(
        method=options["renderMethodType"],
        scene=_scene_file(),
        scene_id=_scene_id,
        frame=frames[0] if frames else None,
        variables=dict(variables),
    )


def obstacle(render: DesktopRender, *, scene: str, scene_id: str, has_node: bool) -> Obstacle | None:
    """Return why `render` cannot be started again, or None. Pure.

    Args:
        render: what was recorded at its submission.
        scene: the file of the open scene; empty: it was not saved.
        scene_id: identifies the open scene.
        has_node: whether the open scene has the render's node.
    """
    if render.scene_id != scene_id and (not render.scene or _normal(render.scene) != _normal(scene)):
        return Obstacle.OTHER_SCENE if render.scene else Obstacle.UNSAVED_SCENE
    return None if has_node else Obstacle.NO_NODE


def render_again(job: JobRecord, render: DesktopRender) -> None:
    """Have Katana render the node of `job` again, as the scene is now, as a new job. Returns at once.

    Raises:
        Refused: it cannot be rendered in this Katana; the message includes what to do.
    """
    has_node = NodegraphAPI.GetNode(job.node) is not None
    found = obstacle(render, scene=_scene_file(), scene_id=_scene_id, has_node=has_node)
    if found is not None:
        raise Refused(f"{job.name} was not rendered again: {_text(found, job, render)}")
    frame = round(NodegraphAPI.GetCurrentTime()) if render.frame is None else render.frame
    try:
        start_render(job.node, frame, render.variables, _mode(render.method), import_isolation.farm_name())
    except Exception as error:  # Katana's errors are undocumented
        raise Refused(f"{job.name} was not rendered again: {error}") from error


def _text(found: Obstacle, job: JobRecord, render: DesktopRender) -> str:
    if found is Obstacle.OTHER_SCENE:
        return f"open its scene {quoted(render.scene)}, and start it there"
    if found is Obstacle.UNSAVED_SCENE:
        return "its scene was not saved; render a node of the open scene from the node's menu"
    return f"the scene has no node {quoted(job.node)} any more; render another from its menu"


def _mode(method: str) -> str:
    """Return the constant of RenderManager for a value of `-renderMethodType`; no source states its value."""
    modes = RenderManager.RenderModes
    return modes.LIVE_RENDER if method == "liveRender" else modes.PREVIEW_RENDER


def _scene_file() -> str:
    return str(NodegraphAPI.GetProjectFile() or "")


def _normal(path: str) -> str:
    return os.path.normcase(os.path.normpath(path))
