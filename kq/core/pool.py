"""Keeps the wanted number of local Agents, and detects silent Agents by their leases. Pure."""

from __future__ import annotations

from ..states import AgentState
from . import events as ev
from . import instructions as do
from .agents import Agent
from .reports import agent_gone, launch_failed
from .state import CoreState, Instant

__all__ = ["adjust_agent_count", "check_leases", "heartbeat_interval_s"]

_A = AgentState
_MAX_BEATS_A_SECOND = 400
"""Heartbeats, of all Agents together."""
_MAX_CHECK_INTERVAL_S = 2.0
"""Seconds. A longer gap between two checks of the leases means that this process was suspended."""


def adjust_agent_count(state: CoreState, now: Instant) -> None:
    """Launch or retire local Agents to reach the wanted number."""
    state.next_launch_at = None
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
            state.add_free_agent(agent)
            state.instructions.append(do.AgentChanged(agent.id))
        _launch_missing(state, missing, local, now)
    elif missing < 0:
        staying.sort(key=_retirement_order)
        for agent in staying[missing:]:
            _retire(state, agent, now)


def _launching_works(state: CoreState, staying: list[Agent], missing: int, now: Instant) -> bool:
    """Whether an Agent launched after the last failure is steady, or all are and none is missing."""
    steady = [agent for agent in staying if agent.is_steady(now.mono)]
    if any(agent.launched_at > state.launches.last_death_at for agent in steady):
        return True
    return missing <= 0 and len(steady) == len(staying)


def _retirement_order(agent: Agent) -> tuple[bool, bool, float, int]:
    """Sort key: Agents at the end are retired first (idle, then silent, then the youngest)."""
    idle = agent.desired is None and not agent.unexpected_attempt
    silent = agent.state in (_A.STARTING, _A.LOST)
    return idle, silent, agent.launched_at, len(agent.id)


def _retire(state: CoreState, agent: Agent, now: Instant) -> None:
    """End the Agent now if it runs nothing, or else after its task."""
    agent.retiring = True
    if agent.desired is None and not agent.unexpected_attempt:
        state.end_agent(agent, "fewer Agents are wanted", now)
    else:
        state.instructions.append(do.AgentChanged(agent.id))


def _launch_missing(state: CoreState, missing: int, local: list[Agent], now: Instant) -> None:
    """Launch `missing` Agents, or one or none after failed launches."""
    if missing <= 0:
        return
    if now.mono < state.launches.restart_at:
        state.next_launch_at = state.launches.restart_at
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
    state.instructions.append(do.LaunchAgent(agent.id))
    state.instructions.append(do.AgentChanged(agent.id))


def heartbeat_interval_s(state: CoreState) -> float:
    """The longer heartbeat interval that many Agents need, so as not to overload the server.

    Returns:
        Seconds between the heartbeats of one Agent; 0 for the configured interval.
    """
    # Four to a lease: a few that are lost must not end a render.
    wanted = min(len(state.agents) / _MAX_BEATS_A_SECOND, state.settings.lease_s / 4)
    return wanted if wanted > state.settings.heartbeat_s else 0.0


def check_leases(state: CoreState, now: Instant) -> None:
    """Set silent Agents to Lost, and give them up once the leases of both sides have run out."""
    settings = state.settings
    _extend_leases_after_suspension(state, now)
    unheard_s = max(2.5 * settings.heartbeat_s, 2.5 * heartbeat_interval_s(state), settings.lease_s / 3)
    gone_s = settings.lease_s + settings.lease_margin_s
    for agent in list(state.agents.values()):
        silent_s = now.mono - agent.last_heard
        if agent.state is _A.STARTING:
            if now.mono - agent.launched_at > settings.launch_timeout_s:
                reason = f"it did not register within {settings.launch_timeout_s:.0f} s"
                launch_failed(state, reason, now)
                state.end_agent(agent, reason, now, force=True)
        elif silent_s > gone_s:
            _end_silent_agent(state, agent, silent_s, now)
        elif silent_s > unheard_s and agent.state not in (_A.LOST, _A.ENDING):
            agent.reason = "it does not answer"
            state.set_agent_state(agent, _A.LOST, now)


def _end_silent_agent(state: CoreState, agent: Agent, silent_s: float, now: Instant) -> None:
    """Handle silence beyond the lease: kill a local Agent; a remote one has ended its render itself."""
    reason = f"its Agent was silent for {silent_s:.0f} s"
    if not agent.local:
        agent_gone(state, ev.AgentGone(agent.id, reason), now)
    elif agent.state is not _A.ENDING:
        state.end_agent(agent, reason, now, force=True)


def _extend_leases_after_suspension(state: CoreState, now: Instant) -> None:
    """Extend the leases by the time in which this process was suspended (stopped, or its machine asleep).

    The messages of that time are in the sockets, not yet read: the Agents were not silent.
    """
    before, state.leases_checked_at = state.leases_checked_at, now.mono
    pause_s = 0.0 if before is None else now.mono - before - _MAX_CHECK_INTERVAL_S
    if pause_s > 0:
        for agent in state.agents.values():
            agent.last_heard = min(agent.last_heard + pause_s, now.mono)
            agent.launched_at = min(agent.launched_at + pause_s, now.mono)
