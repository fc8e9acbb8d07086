"""Makes the sample scene, *Wave Study*: textures, layers and the main file, always the same bytes.

Run it from anywhere: python resources/scenes/make_sample.py. Nothing at run time imports it.
"""

from __future__ import annotations

import math
import struct
import zlib
from pathlib import Path

import numpy as np
from pxr import Gf, Sdf, Usd, UsdGeom, UsdLux, UsdRender, UsdShade, Vt

HERE = Path(__file__).resolve().parent
TEXTURES = HERE / "textures"
FRAMES = 24
BEADS = 160

# The palette, as sRGB: one warm family, one cold accent, one metal.
CLAY = (0.82, 0.54, 0.43)
CREAM = (0.93, 0.86, 0.76)
BLUSH = (0.90, 0.66, 0.57)
TEAL = (0.05, 0.29, 0.31)
MUSTARD = (0.85, 0.58, 0.16)
INK = (0.07, 0.09, 0.13)


# ----------------------------------------------------------------------------------------------- textures


def linear(colour: tuple[float, float, float]) -> Gf.Vec3f:
    """An sRGB colour as USD wants it."""
    return Gf.Vec3f(*[c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour])


def write_png(name: str, pixels: np.ndarray) -> None:
    """8-bit RGB from values 0..1, already encoded as they should be stored."""
    image = (np.clip(pixels, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
    height, width = image.shape[:2]
    lines = np.zeros((height, 1 + width * 3), np.uint8)
    lines[:, 0] = 1  # filter Sub
    rows = image.reshape(height, width, 3)
    lines[:, 1:4] = rows[:, 0]
    lines[:, 4:] = (rows[:, 1:] - rows[:, :-1]).reshape(height, -1)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    content = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines.tobytes(), 9)) + chunk(b"IEND", b"")
    (TEXTURES / name).write_bytes(b"\x89PNG\r\n\x1a\n" + content)


def tiling_noise(random: np.random.Generator, size: int, cells: int) -> np.ndarray:
    """Smooth noise in 0..1 that repeats at its borders."""
    grid = random.random((cells, cells))
    at = np.arange(size) / size * cells
    low = np.floor(at).astype(int)
    share = at - low
    share = share * share * (3.0 - 2.0 * share)
    a, b = low % cells, (low + 1) % cells
    top = grid[np.ix_(a, a)] * (1 - share) + grid[np.ix_(a, b)] * share
    bottom = grid[np.ix_(b, a)] * (1 - share) + grid[np.ix_(b, b)] * share
    return top * (1 - share[:, None]) + bottom * share[:, None]


def terrazzo(size: int = 512) -> np.ndarray:
    """Chips of stone in cream cement: a Voronoi diagram of which some cells are filled and shrunk."""
    random = np.random.default_rng(7)
    count = 230
    points = random.random((count, 2)) * size
    stretch = random.random((count, 2)) * 0.9 + 0.55
    y, x = np.mgrid[0:size, 0:size].astype(np.float64)
    nearest = np.full((size, size), 1e9)
    second = np.full((size, size), 1e9)
    owner = np.zeros((size, size), int)
    for number, (px, py) in enumerate(points):
        dx = np.abs(x - px)
        dy = np.abs(y - py)
        dx, dy = np.minimum(dx, size - dx), np.minimum(dy, size - dy)
        distance = np.hypot(dx * stretch[number, 0], dy * stretch[number, 1])
        closer = distance < nearest
        second = np.where(closer, nearest, np.minimum(second, distance))
        owner = np.where(closer, number, owner)
        nearest = np.minimum(nearest, distance)
    chips = np.array([CLAY, TEAL, BLUSH, MUSTARD, INK, (0.98, 0.95, 0.9), (0.55, 0.5, 0.46)])
    colour_of = random.integers(0, len(chips), count)
    filled = random.random(count) < 0.72
    gap = random.random(count) * 7.0 + 3.0
    inside = filled[owner] & (second - nearest > gap[owner])
    image = np.broadcast_to(np.array(CREAM), (size, size, 3)).copy()
    image[inside] = chips[colour_of[owner[inside]]]
    return np.round(image * 63) / 63


def plaster(size: int = 256) -> tuple[np.ndarray, np.ndarray]:
    """Troweled plaster: its colour, and its normals in the 0..1 encoding."""
    random = np.random.default_rng(11)
    height = sum(
        tiling_noise(random, size, cells) / weight for cells, weight in ((4, 1.0), (9, 2.2), (23, 5.0))
    )
    height = (height - height.min()) / np.ptp(height)
    shade = 0.9 + 0.1 * height
    colour = np.round(np.array(CLAY) * shade[..., None] * 127) / 127
    slope_x = (np.roll(height, -1, 1) - np.roll(height, 1, 1)) * 3.0
    slope_y = (np.roll(height, -1, 0) - np.roll(height, 1, 0)) * 3.0
    # Image rows go down while v goes up.
    normal = np.stack([-slope_x, slope_y, np.ones_like(height)], axis=-1)
    normal /= np.linalg.norm(normal, axis=-1, keepdims=True)
    return colour, np.round((normal * 0.5 + 0.5) * 127) / 127


