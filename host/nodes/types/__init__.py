"""The list of all node types.

Each subject has a file; a new type is written there and named here.
"""

from __future__ import annotations

from ..errors import GraphError
from ..node_type import NodeType
from .camera import CAMERA
from .light import LIGHT
from .material import MATERIAL
from .merge import MERGE
from .render import RENDER, RENDER_SETTINGS
from .transform import TRANSFORM
from .usd_in import USD_IN
from .variables import VARIABLE_DELETE, VARIABLE_SET, VARIABLE_SWITCH

NODE_TYPES: dict[str, NodeType] = {
    node_type.name: node_type
    for node_type in (
        USD_IN,
        CAMERA,
        LIGHT,
        MATERIAL,
        TRANSFORM,
        MERGE,
        VARIABLE_SET,
        VARIABLE_SWITCH,
        VARIABLE_DELETE,
        RENDER_SETTINGS,
        RENDER,
    )
}


def node_type(name: str) -> NodeType:
    """Return the node type called `name`; raises GraphError, which lists all types, for an unknown one."""
    try:
        return NODE_TYPES[name]
    except KeyError:
        raise GraphError(f"There is no node type {name!r}; there are: {', '.join(NODE_TYPES)}.") from None
