"""The farm plug-in "OpenJD" where a bundle cannot be written."""

from __future__ import annotations

from pathlib import Path

import pytest
from katana_queue.kq.api import JobRecord, JobSpec, JobState
from katana_queue.plugins.FarmAPI import OpenJDFarmPlugin


def test_any_error_fails_the_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that is not kq's, and whose text is not UTF-8; the job would run for ever otherwise."""

    def fails(*_arguments: object) -> None:
        raise ValueError("no name: \udcff")

    monkeypatch.setattr(OpenJDFarmPlugin, "write_bundle", fails)
    farm = OpenJDFarmPlugin.OpenJDFarmPlugin()
    log = tmp_path / "bundle.log"
    record = JobRecord(
        id="a", name="Key", state=JobState.RUNNING, submitted=1.0, order=0, log_file=str(log), node="Key"
    )
    farm._write(OpenJDFarmPlugin._Export(JobSpec(name="Key", commands=()), tmp_path / "bundle", record))
    assert farm.record("a").state is JobState.FAILED
    assert "no name: " in log.read_text(encoding="utf-8")
