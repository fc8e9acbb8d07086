"""Handles the reports of Agents, which may arrive late, twice or out of order. Pure."""

from __future__ import annotations

from ..messages import AttemptEnding
from ..states import AgentState, TaskState
from . import events as ev
from . import instructions as do
from . import recovery
from .agents import Agent
from .attempts import attempt_ended, attempt_lost, requeue, settle
from .state import CoreState, Instant

__all__ = ["agent_gone", "agent_registered", "heartbeat", "launch_failed"]

_A = AgentState
_RESEND_AFTER_S = 5.0
_MAX_ASSIGN_NUMBER = 2**40
"""Upper limit of an order number that an Agent reports, so that our next number fits its field."""


def agent_registered(state: CoreState, event: ev.AgentRegistered, now: Instant) -> None:
    """Handle a registration: of a new Agent, a reconnected one, or one that an earlier server started."""
    agent = state.agents.get(event.agent)
    if agent is None:
        if state.ending or (event.local and _was_launched_here(state, event.agent)):
            reason = "the session is ending" if state.ending else "the queue counts it as gone"
            state.instructions.append(do.EndAgent(event.agent, reason, force=not state.ending))
            return
        agent = Agent(event.agent, local=event.local, now=now.mono, wall=now.wall)
        state.add_agent(agent)
    elif agent.desired is not None and agent.pid and (agent.host, agent.pid) != (event.host, event.pid):
        # Another process with the same id. It is not answered until the lease of the first has run out.
        return
    agent.host, agent.pid, agent.process_started = event.host, event.pid, event.process_started
    agent.last_heard = now.mono
    if agent.registered_at is None:
        agent.registered_at = now.mono
        agent.reason = agent.reason if agent.state is _A.ENDING else ""
    if agent.id in state.unreported_agents:
        recovery.adopt_attempts(state, agent, event.endings, event.attempt, now)
    acknowledged = _apply_endings(state, agent, event.endings, event.assign_number, now)
    if agent.state is _A.ENDING:
        return
    if event.attempt != agent.desired_attempt_id and event.assign_number < agent.assign_number:
        # The order is still under way, or was lost with the connection. A repeated number is one order.
        _resend_order(state, agent, now)
    agent.unexpected_attempt = event.attempt if event.attempt != agent.desired_attempt_id else ""
    settle(state, agent, now)
    state.instructions.append(do.AgentChanged(agent.id))
    _acknowledge(state, agent, 0, acknowledged)


def _was_launched_here(state: CoreState, agent_id: str) -> bool:
    """Whether this session launched the local Agent: an unknown one is gone then, and its message late."""
    digits = agent_id[1:]
    return (
        agent_id.startswith("a")
        and digits.isascii()
        and digits.isdigit()
        and len(digits) < 10
        and 0 < int(digits) < state.next_agent
    )


def heartbeat(state: CoreState, event: ev.AgentHeartbeat, now: Instant) -> None:
    """Handle a heartbeat: compare what the Agent runs with what it should run."""
    agent = state.agents.get(event.agent)
    if agent is None or agent.registered_at is None:
        state.instructions.append(do.AskToRegister(event.agent))
        return
    agent.last_heard = now.mono
    if agent.id in state.unreported_agents:
        # A registration must report first what it runs: a heartbeat may predate the last order it received.
        state.instructions.append(do.AskToRegister(agent.id))
        return
    acknowledged = _apply_endings(state, agent, event.endings, event.assign_number, now)
    if agent.state is _A.ENDING:
        return
    _note_usage(state, agent, event)
    has_desired = event.attempt == agent.desired_attempt_id
    if has_desired:
        agent.heartbeats_without_desired = 0
    elif agent.desired is not None:
        agent.heartbeats_without_desired += 1
        if event.assign_number >= agent.assign_number and agent.heartbeats_without_desired >= 2:
            # It received the order, does not run it and did not report its end: it will never run it.
            requeue(state, agent, now)
        elif event.assign_number < agent.assign_number and now.mono - agent.assigned_at > _RESEND_AFTER_S:
            _resend_order(state, agent, now)
    agent.unexpected_attempt = "" if has_desired else event.attempt
    settle(state, agent, now)
    _acknowledge(state, agent, event.number, acknowledged)


def _apply_endings(
    state: CoreState, agent: Agent, endings: tuple[AttemptEnding, ...], assign_number: int, now: Instant
) -> tuple[str, ...]:
    """Apply the ends of attempts that an Agent reports. Returns their ids, to be acknowledged."""
    if agent.state is _A.ENDING:
        # Its heartbeat is not acknowledged: if the order to end is lost, its lease runs out.
        state.instructions.append(do.EndAgent(agent.id, agent.reason, restart=agent.is_replaced))
    for ending in endings:
        attempt_ended(state, ev.AttemptEnded(ending), now)
    # It may have received higher numbers from an earlier server: the next order must be above them.
    agent.assign_number = max(agent.assign_number, min(assign_number, _MAX_ASSIGN_NUMBER))
    return tuple([ending.attempt for ending in endings])


def _resend_order(state: CoreState, agent: Agent, now: Instant) -> None:
    """Send the Agent's assignment again under the same number."""
    if agent.desired is not None:
        agent.assigned_at = now.mono
        state.instructions.append(do.Assign(agent.id, agent.assign_number, *agent.desired))


def _note_usage(state: CoreState, agent: Agent, event: ev.AgentHeartbeat) -> None:
    """Record CPU and memory use, and the peak memory of the task that the Agent runs."""
    if agent.cpu_percent == event.cpu_percent and agent.memory == event.memory:
        return
    agent.cpu_percent, agent.memory = event.cpu_percent, event.memory
    state.instructions.append(do.AgentChanged(agent.id))
    if agent.desired is None or event.attempt != agent.desired_attempt_id or event.memory is None:
        return
    job, task = state.jobs[agent.desired[0]], agent.desired[1]
    detail = job.details[task]
    if event.memory > (detail.peak_memory or 0):
        detail.peak_memory = event.memory
        job.peak_memory = max(job.peak_memory or 0, event.memory)
        state.instructions.append(do.TaskChanged(job.id, task))


def _acknowledge(state: CoreState, agent: Agent, heartbeat: int, acknowledged: tuple[str, ...]) -> None:
    stop = False
    if agent.desired is not None:
        stop = state.jobs[agent.desired[0]].task_state(agent.desired[1]) is TaskState.STOPPING
    state.instructions.append(
        do.Acknowledge(agent.id, heartbeat, agent.desired_attempt_id, stop, acknowledged)
    )


def agent_gone(state: CoreState, event: ev.AgentGone, now: Instant) -> None:
    """Remove an Agent whose processes are all gone. Its task, if any, waits again or ends."""
    agent = state.agents.get(event.agent)
    if agent is None:
        return
    state.forget_agent(agent)
    if agent.desired is not None:
        reason = f"its Agent was ended ({agent.reason})" if agent.end_requested else event.reason
        attempt_lost(state, state.jobs[agent.desired[0]], agent.desired[1], reason, agent, now)
    unexpected = agent.local and agent.state is not _A.ENDING and not state.ending
    if unexpected and not agent.is_steady(now.mono):
        launch_failed(state, event.reason, now)


def launch_failed(state: CoreState, reason: str, now: Instant) -> None:
    """Count a failed launch of a local Agent: the next is delayed, and the third is shown to users."""
    if now.mono < state.launches.restart_at:
        # Agents that were launched together and failed together count as one failure.
        return
    state.launches.record_death(now.mono)
    if state.launches.deaths >= 3:
        state.set_launch_problem(f"Agents cannot start: {reason}")
