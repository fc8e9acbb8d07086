"""Handlers of events from clients' requests. Pure: they change CoreState and append instructions to it.

Each checks its event before it changes anything, and raises NotFound, Refused or BadInput.
"""

from __future__ import annotations

from ..errors import BadInput, NotFound, Refused
from ..plain_text import quoted
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
    "set_agent_count",
    "set_note",
    "set_priority",
    "start_jobs",
    "start_tasks",
    "stop_jobs",
    "stop_tasks",
    "submit",
]

_T = TaskState
_ENDED = frozenset({_T.COMPLETED, _T.CANCELLED, _T.FAILED})
_CANCELLED_OR_FAILED = frozenset({_T.CANCELLED, _T.FAILED})


def submit(state: CoreState, event: ev.JobSubmitted, now: Instant) -> None:
    """Add a job; one whose id is known already changes nothing."""
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
    state.instructions.append(do.JobChanged(job.id))
    state.link(job)
    state.explain_waiting(job)
    state.add_ready_job(job)


def start_jobs(state: CoreState, event: ev.JobsStarted, now: Instant) -> None:
    """Run Cancelled and Failed tasks again; in a Completed job, all tasks. Others are left alone.

    If one of the jobs needs a desktop that has ended, none is started.
    """
    _refuse_when_ending(state)
    jobs = state.jobs_of(event.job_ids)
    for job in jobs:
        _refuse_without_desktop(job)
    for job in jobs:
        restarting = [task for task in job.running_indices() if _restart_after_stop(job, task)]
        count = _reset_tasks(state, job, _CANCELLED_OR_FAILED)
        if not count and job.is_over:
            count = _reset_tasks(state, job, _ENDED)
        if count:
            _reopen(state, job)
        if restarting:
            _explain_restart(state, job)


def _restart_after_stop(job: Job, task: int) -> bool:
    """Mark a Stopping task to wait again once it has stopped. Returns whether that changed anything."""
    detail = job.details[task]
    if job.task_state(task) is not _T.STOPPING or detail.restart:
        return False
    detail.restart = True
    return True


def _explain_restart(state: CoreState, job: Job) -> None:
    """Set the job's reason: tasks of it start again once they have stopped."""
    job.explain("starts again when its running tasks have stopped", WaitReason.RESTART)
    state.instructions.append(do.JobChanged(job.id))


def _reset_tasks(state: CoreState, job: Job, states: frozenset[TaskState]) -> int:
    """Have the tasks that are in one of `states` wait again. Returns how many there were."""
    with_details = [index for index in job.details if job.task_state(index) in states]
    count = job.reset_tasks(states, _T.WAITING, state.now.wall, "started again")
    for index in with_details:
        _clear_result(job, index)
    if count:
        state.instructions.append(do.TasksReset(job.id))
    return count


def _clear_result(job: Job, index: int) -> None:
    """Clear what earlier attempts left in a task's details: counts of retries, reason, warnings, times."""
    detail = job.details[index]
    detail.agent_losses = detail.retries_used = 0
    detail.reason = detail.warning = ""
    job.count_warnings(detail, 0)
    detail.progress = detail.started = detail.ended = None


def _reopen(state: CoreState, job: Job) -> None:
    """Bring the job's reason, times and dependents in line, after tasks that were over wait again."""
    job.reason = job.warning = ""
    job.wait_reason = WaitReason.NONE
    failed = job.first_failed()
    if failed is not None:
        job.explain_failure(failed)
    job.begin_again()
    job.exit_code = None
    job.from_history = job.is_interrupted = False
    state.explain_waiting(job)
    state.add_ready_job(job)
    state.update_dependents(job)


def _job_with_tasks(state: CoreState, job_id: str, tasks: tuple[int, ...]) -> Job:
    """Return the job. Raises NotFound when there is none, or none of its tasks has one of these indexes."""
    job = state.job(job_id)
    for task in tasks:
        if not 0 <= task < job.total:
            raise NotFound(f"job {job.spec.name} has no task {task + 1}: it has {job.total}")
    return job


