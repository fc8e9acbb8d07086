"""A .mtlx file as a USD layer in memory: usd-core has no reader for it, the MaterialX package has."""

from __future__ import annotations

import posixpath
from pathlib import Path
from typing import Any

from pxr import Ar, Gf, Sdf, Tf, Usd, UsdShade

_TYPES = {
    "float": Sdf.ValueTypeNames.Float,
    "integer": Sdf.ValueTypeNames.Int,
    "boolean": Sdf.ValueTypeNames.Bool,
    "string": Sdf.ValueTypeNames.String,
    "filename": Sdf.ValueTypeNames.Asset,
    "color3": Sdf.ValueTypeNames.Color3f,
    "color4": Sdf.ValueTypeNames.Color4f,
    "vector2": Sdf.ValueTypeNames.Float2,
    "vector3": Sdf.ValueTypeNames.Float3,
    "vector4": Sdf.ValueTypeNames.Float4,
}
_SIZES = {"float": 1, "color3": 3, "color4": 4, "vector2": 2, "vector3": 3, "vector4": 4}
_VECTORS: dict[int, Any] = {2: Gf.Vec2f, 3: Gf.Vec3f, 4: Gf.Vec4f}


class MaterialXError(Exception):
    """A .mtlx file cannot be used; the text gives the reason."""


def fill_from_materialx(layer: Sdf.Layer, path: str) -> list[str]:
    """Have the layer hold the file's materials below /MaterialX/Materials, with the nodes that they use.

    Args:
        layer: in memory; what it held is gone.
        path: of the file, or of one within a package (`package.usdz[look.mtlx]`).

    Returns:
        What is in the file and not in the layer.

    Raises:
        MaterialXError: The file cannot be read, or the MaterialX package is not installed.
    """
    document = _document(path)
    layer.Clear()
    try:
        return _fill(Usd.Stage.Open(layer), document, path)
    except RecursionError as error:
        raise MaterialXError("its nodes are connected too deeply") from error


def _fill(stage: Usd.Stage, document: Any, path: str) -> list[str]:
    import MaterialX as mx  # noqa: N813

    stage.SetDefaultPrim(stage.DefinePrim("/MaterialX"))
    left_out: list[str] = []
    for node in document.getMaterialNodes():
        material = UsdShade.Material.Define(stage, f"/MaterialX/Materials/{_name(node)}")
        writer = _Writer(stage, material, path, left_out)
        for shader in mx.getShaderNodes(node):
            made = writer.node(shader)
            material.CreateSurfaceOutput("mtlx").ConnectToSource(made.ConnectableAPI(), "out")
        for kind in (mx.DISPLACEMENT_SHADER_TYPE_STRING, mx.VOLUME_SHADER_TYPE_STRING):
            left_out += [
                f"The {kind} '{shader.getName()}' of the MaterialX material '{node.getName()}' is not drawn."
                for shader in mx.getShaderNodes(node, kind)
            ]
    return left_out


def _document(path: str) -> Any:
    """The MaterialX document of a file, with those that it includes."""
    try:
        import MaterialX as mx  # noqa: N813
    except ImportError as error:
        raise MaterialXError("MaterialX is not installed: pip install materialx") from error
    document = mx.createDocument()
    including: list[str] = []

    def read(into: Any, file: str) -> None:
        if file in including:
            raise MaterialXError(f"'{file}' includes itself")
        options = mx.XmlReadOptions()
        options.readXIncludeFunction = lambda inner, name, *_: read(inner, _beside(file, name.asString()))
        including.append(file)
        mx.readFromXmlString(into, _content(file).decode(), mx.FileSearchPath(), options)
        including.pop()

    try:
        read(document, path)
    # MaterialX's exceptions have no common base: on any error the file is left out.
    except Exception as error:
        raise MaterialXError(" ".join(str(error).split()) or "it is damaged") from error
    return document


