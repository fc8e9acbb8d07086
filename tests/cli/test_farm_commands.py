"""`kq farm` in the terminal. The farm here is one that never answers."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kq.cli import farms, main
from kq.remote import command


@pytest.fixture
def silent_farm(monkeypatch: pytest.MonkeyPatch) -> None:
    """The farm of every command."""
    farm: Any = SimpleNamespace(
        name="slurm",
        title="Slurm",
        check=lambda _options: Future(),
        submit=lambda *_given: Future(),
        refresh=Future,
        jobs=list,
        close=lambda _timeout_s: None,
    )
    monkeypatch.setattr(farms, "open_farm", lambda *_given: farm)
    monkeypatch.setattr(farms, "_TIMEOUT_S", 0.01)


@pytest.mark.parametrize("words", [["check"], ["submit", "--", "true"]])
def test_a_farm_that_does_not_answer_is_named(
    silent_farm: None, capsys: pytest.CaptureFixture[str], tmp_path: Path, words: list[str]
) -> None:
    """A time-out is an OSError: it is none of the output, and nothing else is silenced."""
    assert main(["farm", words[0], "--data-root", str(tmp_path), *words[1:]]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "Slurm" in line and "0.01 s" in line and "output" not in line


def test_of_a_farm_that_does_not_answer_the_known_jobs_are_listed(
    silent_farm: None, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["farm", "jobs", "--data-root", str(tmp_path)]) == 0
    shown = capsys.readouterr()
    assert "Slurm" in shown.err and shown.out.startswith("ID")


def test_a_queue_that_gives_no_key_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The same of `kq remote key`."""

    class Connected:
        def __init__(self, _options: object, *, history: bool) -> None:
            pass

        def __enter__(self) -> Any:
            return SimpleNamespace(admit_host=lambda *_given, **_named: Future())

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr("kq.cli.options.Connected", Connected)
    monkeypatch.setattr(command, "_ANSWER_S", 0.01)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    words = ["remote", "key", "farm-h", "--kq-host", "127.0.0.1", "--data-root", str(tmp_path)]
    assert main(words) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "0.01 s" in line and "output" not in line


def test_wait_of_a_farm_promises_no_log(capsys: pytest.CaptureFixture[str]) -> None:
    """A farm's job is waited for alone: `--wait` of the queue prints its log, and has its exit code."""
    texts = []
    for words in (["submit"], ["farm", "submit"]):
        with pytest.raises(SystemExit):
            main([*words, "--help"])
        texts.append(" ".join(capsys.readouterr().out.split()))
    queue, farm = (text.partition(" --wait ")[2].partition(" --")[0] for text in texts)
    assert "log" in queue and "log" not in farm and "0" in farm
