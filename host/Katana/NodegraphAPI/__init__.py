"""NodegraphAPI: the project's nodes, their selection and positions, the current frame and the range."""

from __future__ import annotations

from collections.abc import Sequence

from ...nodes.scene import active_scene
from ...nodes.types import NODE_TYPES, node_type
from .._callbacks import Callbacks, ExecuteCallbacksForType
from ._node import Node, Parameter, Port, _view
from ._root_node import GroupNode

__all__ = [
    "CreateNode",
    "GetAllEditedNodes",
    "GetAllNodes",
    "GetAllNodesByType",
    "GetAllSelectedNodes",
    "GetCurrentTime",
    "GetInTime",
    "GetKatanaSceneName",
    "GetNode",
    "GetNodePosition",
    "GetNodeTypes",
    "GetOutTime",
    "GetProjectDir",
    "GetProjectFile",
    "GetRootNode",
    "GetSourceFile",
    "GetWorkingInTime",
    "GetWorkingOutTime",
    "GroupNode",
    "IsNodeEdited",
    "IsNodeSelected",
    "Node",
    "Parameter",
    "Port",
    "SetAllSelectedNodes",
    "SetCurrentTime",
    "SetInTime",
    "SetNodeEdited",
    "SetNodePosition",
    "SetNodeSelected",
    "SetOutTime",
]


def CreateNode(type: str, parent: GroupNode | None = None) -> Node:
    """Add a node of the type `type` and return it; raises GraphError where there is no such type."""
    del parent
    node = _view(active_scene().graph.create(node_type(type)))
    ExecuteCallbacksForType(Callbacks.Type.onNodeCreate, hash(node), nodeType=type, node=node)
    return node


def GetNode(nodeName: str) -> Node | None:
    """Return the node called `nodeName`, or None."""
    node = active_scene().graph.find(nodeName)
    return None if node is None else _view(node)


def GetAllNodes(includeDeleted: bool = False, sortByName: bool = True) -> list[Node]:
    """Return all nodes."""
    del includeDeleted
    nodes = [_view(node) for node in active_scene().graph.nodes]
    return sorted(nodes, key=Node.getName) if sortByName else nodes


def GetAllNodesByType(nodeType: str, includeDeleted: bool = False, sortByName: bool = True) -> list[Node]:
    """Return all nodes of the type `nodeType`."""
    return [node for node in GetAllNodes(includeDeleted, sortByName) if node.getType() == nodeType]


def GetNodeTypes() -> list[str]:
    """Return the names of all node types."""
    return list(NODE_TYPES)


def GetRootNode() -> GroupNode:
    """Return the root node, which contains all others."""
    return GroupNode._root()


def GetAllSelectedNodes() -> list[Node]:
    """Return the selected nodes."""
    return [_view(node) for node in active_scene().selected]


def SetAllSelectedNodes(nodelist: Sequence[Node]) -> None:
    """Select exactly these nodes."""
    active_scene().select(tuple(node._node for node in nodelist))


def IsNodeSelected(node: Node) -> bool:
    """Return whether `node` is selected."""
    return node._node in active_scene().selected


def SetNodeSelected(node: Node, selected: bool) -> None:
    """Add `node` to the selection, or remove it."""
    others = tuple(other for other in active_scene().selected if other is not node._node)
    active_scene().select((*others, node._node) if selected else others)


def GetAllEditedNodes() -> list[Node]:
    """Return the nodes whose parameters are shown; the stand-in shows one at most."""
    edited = active_scene().edited
    return [] if edited is None else [_view(edited)]


def IsNodeEdited(node: Node) -> bool:
    """Return whether the parameters of `node` are shown."""
    return active_scene().edited is node._node


def SetNodeEdited(node: Node, edited: bool, exclusive: bool = False) -> None:
    """Show or hide the parameters of `node`."""
    del exclusive
    if edited:
        active_scene().edit(node._node)
    elif IsNodeEdited(node):
        active_scene().edit(None)


def GetNodePosition(node: Node) -> tuple[int, int]:
    """Return the position (x, y) of `node` in the Node Graph."""
    x, y = node._node.position
    return round(x), round(y)


def SetNodePosition(node: Node, xy: tuple[int, int]) -> None:
    """Move `node` to the position `xy` in the Node Graph."""
    node._node.position = (float(xy[0]), float(xy[1]))


def GetCurrentTime() -> float:
    """Return the current frame."""
    return active_scene().frame


def SetCurrentTime(newTime: float, final: bool = True) -> None:
    """Set the current frame; raises ValueError where it is beyond ±1,000,000."""
    del final
    active_scene().set_frame(float(newTime))


def GetInTime() -> float:
    """Return the project's first frame."""
    return active_scene().project.first_frame


def SetInTime(inTime: float, final: bool = True) -> None:
    """Set the project's first frame; raises ValueError where it is beyond ±1,000,000."""
    del final
    active_scene().set_range(float(inTime), active_scene().project.last_frame)


def GetOutTime() -> float:
    """Return the project's last frame."""
    return active_scene().project.last_frame


def SetOutTime(outTime: float, final: bool = True) -> None:
    """Set the project's last frame; raises ValueError where it is beyond ±1,000,000."""
    del final
    active_scene().set_range(active_scene().project.first_frame, float(outTime))


def GetWorkingInTime() -> float:
    """Return the first frame of the working range; the stand-in's is the project's range."""
    return GetInTime()


def GetWorkingOutTime() -> float:
    """Return the last frame of the working range; the stand-in's is the project's range."""
    return GetOutTime()


def GetProjectFile() -> str:
    """Return the path of the project file, or an empty string."""
    path = active_scene().path
    return "" if path is None else str(path)


def GetSourceFile() -> str:
    """Return the path of the project file, or an empty string."""
    return GetProjectFile()


def GetProjectDir() -> str:
    """Return the folder of the project file, or an empty string."""
    path = active_scene().path
    return "" if path is None else str(path.parent)


def GetKatanaSceneName() -> str | None:
    """Return the project file's name without its suffix, or None where there is no file."""
    path = active_scene().path
    return None if path is None else path.stem
