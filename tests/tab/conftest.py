"""What tests of the tab share: Katana's API as the host offers it, a tab on a queue that a test steers."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from host import katana_alias

katana_alias.install()

from tests.tab.fake_queue import FakeQueue  # noqa: E402  the alias comes first


@pytest.fixture
def queue() -> FakeQueue:
    """A queue that the test steers."""
    return FakeQueue()


@pytest.fixture
def tab(qtbot: Any, queue: FakeQueue, data_root: Any) -> Iterator[Any]:
    """The tab, shown, on `queue`."""
    from katana_queue.plugins.Tabs.KatanaQueue.tab import KatanaQueueTab

    widget = KatanaQueueTab(None)
    qtbot.addWidget(widget)
    widget.resize(1100, 700)
    widget.attach(queue)
    with qtbot.waitExposed(widget):
        widget.show()
    yield widget
    close_tab(widget)


def close_tab(widget: Any) -> None:
    """Close a tab and see its threads gone."""
    widget.close()
    assert widget.log.reader.wait(60)
    assert widget.pictures.wait(60)  # it waits for the end of its process
    assert widget.actions_of_jobs.missing.frames.wait(60)


@pytest.fixture
def own_log() -> Iterator[Path]:
    """Where a log may be written whose rights count: an administrator, who may read all, is none here."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder, "log")
        log.touch()
        was = os.geteuid()
        if was == 0:
            Path(folder).chmod(0o755)
            os.chown(log, 65534, 65534)
            os.seteuid(65534)
        try:
            yield log
        finally:
            os.seteuid(was)


@pytest.fixture
def settle(qtbot: Any) -> Callable[[Callable[[], bool]], None]:
    """Wait until something holds, with events running."""

    def wait(condition: Callable[[], bool]) -> None:
        qtbot.waitUntil(condition, timeout=60_000)

    return wait


@pytest.fixture
def events() -> Iterator[list[dict[str, Any]]]:
    """The arguments of the events that the tab sends to monitors."""
    from Katana import Utils
    from katana_queue.plugins.Tabs.KatanaQueue.selection_details import JOB_SELECTED_EVENT

    received: list[dict[str, Any]] = []

    def handle(_type: str, _id: object, **arguments: Any) -> None:
        received.append(arguments)

    Utils.EventModule.ProcessAllEvents()  # what other tests queued
    Utils.EventModule.RegisterEventHandler(handle, JOB_SELECTED_EVENT)
    yield received
    Utils.EventModule.UnregisterEventHandler(handle, JOB_SELECTED_EVENT)
