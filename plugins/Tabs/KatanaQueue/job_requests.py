"""Requests about jobs, put to the queue or the farm that has them, and what came of them. Draws nothing."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any

from PySide6.QtCore import QObject, Signal

from ....kq.api import JobRecord, JobSpec, KqError, QueueClient, not_saved_text
from .bridge import QueueBridge
from .job_sources import JobSource, JobSources

__all__ = ["JobRequests"]


class JobRequests(QObject):
    """Qt's thread; nothing waits.

    Signals:
        noticed(str): a message about what was done.
        refused(str): why nothing was done; empty when the last one no longer matters.
    """

    noticed = Signal(str)
    refused = Signal(str)

    def __init__(self, sources: JobSources, bridge: QueueBridge, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._sources, self._bridge = sources, bridge

    def submit(self, what: str, spec: JobSpec, done: str) -> None:
        """Queue a job; show `done`, or that the job could not be saved."""

        def take(is_saved: bool) -> None:
            if is_saved:
                self.noticed.emit(done)
            else:
                self.refused.emit(f"{what}: {not_saved_text(spec.name)}.")

        self.ask_queue(what, lambda client: client.submit(spec)[1], take)

    def ask_queue(
        self, what: str, call: Callable[[QueueClient], Future[Any]], done: str | Callable[[Any], None] = ""
    ) -> None:
        """Ask the queue; show `done`, or call it with the result; else show why it is not done."""
        self.refused.emit("")
        client = self._sources.client
        if client is None or not self._sources.is_live:  # it went while a menu or a question was open
            self.refused.emit(f"{what}: Katana Queue is not connected; nothing was done.")
            return
        self.ask(what, lambda: call(client), done)

    def ask_each(
        self, what: str, jobs: list[JobRecord], call: Callable[[JobSource, list[str]], Future[None]]
    ) -> None:
        """Ask those that have `jobs`; for no jobs nothing is done."""
        if not jobs:
            return
        self.refused.emit("")
        if any(not self._sources.takes_requests(job) for job in jobs):
            self.refused.emit(f"{what}: Katana Queue is not connected; nothing was done.")
            return
        for source, ids in self._sources.by_source(jobs):
            self.ask(what, partial(call, source, ids))

    def ask(self, what: str, call: Callable[[], Future[Any]], done: str | Callable[[Any], None] = "") -> None:
        """Make a request; show `done`, or call it with the result; else show why it is not done."""
        try:
            future = call()
        except KqError as error:
            self.refused.emit(f"{what}: {error}")
            return
        self._bridge.watch(
            future,
            done if callable(done) else (lambda _result: self.noticed.emit(done)) if done else None,
            lambda message: self.refused.emit(f"{what}: {message}"),
        )

    def with_spec(self, what: str, job: JobRecord, use: Callable[[JobSpec], None]) -> None:
        """Call `use` with what was submitted as `job`."""
        source = self._sources.of(job)
        if source is not None:
            self._bridge.watch(
                source.spec(job.id), use, lambda message: self.refused.emit(f"{what}: {message}")
            )
