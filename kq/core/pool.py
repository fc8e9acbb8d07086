"""Keeps the number of local Agents that is wanted, and notices those that fell silent. Pure."""

from __future__ import annotations

from ..states import AgentState
from . import events as ev
from . import instructions as do
from .agents import Agent
from .reports import agent_gone, launch_failed
from .state import CoreState, Instant

__all__ = ["beat_interval_s", "keep_agents", "watch_leases"]

_A = AgentState
_MAX_BEATS_A_SECOND = 400
"""Of all Agents together."""
_LONGEST_WATCH_S = 2.0
"""A longer time between two checks of the leases means that this process was suspended."""


def keep_agents(state: CoreState, now: Instant) -> None:
    """Launch Agents that are missing, end those that are too many."""
    state.launch_due = None
    if state.ending:
        return
    local = [agent for agent in state.local_agents.values() if agent.state is not _A.ENDING]
    staying = [agent for agent in local if not agent.retiring]
    missing = state.agents_wanted - len(staying)
    if state.launches.deaths and _launching_works(state, staying, missing, now):
        state.launches.reset()
        state.set_launch_problem("")
    if missing > 0:
        for agent in [agent for agent in local if agent.retiring][:missing]:
            agent.retiring = False
            missing -= 1
            state.offer_agent(agent)
            state.out.append(do.AgentChanged(agent.id))
        _launch_missing(state, missing, local, now)
    elif missing < 0:
        staying.sort(key=_keep_last)
        for agent in staying[missing:]:
            _retire(state, agent, now)


def _launching_works(state: CoreState, staying: list[Agent], missing: int, now: Instant) -> bool:
    """Whether an Agent came to live that was launched after the last failure, or none has to be launched."""
    steady = [agent for agent in staying if agent.is_steady(now.mono)]
    if any(agent.launched_at > state.launches.died_at for agent in steady):
        return True
    return missing <= 0 and len(steady) == len(staying)


def _keep_last(agent: Agent) -> tuple[bool, bool, float, int]:
    """Those that work stay longest, then those that are heard, then the older ones."""
    idle = agent.desired is None and not agent.unexpected_attempt
    silent = agent.state in (_A.STARTING, _A.LOST)
    return idle, silent, agent.launched_at, len(agent.id)


def _retire(state: CoreState, agent: Agent, now: Instant) -> None:
    agent.retiring = True
    if agent.desired is None and not agent.unexpected_attempt:
        state.end_agent(agent, "fewer Agents are wanted", now)
    else:
        state.out.append(do.AgentChanged(agent.id))


def _launch_missing(state: CoreState, missing: int, local: list[Agent], now: Instant) -> None:
    if missing <= 0:
        return
    if now.mono < state.launches.restart_at:
        state.launch_due = state.launches.restart_at
    elif not state.launches.deaths:
        for _ in range(missing):
            _launch(state, now)
    elif not any(agent.state is _A.STARTING for agent in local):
        # After a failure one Agent at a time tries again: the others would fail the same way.
        _launch(state, now)


def _launch(state: CoreState, now: Instant) -> None:
    agent = Agent(f"a{state.next_agent}", local=True, now=now.mono, wall=now.wall)
    state.next_agent += 1
    state.add_agent(agent)
    state.out.append(do.LaunchAgent(agent.id))
    state.out.append(do.AgentChanged(agent.id))


def beat_interval_s(state: CoreState) -> float:
    """How often an Agent is to be heard where the usual way would cost the server too much; 0: as usual.

    Returns:
        Seconds between the heartbeats of one Agent.
    """
    # Four to a lease: a few that are lost must not end a render.
    wanted = min(len(state.agents) / _MAX_BEATS_A_SECOND, state.settings.lease_s / 4)
    return wanted if wanted > state.settings.heartbeat_s else 0.0


def watch_leases(state: CoreState, now: Instant) -> None:
    """Show silent Agents as Lost; take from them what they hold once both sides' leases have run out."""
    settings = state.settings
    _forgive_pause(state, now)
    unheard_s = max(2.5 * settings.heartbeat_s, 2.5 * beat_interval_s(state), settings.lease_s / 3)
    gone_s = settings.lease_s + settings.lease_margin_s
    for agent in list(state.agents.values()):
        silent_s = now.mono - agent.last_heard
        if agent.state is _A.STARTING:
            if now.mono - agent.launched_at > settings.launch_timeout_s:
                reason = f"it did not register within {settings.launch_timeout_s:.0f} s"
                launch_failed(state, reason, now)
                state.end_agent(agent, reason, now, force=True)
        elif silent_s > gone_s:
            _give_up(state, agent, silent_s, now)
        elif silent_s > unheard_s and agent.state not in (_A.LOST, _A.ENDING):
            agent.reason = "it does not answer"
            state.set_agent_state(agent, _A.LOST, now)


def _give_up(state: CoreState, agent: Agent, silent_s: float, now: Instant) -> None:
    """Silent beyond its lease. A local one is killed to be sure; elsewhere it has ended its render itself."""
    reason = f"its Agent was silent for {silent_s:.0f} s"
    if not agent.local:
        agent_gone(state, ev.AgentGone(agent.id, reason), now)
    elif agent.state is not _A.ENDING:
        state.end_agent(agent, reason, now, force=True)


def _forgive_pause(state: CoreState, now: Instant) -> None:
    """Time in which this process was suspended (stopped, or its machine asleep) is no Agent's silence.

    What Agents sent meanwhile waits in the sockets, and has yet to be read.
    """
    before, state.watched_at = state.watched_at, now.mono
    pause_s = 0.0 if before is None else now.mono - before - _LONGEST_WATCH_S
    if pause_s > 0:
        for agent in state.agents.values():
            agent.last_heard = min(agent.last_heard + pause_s, now.mono)
            agent.launched_at = min(agent.launched_at + pause_s, now.mono)
