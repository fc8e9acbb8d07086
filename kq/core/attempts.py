"""Decides the next state of a task whose attempt ended, was lost or never started. Pure."""

from __future__ import annotations

from ..messages import AttemptEnding
from ..records import AttemptRecord
from ..states import AgentState, Outcome, StopMethod, TaskState, WaitReason
from . import events as ev
from . import instructions as do
from .agents import Agent
from .jobs import Job
from .state import CoreState, Instant
from .task_detail import TaskDetail

__all__ = ["attempt_ended", "attempt_lost", "attempt_progressed", "requeue", "settle", "stop_task"]

_T, _A = TaskState, AgentState


def attempt_progressed(state: CoreState, event: ev.AttemptProgressed, now: Instant) -> None:
    """Record progress, a picture or warnings of a running attempt. Reports of other attempts are ignored."""
    found = state.attempt_of(event.agent, event.attempt)
    if found is None:
        return
    job, task = found
    detail = job.details[task]
    detail.progress = _fraction(event.progress, detail.progress)
    if event.picture:
        job.picture = detail.picture = event.picture
    if event.warning:
        job.warning = detail.warning = event.warning
    job.count_warnings(detail, max(event.warnings, detail.warnings))
    state.instructions.append(do.TaskChanged(job.id, task))


def attempt_ended(state: CoreState, event: ev.AttemptEnded, now: Instant) -> None:
    """Handle the end of an attempt. Repeated reports, and those of unknown Agents, are ignored."""
    ending = event.ending
    agent = state.agents.get(ending.agent)
    if agent is None:
        return
    found = state.attempt_of(agent.id, ending.attempt)
    if found is not None:
        job, task = found
        detail = job.details[task]
        _note_ending(job, detail, ending, now)
        state.instructions.append(do.AttemptOver(_attempt_record(job, task, ending, agent.host, now)))
        agent.unassign()
        agent.last_attempt_ok = ending.outcome in (Outcome.COMPLETED, Outcome.STOPPED)
        _apply_ending(state, job, task, ending, agent)
        state.after_task(job, now)
    elif agent.unexpected_attempt and agent.unexpected_attempt == ending.attempt:
        agent.unexpected_attempt = ""
    else:
        return
    if agent.state is _A.BUSY:
        settle(state, agent, now)
    else:
        state.instructions.append(do.AgentChanged(agent.id))


def settle(state: CoreState, agent: Agent, now: Instant) -> None:
    """Set the Agent to Busy or Idle by what it runs. List it as free, or end it if it is retiring."""
    if agent.state is _A.ENDING:
        return
    busy = agent.desired is not None or bool(agent.unexpected_attempt)
    if not busy and agent.retiring:
        state.end_agent(agent, "fewer Agents are wanted", now)
        return
    if agent.state is _A.LOST:
        agent.reason = ""  # it is back: "lost" no longer explains it
    state.set_agent_state(agent, _A.BUSY if busy else _A.IDLE, now)
    state.add_free_agent(agent)


def stop_task(state: CoreState, job: Job, task: int) -> None:
    """Set `task` to Stopping, and order its Agent to stop it."""
    state.move_task(job, task, _T.STOPPING)
    agent = state.agents[job.details[task].agent]
    state.instructions.append(do.AskStop(agent.id, agent.desired_attempt_id))


def requeue(state: CoreState, agent: Agent, now: Instant) -> None:
    """Take back a task that the Agent was assigned and never ran. No effect when it has none.

    The task waits again, or is cancelled if it was being stopped.
    """
    if agent.desired is None:
        return
    job, task = state.jobs[agent.desired[0]], agent.desired[1]
    agent.unassign()
    _wait_or_cancel(state, job, task, "stopped")
    state.after_task(job, now)


def attempt_lost(
    state: CoreState, job: Job, task: int, reason: str, agent: Agent | None, now: Instant
) -> None:
    """Handle an attempt whose processes are gone, and whose end was not reported.

    Args:
        reason: why, without capital or full stop; shown as "REASON; waits again", and as it is in the
            attempt's record.
        agent: the Agent that ran it; None after a restart, when the core has no such Agent.
    """
    detail = job.details[task]
    ending = AttemptEnding(
        agent=detail.agent,
        attempt="",  # not used: the record takes its number from `detail`
        outcome=Outcome.AGENT_LOST,
        reason=reason,
        # A lost local Agent's render is killed. A remote Agent ends its render when its lease runs out, and
        # cannot report it.
        stop_method=StopMethod.KILLED if agent is not None and agent.local else StopMethod.NONE,
    )
    detail.ended = now.wall
    state.instructions.append(
        do.AttemptOver(_attempt_record(job, task, ending, agent.host if agent else "", now))
    )
    if agent is not None:
        agent.unassign()
    if job.task_state(task) is _T.STOPPING:
        _wait_or_cancel(state, job, task, "stopped")
    else:
        _requeue_or_fail(state, job, task, reason, counts=agent is not None and not agent.end_requested)
    state.after_task(job, now)


def _fraction(reported: float | None, known: float | None) -> float | None:
    """The reported progress, limited to 0 to 1; the known one where the reported one is missing or NaN."""
    if reported is None or reported != reported:
        return known
    return min(max(reported, 0.0), 1.0)


