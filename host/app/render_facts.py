"""The facts about a picture that the Monitor's header shows: camera, samples, whether it is denoised."""

from __future__ import annotations

from PySide6.QtGui import QImage

from .render_state import Render

_MAX_FACT = 60
"""Longer texts of a picture's header are cut to this many characters."""


def facts_of(render: Render) -> list[str]:
    """Return the camera and the samples of `render`, as far as they are known."""
    facts = [render.camera] if render.camera else []
    return [*facts, _samples(render.samples)] if render.samples else facts


def facts_in(image: QImage) -> list[str]:
    """Return the facts in the header of a picture of renderboot; else nothing."""
    camera, samples = (image.text(name)[:_MAX_FACT] for name in ("camera", "samples"))
    return [camera, *([_samples(samples)] if samples else []), *denoised(image)] if camera else []


def denoised(image: QImage) -> list[str]:
    """Return the fact that the picture is denoised, if its header has it."""
    return ["denoised"] if image.text("denoiser") else []


def _samples(count: int | str) -> str:
    return f"{count} sample" if str(count) == "1" else f"{count} samples"
