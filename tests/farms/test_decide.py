"""The decision core of farms, as tables and by properties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kq.farms.decide import (
    RECORD_DELAY_S,
    AttemptFile,
    EngineState,
    EngineStatus,
    Poll,
    TaskView,
    decide_task,
    poll_delay_s,
)
from kq.states import Outcome, TaskState

AT = 1000.0
LATER = Poll(AT + 2 * RECORD_DELAY_S, True)
BEFORE = TaskView(TaskState.RUNNING, "before", 2, "n1")
OLD = AttemptFile(
    task=0, attempt=1, started=AT - 100, token="old", ended=AT - 90, outcome=Outcome.FAILED, exit_code=1
)


def attempt(outcome: Outcome | None, **more: object) -> AttemptFile:
    """An attempt of the latest submission."""
    ended = None if outcome is None else AT + 10
    return AttemptFile(task=0, attempt=2, started=AT + 1, token="new", ended=ended, outcome=outcome, **more)  # type: ignore[arg-type]


def decided(
    row: EngineState | None,
    *attempts: AttemptFile,
    poll: Poll | None = LATER,
    stop: bool = False,
    over_since: float = AT,
) -> TaskView:
    """What is decided of a task that was Running at last."""
    return decide_task(
        None if row is None else EngineStatus(row, "why", "n1"),
        attempts,
        token="new",
        submitted=AT,
        poll=poll,
        is_stop_wanted=stop,
        previous=BEFORE._replace(over_since=over_since),
    )


@pytest.mark.parametrize(
    ("row", "attempts", "stop", "state"),
    [
        (EngineState.PENDING, [], False, TaskState.WAITING),
        (EngineState.RUNNING, [attempt(None)], False, TaskState.RUNNING),
        (EngineState.RUNNING, [attempt(None)], True, TaskState.STOPPING),
        (EngineState.COMPLETING, [attempt(Outcome.FAILED, exit_code=3)], False, TaskState.RUNNING),
        (EngineState.RUNNING, [attempt(Outcome.COMPLETED)], False, TaskState.COMPLETED),
        (None, [attempt(Outcome.COMPLETED)], True, TaskState.COMPLETED),
        (EngineState.FAILED, [attempt(Outcome.FAILED, exit_code=3)], False, TaskState.FAILED),
        (None, [attempt(Outcome.FAILED, exit_code=3)], False, TaskState.FAILED),
        (None, [attempt(Outcome.STOPPED)], True, TaskState.CANCELLED),
        (EngineState.CANCELLED, [attempt(Outcome.STOPPED)], False, TaskState.CANCELLED),
        (EngineState.TIMED_OUT, [attempt(Outcome.STOPPED)], False, TaskState.FAILED),
        (EngineState.TIMED_OUT, [attempt(None)], False, TaskState.FAILED),
        (EngineState.CANCELLED, [], False, TaskState.CANCELLED),
        (EngineState.NODE_LOST, [attempt(None)], False, TaskState.FAILED),
        (EngineState.FAILED, [], False, TaskState.FAILED),
        (EngineState.COMPLETED, [attempt(None)], False, TaskState.FAILED),
        (None, [attempt(None)], False, TaskState.FAILED),
        (None, [], False, TaskState.FAILED),
        (None, [], True, TaskState.CANCELLED),
        (EngineState.PENDING, [OLD], False, TaskState.WAITING),
        (None, [OLD], False, TaskState.FAILED),
    ],
)
def test_states(row: EngineState | None, attempts: list[AttemptFile], stop: bool, state: TaskState) -> None:
    """Long after the submission, with an engine that answers."""
    assert decided(row, *attempts, stop=stop).state is state


def test_a_record_may_take_its_time() -> None:
    """What ended without a record is not called failed before a share has had time to show the record."""
    soon = Poll(AT + 1 + RECORD_DELAY_S / 2, True)
    assert decided(EngineState.COMPLETED, attempt(None), poll=soon).state is TaskState.RUNNING
    assert decided(None, attempt(None), poll=soon).state is TaskState.RUNNING


@pytest.mark.parametrize("row", [EngineState.COMPLETED, EngineState.FAILED, None])
@pytest.mark.parametrize("tries", [[attempt(None)], []])
def test_the_record_of_a_long_task_may_take_its_time_too(
    row: EngineState | None, tries: list[AttemptFile]
) -> None:
    """The time is counted from when the engine has ended it, not from its start or submission."""
    if row is EngineState.FAILED and not tries:
        return  # it was never started, and the engine has the reason
    view = decided(row, *tries, poll=LATER, over_since=0)
    assert view == BEFORE._replace(over_since=LATER.at)
    soon = Poll(LATER.at + RECORD_DELAY_S / 2, True)
    assert decided(row, *tries, poll=soon, over_since=view.over_since) == view
    late = Poll(LATER.at + RECORD_DELAY_S, True)
    assert decided(row, *tries, poll=late, over_since=view.over_since).state is TaskState.FAILED
    assert decided(EngineState.RUNNING, *tries, poll=soon, over_since=view.over_since).over_since == 0


def test_what_failed_without_a_reason_may_have_a_record_on_its_way() -> None:
    """It has the error and the log; what the engine could not start has none after a while."""
    row, poll = EngineStatus(EngineState.FAILED), Poll(AT + RECORD_DELAY_S / 2, True)

    def view(at: Poll) -> TaskView:
        return decide_task(
            row,
            [],
            token="new",
            submitted=AT,
            poll=at,
            is_stop_wanted=False,
            previous=BEFORE._replace(over_since=AT),
        )

    assert view(poll).state is TaskState.RUNNING
    late = view(LATER)
    assert late.state is TaskState.FAILED and "could not start" in late.reason


def test_an_engine_may_not_list_a_task_at_once() -> None:
    """Nothing is concluded from a list that is older than the submission, or hardly younger."""
    assert decided(None, poll=Poll(AT + 1, True)).state is TaskState.RUNNING
    assert decided(EngineState.CANCELLED, poll=Poll(AT + 1, True)).state is TaskState.RUNNING


ATTEMPTS = st.lists(
    st.builds(
        AttemptFile,
        task=st.just(0),
        attempt=st.integers(1, 5),
        started=st.floats(AT - 500, AT + 500),
        token=st.sampled_from(["old", "new"]),
        outcome=st.sampled_from([None, Outcome.COMPLETED, Outcome.FAILED, Outcome.STOPPED]),
        exit_code=st.integers(-15, 255),
    ),
    max_size=4,
    unique_by=lambda each: each.attempt,
).map(lambda found: sorted(found, key=lambda each: each.attempt))
ROWS = st.none() | st.sampled_from(EngineState)


@given(ROWS, ATTEMPTS, st.booleans(), st.floats(AT - 100, AT + 1000), st.booleans())
def test_rules_that_hold_always(
    row: EngineState | None, attempts: list[AttemptFile], stop: bool, at: float, is_current: bool
) -> None:
    """What is rendered stays so, silence changes nothing, and what the engine still has is not over."""
    view = decided(row, *attempts, poll=Poll(at, is_current), stop=stop)
    if any(each.outcome is Outcome.COMPLETED for each in attempts):
        assert view.state is TaskState.COMPLETED
    elif not is_current:
        assert view == BEFORE._replace(over_since=AT)
    elif row is not None and row.is_live:
        assert not view.state.is_terminal
    if view.state is TaskState.FAILED:
        assert view.reason
        assert is_current
    if view.state is TaskState.COMPLETED:
        assert any(each.outcome is Outcome.COMPLETED for each in attempts)


def test_how_often_an_engine_is_asked() -> None:
    """Every 5 s while something is live, more rarely without an answer, never when all is over."""
    assert poll_delay_s(has_live_tasks=False, failed_polls=0) is None
    delays = [poll_delay_s(has_live_tasks=True, failed_polls=count) for count in range(6)]
    assert delays == [5, 10, 20, 40, 60, 60]
    assert poll_delay_s(has_live_tasks=True, failed_polls=10_000) == 60


def test_a_busy_engine_is_asked_more_rarely() -> None:
    """So that thousands of desktops together do not keep it from its work."""
    delays = [
        poll_delay_s(has_live_tasks=True, failed_polls=0, answer_s=took) for took in (0.02, 0.1, 0.5, 1, 9)
    ]
    assert delays == [5, 5, 25, 50, 60]
    assert poll_delay_s(has_live_tasks=True, failed_polls=1, answer_s=0.5) == 25
    assert poll_delay_s(has_live_tasks=False, failed_polls=0, answer_s=9) is None
