"""Sends requests about jobs to the queue or farm that has them, and reports the results as messages."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any

from PySide6.QtCore import QObject, Signal

from ....kq.api import JobRecord, JobSpec, KqError, QueueClient, not_saved_text
from ...render_again import render_again
from .bridge import QueueBridge
from .job_sources import FarmSource, JobSource, JobSources

__all__ = ["JobRequests"]


class JobRequests(QObject):
    """Makes requests. All methods are called on Qt's thread and return at once; results arrive there, too.

    In the methods, `what` is the action's name, which begins an error message.

    Signals:
        noticed(str): a message about what was done.
        refused(str): an error message.
    """

    noticed = Signal(str)
    refused = Signal(str)

    def __init__(self, sources: JobSources, bridge: QueueBridge, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._sources, self._bridge = sources, bridge

    def submit(self, what: str, spec: JobSpec, done: str) -> None:
        """Submit `spec` to the queue; then show the message `done`, or a warning that it was not saved."""

        def take(is_saved: bool) -> None:
            if is_saved:
                self.noticed.emit(done)
            else:
                self.refused.emit(f"{what}: {not_saved_text(spec.name)}.")

        self.ask_queue(what, lambda client: client.submit(spec)[1], take)

    def start(self, jobs: list[JobRecord]) -> None:
        """Start jobs that are over again. Katana renders those that only send their pixels to a desktop."""
        what = "Start"
        queued = [job for job in jobs if not job.needs_desktop]
        self.ask_each(what, queued, lambda source, ids: source.start_jobs(ids))
        for job in jobs:
            if job.needs_desktop:
                self._render_again(what, job)

    def _render_again(self, what: str, job: JobRecord) -> None:
        """Let Katana render the node of `job` as a new job.

        The old command line names the port of a desktop that may have ended, and an item of its Catalog.
        """

        def take(spec: JobSpec) -> None:
            try:
                if spec.desktop is not None:
                    render_again(job, spec.desktop)
            except KqError as error:
                self.refused.emit(f"{what}: {error}")
            else:
                self.noticed.emit(f"{job.name} is rendered again by Katana, with the scene as it is now.")

        self.with_spec(what, job, take)

    def submit_again(self, job: JobRecord) -> None:
        """Submit a new job like `job`, or let Katana render it if it only sends its pixels to a desktop."""
        what = "Submit Again"
        source = self._sources.of(job)
        if job.needs_desktop:
            self._render_again(what, job)
        elif isinstance(source, FarmSource):
            done = f"{job.name} was submitted again to {job.farm}, unchanged."
            self.ask(what, partial(source.submit_again, job.id), done)
        else:
            self.with_spec(
                what,
                job,
                lambda spec: self.submit(what, spec, f"{spec.name} was submitted again, unchanged."),
            )

    def ask_queue(
        self, what: str, call: Callable[[QueueClient], Future[Any]], done: str | Callable[[Any], None] = ""
    ) -> None:
        """Make a request of the queue with `call`, if it is connected.

        `done` is a message to show, or a function to call with the result.
        """
        client = self._sources.client
        if client is None or not self._sources.is_live:  # disconnected while a menu or a dialog was open
            self.refused.emit(f"{what}: Katana Queue is not connected; nothing was done.")
            return
        self.ask(what, lambda: call(client), done)

    def ask_each(
        self, what: str, jobs: list[JobRecord], call: Callable[[JobSource, list[str]], Future[None]]
    ) -> None:
        """Call `call(source, job_ids)` for the queue and each farm that has some of `jobs`.

        Nothing is requested if one of them cannot take requests now.
        """
        if not jobs:
            return
        if any(not self._sources.takes_requests(job) for job in jobs):
            self.refused.emit(f"{what}: Katana Queue is not connected; nothing was done.")
            return
        for source, ids in self._sources.by_source(jobs):
            self.ask(what, partial(call, source, ids))

    def ask(self, what: str, call: Callable[[], Future[Any]], done: str | Callable[[Any], None] = "") -> None:
        """Make a request with `call`. `done` is a message to show, or a function to call with the result."""
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
        """Fetch the submitted spec of `job`, and call `use` with it."""
        source = self._sources.of(job)
        if source is not None:
            self._bridge.watch(
                source.spec(job.id), use, lambda message: self.refused.emit(f"{what}: {message}")
            )
