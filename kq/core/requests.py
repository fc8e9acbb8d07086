"""What follows from clients' requests. Each is checked whole before anything changes. Pure."""

from __future__ import annotations

from ..errors import BadInput, NotFound, Refused
from ..records import check_job_id, check_note, check_priority
from ..settings import MAX_AGENTS
from ..states import AgentState, TaskState, WaitReason
from . import events as ev
from . import instructions as do
from .attempts import stop_task
from .jobs import Job
from .state import CoreState, Instant

__all__ = [
    "drain_agents",
    "end_agents",
    "pause_queue",
    "remove_jobs",
    "set_note",
    "set_priority",
    "start_jobs",
    "start_tasks",
    "stop_jobs",
    "stop_tasks",
    "submit",
    "want_agents",
]

_T = TaskState
_ENDED = frozenset({_T.COMPLETED, _T.CANCELLED, _T.FAILED})
_UNDONE = frozenset({_T.CANCELLED, _T.FAILED})


def submit(state: CoreState, event: ev.JobSubmitted, now: Instant) -> None:
    """A new job; the same id again changes nothing."""
    known = state.jobs.get(event.job_id)
    if known is not None:
        if known.removing:
            raise Refused(f"job {known.spec.name} ({known.id}) is being removed: submit it under another id")
        return
    if state.ending:
        raise Refused("the session is ending: submit the job to the next one")
    check_job_id(event.job_id)
    event.spec.check()
    for before in event.spec.after:
        if before not in state.jobs or state.jobs[before].removing:
            raise NotFound(f"there is no job {before[:40]} to wait for")
    job = Job(event.job_id, event.spec, state.next_order, now.wall)
    state.next_order += 1
    state.jobs[job.id] = job
    state.out.append(do.JobChanged(job.id))
    state.link(job)
    state.explain_waiting(job)
    state.offer(job)


def start_jobs(state: CoreState, event: ev.JobsStarted, now: Instant) -> None:
    """Run again what is not Completed, or all when all is. What waits or runs is left alone."""
    _refuse_when_ending(state)
    for job in state.jobs_of(event.job_ids):
        again = [task for task in job.running_indices() if _start_again(job, task)]
        moved = _reset(state, job, _UNDONE)
        if not moved and job.is_over:
            moved = _reset(state, job, _ENDED)
        if moved:
            _reopened(state, job)
        if again:
            _note_restart(state, job)


def _start_again(job: Job, task: int) -> bool:
    """Note that a task which is being stopped shall wait again afterwards; whether that is news."""
    detail = job.details[task]
    if job.task_state(task) is not _T.STOPPING or detail.restart:
        return False
    detail.restart = True
    return True


def _note_restart(state: CoreState, job: Job) -> None:
    job.explain("starts again when what ran before is gone", WaitReason.RESTART)
    state.out.append(do.JobChanged(job.id))


def _reset(state: CoreState, job: Job, which: frozenset[TaskState]) -> int:
    touched = [index for index in job.details if job.task_state(index) in which]
    moved = job.reset_tasks(which, _T.WAITING, state.now.wall, "started again")
    for index in touched:
        _clear(job, index)
    if moved:
        state.out.append(do.TasksReset(job.id))
    return moved


def _clear(job: Job, index: int) -> None:
    detail = job.details[index]
    detail.agent_losses = detail.retries_used = 0
    detail.reason = detail.warning = ""
    job.count_warnings(detail, 0)
    detail.progress = detail.started = detail.ended = None


def _reopened(state: CoreState, job: Job) -> None:
    """Tasks that were over wait again."""
    job.reason = job.warning = ""
    job.wait_reason = WaitReason.NONE
    failed = job.first_failed()
    if failed is not None:
        job.explain_failure(failed)
    job.begin_again()
    job.exit_code = None
    job.from_history = False
    state.explain_waiting(job)
    state.offer(job)
    state.update_dependents(job)


def _job_with_tasks(state: CoreState, job_id: str, tasks: tuple[int, ...]) -> Job:
    """The job, which has all of `tasks`. Raises NotFound."""
    job = state.job(job_id)
    for task in tasks:
        if not 0 <= task < job.total:
            raise NotFound(f"job {job.spec.name} has no task {task}: it has {job.total}, counted from 0")
    return job


