"""What an attempt on another machine does next, as lists. Nothing is fetched, rendered or sent."""

from __future__ import annotations

import msgspec
import pytest

from kq.agent import remote_machine as r
from kq.agent.attempt_machine import Stop, TimePassed
from kq.agent.remote_machine import RemoteMachine, RemoteState
from kq.errors import IllegalTransition
from kq.states import Outcome


def run(machine: RemoteMachine, *events: msgspec.Struct, at: float = 0.0) -> list[msgspec.Struct]:
    return [action for event in events for action in machine.handle(event, at)]


def rendering(*, streams: bool = True) -> RemoteMachine:
    machine = RemoteMachine()
    run(machine, r.Begun(streams=streams, fetches=False))
    return machine


def test_the_folder_comes_first_and_the_pictures_go_last() -> None:
    """Fetched, rendered, returned."""
    machine = RemoteMachine()
    assert run(machine, r.Begun(streams=True, fetches=True)) == [r.FetchFolder()]
    assert run(machine, r.FolderFetched()) == [r.StartRender()]
    assert run(machine, r.RenderEnded()) == [r.ReturnFiles(pictures=True)]
    assert run(machine, r.Returned()) == [r.Finish()]
    assert machine.state is RemoteState.ENDED


def test_where_the_data_root_is_shared_nothing_travels() -> None:
    """Neither before nor after."""
    machine = RemoteMachine()
    assert run(machine, r.Begun(streams=False, fetches=True)) == [r.StartRender()]
    assert run(machine, r.RenderEnded()) == [r.Finish()]


def test_a_folder_that_cannot_be_fetched_fails_the_attempt() -> None:
    """Nothing was started."""
    machine = RemoteMachine()
    assert run(machine, r.Begun(streams=True, fetches=True), r.Failed("disk full"))[1:] == [
        r.Finish(Outcome.FAILED, "disk full")
    ]


def test_what_fails_while_it_renders_ends_the_render_first() -> None:
    """Its end is reported when its processes are gone."""
    machine = rendering()
    assert run(machine, r.Failed("disk full")) == [r.StopRender(Stop(Outcome.FAILED, "disk full", 0.0))]
    assert machine.state is RemoteState.RENDERING
    assert run(machine, r.RenderEnded()) == [r.ReturnFiles(pictures=True)]


def test_a_stopped_render_returns_the_end_of_its_log_alone() -> None:
    """For two seconds at most."""
    machine = rendering()
    assert run(machine, Stop(grace_s=4.0)) == [r.StopRender(Stop(grace_s=4.0))]
    assert run(machine, r.RenderEnded(), at=10.0) == [r.ReturnFiles(pictures=False)]
    assert machine.deadline == 10.0 + r.STOPPED_TIMEOUT_S
    run(machine, r.SomeReturned(), at=11.0)
    assert machine.deadline == 10.0 + r.STOPPED_TIMEOUT_S
    assert run(machine, TimePassed(), at=12.0) == [r.Finish(complete=False)]


def test_while_something_arrives_nothing_is_given_up() -> None:
    """A picture may take minutes."""
    machine = rendering()
    run(machine, r.RenderEnded(), at=10.0)
    run(machine, r.SomeReturned(), at=50.0)
    assert machine.deadline == 50.0 + r.RETURN_TIMEOUT_S


def test_a_stop_while_files_return_shortens_that() -> None:
    """At once where there is no grace."""
    machine = rendering()
    run(machine, r.RenderEnded(), at=10.0)
    assert run(machine, Stop(grace_s=0.0), at=20.0) == []
    assert machine.deadline == 20.0


@pytest.mark.parametrize("state", list(RemoteState))
def test_every_state_takes_a_stop(state: RemoteState) -> None:
    """But for the first, which is over before anything else can happen."""
    events = {event for at, event in RemoteMachine.table if at is state}
    assert Stop in events or state is RemoteState.NEW


def test_an_illegal_event_raises_with_the_story() -> None:
    """A fault of the program."""
    with pytest.raises(IllegalTransition, match="FolderFetched in state RENDERING"):
        rendering().handle(r.FolderFetched(), 0.0)
