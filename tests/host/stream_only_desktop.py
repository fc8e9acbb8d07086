"""A program of the tests: the desktop with the queue, and a preview whose render prints nothing at all.

Prints a line of JSON: what tab, Catalog and Monitor show while it renders and when it has ended.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtCore import QEventLoop, QTimer
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication, QWidget

from host import session
from host.app import style
from host.app.catalog_tab import CatalogTab
from host.app.desktop import Desktop
from host.app.monitor import Monitor
from host.Katana import CatalogAPI
from host.Katana.CatalogAPI.CatalogItem import CatalogItem
from host.Katana.FarmAPI import FarmPluginManager
from host.Katana.UI4.App import Tabs
from host.nodes.scene import active_scene
from host.render_service import RenderMethod

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 120.0
SILENT = """import os, runpy, sys
null = os.open(os.devnull, os.O_WRONLY)
os.dup2(null, 1), os.dup2(null, 2)
sys.path.insert(0, sys.argv.pop(1))
runpy.run_module("host.renderboot", run_name="__main__", alter_sys=True)
"""


def until(true: Callable[[], object], what: str) -> None:
    """Run Qt's loop until `true()`, or fail."""
    loop, timer, give_up = QEventLoop(), QTimer(), time.monotonic() + TIMEOUT_S
    timer.timeout.connect(lambda: loop.quit() if true() or time.monotonic() > give_up else None)
    timer.start(20)
    loop.exec()
    assert true(), f"not seen within {TIMEOUT_S:.0f} s: {what}"


def is_drawn(image: QImage) -> bool:
    """Whether a picture has more than one colour."""
    points = [(x, y) for x in range(0, image.width(), 3) for y in range(0, image.height(), 3)]
    return len({image.pixel(x, y) for x, y in points}) > 1


def is_in_front(tab: QWidget) -> bool:
    """Whether a tab is the one of its dock area that is shown."""
    return not tab.visibleRegion().isEmpty()


def from_the_jobs_menu(
    tab: Any, job_id: str, item: CatalogItem, catalog: CatalogTab
) -> dict[str, dict[str, object]]:
    """What *Show in Monitor* and *Show in Catalog* do after the artist has selected another item."""
    from katana_queue.plugins.Tabs.KatanaQueue.job_menu import job_menu

    client, seen = CatalogAPI.GetPrimaryClientKey(), {}
    shown, chosen = CatalogAPI.CreateCatalogItem(), CatalogAPI.CreateCatalogItem()
    until(lambda: catalog.model.rowCount() == 3, "the other items")
    for text in ("Show in Monitor", "Show in Catalog"):
        CatalogAPI.SetClientCatalogItem(client, CatalogAPI.kPrimaryView, shown)
        catalog.table.selectRow(chosen.getIndex())
        Tabs.FindTopTab("Katana Queue", True)
        until(lambda: is_in_front(tab) and not is_in_front(catalog), "the queue's tab in front")
        tab.view.show_job(job_id)
        menu = job_menu(tab.actions_of_jobs, tab.catalog_actions, tab.send_to, tab)
        [action] = [each for each in menu.actions() if each.text() == text]
        assert action.isEnabled(), text
        action.trigger()
        menu.close()
        if text == "Show in Catalog":
            until(lambda: is_in_front(catalog), "the Catalog in front")
        seen[text] = {
            "in the Monitor": CatalogAPI.GetClientCatalogItems(client)[0] == item,
            "selected": catalog.selected_items() == [item],
        }
    if os.environ.get("KQ_TEST_PICTURES"):
        catalog.window().grab().save(str(Path(os.environ["KQ_TEST_PICTURES"], "show-in-catalog.png")))
    return seen


def main() -> None:
    application = QApplication([])
    style.apply(application)
    script = Path(os.environ["KQ_DATA_ROOT"]).parent / "silent.py"
    script.write_text(SILENT)
    session.renderboot_command = lambda: [sys.executable, str(script), str(ROOT)]
    desktop = Desktop(keeps_settings=False, asks=False)
    desktop.start()
    from katana_queue.kq.api import current_session

    until(lambda: current_session() is not None, "the session")
    queue = current_session()
    assert queue is not None
    until(lambda: queue.ready is not None or queue.failure, "the Agents")
    assert queue.ready is not None, queue.failure
    assert desktop.window.documents.open(ROOT / "tests" / "host" / "data" / "small.usda")
    settings = active_scene().graph.node("RenderSettings")
    for name, value in (("width", 160), ("height", 90), ("samples", 1024)):
        settings.set_value(name, value)
    tab = Tabs.FindTopTab("Katana Queue", True)
    catalog, monitor = Tabs.FindTopTab("Catalog"), Tabs.FindTopTab("Monitor")
    assert isinstance(catalog, CatalogTab) and isinstance(monitor, Monitor)
    tab.details.show_page("Picture")
    desktop.renders.start("Render", FarmPluginManager.GetDefaultFarm(), RenderMethod.PREVIEW)
    until(lambda: tab.model.total == 1, "the job in the tab")
    [job_id] = [job.id for job in queue.client.jobs()]
    item = CatalogAPI.GetFirstCatalogItem()
    assert item is not None

    def shown() -> dict[str, object]:
        """What each place shows of the render now."""
        picture = tab.pictures.unsaved(job_id)
        thumbnail = item.getThumbnailPixmap()
        return {
            "file": queue.client.job(job_id).picture,
            "printed": queue.client.job(job_id).progress if state() == "Running" else None,
            "tab progress": tab.model.job(job_id).progress,
            "tab picture": picture is not None and is_drawn(picture.toImage()),
            "tab canvas": tab.picture.canvas.has_picture,
            "catalog progress": item.getRenderProgress(),
            "catalog picture": thumbnail is not None and is_drawn(thumbnail.toImage()),
            "monitor picture": is_drawn(desktop.pictures.image(item.getMainSequenceID())),
            "monitor header": monitor.header,
        }

    def state() -> str:
        return str(queue.client.job(job_id).state)

    def has_begun() -> bool:
        now = shown()
        return state() == "Completed" or bool(
            now["tab picture"] and now["tab canvas"] and now["tab progress"]
        )

    until(has_begun, "a picture")
    during = {**shown(), "state": state()}
    if os.environ.get("KQ_TEST_PICTURES"):
        desktop.window.grab().save(str(Path(os.environ["KQ_TEST_PICTURES"], "stream-only.png")))
    until(lambda: state() == "Completed" and monitor.settled, "the end")
    until(lambda: tab.model.job(job_id).state == "Completed" and shown()["tab canvas"], "the last picture")
    after = shown()
    print(
        json.dumps(
            {
                "during": during,
                "after": after,
                "log": Path(queue.client.job(job_id).log_file).read_text(),
                "actions": from_the_jobs_menu(tab, job_id, item, catalog),
            }
        )
    )
    desktop.window.close()
    desktop.close()
    assert queue.wait(60)
    for thread in (tab.log.reader, tab.pictures):
        thread.close()
        assert thread.wait(60)


if __name__ == "__main__":
    main()