def orbit_pattern(width: int = 512, height: int = 256) -> np.ndarray:
    """The hero sphere: rows of half circles, so that its turning is seen."""
    columns, rows = 8, 4
    v, u = np.mgrid[0:height, 0:width].astype(np.float64)
    cell_x, cell_y = u / width * columns, v / height * rows
    column, row = np.floor(cell_x).astype(int), np.floor(cell_y).astype(int)
    x, y = cell_x - column - 0.5, cell_y - row - 0.5
    turned = (column + row) % 2 == 0
    arc = np.hypot(x, np.where(turned, y - 0.5, y + 0.5))
    image = np.broadcast_to(np.array(CREAM), (height, width, 3)).copy()
    colours = np.array([TEAL, CLAY, MUSTARD, INK])
    ring = colours[(column * 3 + row) % 4]
    image = np.where((arc < 0.9)[..., None], ring, image)
    image = np.where((arc < 0.62)[..., None], np.array(CREAM), image)
    return np.where((arc < 0.36)[..., None], colours[(column + row * 2 + 1) % 4], image)


def sky(width: int = 128, height: int = 64) -> np.ndarray:
    """Dusk for the dome: cold above, a warm band at the horizon, dark below."""
    v = (np.arange(height) + 0.5) / height
    up = np.cos(v * math.pi)
    zenith, horizon, ground = (
        np.array((0.36, 0.48, 0.66)),
        np.array((0.86, 0.66, 0.56)),
        np.array((0.2, 0.14, 0.13)),
    )
    rise = np.clip(up, 0, 1)[:, None] ** 0.6
    above = horizon * (1 - rise) + zenith * rise
    below = horizon * 0.6 + (ground - horizon * 0.6) * np.clip(-up * 4, 0, 1)[:, None]
    column = np.where(up[:, None] > 0, above, below)
    return np.repeat(column[:, None], width, axis=1)


# ----------------------------------------------------------------------------------------------- geometry


def define_mesh(
    stage: Usd.Stage,
    path: str,
    points: np.ndarray,
    counts: list[int],
    indices: list[int],
    uvs: np.ndarray,
    normals: np.ndarray | None = None,
) -> UsdGeom.Mesh:
    """A polygon mesh; uvs and normals are per corner when they are as many as the indices, else per point."""
    mesh = UsdGeom.Mesh.Define(stage, path)
    mesh.CreatePointsAttr(Vt.Vec3fArray.FromNumpy(rounded(points)))
    mesh.CreateFaceVertexCountsAttr(counts)
    mesh.CreateFaceVertexIndicesAttr(indices)
    mesh.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    mesh.CreateExtentAttr(
        [Gf.Vec3f(*rounded(points).min(0).tolist()), Gf.Vec3f(*rounded(points).max(0).tolist())]
    )
    per_corner = UsdGeom.Tokens.faceVarying
    kind = per_corner if len(uvs) == len(indices) else UsdGeom.Tokens.vertex
    st = UsdGeom.PrimvarsAPI(mesh).CreatePrimvar("st", Sdf.ValueTypeNames.TexCoord2fArray, kind)
    st.Set(Vt.Vec2fArray.FromNumpy(rounded(uvs)))
    if normals is not None:
        mesh.CreateNormalsAttr(Vt.Vec3fArray.FromNumpy(rounded(normals)))
        mesh.SetNormalsInterpolation(per_corner if len(normals) == len(indices) else UsdGeom.Tokens.vertex)
    return mesh


def rounded(values: np.ndarray) -> np.ndarray:
    """Short numbers make short files."""
    return np.ascontiguousarray(np.round(values, 3) + 0.0, np.float32)


def lathe(
    stage: Usd.Stage, path: str, profile: list[tuple[float, float]], turns: float, around: int = 72
) -> UsdGeom.Mesh:
    """Turn (radius, height) points, bottom up, around Y. `turns`: how often the texture goes around."""
    rings = np.array(profile)
    steps = np.hypot(*np.diff(rings, axis=0).T)
    along = np.concatenate([[0.0], np.cumsum(steps)])
    angles = np.arange(around + 1) / around * 2 * math.pi
    points = np.array([(r * math.sin(a), h, r * math.cos(a)) for r, h in rings for a in angles[:-1]])
    counts, indices, uvs, normals = [], [], [], []
    scale = turns / (2 * math.pi * max(rings[:, 0]))
    for ring in range(len(rings) - 1):
        (r0, h0), (r1, h1) = rings[ring], rings[ring + 1]
        length = math.hypot(r1 - r0, h1 - h0) or 1.0
        out, up = (h1 - h0) / length, (r0 - r1) / length
        for i in range(around):
            j = (i + 1) % around
            counts.append(4)
            indices += [
                ring * around + i,
                ring * around + j,
                (ring + 1) * around + j,
                (ring + 1) * around + i,
            ]
            u0, u1 = i / around * turns, (i + 1) / around * turns
            v0, v1 = along[ring] * scale, along[ring + 1] * scale
            uvs += [(u0, v0), (u1, v0), (u1, v1), (u0, v1)]
            normals += [(out * math.sin(a), up, out * math.cos(a)) for a in (angles[i], angles[i + 1])]
            normals += [(out * math.sin(a), up, out * math.cos(a)) for a in (angles[i + 1], angles[i])]
    return define_mesh(stage, path, points, counts, indices, np.array(uvs), np.array(normals))


