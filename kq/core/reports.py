"""What follows from the reports of Agents, which may come late, twice, or in another order. Pure."""

from __future__ import annotations

from kq.core import events as ev
from kq.core import instructions as do
from kq.core.agents import Agent
from kq.core.jobs import Job, TaskDetail
from kq.core.state import CoreState, Instant
from kq.messages import AttemptEnding
from kq.records import AttemptRecord, attempt_id
from kq.states import AgentState, TaskState

__all__ = ["agent_gone", "attempt_ended", "attempt_progressed", "heard", "registered"]

_T, _A = TaskState, AgentState
_RESEND_AFTER_S = 5.0


def registered(state: CoreState, event: ev.AgentRegistered, now: Instant) -> None:
    """An Agent is there: a new one, one that comes back, or one that an earlier server started."""
    agent = state.agents.get(event.agent)
    if agent is None:
        if state.ending:
            state.out.append(do.EndAgent(event.agent, "the session is ending"))
            return
        agent = Agent(event.agent, local=event.local, now=now.mono, wall=now.wall)
        state.agents[agent.id] = agent
    elif agent.state is _A.ENDING:
        state.out.append(do.EndAgent(agent.id, agent.reason or "it is to end"))
        return
    agent.host, agent.pid, agent.process_started = event.host, event.pid, event.process_started
    agent.last_heard = now.mono
    if agent.registered_at is None:
        agent.registered_at = now.mono
        agent.reason = ""
        _launch_worked(state, agent)
    acknowledged = _take_endings(state, event.endings, now)
    wanted = state.wanted_attempt(agent)
    if wanted and event.holding != wanted:
        # It registers without the attempt and without its ending: the order never reached it.
        _take_back(state, agent, now, lost=False)
        wanted = ""
    agent.foreign = event.holding if event.holding != wanted else ""
    _settle(state, agent, now)
    state.out.append(do.AgentChanged(agent.id))
    _acknowledge(state, agent, 0, acknowledged)


def _launch_worked(state: CoreState, agent: Agent) -> None:
    if agent.local:
        state.launch_failures = 0
        if state.trouble.startswith("Agents cannot start"):
            state.trouble = ""
            state.out.append(do.QueueChanged())


def heard(state: CoreState, event: ev.AgentHeard, now: Instant) -> None:
    """A heartbeat: what the Agent holds is compared with what it should hold."""
    agent = state.agents.get(event.agent)
    if agent is None or agent.registered_at is None:
        state.out.append(do.AskToRegister(event.agent))
        return
    if agent.state is _A.ENDING:
        state.out.append(do.EndAgent(agent.id, agent.reason))
        return
    agent.last_heard = now.mono
    acknowledged = _take_endings(state, event.endings, now)
    _note_usage(state, agent, event)
    wanted = state.wanted_attempt(agent)
    if wanted and event.holding != wanted:
        agent.idle_beats += 1
        if event.assigned >= agent.assign_number and agent.idle_beats >= 2:
            # It saw the order, does not run it and has no ending of it: it will never run.
            _take_back(state, agent, now, lost=False)
        elif event.assigned < agent.assign_number and now.mono - agent.assigned_at > _RESEND_AFTER_S:
            agent.assigned_at = now.mono
            state.out.append(do.Assign(agent.id, agent.assign_number, *agent.want or ("", 0, 0)))
    else:
        agent.idle_beats = 0
    agent.foreign = event.holding if event.holding != state.wanted_attempt(agent) else ""
    _settle(state, agent, now)
    _acknowledge(state, agent, event.beat, acknowledged)


def _note_usage(state: CoreState, agent: Agent, event: ev.AgentHeard) -> None:
    if agent.cpu_percent != event.cpu_percent or agent.memory != event.memory:
        agent.cpu_percent, agent.memory = event.cpu_percent, event.memory
        state.out.append(do.AgentChanged(agent.id))
        if agent.want is not None and event.memory is not None:
            job = state.jobs.get(agent.want[0])
            if job is not None and event.memory > (job.peak_memory or 0):
                job.peak_memory = event.memory
                job.detail(agent.want[1]).peak_memory = event.memory
                state.out.append(do.JobChanged(job.id))


