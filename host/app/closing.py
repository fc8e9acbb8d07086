"""Closing the desktop during renders: lists the unfinished jobs and asks what to do with them."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from enum import Enum, auto
from typing import NamedTuple

from PySide6.QtWidgets import QMessageBox, QWidget

from ..Katana.FarmAPI import FarmPluginManager, Job
from .render_state import Render

_log = logging.getLogger("Katana.Window")
_NAMED = 8


class Choice(Enum):
    """The artist's answer."""

    WAIT = auto()
    """Close when the last job that ends with the session has ended."""
    END = auto()
    """Close now; the jobs end with the session."""
    STAY = auto()
    """Do not close."""


class UnderWay(NamedTuple):
    """The waiting and running jobs of all farms, and what is to become one."""

    preparing: list[str]
    """The nodes of renders that are being cooked, and have no job yet."""
    ending: list[Job]
    """The jobs that end with the session."""
    staying: dict[str, int]
    """How many go on without the desktop, by the name of their farm."""

    @property
    def ends_any(self) -> bool:
        """Whether closing the desktop ends any of them."""
        return bool(self.preparing or self.ending)


def jobs_under_way(renders: Iterable[Render]) -> UnderWay:
    """Return the waiting and running jobs of all farms, and which of `renders` have no job yet.

    A farm that raises is logged and skipped.
    """
    preparing = [render.node for render in renders if not (render.ended or render.job_id)]
    found = UnderWay(preparing, [], {})
    for farm in FarmPluginManager.GetFarmPluginNames():
        try:
            jobs = FarmPluginManager.GetJobs([], farm)
        except (Exception, SystemExit) as error:  # noqa: BLE001  a plug-in may raise anything; the window must still close
            _log.debug("The jobs of %s are not known: %s", farm, error)
            continue
        jobs = [job for job in jobs if job.state in (Job.State.kWaiting, Job.State.kRunning)]
        if not FarmPluginManager._outlives_session(farm):
            found.ending.extend(jobs)
        elif jobs:
            found.staying[farm] = len(jobs)
    return found


def describe(jobs: UnderWay, now: float) -> str:
    """Return one line for each job that ends: its name, and for how long it has been running."""
    lines = []
    for job in jobs.ending:
        if job.state == Job.State.kRunning and job.startTime:
            minutes, seconds = divmod(max(0, round(now - job.startTime)), 60)
            lines.append(f"{job.name}, running for {minutes}:{seconds:02d}")
        else:
            lines.append(f"{job.name}, waiting")
    lines += [f"{node}, being prepared" for node in jobs.preparing]
    more = len(lines) - _NAMED
    return "\n".join([*lines[:_NAMED], f"and {more} more"] if more > 0 else lines)


def consequence(jobs: UnderWay) -> str:
    """Return what closing does to the jobs."""
    count = len(jobs.ending) + len(jobs.preparing)
    renders, them = ("A render is", "it") if count == 1 else (f"{count} renders are", "them")
    lines = [f"{renders} under way. Closing the desktop ends {them}."]
    for farm, staying in jobs.staying.items():
        lines.append(f"1 job on {farm} goes on." if staying == 1 else f"{staying:,} jobs on {farm} go on.")
    return "\n".join(lines)


def ask(jobs: UnderWay, parent: QWidget) -> Choice:
    """Show a modal dialog about the jobs and return the answer. Qt's thread; blocks in an event loop."""
    box = QMessageBox(parent)
    box.setIcon(QMessageBox.Icon.Question)
    box.setWindowTitle("Renders under way")
    box.setText(consequence(jobs))
    box.setInformativeText(describe(jobs, time.time()))
    wait = box.addButton("Wait, Then Close", QMessageBox.ButtonRole.AcceptRole)
    end = box.addButton("End and Close", QMessageBox.ButtonRole.DestructiveRole)
    stay = box.addButton(QMessageBox.StandardButton.Cancel)
    box.setDefaultButton(wait)
    box.setEscapeButton(stay)
    box.exec()
    clicked = box.clickedButton()
    box.deleteLater()
    if clicked is wait:
        return Choice.WAIT
    return Choice.END if clicked is end else Choice.STAY
