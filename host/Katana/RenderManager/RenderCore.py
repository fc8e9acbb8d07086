"""Starting and ending renders: the functions that Katana's menus call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...render_service import RenderMethod, render_service
from ..FarmAPI import FarmPluginManager
from ..NodegraphAPI import Node, Port

__all__ = ["CancelRender", "StartRender"]


def StartRender(
    renderMethodName: str,
    node: Node | None = None,
    port: Port | None = None,
    nodeList: Sequence[Node] | None = None,
    portList: Sequence[Port] | None = None,
    serialDiskRenderNodeList: Sequence[Node] | None = None,
    views: object = None,
    settings: object = None,
    **kwargs: Any,
) -> list[dict[str, Any]]:
    """Start a render of `node`, or of each node of `nodeList`, and return at once.

    Args:
        renderMethodName: one of RenderModes.
        kwargs: `renderFarm` names a farm; without it the default farm renders. Others are accepted.

    Returns: a dictionary for each render, with its `sequenceID` and `nodeName`.

    Raises: ValueError for an unknown method, or where no node is given.
    """
    del views, settings
    nodes = [
        each for each in (node, *(nodeList or ()), *(serialDiskRenderNodeList or ())) if each is not None
    ]
    nodes += [each.getNode() for each in (port, *(portList or ())) if each is not None and not nodes]
    if not nodes:
        raise ValueError("StartRender needs a node.")
    method = RenderMethod.of_type(renderMethodName)
    farm = str(kwargs.get("renderFarm") or FarmPluginManager.GetDefaultFarm())
    return [
        {
            "sequenceID": render_service().start_render(each.getName(), farm, method),
            "nodeName": each.getName(),
        }
        for each in nodes
    ]


def CancelRender(stallOnCompletion: bool = True, mainSequenceID: int = 0, **kwargs: Any) -> bool:
    """Ask for the end of the render `mainSequenceID`, or of the latest one where that is 0. Never waits."""
    del stallOnCompletion, kwargs
    if mainSequenceID:
        return render_service().cancel_render(mainSequenceID)
    return render_service().cancel_latest()
