"""What changed since it was passed on: each record once, in order, and in parts."""

from __future__ import annotations

from kq.change_set import ChangeSet, NamedChanges


def test_a_record_that_changed_often_is_named_once_in_the_order_of_its_first_change() -> None:
    changes = NamedChanges()
    for name in ("b", "a", "b", "c", "a"):
        changes.change(name)
    assert changes.take_changed(2) == ["b", "a"]
    assert changes.take_changed() == ["c"]
    assert not changes


def test_a_removed_record_has_not_changed_and_one_that_came_back_was_not_removed() -> None:
    changes = NamedChanges()
    changes.change("a")
    changes.remove("a")
    changes.remove("b")
    changes.change("b")
    assert changes.take_changed() == ["b"]
    assert changes.take_removed() == ["a"]


def test_a_set_is_true_while_it_holds_anything() -> None:
    changes = ChangeSet()
    assert not changes
    changes.queue = True
    assert changes
    assert changes.take_queue() is True
    assert not changes
    changes.agents.change("a1")
    changes.jobs.remove("job1")
    changes.clear()
    assert not changes