def disc_profile(radius: float, height: float, bevel: float) -> list[tuple[float, float]]:
    """A flat cylinder with a rounded rim, closed above."""
    arc = [math.pi / 2 * step / 5 for step in range(6)]
    rim = [(radius - bevel + bevel * math.cos(a), height - bevel + bevel * math.sin(a)) for a in arc]
    return [(radius, 0.0), *rim, (0.001, height)]


def chamfered_box(
    stage: Usd.Stage, path: str, size: tuple[float, float, float], bevel: float
) -> UsdGeom.Mesh:
    """A box standing on the floor whose edges catch light; each face has st in metres."""
    half = np.array(size) / 2
    points, counts, indices, uvs = [], [], [], []

    def face(corners: list[np.ndarray], normal: np.ndarray) -> None:
        middle = np.mean(corners, axis=0)
        side = corners[0] - middle
        other = np.cross(normal, side)
        order = sorted(
            corners, key=lambda p: math.atan2(float((p - middle) @ other), float((p - middle) @ side))
        )
        drop = int(np.argmax(np.abs(normal)))
        counts.append(len(order))
        for corner in order:
            indices.append(len(points))
            points.append(corner + np.array([0.0, half[1], 0.0]))
            uvs.append(np.delete(corner, drop) / 100.0)

    signs = (-1.0, 1.0)
    inner = half - bevel
    for axis in range(3):
        b, c = (axis + 1) % 3, (axis + 2) % 3
        for s in signs:
            normal = np.zeros(3)
            normal[axis] = s
            corners = []
            for sb in signs:
                for sc in signs:
                    corner = np.zeros(3)
                    corner[axis], corner[b], corner[c] = s * half[axis], sb * inner[b], sc * inner[c]
                    corners.append(corner)
            face(corners, normal)
        for sb in signs:
            for sc in signs:
                edge = []
                for sa in signs:
                    for lift in (0, 1):
                        corner = np.zeros(3)
                        corner[axis] = sa * inner[axis]
                        corner[b] = sb * (half[b] if lift else inner[b])
                        corner[c] = sc * (inner[c] if lift else half[c])
                        edge.append(corner)
                normal = np.zeros(3)
                normal[b], normal[c] = sb, sc
                face(edge, normal / math.sqrt(2))
    for sx in signs:
        for sy in signs:
            for sz in signs:
                s = np.array([sx, sy, sz])
                corner_points = []
                for axis in range(3):
                    corner = s * inner
                    corner[axis] = s[axis] * half[axis]
                    corner_points.append(corner)
                face(corner_points, s / math.sqrt(3))
    return define_mesh(stage, path, np.array(points), counts, indices, np.array(uvs))


def arch(
    stage: Usd.Stage, path: str, width: float, height: float, opening: float, depth: float
) -> UsdGeom.Mesh:
    """A doorway: two concave polygons front and back, and the strip between them."""
    steps = 28
    outer_r, inner_r = width / 2, opening / 2
    spring = height - outer_r
    outline = [(-outer_r, 0.0)]
    outline += [
        (-outer_r * math.cos(a), spring + outer_r * math.sin(a)) for a in np.linspace(0, math.pi, steps)
    ]
    outline += [(outer_r, 0.0), (inner_r, 0.0)]
    outline += [
        (inner_r * math.cos(a), spring + inner_r * math.sin(a)) for a in np.linspace(0, math.pi, steps)
    ]
    outline += [(-inner_r, 0.0)]
    n = len(outline)
    flat = np.array(outline)
    front = np.column_stack([flat, np.full(n, depth / 2)])
    back = np.column_stack([flat, np.full(n, -depth / 2)])
    points = np.concatenate([front, back])
    # The outline runs clockwise seen from the front.
    counts = [n, n]
    indices = [*range(n - 1, -1, -1), *range(n, 2 * n)]
    uvs = [tuple(flat[i] / 100) for i in range(n - 1, -1, -1)] + [tuple(p / 100) for p in flat]
    normals = [(0.0, 0.0, 1.0)] * n + [(0.0, 0.0, -1.0)] * n
    centre = np.array([0.0, spring])
    for i in range(n):
        j = (i + 1) % n
        counts.append(4)
        indices += [i, j, n + j, n + i]
        run = flat[j] - flat[i]
        side = np.array([-run[1], run[0]]) / (np.linalg.norm(run) or 1.0)
        uvs += [(0.0, i / 8), (0.0, (i + 1) / 8), (depth / 100, (i + 1) / 8), (depth / 100, i / 8)]
        ends = []
        for corner in (i, j):
            radial = flat[corner] - centre
            is_curved = flat[i][1] > spring - 1e-6 and flat[j][1] > spring - 1e-6
            unit = radial / (np.linalg.norm(radial) or 1.0)
            ends.append(unit * np.sign(unit @ side) if is_curved else side)
        normals += [(*ends[0], 0.0), (*ends[1], 0.0), (*ends[1], 0.0), (*ends[0], 0.0)]
    return define_mesh(stage, path, points, counts, indices, np.array(uvs), np.array(normals))


