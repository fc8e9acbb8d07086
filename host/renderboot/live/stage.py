"""The USD stage of a live scene: in-memory layers, edited in place, and which prims an edit changed.

USD compares a layer's old and new content, and recomposes only the differences.
"""

from __future__ import annotations

from dataclasses import dataclass

from pxr import Sdf, Tf, Usd, UsdShade

from ...usd_errors import words
from ...usd_layers.layers import problems, read_layers
from ..diagnostics import Diagnostics
from ..errors import RenderBootError
from .state import LayerText, Update

_LINKS = ("collection:lightLink:", "collection:shadowLink:", "collection:filterLink:")
"""Collections that bind no materials."""


@dataclass(frozen=True)
class Changes:
    """What an update changed in the composed scene.

    Attributes:
        everything: whether all earlier readings are invalid.
        prims: paths of prims with changes other than transforms.
        values: paths of prims with changes of values, transforms included; None where prims came, went or
            have others of their own.
    """

    everything: bool = False
    prims: frozenset[Sdf.Path] = frozenset()
    values: frozenset[Sdf.Path] | None = None


class LiveStage:
    """Holds the layers of a scene and its stage. Render thread only."""

    def __init__(self) -> None:
        self._layers: dict[str, Sdf.Layer] = {}
        self._files: list[Sdf.Layer] = []
        self._assets: set[str] = set()
        self._root = ""
        self._stage: Usd.Stage | None = None
        self._listener: object = None
        self._everything = False
        self._prims: set[Sdf.Path] = set()
        self._values: set[Sdf.Path] = set()
        self._is_only_values = True

    @property
    def stage(self) -> Usd.Stage:
        """The composed scene; there must have been an update."""
        assert self._stage is not None
        return self._stage

    def apply(self, update: Update, diagnostics: Diagnostics) -> Changes:
        """Apply the layers of an update.

        Args:
            update: the first one names the root and holds all layers.
            diagnostics: receives composition errors.

        Raises:
            RenderBootError: a layer is not USD, or the scene does not compose.
        """
        root = update.root or self._root
        if root != self._root:
            self._root, self._stage = root, None
        self._everything, self._prims = self._stage is None, set()
        self._values, self._is_only_values = set(), True
        try:
            self._take(update.layers)
            self._check_files()
            if self._stage is None:
                self._open()
        except Tf.ErrorException as error:
            raise RenderBootError(f"The changed scene cannot be read as USD: {words(error)}") from error
        for problem in problems(self.stage):
            diagnostics.warn(problem.rstrip("."))
        is_only_values = self._is_only_values and not self._everything
        return Changes(
            self._everything, frozenset(self._prims), frozenset(self._values) if is_only_values else None
        )

    def _take(self, texts: dict[str, LayerText]) -> None:
        """Take the layers that can be read, which are not sent again; then raise the error of one, if any."""
        contents = []
        refusal: Tf.ErrorException | None = None
        for key, given in texts.items():
            layer = self._layers.setdefault(key, Sdf.Layer.CreateAnonymous(f"{key}.usda"))
            content = Sdf.Layer.CreateAnonymous(".usda")
            try:
                content.ImportFromString(given.text)
            except Tf.ErrorException as error:
                refusal = error
                continue
            contents.append((layer, content, given))
        # After all layers exist: a layer may have a sublayer later in the update.
        with Sdf.ChangeBlock():
            for layer, content, given in contents:
                content.subLayerPaths = [
                    self._layers[name].identifier if name in self._layers else name for name in given.beneath
                ]
                layer.TransferContent(content)
        if refusal is not None:
            raise refusal

    def _check_files(self) -> None:
        """Open what the layers refer to, as for any render, where that has changed."""
        assets = {asset for layer in self._layers.values() for asset in layer.GetExternalReferences()}
        if assets == self._assets:
            return
        self._assets = assets
        self._everything = True
        self._files = [
            opened for layer in list(self._layers.values()) for opened in read_layers(layer.identifier)
        ]

    def _open(self) -> None:
        if self._root not in self._layers:
            raise RenderBootError("The changed scene has no root.")
        self._stage = Usd.Stage.Open(self._layers[self._root], Usd.Stage.LoadAll)
        self._listener = Tf.Notice.Register(Usd.Notice.ObjectsChanged, self._on_changed, self._stage)

    def _on_changed(self, notice: Usd.Notice.ObjectsChanged, _sender: Usd.Stage) -> None:
        for path in notice.GetResyncedPaths():
            self._is_only_values = False
            self._note(path)
            # Prims anywhere may be bound to a material that came, also below another prim.
            self._everything = self._everything or _holds_materials(notice.GetStage().GetPrimAtPath(path))
        for path in notice.GetChangedInfoOnlyPaths():
            self._is_only_values = self._is_only_values and path.IsPropertyPath()
            self._values.add(path.GetPrimPath())
            # Transforms are read again for every picture.
            if not (path.IsPropertyPath() and path.name.startswith("xformOp")):
                self._note(path)

    def _note(self, path: Sdf.Path) -> None:
        prim = path.GetPrimPath()
        if prim == Sdf.Path.absoluteRootPath or prim.pathString.startswith("/__Prototype"):
            self._everything = True
        elif (
            path.IsPropertyPath() and path.name.startswith("collection:") and not path.name.startswith(_LINKS)
        ):
            # A collection may bind materials to prims anywhere.
            self._everything = True
        else:
            self._prims.add(prim)


def _holds_materials(prim: Usd.Prim) -> bool:
    """Whether materials are below the prim, instances included; False for a part of a material."""
    if not prim or _is_of_material(prim):
        return False
    waiting, seen = [prim], set[Sdf.Path]()
    while waiting:
        for each in Usd.PrimRange.AllPrims(waiting.pop()):
            if _is_of_material(each):
                return True
            prototype = each.GetPrototype() if each.IsInstance() else None
            if prototype and prototype.GetPath() not in seen:
                seen.add(prototype.GetPath())
                waiting.append(prototype)
    return False


def _is_of_material(prim: Usd.Prim) -> bool:
    # A Material is a NodeGraph, too.
    return bool(prim.IsA(UsdShade.NodeGraph) or prim.IsA(UsdShade.Shader))
