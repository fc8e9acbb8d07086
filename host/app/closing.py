"""Closing while renders are under way: which they are, and whether to wait, end them or stay."""

from __future__ import annotations

import logging
import time
from enum import Enum, auto

from PySide6.QtWidgets import QMessageBox, QWidget

from ..Katana.FarmAPI import FarmPluginManager, Job

_log = logging.getLogger("Katana.Window")
_NAMED = 8


class Choice(Enum):
    """What the artist wants."""

    WAIT = auto()
    """Close when the last of them has ended."""
    END = auto()
    """Close now, which ends them."""
    STAY = auto()
    """Do not close."""


def jobs_under_way() -> list[Job]:
    """Return the jobs of all farms that wait or run. A farm that fails is reported and counts for none."""
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
    """Ask what to do with the jobs. Waits for the answer, as any question of the desktop."""
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