def torus(stage: Usd.Stage, path: str, radius: float, tube: float) -> UsdGeom.Mesh:
    """A ring in the XY plane."""
    around, across = 96, 20
    points, normals, uvs = [], [], []
    for i in range(around):
        a = i / around * 2 * math.pi
        for j in range(across):
            b = j / across * 2 * math.pi
            normal = (math.cos(a) * math.cos(b), math.sin(a) * math.cos(b), math.sin(b))
            points.append(
                (
                    math.cos(a) * radius + normal[0] * tube,
                    math.sin(a) * radius + normal[1] * tube,
                    normal[2] * tube,
                )
            )
            normals.append(normal)
            uvs.append((i / around, j / across))
    counts, indices = [], []
    for i in range(around):
        for j in range(across):
            k, m = (i + 1) % around, (j + 1) % across
            counts.append(4)
            indices += [i * across + j, k * across + j, k * across + m, i * across + m]
    return define_mesh(stage, path, np.array(points), counts, indices, np.array(uvs), np.array(normals))


def backdrop(stage: Usd.Stage, path: str) -> UsdGeom.Mesh:
    """Floor and wall in one sweep, as a photographer's paper roll."""
    wide, front, back, radius, top = 900.0, 420.0, -190.0, 110.0, 620.0
    line = [(front, 0.0), (back + radius, 0.0)]
    line += [
        (back + radius - radius * math.sin(a), radius - radius * math.cos(a))
        for a in np.linspace(0, math.pi / 2, 17)[1:]
    ]
    line += [(back, top)]
    points, normals, uvs = [], [], []
    run = 0.0
    for number, (z, y) in enumerate(line):
        if number:
            run += math.hypot(z - line[number - 1][0], y - line[number - 1][1])
        bend = min(max((back + radius - z) / radius, 0.0), 1.0)
        angle = math.asin(bend)
        for x in (-wide, wide):
            points.append((x, y, z))
            normals.append((0.0, math.cos(angle), math.sin(angle)))
            uvs.append((x / 120.0, run / 120.0))
    counts = [4] * (len(line) - 1)
    indices = [c for i in range(len(line) - 1) for c in (2 * i, 2 * i + 1, 2 * i + 3, 2 * i + 2)]
    return define_mesh(stage, path, np.array(points), counts, indices, np.array(uvs), np.array(normals))


# ---------------------------------------------------------------------------------------------- materials


def surface(stage: Usd.Stage, name: str, **inputs: object) -> UsdShade.Material:
    """A UsdPreviewSurface with plain values."""
    material = UsdShade.Material.Define(stage, f"/Looks/{name}")
    shader = UsdShade.Shader.Define(stage, f"/Looks/{name}/Surface")
    shader.CreateIdAttr("UsdPreviewSurface")
    for key, value in inputs.items():
        kind = Sdf.ValueTypeNames.Color3f if isinstance(value, Gf.Vec3f) else Sdf.ValueTypeNames.Float
        shader.CreateInput(key, kind).Set(value)
    material.CreateSurfaceOutput().ConnectToSource(shader.ConnectableAPI(), "surface")
    return material


