"""The node types of the desktop, gathered: the one place that lists them.

Each subject has a file; a new type is written there and named here.
"""

from __future__ import annotations

from host.nodes.errors import GraphError
from host.nodes.node_type import NodeType
from host.nodes.types.camera import CAMERA
from host.nodes.types.light import LIGHT
from host.nodes.types.material import MATERIAL
from host.nodes.types.merge import MERGE
from host.nodes.types.render import RENDER, RENDER_SETTINGS
from host.nodes.types.transform import TRANSFORM
from host.nodes.types.usd_in import USD_IN

NODE_TYPES: dict[str, NodeType] = {
    node_type.name: node_type
    for node_type in (USD_IN, CAMERA, LIGHT, MATERIAL, TRANSFORM, MERGE, RENDER_SETTINGS, RENDER)
}


def node_type(name: str) -> NodeType:
    """Return the node type called `name`; raises GraphError naming those there are."""
    try:
        return NODE_TYPES[name]
    except KeyError:
        raise GraphError(f"There is no node type {name!r}; there are: {', '.join(NODE_TYPES)}.") from None
