"""When a live render is cooked: one at a time, of the newest state."""

from __future__ import annotations

from host.app.live_feed import LiveFeed


def test_changes_while_it_cooks_are_one_cook_more() -> None:
    """However many there are; and none where nothing has changed since."""
    feed = LiveFeed()
    assert [feed.changed() for _ in range(30)] == [True] + [False] * 29
    assert [feed.cooked(), feed.cooked()] == [True, False]
    assert feed.changed()


def test_a_paused_render_is_cooked_when_it_goes_on() -> None:
    """Once, if something has changed meanwhile."""
    feed = LiveFeed()
    assert feed.changed()
    assert not feed.paused(True)
    assert not feed.changed()
    assert not feed.cooked()
    assert feed.paused(False)
    assert not feed.cooked()
    assert [feed.paused(True), feed.paused(False)] == [False, False]