def texture(
    stage: Usd.Stage,
    material: str,
    target: str,
    file: str,
    repeat: tuple[float, float],
    *,
    normal: bool = False,
) -> None:
    """An image on one input of a material, scaled by a UsdTransform2d."""
    base = f"/Looks/{material}"
    reader = UsdShade.Shader.Define(stage, f"{base}/Coordinates")
    reader.CreateIdAttr("UsdPrimvarReader_float2")
    reader.CreateInput("varname", Sdf.ValueTypeNames.String).Set("st")
    scale = UsdShade.Shader.Define(stage, f"{base}/Repeat")
    scale.CreateIdAttr("UsdTransform2d")
    scale.CreateInput("scale", Sdf.ValueTypeNames.Float2).Set(Gf.Vec2f(*repeat))
    source = reader.CreateOutput("result", Sdf.ValueTypeNames.Float2)
    scale.CreateInput("in", Sdf.ValueTypeNames.Float2).ConnectToSource(source)
    image = UsdShade.Shader.Define(stage, f"{base}/{target}Image")
    image.CreateIdAttr("UsdUVTexture")
    image.CreateInput("file", Sdf.ValueTypeNames.Asset).Set(Sdf.AssetPath(f"./textures/{file}"))
    image.CreateInput("wrapS", Sdf.ValueTypeNames.Token).Set("repeat")
    image.CreateInput("wrapT", Sdf.ValueTypeNames.Token).Set("repeat")
    image.CreateInput("sourceColorSpace", Sdf.ValueTypeNames.Token).Set("raw" if normal else "sRGB")
    if normal:
        image.CreateInput("scale", Sdf.ValueTypeNames.Float4).Set(Gf.Vec4f(2, 2, 2, 1))
        image.CreateInput("bias", Sdf.ValueTypeNames.Float4).Set(Gf.Vec4f(-1, -1, -1, 0))
    coordinates = scale.CreateOutput("result", Sdf.ValueTypeNames.Float2)
    image.CreateInput("st", Sdf.ValueTypeNames.Float2).ConnectToSource(coordinates)
    kind = Sdf.ValueTypeNames.Normal3f if normal else Sdf.ValueTypeNames.Color3f
    shader = UsdShade.Shader.Get(stage, f"{base}/Surface")
    shader.CreateInput(target, kind).ConnectToSource(image.CreateOutput("rgb", Sdf.ValueTypeNames.Float3))


def make_looks() -> None:
    """looks.usda: every material."""
    stage = new_layer("looks.usda", "Looks")
    surface(stage, "Plaster", roughness=0.85)
    texture(stage, "Plaster", "diffuseColor", "plaster.png", (1.0, 1.0))
    texture(stage, "Plaster", "normal", "plaster_normal.png", (1.0, 1.0), normal=True)
    surface(stage, "Terrazzo", roughness=0.28)
    texture(stage, "Terrazzo", "diffuseColor", "terrazzo.png", (1.6, 1.6))
    surface(stage, "Orbit", roughness=0.3, clearcoat=1.0, clearcoatRoughness=0.03)
    texture(stage, "Orbit", "diffuseColor", "orbit.png", (1.0, 1.0))
    surface(stage, "Cream", diffuseColor=linear(CREAM), roughness=0.55)
    surface(stage, "Blush", diffuseColor=linear(BLUSH), roughness=0.6)
    surface(stage, "Teal", diffuseColor=linear(TEAL), roughness=0.35, clearcoat=0.6, clearcoatRoughness=0.08)
    surface(
        stage, "Ivory", diffuseColor=linear(CREAM), roughness=0.28
    )
    surface(stage, "Coral", diffuseColor=linear((0.86, 0.33, 0.22)), roughness=0.28)
    surface(stage, "Brass", diffuseColor=linear((0.93, 0.72, 0.36)), metallic=1.0, roughness=0.2)
    surface(stage, "Glass", opacity=0.0, ior=1.5, roughness=0.0, diffuseColor=Gf.Vec3f(1, 1, 1))
    surface(stage, "Ink", diffuseColor=linear(INK), roughness=0.4)
    stage.Save()


# ------------------------------------------------------------------------------------------------- layers


def new_layer(name: str, default_prim: str) -> Usd.Stage:
    """An empty ASCII layer in centimetres, Y up, over the frames of the shot."""
    # Geometry goes into crate files, a third of the size; what people may want to read stays text.
    path = HERE / name
    path.unlink(missing_ok=True)
    stage = Usd.Stage.CreateNew(str(path))
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
    UsdGeom.SetStageMetersPerUnit(stage, 0.01)
    stage.SetTimeCodesPerSecond(24)
    stage.SetFramesPerSecond(24)
    stage.SetStartTimeCode(1)
    stage.SetEndTimeCode(FRAMES)
    prim = stage.DefinePrim(f"/{default_prim}", "Scope" if default_prim == "Looks" else "Xform")
    stage.SetDefaultPrim(prim)
    return stage


def bind(prim: Usd.Prim | UsdGeom.Gprim, look: str) -> None:
    """Bind a material of looks.usda, which the main file places under /World/Looks."""
    target = prim if isinstance(prim, Usd.Prim) else prim.GetPrim()
    path = target.GetPath().GetPrefixes()[0].AppendPath(f"Looks/{look}")
    UsdShade.MaterialBindingAPI.Apply(target).GetDirectBindingRel().SetTargets([path])


def refer_looks(stage: Usd.Stage) -> None:
    """The materials inside this layer's own root, so that its bindings survive being referenced."""
    looks = stage.DefinePrim(stage.GetDefaultPrim().GetPath().AppendChild("Looks"), "Scope")
    looks.GetReferences().AddReference("./looks.usda")


