"""What is to be seen, told without USD and without a renderer: meshes, instances, materials, lights, camera.

Matrices are 4 by 4 float64 for column vectors (M @ p); lengths are scene units, colours linear Rec. 709.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Indices = npt.NDArray[np.uint32]
Matrix = npt.NDArray[np.float64]
Colour = tuple[float, float, float]
Wrap = Literal["repeat", "mirror", "clamp", "black"]
ColourSpace = Literal["auto", "srgb", "linear"]

NEUTRAL_GREY: Colour = (0.18, 0.18, 0.18)


# ------------------------------------------------------------------------------------------------ materials


@dataclass(frozen=True)
class ImageTexture:
    """One output of an image: `output` is 'rgb' or a channel's letter; `uv_transform` is 3 by 3, by rows."""

    file: str
    prim: str
    output: str = "rgb"
    wrap_s: Wrap = "repeat"
    wrap_t: Wrap = "repeat"
    colour_space: ColourSpace = "auto"
    scale: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    bias: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    uv_primvar: str = "st"
    uv_transform: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


@dataclass(frozen=True)
class VertexColour:
    """The colours that come with the mesh, from the primvar of this name."""

    primvar: str
    fallback: Colour = NEUTRAL_GREY


ColourInput = Colour | ImageTexture | VertexColour
ScalarInput = float | ImageTexture


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
    normal: ImageTexture | None = None

    @property
    def textures(self) -> list[ImageTexture]:
        """All images the material reads."""
        inputs = (
            self.diffuse_colour,
            self.emissive_colour,
            self.specular_colour,
            self.metallic,
            self.roughness,
            self.clearcoat,
            self.clearcoat_roughness,
            self.opacity,
            self.normal,
        )
        return [value for value in inputs if isinstance(value, ImageTexture)]

    @property
    def emits(self) -> bool:
        """Whether the surface is a light."""
        return not isinstance(self.emissive_colour, tuple) or max(self.emissive_colour) > 0.0

    @property
    def transmits(self) -> bool:
        """Whether it is glass: see-through without being cut out."""
        if self.opacity_is_presence or self.opacity_threshold > 0.0:
            return False
        return isinstance(self.opacity, float) and self.opacity < 1.0


# ------------------------------------------------------------------------------------------------- geometry


@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles with one material. Normals None: flat. uvs have v upwards, as USD has them."""

    path: str
    positions: Array
    triangles: Indices
    material: Material
    transform: Matrix
    normals: Array | None = None
    uvs: Array | None = None
    colours: Array | None = None
    is_closed: bool = True
    """False when the surface has a border: light does not refract through a sheet as through a body."""


@dataclass(eq=False)
class Group:
    """Things that belong together, in the space of their parent; as a prototype it is shared by identity."""

    path: str
    meshes: list[Mesh] = field(default_factory=list)
    lights: list[Light] = field(default_factory=list)
    instances: list[Instances] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """True when there is nothing to see in it."""
        return not self.meshes and not self.lights and not self.instances


@dataclass(eq=False)
class Instances:
    """The same group at several places; matrices is (n, 4, 4)."""

    path: str
    prototype: Group
    matrices: Matrix


# --------------------------------------------------------------------------------------------------- lights


@dataclass(frozen=True, eq=False)
class Light:
    """A light; it shines along its own -Z unless its kind says otherwise."""

    path: str
    transform: Matrix


@dataclass(frozen=True, eq=False)
class DistantLight(Light):
    """Light from very far; `irradiance` on a facing surface, `angle` the source's diameter in degrees."""

    irradiance: Colour
    angle: float


@dataclass(frozen=True, eq=False)
class PointLight(Light):
    """Light from a point: radiant intensity."""

    intensity: Colour


@dataclass(frozen=True, eq=False)
class SpotLight(Light):
    """Light from a point within a cone: half `angle` in degrees, `softness` from 0 to 1 of it fades."""

    intensity: Colour
    angle: float
    softness: float


@dataclass(frozen=True, eq=False)
class SphereLight(Light):
    """A glowing sphere."""

    radiance: Colour
    radius: float


@dataclass(frozen=True, eq=False)
class RectLight(Light):
    """A glowing rectangle in XY; the texture colours it."""

    radiance: Colour
    width: float
    height: float
    texture: ImageTexture | None = None


@dataclass(frozen=True, eq=False)
class DiskLight(Light):
    """A glowing disk in XY."""

    radiance: Colour
    radius: float


@dataclass(frozen=True, eq=False)
class CylinderLight(Light):
    """A glowing tube along X, without caps."""

    radiance: Colour
    radius: float
    length: float


@dataclass(frozen=True, eq=False)
class DomeLight(Light):
    """Light from everywhere; its image is latitude by longitude with +Z at the centre."""

    radiance: Colour
    texture: ImageTexture | None = None
    pixels: Array | None = None


# --------------------------------------------------------------------------------------------------- camera


@dataclass(frozen=True, eq=False)
class Camera:
    """Looks along -Z, +Y up. Apertures, offsets and focal length share one unit; the rest are scene units."""

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
    """Size in pixels and samples for each pixel."""

    width: int = 640
    height: int = 360
    samples: int = 32


@dataclass(eq=False)
class Scene:
    """Everything a renderer is given."""

    root: Group
    camera: Camera
    settings: PictureSettings
    bounds: tuple[Matrix, Matrix]
    """Least and greatest corner of all that is to be seen, in world space."""
    frame: float | None = None


def every_group(root: Group) -> list[Group]:
    """The group itself and all prototypes in it, each once."""
    found = {id(root): root}
    waiting = [root]
    while waiting:
        for instances in waiting.pop().instances:
            if id(instances.prototype) not in found:
                found[id(instances.prototype)] = instances.prototype
                waiting.append(instances.prototype)
    return list(found.values())


def world_bounds(group: Group, matrix: Matrix | None = None) -> tuple[Matrix, Matrix] | None:
    """Least and greatest corner of all meshes, instances included; None when there are none."""
    corners = list(_corner_sets(group, np.eye(4) if matrix is None else matrix))
    if not corners:
        return None
    everything = np.concatenate(corners)
    return everything.min(axis=0), everything.max(axis=0)


def _corner_sets(group: Group, matrix: Matrix) -> Iterator[Matrix]:
    for mesh in group.meshes:
        placed = matrix @ mesh.transform
        yield mesh.positions.astype(np.float64) @ placed[:3, :3].T + placed[:3, 3]
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
