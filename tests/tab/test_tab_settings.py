"""The tab's settings as Katana saves them: of this version, an older and a newer one, and damaged."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from katana_queue.plugins.Tabs.KatanaQueue.models import tab_settings
from katana_queue.plugins.Tabs.KatanaQueue.models.columns import Column

from tests.tab.fake_queue import FakeQueue, make_job
from tests.tab.using import Settle

OLD = {
    "columns": {
        "order": ["name", "state", "reason"],
        "hidden": ["picture"],
        "widths": {"name": 300},
        "sort": "name",
        "descending": False,
    },
    "splitter": [200, 300],
    "details": "Agents",
    "notify": False,
    "wrap": True,
}
"""As the first version saved them, without a version."""


def test_settings_come_back(tab: Any, settle: Settle) -> None:
    """What was saved is what is restored."""
    tab.details.show_page("Picture")
    tab.log.wrap_action.setChecked(True)
    saved = tab.getSettings()
    assert saved[tab_settings.KEY]["version"] == tab_settings.VERSION
    tab.details.show_page("Log")
    tab.log.wrap_action.setChecked(False)
    tab.applySettings(saved)
    assert (tab.details.current_name(), tab.log.wrap_action.isChecked()) == ("Picture", True)


def test_settings_of_an_older_version_are_migrated(tab: Any, queue: FakeQueue, settle: Settle) -> None:
    """An arrangement by hand stays one, though it was not called so."""
    queue.change([make_job(1)])
    settle(lambda: tab.view.isVisible())
    tab.applySettings({tab_settings.KEY: OLD})
    header = tab.view.horizontalHeader()
    assert not tab.view.columns.is_fitted
    assert header.sectionSize(Column.NAME) == 300
    assert header.isSectionHidden(Column.PICTURE)
    assert header.visualIndex(Column.REASON) == 2
    assert tab.details.current_name() == "Agents"
    assert tab.log.wrap_action.isChecked()
    assert not tab.notify_action.isChecked()


@pytest.mark.parametrize("version", [tab_settings.VERSION + 1, "3.1", None])
def test_settings_of_a_newer_version_are_ignored_with_a_log_line(
    tab: Any, caplog: pytest.LogCaptureFixture, version: Any
) -> None:
    """They may mean something else: the tab keeps its own, and the log says why."""
    with caplog.at_level(logging.WARNING, logger="KatanaQueue"):
        tab.applySettings({tab_settings.KEY: {**OLD, "version": version}})
    assert tab.details.current_name() == "Log"
    assert tab.view.columns.is_fitted
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert str(version) in caplog.text


@pytest.mark.parametrize(
    "damaged",
    [
        "nonsense",
        {"columns": 7, "splitter": ["a", 1], "details": 3},
        {"splitter": [0, -5], "columns": {"order": 1, "hidden": "x", "widths": [1], "chosen": 3, "sort": []}},
        {"columns": {"fitted": "x", "widths": {"name": -4, "unknown": 9}, "chosen": {"unknown": True}}},
    ],
)
def test_damaged_settings_harm_nothing(tab: Any, damaged: Any) -> None:
    """What cannot be used is left out."""
    before = tab.splitter.sizes()
    tab.applySettings({tab_settings.KEY: damaged})
    assert tab.splitter.sizes() == before
    assert tab.details.current_name() == "Log"


def test_the_log_of_a_preview_is_in_sight_in_a_low_panel(tab: Any, settle: Settle) -> None:
    """With its progress folded it has seven lines. The desktop's panel is as high at 1600 by 1000 pixels."""
    tab.resize(1080, 335)
    settle(lambda: tab.height() == 335 and tab.log.view.isVisible())
    assert tab.log.view.viewport().height() >= 7 * tab.log.view.fontMetrics().lineSpacing()
