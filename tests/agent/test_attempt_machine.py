"""What an attempt does next, as lists: states, actions and how it ends. No process runs."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kq.agent import attempt_machine as a
from kq.agent.attempt_machine import AttemptMachine, AttemptState
from kq.errors import IllegalTransition
from kq.states import Outcome, StopMethod


def run(machine: AttemptMachine, *events: msgspec.Struct, at: float = 0.0) -> list[msgspec.Struct]:
    """The actions that follow from all `events`, in order."""
    return [action for event in events for action in machine.handle(event, at)]


def running(commands: int = 1) -> AttemptMachine:
    machine = AttemptMachine(commands)
    run(machine, a.Begun(offered=False), a.CommandStarted())
    return machine


def test_commands_run_in_order_and_what_they_leave_is_ended_between_them() -> None:
    """The second begins when nothing of the first is left."""
    machine = AttemptMachine(2)
    assert run(machine, a.Begun(offered=False)) == [a.StartCommand(0)]
    assert run(machine, a.CommandStarted(), a.CommandEnded(0)) == [a.ClearLeftovers(), a.StartCommand(1)]
    assert run(machine, a.CommandStarted(), a.CommandEnded(0)) == [a.EndAll()]
    assert run(machine, a.TreeGone()) == [a.Conclude()]
    assert (machine.outcome, machine.exit_code) == (Outcome.COMPLETED, 0)


@pytest.mark.parametrize("exit_code", [1, -11, None])
def test_a_command_that_fails_ends_the_attempt(exit_code: int | None) -> None:
    """The next one is not started; an unknown exit code is no success."""
    machine = running(2)
    assert run(machine, a.CommandEnded(exit_code)) == [a.EndAll()]
    assert (machine.outcome, machine.exit_code) == (Outcome.FAILED, exit_code)


def test_a_render_that_is_asked_to_stop_has_its_grace_and_is_then_killed() -> None:
    """A second request can only shorten it."""
    machine = running()
    assert run(machine, a.Stop(grace_s=5.0), at=10.0) == [a.AskToStop()]
    assert machine.deadline == 15.0
    assert run(machine, a.Stop(grace_s=60.0), at=11.0) == []
    assert machine.deadline == 15.0
    assert run(machine, a.Stop(grace_s=1.0), at=11.0) == []
    assert machine.deadline == 12.0
    assert run(machine, a.TimePassed(), at=12.0) == [a.EndAll()]
    assert run(machine, a.TreeGone(exit_code=-9)) == [a.Conclude()]
    assert (machine.outcome, machine.stop_method, machine.exit_code) == (
        Outcome.STOPPED,
        StopMethod.KILLED,
        -9,
    )


def test_a_render_that_obeys_was_asked() -> None:
    """Also where it exits with 0: it did not complete."""
    machine = running()
    run(machine, a.Stop(grace_s=5.0), a.CommandEnded(0), a.TreeGone())
    assert (machine.outcome, machine.stop_method) == (Outcome.STOPPED, StopMethod.ASKED)


def test_the_first_reason_to_stop_is_the_one_that_is_reported() -> None:
    """A person who stops it while it is being ended for its memory changes nothing."""
    machine = running()
    actions = run(machine, a.Stop(Outcome.OUT_OF_MEMORY, "too much", 0.0), a.Stop(grace_s=0.0))
    assert actions == [a.Note("too much", is_error=True), a.EndAll()]
    assert (machine.outcome, machine.reason) == (Outcome.OUT_OF_MEMORY, "too much")


def test_without_resources_a_command_is_tried_again_for_a_while() -> None:
    """Then it fails; it is noted once."""
    machine = AttemptMachine(1)
    run(machine, a.Begun(offered=False))
    refused = a.CommandRefused("no memory", lacks_resources=True)
    (note,) = run(machine, refused, at=0.0)
    assert isinstance(note, a.Note) and not note.is_error
    for second in range(1, 60):
        assert run(machine, a.TimePassed(), at=second) == [a.StartCommand(0)]
        assert run(machine, refused, at=second) == []
    run(machine, a.TimePassed(), at=60.0)
    assert run(machine, refused, at=60.0) == [a.Note("no memory", is_error=True), a.EndAll()]
    assert (machine.outcome, machine.reason) == (Outcome.FAILED, "no memory")


def test_while_it_waits_for_resources_it_can_be_stopped() -> None:
    """Nothing is started afterwards."""
    machine = AttemptMachine(1)
    run(machine, a.Begun(offered=False), a.CommandRefused("no memory", lacks_resources=True))
    assert run(machine, a.Stop(grace_s=5.0)) == [a.EndAll()]
    assert machine.outcome is Outcome.STOPPED


def test_what_was_kept_ready_and_did_not_take_the_render_is_replaced() -> None:
    """The render starts anew, from its first command."""
    machine = AttemptMachine(1)
    assert run(machine, a.Begun(offered=True), at=1.0) == []
    assert machine.deadline == 1.0 + a.STANDBY_TIMEOUT_S
    drop, note, start = run(machine, a.StandbyFailed("died"))
    assert (drop, start) == (a.DropStandby(), a.StartCommand(0))
    assert isinstance(note, a.Note) and "died" in note.text


def test_what_survives_being_killed_is_the_reason() -> None:
    """With a process to look for."""
    machine = running()
    run(machine, a.Stop(), a.TreeGone(survivors=(77, 78)))
    assert "2 processes" in machine.reason and "77" in machine.reason


def test_an_event_that_its_state_does_not_allow_raises_with_the_story() -> None:
    """So that the log of the Agent has what came before."""
    machine = running()
    with pytest.raises(IllegalTransition, match=r"TreeGone in state RUNNING .*NEW Begun STARTING"):
        machine.handle(a.TreeGone(), 3.0)
    assert machine.state is AttemptState.RUNNING


def test_every_state_but_the_last_has_a_way_on_and_takes_a_stop() -> None:
    """NEW and STARTING are over before anything else can happen."""
    for state in AttemptState:
        events = {event for at, event in AttemptMachine.table if at is state}
        assert events, state
        assert a.Stop in events or state in (AttemptState.NEW, AttemptState.STARTING)


EVENTS = st.one_of(
    st.just(a.StandbyTaken()),
    st.just(a.StandbyFailed("died")),
    st.just(a.CommandStarted()),
    st.builds(a.CommandRefused, why=st.just("no"), lacks_resources=st.booleans()),
    st.builds(a.CommandEnded, exit_code=st.sampled_from([0, 1, -9, None])),
    st.builds(
        a.Stop,
        outcome=st.sampled_from([Outcome.STOPPED, Outcome.TIMED_OUT]),
        reason=st.just("why"),
        grace_s=st.sampled_from([0.0, 2.0]),
    ),
    st.just(a.TimePassed()),
    st.builds(a.TreeGone, survivors=st.sampled_from([(), (5,)])),
)


@given(offered=st.booleans(), commands=st.integers(1, 3), events=st.lists(EVENTS, max_size=40))
def test_whatever_happens_it_concludes_once_and_runs_nothing_afterwards(
    offered: bool, commands: int, events: list[msgspec.Struct]
) -> None:
    """One command runs at a time, none after a stop, and only legal events change anything."""
    machine = AttemptMachine(commands)
    actions = run(machine, a.Begun(offered=offered))
    now = 0.0
    for event in events:
        before, outcome = machine.state, machine.outcome
        now += 1.0
        try:
            followed = machine.handle(event, now)
        except IllegalTransition:
            assert machine.state is before
            continue
        assert outcome is None or machine.outcome is outcome
        assert outcome is None or not any(isinstance(each, a.StartCommand) for each in followed)
        actions += followed
    assert actions.count(a.Conclude()) == (machine.state is AttemptState.ENDED)
    assert sum(isinstance(each, a.EndAll) for each in actions) <= 1
    assert machine.state is not AttemptState.ENDED or machine.outcome is not None
