"""Keeps each panel's share of the window's size. Qt would give every column the same number of pixels."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDockWidget, QMainWindow

_DIRECTIONS = (Qt.Orientation.Horizontal, Qt.Orientation.Vertical)


class PanelShares:
    """The shares of width and height of the docks of `window`, by the names in `docks`. Qt's thread.

    `docks` is the window's own mapping, which changes as tabs open. Values are from 0 to 1.
    """

    def __init__(self, window: QMainWindow, docks: Mapping[str, QDockWidget]) -> None:
        self._window = window
        self._docks = docks
        self._shares: dict[str, tuple[float, float]] = {}
        self._is_restored = False

    def remember(self) -> None:
        """Take the shares from the panels as they are now. Those that are covered or closed have none."""
        if self._is_restored:
            # Only now: before, Qt had not laid out the panels in the window's final size.
            self._is_restored = False
            self.apply()
        size = self._window.size()
        found = {
            name: (dock.width() / size.width(), dock.height() / size.height())
            for name, dock in self._docks.items()
            if not dock.visibleRegion().isEmpty()
        }
        self._shares = found or self._shares

    def apply(self) -> None:
        """Give the panels their shares of the window's size, as far as their minimum sizes permit."""
        size = self._window.size()
        wanted = [
            (dock, share)
            for name, share in self._shares.items()
            if (dock := self._docks.get(name)) is not None and not dock.isHidden()
        ]
        for direction, pixels, place in zip(_DIRECTIONS, (size.width(), size.height()), (0, 1), strict=True):
            sizes = [max(1, round(share[place] * pixels)) for _, share in wanted]
            self._window.resizeDocks([dock for dock, _ in wanted], sizes, direction)

    def saved(self) -> dict[str, list[float]]:
        """Return the shares for the settings."""
        return {name: list(share) for name, share in self._shares.items()}

    def restore(self, saved: object) -> None:
        """Take the shares from the settings, without what is invalid, for when the window is shown."""
        if not isinstance(saved, dict):
            return
        for name, share in saved.items():
            if (
                isinstance(share, list)
                and len(share) == 2
                and all(isinstance(part, int | float) and 0 < part <= 1 for part in share)
            ):
                self._shares[name] = (float(share[0]), float(share[1]))
        self._is_restored = bool(self._shares)
