"""A scene without USD and without a renderer: meshes, instances, materials, lights, camera, picture settings.

Matrices are 4 by 4 float64 for column vectors (M @ p); lengths are scene units, colours linear Rec. 709.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Indices = npt.NDArray[np.uint32]
Matrix = npt.NDArray[np.float64]
Bounds = tuple[Matrix, Matrix]
"""Minimum and maximum corner of a box."""
Colour = tuple[float, float, float]
Wrap = Literal["repeat", "mirror", "clamp", "black"]
ColourSpace = Literal["auto", "srgb", "linear"]
Window = tuple[int, int, int, int]
"""Left, top, right, bottom."""

MAX_DISTANCE = 1e18
"""Scene units from the origin: renderers square distances in single precision."""
NEUTRAL_GREY: Colour = (0.18, 0.18, 0.18)


# --- Materials ---


@dataclass(frozen=True)
class ImageTexture:
    """One output of an image: `output` is 'rgb' or a channel's letter; `uv_transform` is 3 by 3, by rows.

    `file` may be a path within a .usdz package (`package.usdz[image.png]`); for a UDIM set it is the pattern.
    """

    file: str
    prim: str
    output: str = "rgb"
    wrap_s: Wrap = "repeat"
    wrap_t: Wrap = "repeat"
    colour_space: ColourSpace = "auto"
    scale: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    bias: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    fallback: tuple[float, float, float, float] | None = None
    """RGBA used when the file cannot be read; None: a neutral grey."""
    tiles: tuple[tuple[int, str], ...] = ()
    """Tile numbers (from 1001) and file paths of a UDIM set."""
    uv_primvar: str = "st"
    uv_fallback: tuple[float, float] = (0.0, 0.0)
    """The texture coordinate used on meshes without that primvar."""
    uv_transform: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)

    @property
    def is_udim(self) -> bool:
        """Whether the file is a set of tiles."""
        return bool(self.tiles)


@dataclass(frozen=True)
class Primvar:
    """An input read from the mesh: `Mesh.attributes[name]` holds `width` numbers for each vertex."""

    name: str
    width: int
    fallback: tuple[float, ...]
    """The value (`width` numbers) used on meshes without that primvar."""


ColourInput = Colour | ImageTexture | Primvar
ScalarInput = float | ImageTexture | Primvar
Input = ColourInput | ScalarInput

COLOUR_INPUTS = ("diffuse_colour", "emissive_colour", "specular_colour")
SCALAR_INPUTS = ("metallic", "roughness", "clearcoat", "clearcoat_roughness", "opacity")


@dataclass(frozen=True)
class Material:
    """A UsdPreviewSurface, its inputs resolved. Defaults are the specification's."""

    path: str
    diffuse_colour: ColourInput = NEUTRAL_GREY
    emissive_colour: ColourInput = (0.0, 0.0, 0.0)
    use_specular_workflow: bool = False
    specular_colour: ColourInput = (0.0, 0.0, 0.0)
    metallic: ScalarInput = 0.0
    roughness: ScalarInput = 0.5
    clearcoat: ScalarInput = 0.0
    clearcoat_roughness: ScalarInput = 0.01
    opacity: ScalarInput = 1.0
    opacity_threshold: float = 0.0
    opacity_is_presence: bool = False
    ior: float = 1.5
    transmission_colour: Colour = (1.0, 1.0, 1.0)
    """Tints what passes through glass."""
    normal: ImageTexture | None = None
    is_emission_animated: bool = False
    """Whether it may emit at other frames: where it does not now, it is a light that is off."""

    @property
    def inputs(self) -> dict[str, Input]:
        """All inputs that may be an image or a primvar, by their field names."""
        return {name: getattr(self, name) for name in (*COLOUR_INPUTS, *SCALAR_INPUTS)}

    @property
    def textures(self) -> list[ImageTexture]:
        """All images the material reads."""
        images = [value for value in self.inputs.values() if isinstance(value, ImageTexture)]
        return [*images, self.normal] if self.normal else images

    @property
    def primvars(self) -> dict[str, Primvar]:
        """The inputs that a primvar of the mesh drives."""
        return {name: value for name, value in self.inputs.items() if isinstance(value, Primvar)}

    @property
    def emits(self) -> bool:
        """Whether the surface emits light."""
        return not isinstance(self.emissive_colour, tuple) or max(self.emissive_colour) > 0.0

    @property
    def transmits(self) -> bool:
        """Whether the surface is glass: transparent by refraction, not by a cut-out mask."""
        if self.opacity_is_presence or self.opacity_threshold > 0.0:
            return False
        return isinstance(self.opacity, float) and self.opacity < 1.0

    @property
    def is_absent(self) -> bool:
        """Whether opacity removes the whole surface, its emission included."""
        if not isinstance(self.opacity, float):
            return False
        if self.opacity_threshold > 0.0:
            return self.opacity < self.opacity_threshold
        return self.opacity_is_presence and self.opacity <= 0.0


# --- Geometry ---


