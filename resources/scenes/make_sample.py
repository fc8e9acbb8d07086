"""Makes the sample scene, *Wave Study*: textures, layers and the main file, always the same bytes.

Run it from anywhere: python resources/scenes/make_sample.py. Nothing at run time imports it.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from pxr import Gf, Sdf, Usd, UsdGeom, UsdLux, UsdRender, UsdShade, Vt
from sample_shapes import arch, backdrop, chamfered_box, disc_profile, lathe, rounded, torus
from sample_textures import (
    BLUSH,
    CREAM,
    INK,
    TEAL,
    TEXTURES,
    linear,
    orbit_pattern,
    plaster,
    sky,
    terrazzo,
    write_png,
)

HERE = Path(__file__).resolve().parent
FRAMES = 24
BEADS = 160


# ------------------------------------------------------------------------------------------------ materials


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
    surface(stage, "Ivory", diffuseColor=linear(CREAM), roughness=0.28)
    surface(stage, "Coral", diffuseColor=linear((0.86, 0.33, 0.22)), roughness=0.28)
    surface(stage, "Brass", diffuseColor=linear((0.93, 0.72, 0.36)), metallic=1.0, roughness=0.2)
    surface(stage, "Glass", opacity=0.0, ior=1.5, roughness=0.0, diffuseColor=Gf.Vec3f(1, 1, 1))
    surface(stage, "Ink", diffuseColor=linear(INK), roughness=0.4)
    stage.Save()


# --------------------------------------------------------------------------------------------------- layers


def new_layer(name: str, default_prim: str) -> Usd.Stage:
    """An empty layer in centimetres, Y up, over the frames of the shot: text or crate, by its name."""
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
