"""Incremental cooking for live renders: only nodes whose values or incoming prims have changed.

A change of incoming attribute values does not cook a node again: no node type reads them (`NodeType.cook`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pxr import Sdf, Tf, Usd

from ..usd_errors import words
from . import cooking
from .errors import CookError
from .graph import Graph, Node
from .node_type import CookContext
from .stage_metadata import copy_metadata


class _Cooked:
    """A node as it was cooked.

    It is cooked into a layer of its own, `_work`, which is empty between cooks. What differs is then put into
    `layer`, on which others lie: so their stages see what changed, and not that all of it is written anew.
    """

    def __init__(self, name: str) -> None:
        self.layer = Sdf.Layer.CreateAnonymous(f"{name}.usda")
        self.text = ""
        """The layer's USD text."""
        self.warnings: tuple[str, ...] = ()
        self.key: object = None
        """What the node was cooked from, without its inputs; None where it must be cooked."""
        self._name = name
        self._work = Sdf.Layer.CreateAnonymous(f"{name}.usda")
        self._files: list[Any] = []
        self._stage: Any = None
        self._listener: object = None
        self._is_stale = False
        self._is_writing = False
        """Whether changes of the stage are the node's own."""

    def is_current(self, key: object, changed: bool) -> bool:
        """Return whether the last cook is still valid.

        Args:
            key: the node's values and frame, from `_key`.
            changed: whether an input was cooked again.
        """
        if self.key != key or self._is_stale:
            return False
        return not changed or self._stage is not None

    def cook(self, node: Node, frame: float, inputs: tuple[Any, ...]) -> None:
        """Cook the node; raises CookError."""
        self.key = None
        self.clear()
        work = self._work
        self._is_writing = True
        with Sdf.ChangeBlock():
            beneath = [source.identifier for source in inputs]
            if list(work.subLayerPaths) != beneath:
                work.subLayerPaths = beneath
            if inputs:
                copy_metadata(inputs[0], work)
                if inputs[0].defaultPrim:
                    work.defaultPrim = inputs[0].defaultPrim
        context = CookContext(node, frame, work, inputs, self._open)
        if not node.bypassed:
            try:
                node.type.cook(context)
            except Tf.ErrorException as error:
                raise CookError(f"Node {node.name} cannot be cooked: {words(error)}") from error
        self.layer.TransferContent(work)
        self.text = self.layer.ExportToString()
        self._files = context.files
        self.warnings = tuple(context.warnings)
        self._is_stale = self._is_writing = False

    def clear(self) -> None:
        """Empty the layer that the node is cooked into; USD then composes what is below it again."""
        if not self._work.rootPrims:
            return
        was_writing, self._is_writing = self._is_writing, True
        with Sdf.ChangeBlock():
            for prim in list(self._work.rootPrims):
                del self._work.rootPrims[prim.name]
        self._is_writing = was_writing

    def _open(self) -> Any:
        if self._stage is None:
            self._stage = cooking.open_stage(self._work, self._name)
            self._listener = Tf.Notice.Register(Usd.Notice.ObjectsChanged, self._on_changed, self._stage)
        return self._stage

    def _on_changed(self, notice: Usd.Notice.ObjectsChanged, _sender: object) -> None:
        if self._is_writing:
            return
        values = [path for path in notice.GetChangedInfoOnlyPaths() if path.IsPropertyPath()]
        is_only_values = len(values) == len(notice.GetChangedInfoOnlyPaths())
        if notice.GetResyncedPaths() or not is_only_values or any(p.name == "xformOpOrder" for p in values):
            self._is_stale = True


@dataclass(frozen=True)
class LiveAnswer:
    """The scene of a node as layers, of those only the ones that differ from the answer before.

    `beneath` of a layer names other layers by their keys, or files; `root` is the key of the strongest.
    """

    root: str
    layers: dict[str, dict[str, Any]]
    warnings: list[str]


class LiveCook:
    """The cooked nodes of one live render. Not thread-safe."""

    def __init__(self) -> None:
        self._nodes: dict[str, _Cooked] = {}
        self._sent: dict[str, str] = {}
        self._changed: set[str] = set()
        """Names of the nodes that were cooked since the last answer, also for one that ended in an error."""

    def cook(self, graph: Graph, name: str, frame: float) -> LiveAnswer:
        """Cook the node `name` and return the layers that differ from the previous answer.

        Raises:
            GraphError: there is no such node.
            CookError: a node cannot be cooked. The next answer is relative to the last one returned.
        """
        order = cooking.sources_first(graph.node(name))
        self._nodes = {node.name: self._nodes.get(node.name) or _Cooked(node.name) for node in order}
        for node in order:
            cooked = self._nodes[node.name]
            key = _key(node, frame)
            is_upstream_changed = any(source.name in self._changed for source in node.sources.values())
            if cooked.is_current(key, is_upstream_changed):
                continue
            inputs = tuple(self._nodes[source.name].layer for source in node.sources.values())
            if not inputs and node.type.needs_input:
                cooked.key = None
                raise CookError(f"Node {node.name} has no input: connect a node to it in the Node Graph.")
            cooked.cook(node, frame, inputs)
            cooked.key = key
            self._changed.add(node.name)
        self._changed.clear()
        warnings = [text for each in self._nodes.values() for text in each.warnings]
        return LiveAnswer(name, self._differing(), warnings)

    def prepare_next(self) -> None:
        """Do what the next cook needs and this answer did not: call it when the answer was sent."""
        for cooked in self._nodes.values():
            cooked.clear()

    def _differing(self) -> dict[str, dict[str, Any]]:
        keys = {cooked.layer.identifier: name for name, cooked in self._nodes.items()}
        texts = {name: cooked.text for name, cooked in self._nodes.items()}
        layers = {
            name: {
                "text": text,
                "beneath": [keys.get(path, path) for path in self._nodes[name].layer.subLayerPaths],
            }
            for name, text in texts.items()
            if self._sent.get(name) != text
        }
        self._sent = texts
        return layers


def _key(node: Node, frame: float) -> object:
    values = {spec.name: node.value(spec.name) for spec in node.specs}
    sources = tuple(source.name for source in node.sources.values())
    return (node.type.name, node.bypassed, frame, values, sources)
