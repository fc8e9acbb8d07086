"""Material: creates a UsdPreviewSurface and binds it to the prims that match a path pattern."""

from __future__ import annotations

from typing import Any

from pxr import Gf, Sdf, UsdGeom, UsdShade

from ..node_type import CookContext, NodeType
from ..parameters import Kind, ParameterSpec
from ..placement import matching_prims, scene_path, warn_of_replaced

_IMAGES = "Images (*.png *.jpg *.jpeg *.exr *.hdr *.tif *.tiff);;All files (*)"


def _cook(context: CookContext) -> None:
    path = scene_path(context, "path", f"/materials/{context.node.name}")
    prims = matching_prims(context, context.text("assign_to"), UsdGeom.Imageable)
    warn_of_replaced(context, path, lambda prim: prim.IsA(UsdShade.Material))
    material = UsdShade.Material.Define(context.stage, path)
    surface = UsdShade.Shader.Define(context.stage, f"{path}/Surface")
    surface.CreateIdAttr("UsdPreviewSurface")
    _color(context, material, surface)
    for name, input_name in (
        ("metallic", "metallic"),
        ("roughness", "roughness"),
        ("clearcoat", "clearcoat"),
        ("opacity", "opacity"),
        ("ior", "ior"),
    ):
        surface.CreateInput(input_name, Sdf.ValueTypeNames.Float).Set(context.number(name))
    surface.CreateInput("emissiveColor", Sdf.ValueTypeNames.Color3f).Set(
        Gf.Vec3f(*context.vector("emission"))
    )
    material.CreateSurfaceOutput().ConnectToSource(surface.ConnectableAPI(), "surface")
    if not prims:
        context.warn(f"its pattern {context.text('assign_to')} matches nothing in the scene.")
    for prim in prims:
        # Stronger than what children bind, or a parent named in the pattern would keep its children's look.
        UsdShade.MaterialBindingAPI.Apply(prim).Bind(material, UsdShade.Tokens.strongerThanDescendants)


def _color(context: CookContext, material: Any, surface: Any) -> None:
    color = surface.CreateInput("diffuseColor", Sdf.ValueTypeNames.Color3f)
    if not context.text("texture"):
        color.Set(Gf.Vec3f(*context.vector("color")))
        return
    stage, path = context.stage, material.GetPath()
    reader = UsdShade.Shader.Define(stage, path.AppendChild("Coordinates"))
    reader.CreateIdAttr("UsdPrimvarReader_float2")
    reader.CreateInput("varname", Sdf.ValueTypeNames.String).Set(context.text("uv_name") or "st")
    texture = UsdShade.Shader.Define(stage, path.AppendChild("Texture"))
    texture.CreateIdAttr("UsdUVTexture")
    texture.CreateInput("file", Sdf.ValueTypeNames.Asset).Set(Sdf.AssetPath(_texture(context)))
    texture.CreateInput("sourceColorSpace", Sdf.ValueTypeNames.Token).Set("auto")
    texture.CreateInput("wrapS", Sdf.ValueTypeNames.Token).Set("repeat")
    texture.CreateInput("wrapT", Sdf.ValueTypeNames.Token).Set("repeat")
    scale = (*context.vector("color"), 1.0)
    texture.CreateInput("scale", Sdf.ValueTypeNames.Float4).Set(Gf.Vec4f(*scale))
    texture.CreateInput("st", Sdf.ValueTypeNames.Float2).ConnectToSource(
        reader.CreateOutput("result", Sdf.ValueTypeNames.Float2)
    )
    color.ConnectToSource(texture.CreateOutput("rgb", Sdf.ValueTypeNames.Float3))


def _texture(context: CookContext) -> str:
    """Return the path of the texture, also of a set of tiles; raises CookError where there is none."""
    path = context.text("texture")
    if not UsdShade.UdimUtils.IsUdimIdentifier(path):
        return context.file("texture", "texture")
    if not UsdShade.UdimUtils.ResolveUdimTilePaths(path, context.layer):
        raise context.error(f"cannot find a tile of its texture {path}.")
    return path


MATERIAL = NodeType(
    name="Material",
    description="Makes a UsdPreviewSurface and assigns it by path pattern.",
    category="Look",
    color=(118, 74, 98),
    parameters=(
        ParameterSpec(
            "assign_to",
            Kind.PATTERN,
            "/**",
            "Assign To",
            "Scene paths: * is one level, ** any number. Several patterns are separated by spaces.",
        ),
        ParameterSpec("path", Kind.STRING, "", "Path", "Scene path; empty: /materials/ and the node's name."),
        ParameterSpec("color", Kind.COLOR, (0.5, 0.5, 0.5), "Color", "Multiplies the texture.", "Surface"),
        ParameterSpec("texture", Kind.FILE, "", "Texture", "", "Surface", file_filter=_IMAGES),
        ParameterSpec(
            "uv_name", Kind.STRING, "st", "UV Name", "The primvar that places the texture.", "Surface"
        ),
        ParameterSpec("roughness", Kind.NUMBER, 0.5, "Roughness", "", "Surface", 0.0, 1.0),
        ParameterSpec("metallic", Kind.NUMBER, 0.0, "Metallic", "", "Surface", 0.0, 1.0),
        ParameterSpec("clearcoat", Kind.NUMBER, 0.0, "Clearcoat", "", "Surface", 0.0, 1.0),
        ParameterSpec("opacity", Kind.NUMBER, 1.0, "Opacity", "", "Surface", 0.0, 1.0),
        ParameterSpec("ior", Kind.NUMBER, 1.5, "Index of Refraction", "", "Surface", 1.0, 4.0),
        ParameterSpec("emission", Kind.COLOR, (0.0, 0.0, 0.0), "Emission", "", "Surface"),
    ),
    cook=_cook,
)
