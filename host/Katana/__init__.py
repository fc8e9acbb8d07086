"""The subset of Katana's Python API that plug-ins use: same names, same signatures as `types-katana`.

What is not in Katana does not appear here; the desktop's own doings are in host.app and host.nodes.
"""

from __future__ import annotations

from PySide6 import QtCore, QtGui, QtWidgets

from . import (
    CatalogAPI,
    Configuration,
    FarmAPI,
    KatanaFile,
    KatanaResources,
    NodegraphAPI,
    Nodes2DAPI,
    RenderManager,
    Shelves,
    Utils,
)
from . import KatanaResources as ResourceFiles
from ._callbacks import Callbacks

from . import UI4  # isort: skip  the tabs need all of the above

__all__ = [
    "UI4",
    "Callbacks",
    "CatalogAPI",
    "Configuration",
    "FarmAPI",
    "KatanaFile",
    "KatanaResources",
    "NodegraphAPI",
    "Nodes2DAPI",
    "QtCore",
    "QtGui",
    "QtWidgets",
    "RenderManager",
    "ResourceFiles",
    "Shelves",
    "Utils",
]
