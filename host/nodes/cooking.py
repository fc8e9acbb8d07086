"""Cooking: composes a node's USD stage from its upstream nodes, and exports it for a render.

Each node has a layer of its own above its inputs' layers, so a node's opinions win over what came before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pxr import Gf, Sdf, Tf, Usd, UsdGeom, UsdRender

from ..scene_origin import SceneOrigin, write_origin
from ..usd_errors import words
from ..usd_layers.layers import problems
from .errors import CookError
from .graph import Graph, Node
from .node_type import CookContext
from .packing import list_files, pack
from .stage_metadata import copy_metadata
from .types.render import SAMPLES

_MAX_SIDE, _MAX_SAMPLES = 16384, 1_000_000
"""What renders accept as arguments."""


@dataclass
class CookedScene:
    """A cooked node: its stage, the stage's layers, and warnings for the artist.

    `missing` are the warnings of what the scene names and does not have.
    """

    stage: Any
    layers: list[Any] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class RenderDescription:
    """The render settings of a cooked scene, sizes in pixels.

    None where one is not authored, is animated, or is no possible number: renders read the scene's then.
    """

    camera: str | None
    width: int | None
    height: int | None
    samples: int | None


def cook(graph: Graph, name: str, frame: float) -> CookedScene:
    """Compose the stage of the node `name` at `frame`.

    Raises GraphError for an unknown name, CookError for an error in a node. Never on Qt's thread: USD holds
    the GIL while it composes.
    """
    cooked: dict[int, Any] = {}
    scene = CookedScene(None)
    for node in sources_first(graph.node(name)):
        cooked[id(node)] = _cook_node(node, frame, cooked, scene)
    scene.stage = open_stage(cooked[id(graph.node(name))], name)
    scene.missing = [f"Node {name}: {problem}" for problem in problems(scene.stage)]
    scene.warnings += scene.missing
    return scene


def sources_first(last: Node) -> list[Node]:
    """Return `last` and all nodes upstream of it in topological order, sources first.

    Iterative: a chain of nodes may exceed Python's recursion limit.
    """
    order: list[Node] = []
    seen: set[int] = set()
    waiting: list[tuple[Node, bool]] = [(last, False)]
    while waiting:
        node, sources_done = waiting.pop()
        if sources_done:
            order.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            waiting.append((node, True))
            waiting.extend((source, False) for source in reversed(node.sources.values()))
    return order


def _cook_node(node: Node, frame: float, cooked: dict[int, Any], scene: CookedScene) -> Any:
    inputs = tuple(cooked[id(source)] for source in node.sources.values())
    if not inputs and node.type.needs_input:
        raise CookError(f"Node {node.name} has no input: connect a node to it in the Node Graph.")
    layer = Sdf.Layer.CreateAnonymous(f"{node.name}.usda")
    scene.layers.append(layer)
    layer.subLayerPaths = [source.identifier for source in inputs]
    if inputs:
        copy_metadata(inputs[0], layer)
        if inputs[0].defaultPrim:
            layer.defaultPrim = inputs[0].defaultPrim
    if node.bypassed:
        return layer
    context = CookContext(node, frame, layer, inputs, lambda: open_stage(layer, node.name))
    try:
        node.type.cook(context)
    except Tf.ErrorException as error:
        raise CookError(f"Node {node.name} cannot be cooked: {words(error)}") from error
    scene.layers += context.files
    scene.warnings += context.warnings
    return layer


def open_stage(layer: Any, name: str) -> Any:
    """Open the stage of the layer of node `name`; raises CookError where it cannot be composed."""
    try:
        return Usd.Stage.Open(layer)
    except Tf.ErrorException as error:
        raise CookError(f"Node {name} does not compose: {words(error)}") from error


def describe(scene: CookedScene) -> RenderDescription:
    """Return the scene's render settings."""
    settings = UsdRender.Settings.GetStageRenderSettings(scene.stage)
    if not settings:
        return RenderDescription(None, None, None, None)
    # As renderboot reads them: a product's values win over those of the settings.
    products = [
        UsdRender.Product.Get(scene.stage, path)
        for path in settings.GetProductsRel().GetForwardedTargets()[:1]
    ]
    prims = [*(each.GetPrim() for each in products if each), settings.GetPrim()]
    cameras = [path for prim in prims for path in prim.GetRelationship("camera").GetForwardedTargets()]
    resolution, samples = _value(prims, "resolution"), _value(prims, SAMPLES)
    size = tuple(resolution) if isinstance(resolution, Gf.Vec2i) else (0, 0)
    is_size = all(1 <= side <= _MAX_SIDE for side in size)
    return RenderDescription(
        camera=cameras[0].pathString if cameras else None,
        width=size[0] if is_size else None,
        height=size[1] if is_size else None,
        samples=samples if isinstance(samples, int) and 1 <= samples <= _MAX_SAMPLES else None,
    )


