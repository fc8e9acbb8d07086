"""Client: the Catalog items in the Monitor's front and back view. Qt's thread only."""

from __future__ import annotations

from typing import NamedTuple

from ..Utils import EventModule
from .CatalogItem import CatalogItem

__all__ = [
    "AutoViewCatalogItem",
    "GetClientCatalogItems",
    "GetPrimaryClientKey",
    "IsClientPinned",
    "SetClientCatalogItem",
    "SetClientPinned",
    "kPrimaryView",
    "kSecondaryView",
]

kPrimaryView: int = 0
"""The front picture of the Monitor."""
kSecondaryView: int = 1
"""The back picture of the Monitor, with which the front one is compared."""

_PRIMARY_KEY = 1
_shown: dict[int, CatalogItem | None] = {kPrimaryView: None, kSecondaryView: None}
_pinned: set[int] = set()
_VIEW_CHANGED = "catalog_clientViewChanged"
"""Queued with `view` when the item of a view changes. Not in Katana's API."""


class _GSV(NamedTuple):
    """A graph state variable of a render, as in Katana."""

    name: str
    value: str
    enabled: bool


class _CatalogItemProjectSettings:
    """The project settings with which an item was rendered; Katana has it under this name, too."""

    def __init__(self, catalogItem: CatalogItem) -> None:
        self._item = catalogItem

    @property
    def gsvs(self) -> list[_GSV]:
        """The enabled graph state variables."""
        return [_GSV(name, value, True) for name, value in self._item._values.variables.items()]


def GetPrimaryClientKey() -> int:
    """Return the key of the Monitor; the stand-in has one."""
    return _PRIMARY_KEY


def GetClientCatalogItems(clientKey: int) -> tuple[CatalogItem | None, CatalogItem | None]:
    """Return the items in the front and in the back of the Monitor."""
    del clientKey
    shown = [item if item is not None and item.isValid() else None for item in _shown.values()]
    return shown[0], shown[1]


def SetClientCatalogItem(
    clientKey: int, view: int, catalogItem: CatalogItem | None, isUndoable: bool = True
) -> None:
    """Show an item in the front (kPrimaryView) or the back (kSecondaryView) of the Monitor; None: nothing."""
    del clientKey, isUndoable
    _shown[view] = catalogItem
    EventModule.QueueEvent(_VIEW_CHANGED, view, view=view)


def AutoViewCatalogItem(catalogItem: CatalogItem) -> None:
    """Show a new item in front, unless the Monitor is pinned to what it shows."""
    if not IsClientPinned(_PRIMARY_KEY):
        SetClientCatalogItem(_PRIMARY_KEY, kPrimaryView, catalogItem)


def IsClientPinned(clientKey: int) -> bool:
    """Return whether the Monitor keeps what it shows when a new render starts."""
    return clientKey in _pinned


def SetClientPinned(clientKey: int, isPinned: bool) -> None:
    """Set whether the Monitor keeps what it shows when a new render starts."""
    _pinned.discard(clientKey)
    if isPinned:
        _pinned.add(clientKey)
