"""The checks of documents and scripts, held against broken ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import doc_links, powershell_grammar, retired_words
from tools.tree import shell_scripts


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    """A folder of two documents that link to each other."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "guide.md").write_text("# The guide\n\n## Start & stop\n\n## Again\n\n## Again\n")
    return tmp_path


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("[a](docs/guide.md)", ""),
        ("[a](docs/guide.md#start--stop) [b](docs/guide.md#again-1) [c](#here)\n\n# Here", ""),
        ("[a](https://example.org/nowhere) `[b](no.md)`\n\n```\n[c](no.md)\n```", ""),
        ("![a](picture.png)", "picture.png: there is no such file"),
        ("[a](docs/guide.md#stop)", "guide.md has no such heading"),
        ("[a][b]\n\n[b]: docs/missing.md", "there is no such file"),
        ('<img src="lost.png">', "lost.png: there is no such file"),
        ("[a](../elsewhere.md)", "leads out of the checkout"),
    ],
)
def test_links_lead_somewhere(documents: Path, text: str, wrong: str) -> None:
    """Missing files and headings are found, in every way to write a link; code and the web are left alone."""
    readme = documents / "README.md"
    readme.write_text(text)
    found = list(doc_links.broken_links(readme, documents))
    assert (wrong in found[0]) if wrong else not found


def test_a_broken_link_is_reported_with_its_line(documents: Path) -> None:
    """The finding can be clicked in an editor."""
    readme = documents / "README.md"
    readme.write_text("one\n\n[two](missing.md)\n")
    assert list(doc_links.broken_links(readme, documents)) == [
        "README.md:3: missing.md: there is no such file"
    ]


@pytest.mark.parametrize("source", [b"if ($a {", b"function f {\n", b'Write-Output "open'])
def test_powershell_that_does_not_parse_is_found(source: bytes) -> None:
    """Each kind of slip is reported with its place."""
    assert [line for line in powershell_grammar.syntax_errors(source) if line[0].isdigit()]


def test_shell_scripts_are_known_by_name_or_first_line(tmp_path: Path) -> None:
    """shellcheck gets every shell script, and nothing else."""
    for name, first in {
        "start": "#!/usr/bin/env bash",
        "run.sh": "",
        "old": "#!/bin/sh",
        "tool": "#!/usr/bin/env python3",
        "notes": "a shell is a thing",
    }.items():
        (tmp_path / name).write_text(f"{first}\n")
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "activate.sh").touch()
    assert {path.name for path in shell_scripts(tmp_path)} == {"start", "run.sh", "old"}


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("Nobody else has it.", "who acts"),
        ("a job that wishes to run", "request"),
        ("STOP_PATIENCE_S = 3.0", "X_TIMEOUT_S"),
        ("a wizard, a runge, the most_important job, the keyholder", ""),
    ],
)
def test_retired_words_are_found(text: str, instead: str) -> None:
    """With what to write instead; a word that only holds one is left alone."""
    found = list(retired_words.retired_words(f"one\n{text}"))
    assert (found[0][0] == 2 and instead in found[0][1]) if instead else not found
