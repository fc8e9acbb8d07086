"""The menu *Send To*: submits a copy of a job of the queue to one of the site's farms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QMenu, QWidget

from ....kq.api import Farm, JobRecord, JobSpec, new_job_id
from ... import site_farms
from .bridge import QueueBridge
from .job_sources import JobSources

__all__ = ["SendTo"]


class SendTo(QObject):
    """Sends selected jobs to farms. Qt's thread; nothing waits.

    Args:
        selected: returns the selected jobs.
        sources: the queue and the farms.
        bridge: brings results to Qt's thread.
        parent: the owner.

    Signals:
        noticed(str): a message about what was done.
        refused(str): an error message; empty when the last one no longer matters.
    """

    noticed = Signal(str)
    refused = Signal(str)

    def __init__(
        self,
        selected: Callable[[], list[JobRecord]],
        sources: JobSources,
        bridge: QueueBridge,
        parent: QWidget,
    ) -> None:
        super().__init__(parent)
        self._selected, self._sources, self._bridge = selected, sources, bridge
        self._farms: Mapping[str, Farm] = {}

    def set_farms(self, farms: Mapping[str, Farm]) -> None:
        """Set the farms to offer, by their names in KQ_FARMS."""
        self._farms = farms

    def menu(self, parent: QWidget) -> QMenu | None:
        """Return a menu of the farms, disabled when no selected job can be sent; None without farms."""
        if not self._farms:
            return None
        menu = QMenu("Send To", parent)
        jobs = [job for job in self._selected() if not job.farm and self._sources.takes_requests(job)]
        menu.setEnabled(bool(jobs))
        for name, farm in self._farms.items():
            action = menu.addAction(farm.title)
            action.setToolTip(f"Submit this job to {farm.title}; the job here is not changed")
            action.triggered.connect(partial(self._send, name, jobs))
        return menu

    def _send(self, name: str, jobs: list[JobRecord], _checked: bool = False) -> None:
        self.refused.emit("")
        for job in jobs:
            source = self._sources.of(job)
            if source is not None:
                refuse = partial(self._refuse, job.name)
                self._bridge.watch(source.spec(job.id), partial(self._submit, name), refuse)

    def _submit(self, name: str, spec: JobSpec) -> None:
        title = self._farms[name].title
        if spec.after:
            self._refuse(spec.name, f"it waits for other jobs of the queue, which {title} does not know")
            return
        self._bridge.watch(
            site_farms.submit(name, new_job_id(), spec, copy_files=True),
            lambda _done: self.noticed.emit(f"{spec.name} was sent to {title}; its job here stays."),
            partial(self._refuse, spec.name),
        )

    def _refuse(self, name: str, message: str) -> None:
        self.refused.emit(f"Send To: {name}: {message}")
