"""Restores the jobs and Agents of an earlier server of the same session, when a server starts."""

from __future__ import annotations

import sqlite3

from ..clock import Clock
from ..core import Core, Instant
from ..core import events as ev
from .agent_links import AgentLinks
from .journal_writer import JournalWriter
from .local_agents import LocalAgents
from .scheduler import Scheduler

__all__ = ["restore_session"]


def restore_session(
    clock: Clock,
    core: Core,
    scheduler: Scheduler,
    journal_writer: JournalWriter,
    links: AgentLinks,
    local_agents: LocalAgents,
    *,
    continues: bool,
    stray_session: str,
) -> None:
    """Restore the session from the journal, and launch the Agents that are missing.

    Args:
        continues: whether an earlier server served this session.
        stray_session: session whose Agents are ended unless they are in the journal; empty if no earlier
            server can have left any.
    """
    try:
        _restore_from_journal(clock, core, journal_writer, links, local_agents, continues=continues)
        if stray_session:
            local_agents.end_unknown(stray_session)
    except sqlite3.Error as error:
        journal_writer.report_unreadable(f"the journal cannot be read ({error}): its jobs are not shown")
    journal_writer.show_damage()
    scheduler.finish_restore()
    scheduler.handle(ev.Tick())
    scheduler.settle()


def _restore_from_journal(
    clock: Clock,
    core: Core,
    journal_writer: JournalWriter,
    links: AgentLinks,
    local_agents: LocalAgents,
    *,
    continues: bool,
) -> None:
    journal = journal_writer.journal
    core.restore_numbering(next_job=journal.last_number() + 1)
    if continues:
        core.restore_numbering(next_agent=journal.next_agent())
    try:
        # If no server came before in this session, its journalled local Agents died with an earlier guardian.
        journal.forget_agents(local_too=not continues)
    except sqlite3.Error as error:
        journal_writer.report_failure(error)
    jobs = list(journal.restore_jobs())
    for job in [*journal.dependencies_from_history(jobs), *jobs]:
        core.restore_job(job)
    for known in journal.restore_agents():
        links.set_role(known.id, known.role)
        core.restore_agent(
            known.id,
            host=known.host,
            pid=known.pid,
            process_started=known.process_started,
            local=known.local,
            now=Instant(*clock.read()),
        )
        if known.local:
            local_agents.adopt(known.id, known.pid, known.process_started)
    queue_settings = journal.restore_queue_settings()
    if queue_settings is not None:
        core.restore_queue_settings(queue_settings)
