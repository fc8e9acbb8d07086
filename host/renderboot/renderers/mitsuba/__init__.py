"""The mitsuba renderer plug-in: a neutral scene as a mitsuba one. The only importer of mitsuba."""

from __future__ import annotations

from .plugin import MitsubaRenderer


def create() -> MitsubaRenderer:
    """The renderer, its variant chosen."""
    return MitsubaRenderer()
