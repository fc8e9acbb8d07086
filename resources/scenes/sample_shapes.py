"""The sample scene's meshes: lathes, boxes, arches, rings, the backdrop. Only make_sample.py uses it."""

from __future__ import annotations

import math

import numpy as np
from pxr import Gf, Sdf, Usd, UsdGeom, Vt


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
