"""Light: adds one of USD's lights to the scene."""

from __future__ import annotations

from typing import Any

from pxr import Gf, Sdf, UsdGeom, UsdLux

from ..node_type import CookContext, NodeType
from ..parameters import Kind, ParameterSpec
from ..placement import clear_place, look_at, overrides_prim, place, scale_again, scene_path, warn_of_replaced

_KINDS: dict[str, Any] = {
    "rect": UsdLux.RectLight,
    "sphere": UsdLux.SphereLight,
    "disk": UsdLux.DiskLight,
    "cylinder": UsdLux.CylinderLight,
    "distant": UsdLux.DistantLight,
    "dome": UsdLux.DomeLight,
}
_SIZES = {
    "rect": ("width", "height"),
    "sphere": ("radius",),
    "disk": ("radius",),
    "cylinder": ("radius", "length"),
    "distant": ("angle",),
    "dome": (),
}
_IMAGES = "Images (*.exr *.hdr *.png *.jpg *.jpeg *.tif *.tiff);;All files (*)"


def _cook(context: CookContext) -> None:
    kind = context.text("kind")
    path = scene_path(context, "path", f"/lights/{context.node.name}")
    overrides = overrides_prim(context, path, lambda prim: prim.HasAPI(UsdLux.LightAPI))

    def writes(*names: str) -> bool:
        return not overrides or context.differs(*names)

    if writes("kind"):
        # A mesh light, too, is geometry.
        warn_of_replaced(
            context, path, lambda prim: prim.HasAPI(UsdLux.LightAPI) and not prim.IsA(UsdGeom.Gprim)
        )
        light = _KINDS[kind].Define(context.stage, path)
    else:
        light = _KINDS[kind](context.stage.OverridePrim(path))
    if writes("position", "aim", "target", "rotate"):
        # The size of a light that a file has may be in its scale.
        scales = clear_place(light.GetPrim(), context.frame, context.node.name)
        _place(context, light.GetPrim(), kind)
        scale_again(light.GetPrim(), scales if overrides else [])
    if writes("intensity"):
        light.CreateIntensityAttr(context.number("intensity"))
    if writes("exposure"):
        light.CreateExposureAttr(context.number("exposure"))
    if writes("color"):
        light.CreateColorAttr(Gf.Vec3f(*context.vector("color")))
    if context.flag("use_temperature"):
        light.CreateEnableColorTemperatureAttr(True)
        if writes("temperature"):
            light.CreateColorTemperatureAttr(context.number("temperature"))
    if writes("normalize"):
        light.CreateNormalizeAttr(context.flag("normalize"))
    for name in _SIZES[kind]:
        if writes(name):
            getattr(light, f"Create{name.title()}Attr")(context.number(name))
    if kind in ("dome", "rect") and context.text("texture"):
        light.CreateTextureFileAttr(Sdf.AssetPath(context.file("texture", "texture")))
        if kind == "dome":
            light.CreateTextureFormatAttr(UsdLux.Tokens.latlong)


def _place(context: CookContext, prim: Any, kind: str) -> None:
    if kind == "dome":
        place(prim, (0.0, 0.0, 0.0), context.vector("rotate"))
        return
    position = context.vector("position")
    if context.text("aim") == "rotation":
        place(prim, position, context.vector("rotate"))
    elif not look_at(prim, position, context.vector("target"), UsdGeom.GetStageUpAxis(context.stage)):
        raise context.error("has its Target at its Position: move one of them.")


_PLACED = ("rect", "sphere", "disk", "cylinder", "distant")

LIGHT = NodeType(
    name="Light",
    description="Adds a light.",
    category="Scene",
    color=(138, 118, 52),
    needs_input=False,
    parameters=(
        ParameterSpec(
            "kind",
            Kind.CHOICE,
            "rect",
            "Kind",
            choices=tuple(_KINDS),
            # As small as the sun is, it would light nothing at the intensity that suits a panel.
            implies={"distant": {"normalize": True}},
        ),
        ParameterSpec(
            "path",
            Kind.STRING,
            "",
            "Path",
            "Scene path; empty: /lights/ and the node's name. "
            "Of a light above this node: only what differs from this node's defaults changes.",
        ),
        ParameterSpec("intensity", Kind.NUMBER, 10.0, "Intensity", "", "Light", 0.0),
        ParameterSpec(
            "exposure",
            Kind.NUMBER,
            0.0,
            "Exposure",
            "Stops above the intensity.",
            "Light",
            -40.0,
            40.0,
            step=0.1,
        ),
        ParameterSpec("color", Kind.COLOR, (1.0, 1.0, 1.0), "Color", "", "Light"),
        ParameterSpec("use_temperature", Kind.BOOLEAN, False, "Use Temperature", "", "Light"),
        ParameterSpec(
            "temperature", Kind.NUMBER, 6500.0, "Temperature", "Kelvin.", "Light", 1000.0, 20000.0, step=100.0
        ),
        ParameterSpec(
            "normalize", Kind.BOOLEAN, False, "Normalize", "Keep the power whatever the size.", "Light"
        ),
        ParameterSpec(
            "texture",
            Kind.FILE,
            "",
            "Texture",
            "An image of the surroundings, or on the light.",
            "Light",
            file_filter=_IMAGES,
            shown_when=("kind", ("dome", "rect")),
        ),
        ParameterSpec(
            "position",
            Kind.VECTOR,
            (0.0, 5.0, 5.0),
            "Position",
            "",
            "Place",
            shown_when=("kind", _PLACED),
            step=0.1,
        ),
        ParameterSpec("aim", Kind.CHOICE, "target", "Aim", "", "Place", choices=("target", "rotation")),
        ParameterSpec(
            "target", Kind.VECTOR, (0.0, 0.0, 0.0), "Target", "", "Place", shown_when=("aim", ("target",))
        ),
        ParameterSpec("rotate", Kind.VECTOR, (0.0, 0.0, 0.0), "Rotate", "Degrees.", "Place", step=1.0),
        ParameterSpec("width", Kind.NUMBER, 2.0, "Width", "", "Size", 0.0, shown_when=("kind", ("rect",))),
        ParameterSpec("height", Kind.NUMBER, 2.0, "Height", "", "Size", 0.0, shown_when=("kind", ("rect",))),
        ParameterSpec(
            "radius",
            Kind.NUMBER,
            0.5,
            "Radius",
            "",
            "Size",
            0.0,
            shown_when=("kind", ("sphere", "disk", "cylinder")),
        ),
        ParameterSpec(
            "length", Kind.NUMBER, 1.0, "Length", "", "Size", 0.0, shown_when=("kind", ("cylinder",))
        ),
        ParameterSpec(
            "angle",
            Kind.NUMBER,
            0.53,
            "Angle",
            "Degrees.",
            "Size",
            0.0,
            180.0,
            shown_when=("kind", ("distant",)),
            step=0.1,
        ),
    ),
    cook=_cook,
)
