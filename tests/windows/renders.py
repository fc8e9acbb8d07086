"""Renders of the small scene on another machine, as a desktop on Linux submits them.

No expectation about kq lives here but that they end well.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from PySide6.QtGui import QImage

from kq.api import JobRecord, JobSpec, QueueClient
from tests.support.live_queue import ROOT, until

__all__ = ["await_render"]

_SCENE = ROOT / "tests" / "host" / "data" / "small.usda"
_WAIT_S = 300.0


def await_render(client: QueueClient, data_root: Path) -> tuple[JobRecord, str, QImage]:
    """Render; returns the record, log and picture once it is over."""
    folder = data_root / "renders" / f"a scene ü {time.monotonic_ns()}"
    folder.mkdir(parents=True)
    shutil.copy(_SCENE, folder)
    picture = folder / "beauty.0001.png"
    program = f"{os.environ['KATANA_ROOT']}/bin/renderboot"
    command = (
        program, "-geolib3OpTree", str(folder / _SCENE.name), "-renderOutputFile", str(picture),
        "-width", "480", "-height", "270", "-samples", "16",
    )  # fmt: skip
    spec = JobSpec(
        name="small.usda", commands=(command,), cwd=str(folder), temp_dir=str(folder), picture=str(picture)
    )
    job_id, done = client.submit(spec)
    done.result(_WAIT_S)
    until(lambda: (found := client.job(job_id)) and found.state.is_terminal, "the render", _WAIT_S)
    record = client.job(job_id)
    assert record is not None
    log = Path(record.log_file).read_text(errors="replace")
    assert record.state == "Completed", f"{record}\n{log}"
    return record, log, QImage(str(picture))
