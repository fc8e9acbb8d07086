"""Commands in the documents: each is one that the programs take; those of the README are run."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kq.cli.options import make_parser
from tests.support.live_queue import LiveQueue

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
KQ = re.compile(r"(?:^|`)(?:\.venv/bin/)?kq ([a-z]+\b(?:(?!&&)[^`|\n])*)", re.MULTILINE)
STARTS = re.compile(r"^\./(start|check|test)\b *([^#`\n]*)", re.MULTILINE)
MODULES = re.compile(r"python -m ((?:tests|benchmarks)[a-z.]*)(?: ([a-z]+)\b)?")


def texts(pattern: re.Pattern[str]) -> Iterator[tuple[str, re.Match[str]]]:
    """Each match, with the document that it is in."""
    for document in DOCUMENTS:
        for found in pattern.finditer(document.read_text(encoding="utf-8")):
            yield document.name, found


def test_every_kq_command_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    """Its options are there and take what they are given; letters in capitals stand for a value."""
    parser = make_parser()
    seen = set()
    for document, found in texts(KQ):
        words = shlex.split(found[1], comments=True)
        words = ["3" if word == "N" else word for word in words if word != "..."]
        seen.add(words[0])
        if words[0] == "remote" and words[-1].startswith("--"):
            words.append("farm-b")  # in prose the host is left out
        if len(words) == 1:
            words.append("--help")  # in prose the command's name is alone
        try:
            parser.parse_args(words)
        except SystemExit as ended:
            if ended.code:
                pytest.fail(f"{document}: kq {found[1]}: {capsys.readouterr().err}")
    assert {"serve", "submit", "jobs", "log", "stop", "pause", "doctor", "remote"} <= seen


def test_every_option_of_start_is_one() -> None:
    """Compared with the text of `./start --help`; a scene that is named is there."""
    usage = subprocess.run([ROOT / "start", "--help"], capture_output=True, text=True, check=True).stdout
    count = 0
    for document, found in texts(STARTS):
        if found[1] != "start":
            continue
        count += 1
        words = shlex.split(found[2])
        for word in words:
            if word.startswith("-"):
                assert word in usage, f"{document}: {found[0]}"
            elif "/" in word:
                assert (ROOT / word).is_file(), f"{document}: {found[0]}"
    assert count >= 4


def test_every_module_that_is_to_be_run_is_there() -> None:
    """And takes the word that follows."""
    count = 0
    for document, found in texts(MODULES):
        count += 1
        done = subprocess.run(
            [sys.executable, "-m", found[1], *([found[2]] if found[2] else []), "--help"],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{document}: {found[0]}: {done.stderr}"
    assert count >= 2


@pytest.mark.slow
def test_the_readmes_queue_without_a_desktop(tmp_path: Path) -> None:
    """Its lines but those for a farm, one after the other; `my-renderer` is made here."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    block = re.search(r"^## Without a desktop\n```\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)
    assert block
    serve, *lines = block[1].splitlines()
    assert shlex.split(serve, comments=True) == [".venv/bin/kq", "serve"]
    renderer = tmp_path / "bin" / "my-renderer"
    renderer.parent.mkdir()
    renderer.write_text('#!/bin/sh\necho "frames $2 to $4 of $5"\n')
    renderer.chmod(0o755)
    with LiveQueue(tmp_path / "root", 2) as queue:
        queue.environment["PATH"] = f"{renderer.parent}:{queue.environment['PATH']}"
        for line in lines:
            program, *arguments = shlex.split(line, comments=True)
            assert program == ".venv/bin/kq"
            if arguments[0] == "farm":
                continue  # needs a farm; test_every_kq_command_is_one has its options
            for word, meant in (("ID", queue.client.jobs()), ("FOLDER", [tmp_path / "made"])):
                if word in arguments:  # stands for the one that a reader has
                    arguments[arguments.index(word)] = str(getattr(meant[0], "id", meant[0]))
            if arguments[0] == "submit" and "--wait" not in arguments:
                path = f"PATH={queue.environment['PATH']}"
                arguments[1:1] = ["--env", path, "--wait"]
            done = queue.kq(*arguments)
            assert done.returncode == 0, f"{line}: {done.stderr}"
        jobs = queue.client.jobs()
    assert [(job.name, job.state, job.tasks) for job in jobs] == [
        ("echo", "Completed", 1), ("my-renderer", "Completed", 10),
        ("my-renderer", "Completed", 5),
    ]  # fmt: skip
