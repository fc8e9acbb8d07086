"""Reads the stage's UsdRender prims: resolution, samples, camera, purposes.

Independent of the command line, which may override them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pxr import Usd, UsdGeom, UsdRender

from .values import get

SAMPLES_ATTRIBUTES = ("katana:samples", "mitsuba:samples")
"""UsdRender has no attribute for samples; the first of these on RenderSettings or RenderProduct counts."""

DENOISE_ATTRIBUTE = "katana:denoise"
"""Neither has it one for denoising."""


@dataclass(frozen=True)
class StageSettings:
    """The stage's render settings as authored, possible or not; None: not authored."""

    width: int | None = None
    height: int | None = None
    samples: int | None = None
    denoise: str = ""
    """`previews`, `always` or `never`; anything else counts as never."""
    camera: str | None = None
    conform_policy: str = "expandAperture"
    purposes: frozenset[str] = frozenset({"default", "render"})
    pixel_aspect_ratio: float = 1.0
    data_window: tuple[float, float, float, float] | None = None
    """Data window: left, bottom, right, top; the picture is 0 to 1."""
    prim: str = ""
    prims: tuple[str, ...] = ()
    """The settings and its product."""
    other_products: tuple[str, ...] = ()
    """Products that are not rendered: all but the first."""


def read_settings(stage: Usd.Stage, time: Usd.TimeCode) -> StageSettings:
    """The stage's render settings: those named by its metadata, else the first RenderSettings prim."""
    settings = UsdRender.Settings.GetStageRenderSettings(stage)
    if not settings:
        found = next((prim for prim in stage.Traverse() if prim.IsA(UsdRender.Settings)), None)
        if found is None:
            return StageSettings()
        settings = UsdRender.Settings(found)
    bases: list[UsdRender.SettingsBase] = [settings]
    products = settings.GetProductsRel().GetForwardedTargets()
    for target in products[:1]:
        product = UsdRender.Product.Get(stage, target)
        if product:
            bases.insert(0, product)
    resolution = _authored(bases, "resolution", time)
    policy = _authored(bases, "aspectRatioConformPolicy", time)
    ratio = _authored(bases, "pixelAspectRatio", time)
    purposes = settings.GetIncludedPurposesAttr()
    result = StageSettings(
        width=int(resolution[0]) if resolution is not None else None,
        height=int(resolution[1]) if resolution is not None else None,
        samples=_samples(bases, time),
        denoise=str(_authored(bases, DENOISE_ATTRIBUTE, time) or ""),
        camera=_camera(bases),
        prim=str(settings.GetPath()),
        prims=tuple(str(base.GetPath()) for base in bases),
        other_products=tuple(str(path) for path in products[1:]),
        pixel_aspect_ratio=float(ratio) if ratio is not None else 1.0,
        data_window=_window(_authored(bases, "dataWindowNDC", time)),
        conform_policy=str(policy) if policy is not None else "expandAperture",
    )
    if purposes.HasAuthoredValue():
        asked = {str(purpose) for purpose in get(purposes, time, [])} | {str(UsdGeom.Tokens.default_)}
        return StageSettings(**{**result.__dict__, "purposes": frozenset(asked)})
    return result


def _window(value: Any) -> tuple[float, float, float, float] | None:
    if value is None:
        return None
    left, bottom, right, top = (float(edge) for edge in value)
    return left, bottom, right, top


def _authored(bases: list[UsdRender.SettingsBase], name: str, time: Usd.TimeCode) -> Any:
    for base in bases:
        attribute = base.GetPrim().GetAttribute(name)
        if attribute and attribute.HasAuthoredValue():
            return get(attribute, time, None)
    return None


def _samples(bases: list[UsdRender.SettingsBase], time: Usd.TimeCode) -> int | None:
    for name in SAMPLES_ATTRIBUTES:
        value = _authored(bases, name, time)
        if isinstance(value, int | float) and value >= 1:
            return int(value)
    return None


def _camera(bases: list[UsdRender.SettingsBase]) -> str | None:
    for base in bases:
        targets = base.GetCameraRel().GetForwardedTargets()
        if targets:
            return str(targets[0])
    return None
