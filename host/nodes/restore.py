"""Restores a graph to a document with as few changes as possible, so that views update incrementally.

Undo and redo are built on it: nodes keep their identity where their name, or their type and place, stays.
"""

from __future__ import annotations

from typing import Any

from .graph import Graph, Node
from .types import node_type


def restore(graph: Graph, document: dict[str, Any]) -> None:
    """Change `graph` into what `document`, made by project.to_document, describes.

    Raises SceneError for an invalid document.
    """
    entries: list[dict[str, Any]] = document["nodes"]
    _rename(graph, entries)
    wanted = {entry["name"]: entry for entry in entries}
    for node in graph.nodes:
        entry = wanted.get(node.name)
        if entry is None or entry["type"] != node.type.name:
            graph.remove(node)
    for entry in entries:
        node = graph.find(entry["name"]) or graph.create(node_type(entry["type"]), entry["name"])
        _set(node, entry)
    graph.arrange([entry["name"] for entry in entries])
    # Old connections are removed first: they could form a cycle with the new ones.
    for entry in entries:
        node = graph.node(entry["name"])
        for port, source in tuple(node.sources.items()):
            if entry["inputs"].get(port) != source.name:
                graph.disconnect(node, port)
    for entry in entries:
        node = graph.node(entry["name"])
        for port, name in entry["inputs"].items():
            graph.connect(graph.node(name), node, port)


def _rename(graph: Graph, entries: list[dict[str, Any]]) -> None:
    """Rename nodes that exist under another name, so that they are not deleted and created again."""
    names = {entry["name"] for entry in entries}
    extra = [node for node in graph.nodes if node.name not in names]
    for entry in entries:
        if graph.find(entry["name"]) is not None:
            continue
        for node in extra:
            if node.type.name == entry["type"] and list(node.position) == list(entry["position"]):
                graph.rename(node, entry["name"])
                extra.remove(node)
                break


def _set(node: Node, entry: dict[str, Any]) -> None:
    x, y = entry["position"]
    node.position = (float(x), float(y))
    node.bypassed = entry["bypassed"]
    for name, value in entry["parameters"].items():
        node.set_value(name, value)
    for spec in node.specs:
        node.set_expression(spec.name, entry["expressions"].get(spec.name, ""))