def start_tasks(state: CoreState, event: ev.TasksStarted, now: Instant) -> None:
    """Run single tasks again, Completed ones as well. What waits or runs is left alone."""
    _refuse_when_ending(state)
    job = _job_with_tasks(state, event.job_id, event.tasks)
    again = reopened = False
    for task in event.tasks:
        if job.task_state(task).is_terminal:
            if task in job.details:
                _clear(job, task)
            state.move_task(job, task, _T.WAITING)
            reopened = True
        elif task in job.details:
            again |= _start_again(job, task)
    if reopened:
        _reopened(state, job)
    if again:
        _note_restart(state, job)


def stop_tasks(state: CoreState, event: ev.TasksStopped, now: Instant) -> None:
    """Cancel single tasks that wait; have Agents end those that run. What is over is left alone."""
    job = _job_with_tasks(state, event.job_id, event.tasks)
    if job.is_over:
        return
    for task in event.tasks:
        if job.task_state(task) is _T.WAITING:
            state.move_task(job, task, _T.CANCELLED)
        elif job.task_state(task) is _T.RUNNING:
            stop_task(state, job, task)
        elif job.task_state(task) is _T.STOPPING:
            job.details[task].restart = False
    state.after_task(job, now)


def stop_jobs(state: CoreState, event: ev.JobsStopped, now: Instant) -> None:
    """Cancel what waits; have Agents end what runs."""
    for job in state.jobs_of(event.job_ids):
        _stop(state, job, now, "stopped")


def _stop(state: CoreState, job: Job, now: Instant, reason: str) -> None:
    if job.is_over:
        return
    state.cancel_waiting(job, reason)
    for task in job.running_indices():
        if job.task_state(task) is _T.RUNNING:
            stop_task(state, job, task)
        else:
            job.details[task].restart = False
    state.after_task(job, now)


def remove_jobs(state: CoreState, event: ev.JobsRemoved, now: Instant) -> None:
    """Forget jobs; what runs of them is stopped first, and they are forgotten when that is seen gone."""
    for job in state.jobs_of(event.job_ids):
        job.removing = True
        if job.is_over:
            state.forget(job, now)
        else:
            _stop(state, job, now, "being removed")


def set_priority(state: CoreState, event: ev.PrioritySet, now: Instant) -> None:
    """Change priorities; what waits is taken in the new order."""
    check_priority(event.priority)
    for job in state.jobs_of(event.job_ids):
        if job.priority != event.priority:
            job.priority = event.priority
            state.out.append(do.JobChanged(job.id))
            state.offer(job)


def set_note(state: CoreState, event: ev.NoteSet, now: Instant) -> None:
    """Write a note to jobs, instead of the one that they have."""
    check_note(event.note)
    for job in state.jobs_of(event.job_ids):
        if job.note != event.note:
            job.note = event.note
            state.out.append(do.JobChanged(job.id))


def pause_queue(state: CoreState, event: ev.QueuePaused, now: Instant) -> None:
    """Give no more work, or give it again."""
    if state.paused is not event.paused:
        state.paused = event.paused
        state.out.append(do.QueueChanged())


def want_agents(state: CoreState, event: ev.AgentsWanted, now: Instant) -> None:
    """Another number of local Agents; kq/core/pool.py keeps it."""
    if not 0 <= event.count <= MAX_AGENTS:
        raise BadInput(f"Invalid number of Agents: {event.count}. Use 0 to {MAX_AGENTS}")
    if state.agents_wanted != event.count:
        state.agents_wanted = event.count
        state.out.append(do.QueueChanged())


def drain_agents(state: CoreState, event: ev.AgentsDrained, now: Instant) -> None:
    """Agents that take no more work, or take it again."""
    for agent in state.agents_of(event.agent_ids):
        if agent.draining is not event.draining:
            agent.draining = event.draining
            state.out.append(do.AgentChanged(agent.id))
            state.offer_agent(agent)


def end_agents(state: CoreState, event: ev.AgentEndAsked, now: Instant) -> None:
    """End Agents with what they run, which waits again. Unless they come again, fewer are wanted here."""
    for agent in state.agents_of(event.agent_ids):
        if agent.state is not AgentState.ENDING:
            if agent.local and not event.again and not agent.retiring and state.agents_wanted:
                state.agents_wanted -= 1
                state.out.append(do.QueueChanged())
            agent.end_asked = True
            agent.comes_again = event.again
            state.end_agent(agent, "it was asked to end", now, force=agent.state is AgentState.LOST)


def _refuse_when_ending(state: CoreState) -> None:
    if state.ending:
        raise Refused("the session is ending: nothing more is started")
