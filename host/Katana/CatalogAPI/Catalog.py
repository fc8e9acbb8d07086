"""Catalog: creates, deletes, lists and finds the session's items. Qt's thread only."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from ..Utils import EventModule
from .CatalogItem import _IN_PROGRESS, _NO_STATE, CatalogItem, _items, _Values

__all__ = [
    "RENDER_STATE_CANCELLED",
    "RENDER_STATE_COMPLETED",
    "RENDER_STATE_ERROR",
    "RENDER_STATE_IN_PROGRESS",
    "RENDER_STATE_NONE",
    "CreateCatalogItem",
    "DeleteCatalogItems",
    "FindCatalogItemBySequenceID",
    "GetCatalogItems",
    "GetFirstCatalogItem",
    "GetLastCatalogItem",
    "GetNextCatalogItem",
    "GetNumCatalogItems",
    "GetPreviousCatalogItem",
]

RENDER_STATE_NONE: str = _NO_STATE
RENDER_STATE_IN_PROGRESS: str = _IN_PROGRESS
RENDER_STATE_COMPLETED: str = "completed"
RENDER_STATE_CANCELLED: str = "cancelled"
RENDER_STATE_ERROR: str = "error"

_numbers = itertools.count(1)
_LIST_CHANGED = "catalog_itemsChanged"
"""Queued when items are added or deleted. Not in Katana's API."""


def CreateCatalogItem(itemXML: str = "") -> CatalogItem:
    """Add an empty item at the top and return it; `itemXML`, Katana's stored form, is not read."""
    del itemXML
    item = CatalogItem(f"catalog{next(_numbers)}")
    before = dict(_items)
    _items.clear()
    _items.update({item.getCatalogItemID(): _Values(), **before})
    EventModule.QueueEvent(_LIST_CHANGED, None)
    return item


def DeleteCatalogItems(items: Iterable[CatalogItem]) -> None:
    """Delete these items from the Catalog; items that are deleted already are ignored."""
    for item in tuple(items):
        _items.pop(item.getCatalogItemID(), None)
    EventModule.QueueEvent(_LIST_CHANGED, None)


def FindCatalogItemBySequenceID(sequenceID: int) -> CatalogItem | None:
    """Return the item of the render with that sequence ID, or None."""
    for item_id, values in _items.items():
        if sequenceID in values.sequence_ids:
            return CatalogItem(item_id)
    return None


def GetCatalogItems(slot: int | None = None) -> list[CatalogItem]:
    """Return the items, newest first: all of them, or those of a slot."""
    return [CatalogItem(item_id) for item_id, values in _items.items() if slot in (None, values.slot)]


def GetNumCatalogItems(slot: int | None) -> int:
    """Return the number of items in a slot; with None, of all items."""
    return len(GetCatalogItems(slot))


def GetFirstCatalogItem(slot: int | None = None) -> CatalogItem | None:
    """Return the newest item, or None."""
    return next(iter(GetCatalogItems(slot)), None)


def GetLastCatalogItem(slot: int | None = None) -> CatalogItem | None:
    """Return the oldest item, or None."""
    return next(reversed(GetCatalogItems(slot)), None)


def GetNextCatalogItem(item: CatalogItem, slot: int | None = None) -> CatalogItem | None:
    """Return the item below `item`, or None."""
    items = GetCatalogItems(slot)
    below = items[items.index(item) + 1 :] if item in items else []
    return next(iter(below), None)


def GetPreviousCatalogItem(item: CatalogItem, slot: int | None = None) -> CatalogItem | None:
    """Return the item above `item`, or None."""
    items = GetCatalogItems(slot)
    above = items[: items.index(item)] if item in items else []
    return next(reversed(above), None)
