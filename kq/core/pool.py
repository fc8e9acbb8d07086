"""Keeps the number of local Agents that is wanted, and notices those that fell silent. Pure."""

from __future__ import annotations

from kq.core import events as ev
from kq.core import instructions as do
from kq.core.agents import Agent
from kq.core.reports import agent_gone, end_agent
from kq.core.state import CoreState, Instant
from kq.states import AgentState

__all__ = ["keep_agents", "watch_leases"]

_A = AgentState


def keep_agents(state: CoreState, now: Instant) -> None:
    """Launch Agents that are missing, end those that are too many."""
    if state.ending:
        return
    local = [agent for agent in state.agents.values() if agent.local and agent.state is not _A.ENDING]
    staying = [agent for agent in local if not agent.retiring]
    missing = state.agents_wanted - len(staying)
    for agent in local:
        if missing > 0 and agent.retiring:
            agent.retiring = False
            missing -= 1
            state.agent_is_free(agent)
            state.out.append(do.AgentChanged(agent.id))
    if missing > 0 and now.mono >= state.launch_not_before:
        # After a failure one Agent at a time tries again: the others would fail the same way.
        for _ in range(missing if not state.launch_failures else min(missing, 1)):
            if state.launch_failures and any(agent.state is _A.STARTING for agent in local):
                break
            _launch(state, now)
    for agent in sorted(staying, key=_keep_last)[: max(-missing, 0)]:
        agent.retiring = True
        state.out.append(do.AgentChanged(agent.id))
        if agent.want is None and not agent.foreign:
            end_agent(state, agent, "fewer Agents are wanted", now)


def _keep_last(agent: Agent) -> tuple[bool, float]:
    """Idle ones go first, the youngest before the older."""
    return agent.want is not None, -agent.launched_at


def _launch(state: CoreState, now: Instant) -> None:
    agent = Agent(f"a{state.next_agent}", local=True, now=now.mono, wall=now.wall)
    state.next_agent += 1
    state.agents[agent.id] = agent
    state.out.append(do.LaunchAgent(agent.id))
    state.out.append(do.AgentChanged(agent.id))


def watch_leases(state: CoreState, now: Instant) -> None:
    """Show silent Agents as Lost; take from them what they hold once both sides' leases have run out."""
    settings = state.settings
    unheard_s = max(2.5 * settings.heartbeat_s, settings.lease_s / 3)
    for agent in list(state.agents.values()):
        silent_s = now.mono - agent.last_heard
        if agent.state is _A.STARTING:
            if now.mono - agent.launched_at > settings.launch_timeout_s:
                reason = f"it did not register within {settings.launch_timeout_s:.0f} s"
                state.launch_failures += 1
                state.launch_not_before = now.mono + min(30.0, 0.25 * 2.0 ** min(state.launch_failures, 10))
                end_agent(state, agent, reason, now, force=True)
        elif agent.state is _A.ENDING:
            if not agent.local and silent_s > settings.lease_s + settings.lease_margin_s:
                agent_gone(state, ev.AgentGone(agent.id, agent.reason), now)
        elif silent_s > settings.lease_s + settings.lease_margin_s:
            reason = f"its Agent was silent for {silent_s:.0f} s"
            if agent.local:
                end_agent(state, agent, reason, now, force=True)
            else:
                agent_gone(state, ev.AgentGone(agent.id, reason), now)
        elif silent_s > unheard_s:
            agent.reason = "it does not answer"
            state.set_agent_state(agent, _A.LOST, now)
