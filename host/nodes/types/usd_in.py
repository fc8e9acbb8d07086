"""UsdIn: loads a USD file into the scene."""

from __future__ import annotations

from pxr import Sdf, Tf, UsdGeom

from ...usd_errors import words
from ..node_type import CookContext, NodeType
from ..parameters import Kind, ParameterSpec
from ..stage_metadata import copy_metadata

USD_FILES = "USD files (*.usd *.usda *.usdc *.usdz);;All files (*)"


def _cook(context: CookContext) -> None:
    path = context.file("file", "USD file")
    if path.lower().endswith(".mtlx"):
        raise context.error(f"cannot read {path}: it is a MaterialX file, to which a USD file has to refer.")
    try:
        layer = context.read_files(path)
    except Tf.ErrorException as error:
        raise context.error(f"cannot read {path} as USD: {words(error)}") from error
    if layer is None:
        raise context.error(f"cannot read {path}: it is not a USD file.")
    if not layer.rootPrims and not layer.subLayerPaths:
        raise context.error(f"brings in nothing: {path} is a USD file without any prim.")
    location = context.text("location")
    if location in ("", "/"):
        context.layer.subLayerPaths.append(layer.realPath or layer.identifier)
    else:
        _reference(context, layer, location)
    copy_metadata(layer, context.layer)
    if context.flag("set_default_prim") and layer.defaultPrim and location in ("", "/"):
        context.layer.defaultPrim = layer.defaultPrim


def _reference(context: CookContext, layer: Sdf.Layer, location: str) -> None:
    if not Sdf.Path.IsValidPathString(location) or not location.startswith("/"):
        raise context.error(f"cannot place its file at '{location}': a scene path looks like /World/Set.")
    if not layer.defaultPrim:
        raise context.error(
            f"cannot place {layer.realPath} at {location}: the file names no default prim to refer to."
        )
    prim = UsdGeom.Xform.Define(context.stage, location).GetPrim()
    prim.GetReferences().AddReference(Sdf.Reference(layer.realPath or layer.identifier))


USD_IN = NodeType(
    name="UsdIn",
    description="Brings a USD file into the scene.",
    category="Scene",
    color=(76, 110, 76),
    inputs=(),
    needs_input=False,
    lists_prims=True,
    parameters=(
        ParameterSpec("file", Kind.FILE, "", "File", "The USD file.", file_filter=USD_FILES),
        ParameterSpec(
            "location", Kind.STRING, "", "Location", "Where to place it; empty: as it is in the file."
        ),
        ParameterSpec("set_default_prim", Kind.BOOLEAN, True, "Keep Default Prim"),
    ),
    cook=_cook,
)