def _settle(state: CoreState, agent: Agent, now: Instant) -> None:
    """Bring the Agent's state in line with what it holds, and let it work when it is free."""
    busy = agent.want is not None or bool(agent.foreign)
    if not busy and agent.retiring:
        end_agent(state, agent, "fewer Agents are wanted", now)
        return
    state.set_agent_state(agent, _A.BUSY if busy else _A.IDLE, now)
    state.agent_is_free(agent)


def end_agent(state: CoreState, agent: Agent, reason: str, now: Instant, *, force: bool = False) -> None:
    """Have an Agent ended. It counts as there until AgentGone."""
    agent.reason = reason
    state.set_agent_state(agent, _A.ENDING, now)
    state.out.append(do.EndAgent(agent.id, reason, force))


def _acknowledge(state: CoreState, agent: Agent, beat: int, acknowledged: tuple[str, ...]) -> None:
    stop = False
    if agent.want is not None:
        job = state.jobs.get(agent.want[0])
        stop = job is not None and job.task_state(agent.want[1]) is _T.STOPPING
    state.out.append(do.Acknowledge(agent.id, beat, state.wanted_attempt(agent), stop, acknowledged))


def _take_endings(state: CoreState, endings: tuple[AttemptEnding, ...], now: Instant) -> tuple[str, ...]:
    for ending in endings:
        attempt_ended(state, ev.AttemptEnded(ending), now)
    return tuple(ending.attempt for ending in endings)


def attempt_progressed(state: CoreState, event: ev.AttemptProgressed, now: Instant) -> None:
    """Progress, a picture or a warning of a running attempt; anything else is old and ignored."""
    found = state.attempt_of(event.attempt)
    if found is None or found[0].details[found[1]].agent != event.agent:
        return
    job, task = found
    detail = job.details[task]
    if event.progress is not None:
        detail.progress = min(max(event.progress, 0.0), 1.0)
    if event.picture:
        job.picture = detail.picture = event.picture
    if event.warning:
        job.warning = detail.warning = event.warning
    state.out.append(do.TaskChanged(job.id, task))


def attempt_ended(state: CoreState, event: ev.AttemptEnded, now: Instant) -> None:
    """An attempt is over. Told twice, it is over once."""
    ending = event.ending
    found = state.attempt_of(ending.attempt)
    if found is None or found[0].details[found[1]].agent != ending.agent:
        return
    job, task = found
    detail = job.details[task]
    agent = state.agents.get(ending.agent)
    _note_ending(job, detail, ending, now)
    state.out.append(do.AttemptOver(_attempt_record(job, task, detail, agent, ending, now)))
    _move_on(state, job, task, detail, ending)
    state.after_task(job, now)
    if agent is not None and agent.want is not None and agent.want[:2] == (job.id, task):
        agent.want = None
        agent.cpu_percent = agent.memory = None
        if agent.state is _A.BUSY:
            _settle(state, agent, now)
        else:
            state.out.append(do.AgentChanged(agent.id))


def _note_ending(job: Job, detail: TaskDetail, ending: AttemptEnding, now: Instant) -> None:
    detail.ended = now.wall
    detail.exit_code = job.exit_code = ending.exit_code
    detail.reason = ending.reason
    if ending.warning:
        detail.warning = job.warning = ending.warning
    if ending.picture:
        detail.picture = job.picture = ending.picture
    if ending.progress is not None:
        detail.progress = ending.progress
    if ending.peak_memory is not None:
        detail.peak_memory = max(ending.peak_memory, detail.peak_memory or 0)
        job.peak_memory = max(job.peak_memory or 0, ending.peak_memory)
    if ending.cpu_s is not None:
        detail.cpu_s = ending.cpu_s
        job.cpu_s = (job.cpu_s or 0.0) + ending.cpu_s


def _attempt_record(
    job: Job, task: int, detail: TaskDetail, agent: Agent | None, ending: AttemptEnding, now: Instant
) -> AttemptRecord:
    return AttemptRecord(
        job_id=job.id,
        task=task,
        attempt=detail.attempts,
        agent=ending.agent,
        host=agent.host if agent else "",
        started=detail.started or now.wall,
        ended=now.wall,
        outcome=ending.outcome,
        exit_code=ending.exit_code,
        reason=ending.reason,
        warning=ending.warning,
        log_file=detail.log_file,
        stop_rung=ending.stop_rung,
        processes_gone=ending.processes_gone,
        peak_memory=ending.peak_memory,
        cpu_s=ending.cpu_s,
    )


