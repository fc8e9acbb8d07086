"""The tab in a desktop whose style sheet gives every widget a ground, a frame and colours of its own."""

from __future__ import annotations

from typing import Any

import pytest
from katana_queue.kq.api import ConnectionStatus, JobState
from PySide6.QtCore import QPoint, QRect
from PySide6.QtWidgets import QToolButton, QWidget

from host.app import style
from tests.tab.fake_queue import FakeQueue, make_job
from tests.tab.using import Settle


@pytest.fixture
def styled(tab: Any) -> Any:
    """The tab, below that style sheet."""
    tab.setStyleSheet(style.sheet())
    return tab


def colours(widget: QWidget, area: QRect) -> set[str]:
    """The colours that `widget` draws in a part of it."""
    image = widget.grab(area).toImage()
    return {image.pixelColor(x, y).name() for x in range(image.width()) for y in range(image.height())}


def test_a_banner_has_one_ground(styled: Any, queue: FakeQueue, settle: Settle) -> None:
    """Its label does not cover the tint that says what is the case."""
    queue.change(status=ConnectionStatus.LOST, message="gone")
    settle(lambda: styled.banner.isVisible() and "gone" in styled.banner.text.casefold())
    banner = styled.banner
    right_of_text = QPoint(banner.width() // 2, 0)
    assert (
        len(colours(banner, QRect(right_of_text, QPoint(right_of_text.x() + 20, banner.height() - 1)))) == 1
    )


def test_a_button_that_is_checked_is_seen_to_be(styled: Any, queue: FakeQueue, settle: Settle) -> None:
    """*Follow the End* is, beside *Wrap Lines*, which is not: their edges differ."""
    queue.change([make_job(1, JobState.COMPLETED)])
    settle(lambda: styled.model.shown == 1)
    buttons = {
        action: next(
            each for each in styled.log.tools.controls
            if isinstance(each, QToolButton) and each.defaultAction() is action
        )
        for action in (styled.log.follow_action, styled.log.wrap_action)
    }  # fmt: skip
    edges = [colours(button, QRect(0, 8, 1, button.height() - 16)) for button in buttons.values()]
    assert styled.log.follow_action.isChecked() and not styled.log.wrap_action.isChecked()
    assert edges[0] != edges[1]
