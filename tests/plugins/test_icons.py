"""The icons of the tab and the dialogs: SVG files, each drawn in the colour that is asked for."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from katana_queue.plugins.ui import icons
from PySide6.QtGui import QColor, QIcon, QPalette

PLUGINS = Path(__file__).parents[2] / "plugins"


def test_every_icon_that_is_used_is_a_file() -> None:
    """No icon is blank for want of a file."""
    text = "".join(path.read_text() for path in PLUGINS.rglob("*.py"))
    named = set(re.findall(r'(?:act|_action)\(\s*"[^"]+",\s*"(\w+)"', text))
    assert len(named) > 15
    named |= set(icons._STATE_ICONS.values())
    assert named <= {path.stem for path in icons.FOLDER.glob("*.svg")}


@pytest.mark.parametrize("path", sorted(icons.FOLDER.glob("*.svg")), ids=lambda path: path.stem)
def test_an_icon_has_the_colour_of_the_palette(path: Path, qapp: Any) -> None:
    """Drawn in the text's colour of a dark and of a light palette, and in no other."""
    for colour in ("#ffffff", "#101010"):
        palette = QPalette()
        palette.setColor(QPalette.ColorRole.ButtonText, QColor(colour))
        image = icons.tool_icon(path.stem, palette).pixmap(16, 16, QIcon.Mode.Normal).toImage()
        seen = [image.pixelColor(x, y) for x in range(image.width()) for y in range(image.height())]
        opaque = [pixel for pixel in seen if pixel.alpha() > 200]
        assert len(opaque) > 5
        assert {pixel.name() for pixel in opaque if pixel.alpha() == 255} <= {colour}


def test_without_qt_svg_the_rest_works(qapp: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A desktop that leaves the module out has blank icons."""
    monkeypatch.setattr(icons, "QSvgRenderer", None)
    icons._pixmap.cache_clear()
    assert not icons.state_pixmap("Failed", QPalette(), 1.0).isNull()
    icons._pixmap.cache_clear()