def make_set() -> None:
    """set.usdc: what stands still."""
    stage = new_layer("set.usdc", "Set")
    refer_looks(stage)
    bind(backdrop(stage, "/Set/Backdrop"), "Plaster")
    doorway = arch(stage, "/Set/Arch", 112.0, 168.0, 72.0, 30.0)
    place(doorway, (-92.0, 0.0, -78.0), turn=(0.0, 18.0, 0.0))
    bind(doorway, "Cream")
    smaller = arch(stage, "/Set/ArchInner", 71.0, 146.0, 46.0, 22.0)
    place(smaller, (-92.0, 0.0, -78.0), turn=(0.0, 18.0, 0.0))
    bind(smaller, "Blush")
    for number, (width, height, z) in enumerate(
        ((86.0, 24.0, -52.0), (86.0, 52.0, -84.0), (86.0, 84.0, -116.0))
    ):
        step = chamfered_box(stage, f"/Set/Step{number + 1}", (width, height, 34.0), 1.6)
        place(step, (104.0, 0.0, z), turn=(0.0, -14.0, 0.0))
        bind(step, ("Blush", "Cream", "Blush")[number])
    low = lathe(stage, "/Set/PodiumLow", disc_profile(54.0, 14.0, 2.0), 5.0, around=96)
    bind(low, "Terrazzo")
    high = lathe(stage, "/Set/PodiumHigh", disc_profile(36.0, 12.0, 1.6), 3.0, around=96)
    place(high, (0.0, 14.0, 0.0))
    bind(high, "Teal")
    column = lathe(stage, "/Set/Column", disc_profile(13.0, 118.0, 1.2), 2.0)
    place(column, (44.0, 0.0, -112.0))
    bind(column, "Terrazzo")
    ball = UsdGeom.Sphere.Define(stage, "/Set/ColumnBall")
    ball.CreateRadiusAttr(15.0)
    place(ball, (44.0, 133.0, -112.0))
    bind(ball, "Coral")
    glass = UsdGeom.Sphere.Define(stage, "/Set/GlassBall")
    glass.CreateRadiusAttr(13.0)
    place(glass, (96.0, 37.0, -46.0))
    bind(glass, "Glass")
    cone = UsdGeom.Cone.Define(stage, "/Set/Cone")
    cone.CreateRadiusAttr(14.0)
    cone.CreateHeightAttr(46.0)
    cone.CreateAxisAttr("Y")
    place(cone, (122.0, 75.0, -88.0))
    bind(cone, "Teal")
    cord = UsdGeom.Cylinder.Define(stage, "/Set/LampCord")
    cord.CreateRadiusAttr(0.5)
    cord.CreateHeightAttr(420.0)
    cord.CreateAxisAttr("Y")
    place(cord, (-93.0, 304.0, -76.0))
    bind(cord, "Ink")
    make_blind(stage)
    stage.Save()


def make_blind(stage: Usd.Stage) -> None:
    """A window blind outside the frame: the sun comes through it in stripes."""
    slats = UsdGeom.PointInstancer.Define(stage, "/Set/Blind")
    slat = UsdGeom.Cube.Define(stage, "/Set/Blind/Slat")
    slat.CreateSizeAttr(1.0)
    slat.AddScaleOp().Set(Gf.Vec3f(300.0, 1.2, 17.0))
    bind(slat, "Ink")
    slats.CreatePrototypesRel().SetTargets([slat.GetPath()])
    count = 15
    slats.CreateProtoIndicesAttr([0] * count)
    slats.CreatePositionsAttr([Gf.Vec3f(0.0, (i - (count - 1) / 2) * 19.0, 0.0) for i in range(count)])
    slats.AddTranslateOp().Set(Gf.Vec3d(330.0, 330.0, 250.0))
    slats.AddRotateYOp().Set(52.0)


