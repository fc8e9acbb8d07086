"""Fonts for the off-screen platform on Windows, where Qt finds none and draws boxes for letters."""

from __future__ import annotations

from collections.abc import MutableMapping

from PySide6.QtGui import QFont

_FOLDER = "QT_QPA_FONTDIR"
"""What Qt's FreeType fonts read; a folder that the user has named is left."""


def use_windows_fonts(environment: MutableMapping[str, str]) -> None:
    """Have Qt take Windows' own fonts. To be called before there is an application, and for no other system.

    Args:
        environment: this process's, where Windows names its folder.
    """
    windows = environment.get("WINDIR") or environment.get("SYSTEMROOT")
    if windows:
        environment.setdefault(_FOLDER, rf"{windows}\Fonts")
    # Off screen, Qt asks for these two families, which no Windows has: any font might come.
    QFont.insertSubstitutions("Sans Serif", ["Segoe UI", "Arial"])
    QFont.insertSubstitutions("monospace", ["Consolas", "Courier New"])