def _note_ending(job: Job, detail: TaskDetail, ending: AttemptEnding, now: Instant) -> None:
    """Copy the reported exit code, warnings, picture, memory and CPU time to the task and the job."""
    detail.ended = now.wall
    detail.exit_code = job.exit_code = ending.exit_code
    detail.reason = ending.reason
    if ending.warning:
        detail.warning = job.warning = ending.warning
    job.count_warnings(detail, max(ending.warnings, detail.warnings))
    if ending.picture:
        detail.picture = job.picture = ending.picture
    detail.progress = _fraction(ending.progress, detail.progress)
    if ending.peak_memory is not None:
        detail.peak_memory = max(ending.peak_memory, detail.peak_memory or 0)
        job.peak_memory = max(job.peak_memory or 0, ending.peak_memory)
    if ending.cpu_s is not None:
        detail.cpu_s = ending.cpu_s
        job.cpu_s = (job.cpu_s or 0.0) + ending.cpu_s


def _attempt_record(job: Job, task: int, ending: AttemptEnding, host: str, now: Instant) -> AttemptRecord:
    """The final record of the task's latest attempt."""
    detail = job.details[task]
    return AttemptRecord(
        job_id=job.id,
        task=task,
        attempt=detail.attempts,
        agent=ending.agent,
        host=host,
        started=now.wall if detail.started is None else detail.started,
        ended=now.wall,
        outcome=ending.outcome,
        exit_code=ending.exit_code,
        reason=ending.reason,
        warning=ending.warning,
        log_file=detail.log_file,
        stop_method=ending.stop_method,
        processes_gone=ending.processes_gone,
        peak_memory=ending.peak_memory,
        cpu_s=ending.cpu_s,
    )


def _apply_ending(state: CoreState, job: Job, task: int, ending: AttemptEnding, agent: Agent) -> None:
    """Set the next state of a task whose attempt ended: complete, retry, requeue, cancel or fail it."""
    detail = job.details[task]
    if ending.outcome is Outcome.COMPLETED:
        detail.progress = 1.0
        restart, detail.restart = detail.restart, False
        state.move_task(job, task, _T.COMPLETED)
        if restart:  # it completed before the stop took effect, and was started again meanwhile
            detail.progress = None
            state.move_task(job, task, _T.WAITING)
    elif job.task_state(task) is _T.STOPPING:
        _wait_or_cancel(state, job, task, ending.reason or "stopped")
    elif ending.outcome is Outcome.STOPPED:
        # The queue did not ask for this: its Agent was ended, or lost the server. Not a render failure.
        reason = ending.reason or "stopped by its Agent"
        _requeue_or_fail(state, job, task, reason, counts=not agent.end_requested)
    elif detail.retries_used < job.spec.retries:
        detail.retries_used += 1
        reason = f"{_failure_reason(ending)} (try {detail.retries_used} of {job.spec.retries + 1})"
        _wait(state, job, task, reason, WaitReason.RETRY)
    else:
        _fail(state, job, task, _failure_reason(ending))


def _failure_reason(ending: AttemptEnding) -> str:
    """The reason of a failure, for users, also where the Agent reported none."""
    if ending.reason:
        return ending.reason
    if ending.outcome is not Outcome.FAILED:
        return ending.outcome.value
    if ending.exit_code is None:
        return "the program could not be started"
    return f"signal {-ending.exit_code}" if ending.exit_code < 0 else f"exit code {ending.exit_code}"


def _wait_or_cancel(state: CoreState, job: Job, task: int, reason: str) -> None:
    """Cancel the task if it was being stopped, and was not started again meanwhile; else let it wait."""
    detail = job.details[task]
    stopping = job.task_state(task) is _T.STOPPING
    restart, detail.restart = detail.restart, False
    if stopping and not restart:
        detail.reason = reason
        state.move_task(job, task, _T.CANCELLED)
    else:
        _wait(state, job, task, "", WaitReason.NONE)


def _wait(state: CoreState, job: Job, task: int, reason: str, wait_reason: WaitReason) -> None:
    """Let the task wait again. The reason is also the job's while none of its tasks is on an Agent."""
    detail = job.details[task]
    detail.reason, detail.progress = reason, None
    state.move_task(job, task, _T.WAITING)
    if wait_reason is not WaitReason.NONE and not job.on_agents:
        job.explain(reason, wait_reason)


def _fail(state: CoreState, job: Job, task: int, reason: str) -> None:
    job.details[task].reason = reason
    state.move_task(job, task, _T.FAILED)
    job.explain_failure(task)


def _requeue_or_fail(state: CoreState, job: Job, task: int, reason: str, *, counts: bool) -> None:
    """Handle an attempt that its Agent's loss or end interrupted: the render itself did not fail.

    Args:
        counts: whether the loss counts towards `max_agent_losses`, beyond which the task fails.
    """
    detail = job.details[task]
    detail.agent_losses += counts
    if counts and detail.agent_losses > state.settings.max_agent_losses:
        _fail(state, job, task, f"{reason} (given up after {detail.agent_losses} Agents were lost)")
    else:
        _wait(state, job, task, f"{reason}; waits again", WaitReason.REQUEUED)