def start_tasks(state: CoreState, event: ev.TasksStarted, now: Instant) -> None:
    """Run these tasks again, Completed ones as well. Waiting and Running ones are left alone."""
    _refuse_when_ending(state)
    job = _job_with_tasks(state, event.job_id, event.tasks)
    _refuse_without_desktop(job)
    is_restarting = is_reopened = False
    for task in event.tasks:
        if job.task_state(task).is_terminal:
            if task in job.details:
                _clear_result(job, task)
            state.move_task(job, task, _T.WAITING)
            is_reopened = True
        elif task in job.details:
            is_restarting |= _restart_after_stop(job, task)
    if is_reopened:
        _reopen(state, job)
    if is_restarting:
        _explain_restart(state, job)


def stop_tasks(state: CoreState, event: ev.TasksStopped, now: Instant) -> None:
    """Cancel those of the tasks that wait; have Agents stop those that run. The others are left alone."""
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
    """Cancel the jobs' waiting tasks, and have Agents stop the running ones."""
    for job in state.jobs_of(event.job_ids):
        _stop_job(state, job, now, "stopped")


def _stop_job(state: CoreState, job: Job, now: Instant, reason: str) -> None:
    """Stop one job, unless it is over. `reason` is shown with its cancelled tasks."""
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
    """Remove jobs: at once when they are over, else once their running tasks have stopped."""
    for job in state.jobs_of(event.job_ids):
        job.removing = True
        if job.is_over:
            state.forget(job, now)
        else:
            _stop_job(state, job, now, "being removed")


def set_priority(state: CoreState, event: ev.PrioritySet, now: Instant) -> None:
    """Change the jobs' priority, from the next assigned task on; running tasks are not interrupted."""
    check_priority(event.priority)
    for job in state.jobs_of(event.job_ids):
        if job.priority != event.priority:
            job.priority = event.priority
            state.instructions.append(do.JobChanged(job.id))
            state.add_ready_job(job)


def set_note(state: CoreState, event: ev.NoteSet, now: Instant) -> None:
    """Replace the jobs' note."""
    check_note(event.note)
    for job in state.jobs_of(event.job_ids):
        if job.note != event.note:
            job.note = event.note
            state.instructions.append(do.JobChanged(job.id))


def pause_queue(state: CoreState, event: ev.QueuePaused, now: Instant) -> None:
    """Pause or resume the assignment of tasks. Running tasks are not affected."""
    if state.paused is not event.paused:
        state.paused = event.paused
        state.instructions.append(do.QueueChanged())


def set_agent_count(state: CoreState, event: ev.AgentCountSet, now: Instant) -> None:
    """Set how many local Agents there should be; kq/core/pool.py starts and ends them."""
    if not 0 <= event.count <= MAX_AGENTS:
        raise BadInput(f"Invalid number of Agents: {event.count}. Use 0 to {MAX_AGENTS}")
    if state.agents_wanted != event.count:
        state.agents_wanted = event.count
        state.instructions.append(do.QueueChanged())


def drain_agents(state: CoreState, event: ev.AgentsDrained, now: Instant) -> None:
    """Drain Agents, so that they finish their task and take no other, or undo that."""
    for agent in state.agents_of(event.agent_ids):
        if agent.draining is not event.draining:
            agent.draining = event.draining
            state.instructions.append(do.AgentChanged(agent.id))
            state.add_free_agent(agent)


def end_agents(state: CoreState, event: ev.AgentEndRequested, now: Instant) -> None:
    """End Agents at once; their tasks wait again.

    With `event.restart` each is replaced. Without, the wanted number of local Agents drops by each local one.
    """
    for agent in state.agents_of(event.agent_ids):
        if agent.state is not AgentState.ENDING:
            if agent.local and not event.restart and not agent.retiring and state.agents_wanted:
                state.agents_wanted -= 1
                state.instructions.append(do.QueueChanged())
            agent.end_requested = True
            agent.is_replaced = event.restart
            state.end_agent(agent, "it was asked to end", now, force=agent.state is AgentState.LOST)


def _refuse_when_ending(state: CoreState) -> None:
    """Raise Refused when the session is ending."""
    if state.ending:
        raise Refused("the session is ending: no more tasks are started")


def _refuse_without_desktop(job: Job) -> None:
    """Raise Refused when the job only sends its pixels to the desktop of an earlier session."""
    render = job.spec.desktop
    if render is not None and job.from_history:
        scene = f" with {quoted(render.scene)} open" if render.scene else ""
        raise Refused(
            f"job {job.spec.name} ({job.id}) was not started: it sends its picture to a desktop that has "
            f"ended. Start it in the Katana Queue tab of a desktop{scene}, which renders it again"
        )
