"""The commands before and after a Disk Render: what is wrong with a file is in the job's log."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from host.renderboot.check_files import main


@pytest.mark.parametrize(
    ("kind", "content", "code", "fact"),
    [
        ("stage", b"PXR-USDC and more", 0, "17 bytes"),
        ("stage", b"", 1, "damaged"),
        ("stage", None, 1, "cannot be read"),
        ("picture", b"v/1\x01rest", 0, "8 bytes"),
        ("picture", b"#usda 1.0", 1, "damaged"),
    ],
)
def test_a_file_is_checked_on_the_machine_that_renders(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], kind: str, content: bytes | None, code: int, fact: str
) -> None:
    """Exit code and one line, with the file's path."""
    file = tmp_path / "file"
    if content is not None:
        file.write_bytes(content)
    assert main([kind, str(file)]) == code
    said = capfd.readouterr().err
    assert fact in said and str(file) in said


@pytest.mark.parametrize(
    "command",
    [["host.renderboot.check_files", "picture"], ["host.renderboot", "-geolib3OpTree", "x", "-camera"]],
)
def test_the_log_is_utf_8_in_any_locale(command: list[str]) -> None:
    """Windows' locales have other encodings, in which the Agent found no path of a picture."""
    words = [*command, "/shows/Größe/光"]
    if command[0] == "host.renderboot":
        words += ["-renderOutputFile", "/shows/Größe/光.txt"]
    locale = {**os.environ, "PYTHONUTF8": "0", "PYTHONIOENCODING": "cp1252:backslashreplace"}
    ended = subprocess.run([sys.executable, "-m", *words], capture_output=True, env=locale, check=False)
    assert "/shows/Größe/光" in ended.stderr.decode("utf-8")


def test_other_arguments_are_bad_arguments() -> None:
    """As renderboot's exit codes have it."""
    assert main([]) == main(["stage"]) == main(["window", "x"]) == 2