def _content(path: str) -> bytes:
    """The bytes of a regular file, or of one within a package; raises MaterialXError."""
    is_within = Ar.IsPackageRelativePath(path)
    outer = Ar.SplitPackageRelativePathOuter(path)[0] if is_within else path
    # A pipe or a device would be read for ever.
    try:
        if not Path(outer).is_file():
            raise MaterialXError(f"'{outer}' is not a file, or is missing")
        if not is_within:
            return Path(path).read_bytes()
    except OSError as error:
        raise MaterialXError(f"'{outer}': {error.strerror or error}") from error
    try:
        with Ar.GetResolver().OpenAsset(Ar.ResolvedPath(path)) as asset:
            return bytes(asset.GetBuffer())
    except (Tf.ErrorException, TypeError, ValueError, AttributeError) as error:
        raise MaterialXError("it is not in the package") from error


def _beside(path: str, name: str) -> str:
    """The path of `name`, which is relative to the file at `path`."""
    if not Ar.IsPackageRelativePath(path):
        return str(Path(path).parent / name)
    package, file = Ar.SplitPackageRelativePathInner(path)
    inside = posixpath.normpath(posixpath.join(posixpath.dirname(file), name))
    return str(Ar.JoinPackageRelativePath(package, inside))


class _Writer:
    def __init__(self, stage: Usd.Stage, material: UsdShade.Material, file: str, left_out: list[str]) -> None:
        self._stage = stage
        self._material = material
        self._file = file
        self._left_out = left_out
        self._made: dict[str, UsdShade.Shader] = {}

    def node(self, node: Any) -> UsdShade.Shader:
        """The node as a shader, with all that feeds it."""
        key = str(node.getNamePath())
        if key in self._made:
            return self._made[key]
        path = self._material.GetPath().AppendChild(Tf.MakeValidIdentifier(key))
        shader = UsdShade.Shader.Define(self._stage, path)
        shader.CreateIdAttr(f"ND_{node.getCategory()}_{node.getType()}")
        self._made[key] = shader
        for each in node.getInputs():
            self._input(shader, each)
        return shader

    def _input(self, shader: UsdShade.Shader, given: Any) -> None:
        kind = _TYPES.get(str(given.getType()))
        if kind is None:
            return
        made = shader.CreateInput(str(given.getName()), kind)
        source = given.getConnectedNode()
        if source is not None:
            output = given.getConnectedOutput()
            name = str(output.getOutputString()) if output is not None else str(given.getOutputString())
            feeding = self.node(source)
            made.ConnectToSource(feeding.CreateOutput(name or "out", kind))
            return
        interface = given.getInterfaceInput() if hasattr(given, "getInterfaceInput") else None
        text = str((interface or given).getResolvedValueString())
        try:
            value = self._value(str(given.getType()), text)
            if value is not None:
                made.Set(value)
        except (ValueError, OverflowError, Tf.ErrorException):
            self._left_out.append(
                f"The value '{text}' of the MaterialX input '{given.getNamePath()}' is no {given.getType()}: "
                "left out."
            )
        space = str(given.getActiveColorSpace())
        if space:
            made.GetAttr().SetColorSpace(space)

    def _value(self, kind: str, text: str) -> object | None:
        """The text as a value of the type, None where there is none; raises ValueError, OverflowError."""
        if not text:
            return None
        if kind == "filename":
            asset: object = Sdf.AssetPath(_beside(self._file, text))
            return asset
        if kind == "string":
            return text
        if kind == "boolean":
            return text == "true"
        numbers = [float(word) for word in text.split(",")]
        if kind == "integer":
            return int(numbers[0])
        if len(numbers) != _SIZES[kind]:
            raise ValueError(text)
        vector: object = numbers[0] if len(numbers) == 1 else _VECTORS[len(numbers)](*numbers)
        return vector


def _name(node: Any) -> str:
    return str(Tf.MakeValidIdentifier(str(node.getName())))
