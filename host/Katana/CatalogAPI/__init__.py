"""CatalogAPI: the renders of the session with their pictures, states, progress, notes and pins."""

from __future__ import annotations

from . import Catalog, CatalogItem, Client
from .Catalog import (
    RENDER_STATE_CANCELLED,
    RENDER_STATE_COMPLETED,
    RENDER_STATE_ERROR,
    RENDER_STATE_IN_PROGRESS,
    RENDER_STATE_NONE,
    CreateCatalogItem,
    DeleteCatalogItems,
    FindCatalogItemBySequenceID,
    GetCatalogItems,
    GetFirstCatalogItem,
    GetLastCatalogItem,
    GetNextCatalogItem,
    GetNumCatalogItems,
    GetPreviousCatalogItem,
)
from .Client import (
    AutoViewCatalogItem,
    GetClientCatalogItems,
    GetPrimaryClientKey,
    IsClientPinned,
    SetClientCatalogItem,
    SetClientPinned,
    kPrimaryView,
    kSecondaryView,
)

__all__ = [
    "RENDER_STATE_CANCELLED",
    "RENDER_STATE_COMPLETED",
    "RENDER_STATE_ERROR",
    "RENDER_STATE_IN_PROGRESS",
    "RENDER_STATE_NONE",
    "AutoViewCatalogItem",
    "Catalog",
    "CatalogItem",
    "Client",
    "CreateCatalogItem",
    "DeleteCatalogItems",
    "FindCatalogItemBySequenceID",
    "GetCatalogItems",
    "GetClientCatalogItems",
    "GetFirstCatalogItem",
    "GetLastCatalogItem",
    "GetNextCatalogItem",
    "GetNumCatalogItems",
    "GetPreviousCatalogItem",
    "GetPrimaryClientKey",
    "IsClientPinned",
    "SetClientCatalogItem",
    "SetClientPinned",
    "kPrimaryView",
    "kSecondaryView",
]
