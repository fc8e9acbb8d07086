"""Closing the desktop during renders: lists the unfinished jobs and asks what to do with them."""

from __future__ import annotations

import logging
import time
from enum import Enum, auto

from PySide6.QtWidgets import QMessageBox, QWidget

from ..Katana.FarmAPI import FarmPluginManager, Job

_log = logging.getLogger("Katana.Window")
_NAMED = 8


class Choice(Enum):
    """The artist's answer."""

    WAIT = auto()
    """Close when the last job has ended."""
    END = auto()
    """Close now; the jobs end with the session."""
    STAY = auto()
    """Do not close."""


def jobs_under_way() -> list[Job]:
    """Return the waiting and running jobs of all farms. A farm that raises is logged and skipped."""
    found: list[Job] = []
    for farm in FarmPluginManager.GetFarmPluginNames():
        try:
            jobs = FarmPluginManager.GetJobs([], farm)
        except Exception as error:  # noqa: BLE001  a plug-in may raise anything; the window must still close
            _log.debug("The jobs of %s are not known: %s", farm, error)
            continue
        found += [job for job in jobs if job.state in (Job.State.kWaiting, Job.State.kRunning)]
    return found


def describe(jobs: list[Job], now: float) -> str:
    """Return one line for each job: its name, and for how long it has been running."""
    lines = []
    for job in jobs[:_NAMED]:
        if job.state == Job.State.kRunning and job.startTime:
            minutes, seconds = divmod(max(0, round(now - job.startTime)), 60)
            lines.append(f"{job.name}, running for {minutes}:{seconds:02d}")
        else:
            lines.append(f"{job.name}, waiting")
    if len(jobs) > _NAMED:
        lines.append(f"and {len(jobs) - _NAMED} more")
    return "\n".join(lines)


def ask(jobs: list[Job], parent: QWidget) -> Choice:
    """Show a modal dialog about the jobs and return the answer. Qt's thread; blocks in an event loop."""
    box = QMessageBox(parent)
    box.setIcon(QMessageBox.Icon.Question)
    box.setWindowTitle("Renders under way")
    count = "A render is" if len(jobs) == 1 else f"{len(jobs)} renders are"
    box.setText(f"{count} under way. Closing the desktop ends {'it' if len(jobs) == 1 else 'them'}.")
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
