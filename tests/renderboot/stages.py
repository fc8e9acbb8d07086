"""Small stages made in memory, and ways to read and draw them in this process. Holds no test."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pxr import Gf, Sdf, Usd, UsdGeom, UsdLux, UsdShade
from PySide6.QtGui import QImage

from host.renderboot.arguments import Arguments
from host.renderboot.diagnostics import Diagnostics
from host.renderboot.renderers import load_renderer
from host.renderboot.scene import Scene
from host.renderboot.stage.reader import read_stage

Pixels = npt.NDArray[np.float32]


def new_stage(*, up: str = "Y") -> Usd.Stage:
    """An empty stage with a root to hold things."""
    stage = Usd.Stage.CreateInMemory()
    UsdGeom.SetStageUpAxis(stage, up)
    stage.SetDefaultPrim(UsdGeom.Xform.Define(stage, "/World").GetPrim())
    return stage


def add_camera(stage: Usd.Stage, path: str = "/World/Camera", *, distance: float = 10.0) -> UsdGeom.Camera:
    """A camera on +Z that sees 4 by 4 units at the origin (and the rest of its picture's shape)."""
    camera = UsdGeom.Camera.Define(stage, path)
    camera.AddTranslateOp().Set(Gf.Vec3d(0, 0, distance))
    camera.CreateHorizontalApertureAttr(20.0)
    camera.CreateVerticalApertureAttr(20.0)
    camera.CreateFocalLengthAttr(20.0 * distance / 4.0)
    camera.CreateClippingRangeAttr(Gf.Vec2f(0.1, 1000.0))
    return camera


def add_sphere(
    stage: Usd.Stage, path: str, at: tuple[float, float, float] = (0, 0, 0), radius: float = 1.0
) -> UsdGeom.Sphere:
    """A sphere."""
    sphere = UsdGeom.Sphere.Define(stage, path)
    sphere.CreateRadiusAttr(radius)
    sphere.AddTranslateOp().Set(Gf.Vec3d(*at))
    return sphere


def add_card(stage: Usd.Stage, path: str, size: float = 1.0, z: float = 0.0) -> UsdGeom.Mesh:
    """A square facing +Z with st over the whole of it."""
    mesh = UsdGeom.Mesh.Define(stage, path)
    mesh.CreatePointsAttr([(-size, -size, z), (size, -size, z), (size, size, z), (-size, size, z)])
    mesh.CreateFaceVertexCountsAttr([4])
    mesh.CreateFaceVertexIndicesAttr([0, 1, 2, 3])
    mesh.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    st = UsdGeom.PrimvarsAPI(mesh).CreatePrimvar(
        "st", Sdf.ValueTypeNames.TexCoord2fArray, UsdGeom.Tokens.vertex
    )
    st.Set([(0, 0), (1, 0), (1, 1), (0, 1)])
    return mesh


def add_dome(stage: Usd.Stage, intensity: float = 1.0) -> UsdLux.DomeLight:
    """Even light from everywhere."""
    dome = UsdLux.DomeLight.Define(stage, "/World/Dome")
    dome.CreateIntensityAttr(intensity)
    return dome


def add_material(stage: Usd.Stage, path: str, **inputs: object) -> UsdShade.Material:
    """A UsdPreviewSurface."""
    material = UsdShade.Material.Define(stage, path)
    shader = UsdShade.Shader.Define(stage, f"{path}/Surface")
    shader.CreateIdAttr("UsdPreviewSurface")
    for name, value in inputs.items():
        kind = Sdf.ValueTypeNames.Color3f if isinstance(value, tuple) else Sdf.ValueTypeNames.Float
        if isinstance(value, int):
            kind = Sdf.ValueTypeNames.Int
        shader.CreateInput(name, kind).Set(value)
    material.CreateSurfaceOutput().ConnectToSource(shader.ConnectableAPI(), "surface")
    return material


def add_texture(
    stage: Usd.Stage, material: str, target: str, file: Path | str, output: str = "rgb"
) -> UsdShade.Shader:
    """An image on an input of a material."""
    image = UsdShade.Shader.Define(stage, f"{material}/Image{target}")
    image.CreateIdAttr("UsdUVTexture")
    image.CreateInput("file", Sdf.ValueTypeNames.Asset).Set(Sdf.AssetPath(str(file)))
    kind = Sdf.ValueTypeNames.Color3f if output == "rgb" else Sdf.ValueTypeNames.Float
    surface = UsdShade.Shader.Get(stage, f"{material}/Surface")
    surface.CreateInput(target, kind).ConnectToSource(image.CreateOutput(output, kind))
    return image


def bind(prim: UsdGeom.Imageable | Usd.Prim, material: UsdShade.Material) -> None:
    """Bind a material."""
    target = prim if isinstance(prim, Usd.Prim) else prim.GetPrim()
    UsdShade.MaterialBindingAPI.Apply(target).Bind(material)


def write_image(path: Path, rows: list[list[tuple[int, int, int]]]) -> Path:
    """A PNG of the given 8-bit colours, top row first."""
    image = QImage(len(rows[0]), len(rows), QImage.Format.Format_RGB888)
    for y, row in enumerate(rows):
        for x, (r, g, b) in enumerate(row):
            image.setPixel(x, y, (255 << 24) | (r << 16) | (g << 8) | b)
    assert image.save(str(path))
    return path


def read_png(path: Path) -> npt.NDArray[np.uint8]:
    """A picture's 8-bit colours, (height, width, 3), read by Qt."""
    image = QImage(str(path)).convertToFormat(QImage.Format.Format_RGB888)
    assert not image.isNull(), path
    lines = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return lines[:, : image.width() * 3].reshape(image.height(), image.width(), 3).copy()


def read(stage: Usd.Stage, **arguments: object) -> tuple[Scene, str]:
    """Read a stage; the second value is everything it had to say."""
    diagnostics = Diagnostics()
    scene = read_stage(stage, Arguments(stage=Path("test.usda"), **arguments), diagnostics)  # type: ignore[arg-type]
    warnings, notes = diagnostics.take()
    return scene, "\n".join(warnings + notes)


def places(said: str) -> list[str]:
    """Return the prims that the warnings name, as "/World/Far and 2 more" where several share one."""
    return re.findall(r": (/[^ :]+(?: and \d+ more)?)$", said, re.MULTILINE)


def draw(
    stage: Usd.Stage, *, samples: int = 8, width: int = 32, height: int = 32, **arguments: object
) -> Pixels:
    """The picture, linear, (height, width, 4), drawn by mitsuba in this process."""
    scene, _ = read(stage, width=width, height=height, **arguments)
    diagnostics = Diagnostics()
    picture = load_renderer("mitsuba").prepare(scene, 1, diagnostics)
    picture.render_pass(samples)
    return picture.pixels()