def _move_on(state: CoreState, job: Job, task: int, detail: TaskDetail, ending: AttemptEnding) -> None:
    restart, detail.restart = detail.restart, False
    stopping = job.task_state(task) is _T.STOPPING
    if ending.outcome == "completed":
        detail.progress = 1.0
        state.move_task(job, task, _T.COMPLETED)
    elif stopping:
        detail.reason = ending.reason or "stopped"
        state.move_task(job, task, _T.WAITING if restart else _T.CANCELLED)
    elif ending.outcome == "stopped":
        # Nobody asked for it here: its Agent was ended or lost us. That is not the render's failure.
        _lose(state, job, task, detail, ending.reason or "its Agent ended")
    elif detail.retries_used < job.spec.retries:
        detail.retries_used += 1
        detail.reason = f"try {detail.retries_used} failed: {ending.reason}"
        state.move_task(job, task, _T.WAITING)
    else:
        job.reason = ending.reason
        state.move_task(job, task, _T.FAILED)
    if restart and job.task_state(task) is _T.COMPLETED:
        state.move_task(job, task, _T.WAITING)


def _lose(state: CoreState, job: Job, task: int, detail: TaskDetail, reason: str) -> None:
    detail.agent_losses += 1
    if detail.agent_losses > state.settings.max_agent_losses:
        job.reason = detail.reason = f"given up after {detail.agent_losses} Agents were lost: {reason}"
        state.move_task(job, task, _T.FAILED)
    else:
        job.reason = detail.reason = f"waits again: {reason}"
        state.move_task(job, task, _T.WAITING)


def _take_back(state: CoreState, agent: Agent, now: Instant, *, lost: bool, reason: str = "") -> None:
    """The Agent's task is known not to run there: it waits again, or is over when it was being stopped."""
    if agent.want is None:
        return
    job_id, task, attempt = agent.want
    agent.want = None
    job = state.jobs.get(job_id)
    if job is None or not job.task_state(task).is_on_agent or job.details[task].attempts != attempt:
        return
    detail = job.details[task]
    detail.ended = now.wall
    if lost:
        gone = AttemptEnding(
            agent=agent.id,
            attempt=attempt_id(job_id, task, attempt),
            outcome="agent-lost",
            reason=reason,
            stop_rung="killed",
        )
        state.out.append(do.AttemptOver(_attempt_record(job, task, detail, agent, gone, now)))
    restart, detail.restart = detail.restart, False
    if job.task_state(task) is _T.STOPPING:
        detail.reason = "stopped"
        state.move_task(job, task, _T.WAITING if restart else _T.CANCELLED)
    elif lost:
        _lose(state, job, task, detail, reason)
    else:
        state.move_task(job, task, _T.WAITING)
    state.after_task(job, now)


def agent_gone(state: CoreState, event: ev.AgentGone, now: Instant) -> None:
    """An Agent and all its processes are known gone."""
    agent = state.agents.pop(event.agent, None)
    if agent is None:
        return
    state.free.pop(agent.id, None)
    _take_back(state, agent, now, lost=True, reason=event.reason)
    state.out.append(do.AgentRemoved(agent.id))
    if agent.local and agent.state is not _A.ENDING and not state.ending:
        _note_launch(state, agent, event.reason, now)


def _note_launch(state: CoreState, agent: Agent, reason: str, now: Instant) -> None:
    if agent.registered_at is None:
        state.launch_failures += 1
        delay = min(30.0, 0.25 * 2.0 ** min(state.launch_failures - 1, 10))
        state.launch_not_before = now.mono + delay
        if state.launch_failures >= 3:
            state.trouble = f"Agents cannot start: {reason}"
            state.out.append(do.QueueChanged())
    elif now.mono - agent.registered_at < 1.0:
        # One that dies as soon as it lives would otherwise be replaced in a spin.
        state.launch_not_before = now.mono + 0.5
