"""Desktops for tests: each begins with nothing loaded, and settings and folders of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import shiboken6
from PySide6.QtCore import QCoreApplication, QEvent
from PySide6.QtWidgets import QApplication

from host import katana_alias
from host.app import style
from host.app.desktop import Desktop
from host.Katana import CatalogAPI, Configuration, Shelves
from host.Katana._callbacks import Callbacks
from host.Katana.FarmAPI import FarmPluginManager
from host.Katana.UI4.App import Tabs
from host.Katana.UI4.FormMaster.NodeActionDelegate import NodeActionDelegate
from host.Katana.Utils import EventModule, Plugins
from host.nodes import scene

DATA = Path(__file__).parent / "data"
SMALL = DATA / "small.usda"

MakeDesktop = Callable[..., Desktop]


def forget_session() -> None:
    """Forget all that a session keeps at module level, of which Katana has one a process."""
    scene._scene = scene.Scene()
    Callbacks._handlers.clear()
    Configuration._values.clear()
    FarmPluginManager._farms.clear()
    FarmPluginManager._default_farm = ""
    Plugins._loaded.clear()
    Tabs._types.clear()
    Tabs._open.clear()
    Shelves._loaded = None
    NodeActionDelegate._delegates.clear()
    EventModule._handlers.clear()
    EventModule._collapsed.clear()
    EventModule._queue.clear()
    EventModule._wakers.clear()
    CatalogAPI.CatalogItem._items.clear()
    CatalogAPI.Client._shown.update({CatalogAPI.kPrimaryView: None, CatalogAPI.kSecondaryView: None})
    CatalogAPI.Client._pinned.clear()


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Nothing of an earlier session, and the user's folder beneath the test's own."""
    monkeypatch.setenv("KATANA_USER_RESOURCE_DIRECTORY", str(tmp_path / "user"))
    monkeypatch.setenv("KATANA_RESOURCES", str(DATA / "resources"))
    monkeypatch.setenv("LOCAL_FARM_ROOT", str(tmp_path))
    monkeypatch.delenv("LOCAL_FARM_REFUSES", raising=False)
    katana_alias.install()
    forget_session()
    yield tmp_path
    forget_session()


@pytest.fixture
def make_desktop(fresh: Path, qapp: QApplication, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeDesktop]:
    """Return what makes and starts a desktop; all are closed when the test ends."""
    style.apply(qapp)
    made: list[Desktop] = []

    def make(*resources: Path, keeps_settings: bool = False) -> Desktop:
        if resources:
            monkeypatch.setenv("KATANA_RESOURCES", os.pathsep.join(str(path) for path in resources))
        desktop = Desktop(keeps_settings=keeps_settings, asks=False)
        made.append(desktop)
        desktop.start()
        return desktop

    yield make
    for desktop in made:
        shut(desktop)


def shut(desktop: Desktop) -> None:
    """Close the window and end the session, as quitting does."""
    if not shiboken6.isValid(desktop):
        return
    desktop.window.close()
    desktop.close()
    desktop.window.deleteLater()
    desktop.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