def _value(prims: Sequence[Any], name: str) -> Any:
    """Return the first authored value of the attribute; None where it is animated, which renders read."""
    for prim in prims:
        attribute = prim.GetAttribute(name)
        if attribute and attribute.HasAuthoredValue():
            return None if attribute.GetNumTimeSamples() else attribute.Get()
    return None


def cameras(scene: CookedScene) -> list[str]:
    """Return the paths of all cameras of the scene."""
    return [prim.GetPath().pathString for prim in scene.stage.Traverse() if prim.IsA(UsdGeom.Camera)]


def frame_range(scene: CookedScene) -> tuple[float, float] | None:
    """Return the first and last frame of the stage's metadata; None where they are not authored."""
    if not scene.stage.HasAuthoredTimeCodeRange():
        return None
    return float(scene.stage.GetStartTimeCode()), float(scene.stage.GetEndTimeCode())


def check_not_empty(scene: CookedScene, name: str) -> None:
    """Raise CookError where the scene of node `name` has no geometry."""
    predicate = Usd.TraverseInstanceProxies(Usd.PrimDefaultPredicate)
    for prim in Usd.PrimRange.Stage(scene.stage, predicate):
        if prim.IsA(UsdGeom.Gprim) or prim.IsA(UsdGeom.PointInstancer):
            return
    what = f"The scene at node {name} is empty: there is no geometry in it to render."
    # The first warning, such as a missing reference, is the likely cause.
    raise CookError(" ".join([what, *scene.warnings[:1]]))


def export(
    scene: CookedScene,
    path: str,
    shared_roots: Sequence[str] | None = None,
    source: str = "",
    *,
    lists_files: bool = False,
) -> None:
    """Write the scene to `path` as one flattened file with all frames.

    `source` and the scene's warnings are in it, for the picture's header and the render's log.

    Args:
        scene: what is written.
        path: where to.
        shared_roots: of a scene that other machines render, the folders that they see by the same path:
            other files that it names are copied beside it, and what is missing is an error. None: textures
            stay in place, with absolute paths.
        source: path of the artist's project file; empty: not known.
        lists_files: whether to list the files that the scene names elsewhere, see `list_files`.

    Raises CookError when the file cannot be written, or packed.
    """
    folder = Path(path).parent
    if not folder.is_dir():
        raise CookError(f"The stage cannot be written to {path}: the folder {folder} does not exist.")
    try:
        if shared_roots is not None and scene.missing:
            # Flattening drops a missing reference silently.
            missing = "; ".join(text.rstrip(".") for text in scene.missing[:5])
            raise CookError(f"The scene is not complete: {missing}.")
        layer = scene.stage.Flatten()
        if shared_roots is not None:
            pack(layer, folder, shared_roots)
        if lists_files:
            list_files(layer, folder)
        write_origin(layer, SceneOrigin(source, scene.warnings))
        written = layer.Export(path)
    except Tf.ErrorException as error:
        raise CookError(f"The stage cannot be written to {path}: {words(error)}") from error
    except OSError as error:
        raise CookError(f"The stage cannot be written to {path}: {error.strerror or error}.") from error
    if not written:
        raise CookError(f"The stage cannot be written to {path}.")
