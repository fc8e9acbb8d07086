"""The shelf's icons: a host shows them as the files are, on whatever ground it has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ICONS = Path(__file__).parents[2] / "resources" / "Icons"
DARK, LIGHT = "#2b2b2b", "#efefef"
"""Windows of a dark desktop, as Katana's is, and of Qt's own light palette."""
_LEAST_CONTRAST = 3.0
"""What WCAG asks of what is no text (success criterion 1.4.11)."""


def luminance(colour: str) -> float:
    """The relative luminance of `#rrggbb`, by WCAG's definition."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("ground", [DARK, LIGHT])
@pytest.mark.parametrize("icon", sorted(ICONS.glob("*.svg")), ids=lambda path: path.name)
def test_icons_stand_out_from_a_dark_and_a_light_ground(icon: Path, ground: str) -> None:
    """Every colour of them."""
    colours = re.findall(r'(?:stroke|fill)="(#[0-9a-f]{6})"', icon.read_text())
    assert colours
    for colour in colours:
        darker, lighter = sorted((luminance(colour), luminance(ground)))
        assert (lighter + 0.05) / (darker + 0.05) >= _LEAST_CONTRAST, f"{colour} on {ground}"