def make_beads() -> None:
    """beads.usdc: a sunflower spiral of beads through which a wave runs, once in 24 frames."""
    stage = new_layer("beads.usdc", "Beads")
    refer_looks(stage)
    instancer = UsdGeom.PointInstancer.Define(stage, "/Beads/Spiral")
    kinds = (("Ivory", 4.6), ("Coral", 4.2), ("TealBead", 4.4), ("BrassBead", 3.4))
    looks = {"TealBead": "Teal", "BrassBead": "Brass"}
    targets = []
    for name, radius in kinds:
        bead = UsdGeom.Sphere.Define(stage, f"/Beads/Spiral/Prototypes/{name}")
        bead.CreateRadiusAttr(radius)
        bind(bead, looks.get(name, name))
        targets.append(bead.GetPath())
    instancer.CreatePrototypesRel().SetTargets(targets)
    golden = math.pi * (3.0 - math.sqrt(5.0))
    random = np.random.default_rng(3)
    number = np.arange(BEADS)
    radius = np.sqrt(64.0**2 + (152.0**2 - 64.0**2) * number / BEADS)
    angle = number * golden
    kind = random.choice(4, BEADS, p=(0.4, 0.2, 0.25, 0.15))
    size = np.array([r for _, r in kinds])[kind]
    scale = 0.75 + 0.5 * random.random(BEADS)
    instancer.CreateProtoIndicesAttr(Vt.IntArray([int(k) for k in kind]))
    instancer.CreateScalesAttr(Vt.Vec3fArray.FromNumpy(rounded(np.repeat(scale[:, None], 3, axis=1))))
    positions = instancer.CreatePositionsAttr()
    for frame in range(1, FRAMES + 1):
        phase = 2 * math.pi * (frame - 1) / FRAMES
        swell = np.clip(np.sin(radius / 82.0 * 2 * math.pi * 1.25 - phase), 0.0, None) ** 1.3
        height = size * scale + 17.0 * swell
        points = np.column_stack([radius * np.sin(angle), height, radius * np.cos(angle)])
        positions.Set(
            Vt.Vec3fArray.FromNumpy(np.ascontiguousarray(np.round(points, 2) + 0.0, np.float32)), frame
        )
    stage.Save()


def make_hero() -> None:
    """hero.usdc: the patterned sphere and its brass rings, turning."""
    stage = new_layer("hero.usdc", "Hero")
    refer_looks(stage)
    ball_profile = [
        (max(21.0 * math.cos(a), 0.001), 21.0 * math.sin(a))
        for a in np.linspace(-math.pi / 2, math.pi / 2, 41)
    ]
    ball = lathe(stage, "/Hero/Ball", ball_profile, 1.0, around=80)
    smooth_ball(ball)
    bind(ball, "Orbit")
    spin = ball.AddRotateXYZOp()
    for frame in range(1, FRAMES + 1):
        spin.Set(Gf.Vec3f(18.0, -30.0 + 45.0 * (frame - 1) / FRAMES, 12.0), frame)
    for name, radius, tilt, speed in (
        ("RingOuter", 33.5, (62.0, 0.0, 20.0), 1.0),
        ("RingInner", 27.5, (-48.0, 30.0, 0.0), -1.0),
    ):
        ring = torus(stage, f"/Hero/{name}", radius, 1.15)
        bind(ring, "Brass")
        turn = ring.AddRotateXYZOp()
        for frame in range(1, FRAMES + 1):
            share = (frame - 1) / FRAMES
            turn.Set(
                Gf.Vec3f(
                    tilt[0] + 30.0 * speed * math.sin(2 * math.pi * share),
                    tilt[1] + 180.0 * speed * share,
                    tilt[2],
                ),
                frame,
            )
    stage.Save()


def smooth_ball(ball: UsdGeom.Mesh) -> None:
    """A sphere's normals are its points, which the lathe does not know. Its st is lat-long."""
    points = np.array(ball.GetPointsAttr().Get())
    indices = np.array(ball.GetFaceVertexIndicesAttr().Get())
    normals = points[indices] / np.linalg.norm(points[indices], axis=1, keepdims=True)
    ball.GetNormalsAttr().Set(Vt.Vec3fArray.FromNumpy(rounded(normals)))
    primvar = UsdGeom.PrimvarsAPI(ball).GetPrimvar("st")
    st = np.array(primvar.Get())
    st[:, 1] = 0.5 + np.arcsin(np.clip(normals[:, 1], -1, 1)) / math.pi
    primvar.Set(Vt.Vec2fArray.FromNumpy(rounded(st)))


def place(
    gprim: UsdGeom.Xformable, at: tuple[float, float, float], turn: tuple[float, float, float] | None = None
) -> None:
    """Translate, then rotate."""
    gprim.AddTranslateOp().Set(Gf.Vec3d(*at))
    if turn:
        gprim.AddRotateXYZOp().Set(Gf.Vec3f(*turn))


def look_at(eye: tuple[float, float, float], target: tuple[float, float, float]) -> Gf.Matrix4d:
    """A camera's or light's place: -Z points to the target."""
    return Gf.Matrix4d().SetLookAt(Gf.Vec3d(*eye), Gf.Vec3d(*target), Gf.Vec3d(0, 1, 0)).GetInverse()


def make_main() -> None:
    """sample.usda: references, lights, cameras, settings."""
    stage = new_layer("sample.usda", "World")
    for name in ("Set", "Beads", "Hero"):
        prim = stage.DefinePrim(f"/World/{name}", "Xform")
        prim.GetReferences().AddReference(f"./{name.lower()}.usdc")
    hero = UsdGeom.Xformable(stage.GetPrimAtPath("/World/Hero"))
    rise = hero.AddTranslateOp()
    for frame in range(1, FRAMES + 1):
        rise.Set(Gf.Vec3d(0.0, 64.0 + 2.5 * math.sin(2 * math.pi * (frame - 1) / FRAMES), 0.0), frame)
    make_lights(stage)
    make_cameras(stage)
    settings = UsdRender.Settings.Define(stage, "/Render/Settings")
    settings.CreateResolutionAttr(Gf.Vec2i(640, 360))
    settings.CreateCameraRel().SetTargets(["/World/Cameras/Shot"])
    settings.GetPrim().CreateAttribute("katana:samples", Sdf.ValueTypeNames.Int).Set(24)
    stage.SetMetadata("renderSettingsPrimPath", "/Render/Settings")
    stage.Save()