@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles with one material. Without normals shading is flat. In uvs v points up, as in USD."""

    path: str
    positions: Array
    triangles: Indices
    material: Material
    transform: Matrix
    normals: Array | None = None
    uvs: Array | None = None
    attributes: dict[str, Array] = field(default_factory=dict)
    """Primvar values for each vertex that the material reads, by primvar name."""
    is_closed: bool = True
    """False when the mesh has border edges: glass is then rendered as a thin sheet, not as a solid."""

    @cached_property
    def bounds(self) -> Matrix:
        """Return the minimum and maximum corner of the bounding box, in the space of its group."""
        placed = _placed(self, np.eye(4))
        return np.stack([placed.min(axis=0), placed.max(axis=0)])


@dataclass(eq=False)
class Group:
    """A node of the scene graph, in its parent's space; instances of a prototype share the same object."""

    path: str
    meshes: list[Mesh] = field(default_factory=list)
    lights: list[Light] = field(default_factory=list)
    instances: list[Instances] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether it holds no meshes, lights or instances."""
        return not self.meshes and not self.lights and not self.instances


@dataclass(eq=False)
class Instances:
    """Instances of one group; `matrices` is (n, 4, 4)."""

    path: str
    prototype: Group
    matrices: Matrix


# --- Lights ---


@dataclass(frozen=True, eq=False)
class Light:
    """Base of all lights. A light emits along its local -Z unless its class documents otherwise."""

    path: str
    transform: Matrix
    is_normalized: bool = field(default=False, kw_only=True)
    """Whether it is to give as much light at any size."""


@dataclass(frozen=True, eq=False)
class DistantLight(Light):
    """A distant light: `irradiance` on a facing surface, `angle` the angular diameter in degrees."""

    irradiance: Colour
    angle: float


@dataclass(frozen=True, eq=False)
class PointLight(Light):
    """A sphere light as a point of a radiant intensity."""

    intensity: Colour


@dataclass(frozen=True, eq=False)
class SpotLight(Light):
    """A spot light: `angle` is the cone's half angle in degrees, `softness` (0 to 1) the part that fades."""

    intensity: Colour
    angle: float
    softness: float
    is_flat: bool = False
    """Whether it replaces a rectangle or a disk, rather than a sphere."""


@dataclass(frozen=True, eq=False)
class SphereLight(Light):
    """A sphere that emits."""

    radiance: Colour
    radius: float


@dataclass(frozen=True, eq=False)
class RectLight(Light):
    """A rectangle in XY that emits; the texture, if any, multiplies its colour."""

    radiance: Colour
    width: float
    height: float
    texture: ImageTexture | None = None


@dataclass(frozen=True, eq=False)
class DiskLight(Light):
    """A disk in XY that emits."""

    radiance: Colour
    radius: float


@dataclass(frozen=True, eq=False)
class CylinderLight(Light):
    """A cylinder along X that emits, without caps."""

    radiance: Colour
    radius: float
    length: float


@dataclass(frozen=True, eq=False)
class DomeLight(Light):
    """An environment light; its image is in lat-long projection with +Z at the centre."""

    radiance: Colour
    texture: ImageTexture | None = None
    pixels: Array | None = None


# --- Camera ---


@dataclass(frozen=True, eq=False)
class Camera:
    """A camera along -Z, +Y up. Apertures, offsets, focal length share one unit; the rest: scene units."""

    path: str
    transform: Matrix
    horizontal_aperture: float = 20.955
    vertical_aperture: float = 15.2908
    horizontal_offset: float = 0.0
    vertical_offset: float = 0.0
    focal_length: float = 50.0
    is_orthographic: bool = False
    near: float = 0.01
    far: float = 1.0e6
    lens_radius: float = 0.0
    focus_distance: float = 0.0
    exposure_scale: float = 1.0


@dataclass(frozen=True)
class PictureSettings:
    """Resolution in pixels, samples per pixel, pixel aspect ratio (width / height)."""

    width: int = 640
    height: int = 360
    samples: int = 32
    pixel_aspect_ratio: float = 1.0
    data_window: Window | None = None
    """Left, top, right, bottom of the crop window, in pixels from the top left; None: the whole picture."""
    denoise: bool = False

    @property
    def window(self) -> Window:
        """The data window."""
        return self.data_window or (0, 0, self.width, self.height)


@dataclass(eq=False)
class Scene:
    """The complete input of a renderer."""

    root: Group
    camera: Camera
    settings: PictureSettings
    bounds: Bounds
    """Minimum and maximum corner of all geometry's bounding box, in world space."""
    frame: float | None = None
    source: str = ""
    """Path of the artist's scene, for the picture's header; empty: not known."""


def every_group(root: Group) -> list[Group]:
    """Return the group itself and all prototypes below it, each once."""
    found = {id(root): root}
    waiting = [root]
    while waiting:
        for instances in waiting.pop().instances:
            if id(instances.prototype) not in found:
                found[id(instances.prototype)] = instances.prototype
                waiting.append(instances.prototype)
    return list(found.values())


def world_bounds(group: Group, matrix: Matrix | None = None) -> Bounds | None:
    """Return the minimum and maximum corner of all meshes, instances included; None without meshes."""
    corners = list(_corner_sets(group, np.eye(4) if matrix is None else matrix))
    if not corners:
        return None
    everything = np.concatenate(corners)
    return everything.min(axis=0), everything.max(axis=0)


def _placed(mesh: Mesh, matrix: Matrix) -> Matrix:
    placed = matrix @ mesh.transform
    points: Matrix = mesh.positions.astype(np.float64) @ placed[:3, :3].T + placed[:3, 3]
    return points


def _corner_sets(group: Group, matrix: Matrix) -> Iterator[Matrix]:
    is_here = np.array_equal(matrix, np.eye(4))
    for mesh in group.meshes:
        if len(mesh.positions):
            yield mesh.bounds if is_here else _placed(mesh, matrix)
    for instances in group.instances:
        inner = world_bounds(instances.prototype)
        if inner is None:
            continue
        low, high = inner
        box = np.array(
            [[x, y, z, 1.0] for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (low[2], high[2])]
        )
        placed_all = matrix @ instances.matrices
        yield (placed_all @ box.T).transpose(0, 2, 1).reshape(-1, 4)[:, :3]