def make_lights(stage: Usd.Stage) -> None:
    """Sun through the blind, a soft window, the lamp in the arch, a rim tube, dusk all around."""
    stage.DefinePrim("/World/Lights", "Scope")
    sun = UsdLux.DistantLight.Define(stage, "/World/Lights/Sun")
    sun.CreateIntensityAttr(4.4)
    sun.CreateNormalizeAttr(True)
    sun.CreateAngleAttr(1.2)
    sun.CreateColorAttr(Gf.Vec3f(1.0, 0.72, 0.46))
    sun.AddTransformOp().Set(look_at((330.0, 330.0, 250.0), (-20.0, 40.0, -40.0)))
    window = UsdLux.RectLight.Define(stage, "/World/Lights/Window")
    window.CreateWidthAttr(180.0)
    window.CreateHeightAttr(150.0)
    window.CreateIntensityAttr(2.2)
    window.CreateEnableColorTemperatureAttr(True)
    window.CreateColorTemperatureAttr(7200.0)
    window.AddTransformOp().Set(look_at((-280.0, 210.0, 220.0), (0.0, 40.0, -20.0)))
    lamp = UsdLux.SphereLight.Define(stage, "/World/Lights/Lamp")
    lamp.CreateRadiusAttr(9.0)
    lamp.CreateIntensityAttr(14.0)
    lamp.CreateEnableColorTemperatureAttr(True)
    lamp.CreateColorTemperatureAttr(2700.0)
    lamp.AddTranslateOp().Set(Gf.Vec3d(-93.0, 86.0, -76.0))
    rim = UsdLux.CylinderLight.Define(stage, "/World/Lights/Rim")
    rim.CreateLengthAttr(70.0)
    rim.CreateRadiusAttr(5.0)
    rim.CreateIntensityAttr(11.0)
    rim.CreateColorAttr(Gf.Vec3f(0.30, 0.78, 0.86))
    rim.AddTranslateOp().Set(Gf.Vec3d(112.0, 66.0, -146.0))
    rim.AddRotateYOp().Set(-14.0)
    dome = UsdLux.DomeLight.Define(stage, "/World/Lights/Dusk")
    dome.CreateTextureFileAttr(Sdf.AssetPath("./textures/sky.png"))
    dome.CreateIntensityAttr(0.3)


def make_cameras(stage: Usd.Stage) -> None:
    """Shot drifts past the set; Detail looks closely at the sphere with a shallow focus."""
    stage.DefinePrim("/World/Cameras", "Scope")
    shot = UsdGeom.Camera.Define(stage, "/World/Cameras/Shot")
    shot.CreateFocalLengthAttr(35.0)
    shot.CreateHorizontalApertureAttr(36.0)
    shot.CreateVerticalApertureAttr(20.25)
    shot.CreateClippingRangeAttr(Gf.Vec2f(1.0, 5000.0))
    move = shot.AddTransformOp()
    for frame in range(1, FRAMES + 1):
        share = (frame - 1) / (FRAMES - 1)
        ease = share * share * (3 - 2 * share)
        move.Set(
            look_at((30.0 + 46.0 * ease, 104.0 - 12.0 * ease, 318.0 - 14.0 * ease), (2.0, 54.0, -20.0)), frame
        )
    detail = UsdGeom.Camera.Define(stage, "/World/Cameras/Detail")
    detail.CreateFocalLengthAttr(62.0)
    detail.CreateHorizontalApertureAttr(36.0)
    detail.CreateVerticalApertureAttr(20.25)
    detail.CreateFStopAttr(1.4)
    detail.CreateFocusDistanceAttr(165.0)
    detail.CreateClippingRangeAttr(Gf.Vec2f(1.0, 5000.0))
    detail.AddTransformOp().Set(look_at((-46.0, 86.0, 172.0), (-4.0, 60.0, 0.0)))


def main() -> None:
    """Write everything beside this file."""
    TEXTURES.mkdir(exist_ok=True)
    colour, normal = plaster()
    write_png("terrazzo.png", terrazzo())
    write_png("plaster.png", colour)
    write_png("plaster_normal.png", normal)
    write_png("orbit.png", orbit_pattern())
    write_png("sky.png", sky())
    make_looks()
    make_set()
    make_beads()
    make_hero()
    make_main()


if __name__ == "__main__":
    main()
