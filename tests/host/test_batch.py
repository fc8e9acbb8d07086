"""Batch and script mode: Katana without its UI, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PySide6.QtGui import QImage

from host.app.batch import parse_frames, run_script
from host.nodes import project as projects
from tests.host.conftest import DATA, SMALL

ROOT = Path(__file__).resolve().parents[2]


def run(resources: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run without a UI and wait for the end."""
    return subprocess.run(
        [sys.executable, "-m", "host.app", *(str(argument) for argument in arguments)],
        cwd=ROOT,
        env={**os.environ, "KATANA_RESOURCES": str(resources)},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_a_script_finds_katanas_api_but_no_ui(tmp_path: Path) -> None:
    """UI4 cannot be imported, no UI mode is set, plug-ins are loaded; the exit code is the script's."""
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\n"
        "from Katana import Configuration, FarmAPI, NodegraphAPI\n"
        "assert not Configuration.get('KATANA_UI_MODE')\n"
        "try:\n    from Katana import UI4\nexcept ImportError: pass\nelse: raise AssertionError('UI4')\n"
        "try:\n    import UI4\nexcept ImportError: pass\nelse: raise AssertionError('UI4')\n"
        "print(FarmAPI.FarmPluginManager.GetFarmPluginNames(), sys.argv[1:])\n"
        "sys.exit(7)\n"
    )
    done = run(DATA / "resources", "--script", script, "--shot", "10")
    assert done.returncode == 7, done.stderr
    assert done.stdout.strip() == "['Local Farm'] ['--shot', '10']"


def test_our_plugins_do_nothing_in_script_mode(tmp_path: Path) -> None:
    """No session starts, no tab is imported, and nothing is written."""
    script = tmp_path / "script.py"
    script.write_text(
        "import sys\nprint([name for name in sys.modules if 'zmq' in name or 'KatanaQueueTab' in name])\n"
    )
    done = run(ROOT / "plugins", "--script", script)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "[]", "")


def test_batch_renders_the_frames_to_the_nodes_output(tmp_path: Path) -> None:
    """Each in its turn, `#` as the frame's digits; a node that is missing or has no Output is named."""
    project = projects.usd_project(SMALL)
    for name, value in (("width", 32), ("height", 18), ("samples", 1)):
        project.graph.node("RenderSettings").set_value(name, value)
    file = tmp_path / "shot.kqproject"
    projects.save(project, file)
    refused = run(DATA / "resources", "--batch", "--katana-file", file, "--render-node", "Render")
    assert refused.returncode == 1 and "Render has no Output" in refused.stderr
    project.graph.node("Render").set_value("output", str(tmp_path / "shot.##.png"))
    projects.save(project, file)
    done = run(DATA / "resources", "--batch", f"--katana-file={file}", "--render-node=Render", "-t", "2,4")
    assert done.returncode == 0, done.stderr
    for frame in ("02", "04"):
        assert QImage(str(tmp_path / f"shot.{frame}.png")).width() == 32
    assert not (tmp_path / "shot.03.png").exists()
    missing = run(DATA / "resources", "--batch", f"--katana-file={file}", "--render-node=Beauty")
    assert missing.returncode == 1 and "Beauty" in missing.stderr
    assert run(DATA / "resources", "--batch").returncode == 2


@pytest.mark.parametrize(
    ("text", "frames"),
    [("1-3", [1, 2, 3]), ("5", [5]), ("1, 3,7-8", [1, 3, 7, 8]), ("-3--1", [-3, -2, -1]), ("-2", [-2])],
)
def test_frames_are_read(text: str, frames: list[int]) -> None:
    """Ranges, single frames and lists of both; negative ones too."""
    assert parse_frames(text) == frames


@pytest.mark.parametrize("text", ["", "a", "1-", "3-1", "1-999999999"])
def test_frames_that_are_none_are_refused(text: str) -> None:
    """With what was given; before anything is made of it."""
    with pytest.raises(ValueError):
        parse_frames(text)


def test_a_script_that_exits_with_a_text_shows_it(tmp_path: Path) -> None:
    """As Python does; the exit code is 1."""
    script = tmp_path / "script.py"
    script.write_text("import sys\nsys.exit('there is no such shot')\n")
    done = run(DATA / "resources", "--script", script)
    assert (done.returncode, done.stderr) == (1, "there is no such shot\n")


def test_a_script_that_may_not_be_looked_for_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """Too long a name is like a folder that may not be entered: no traceback."""
    assert run_script(Path("a" * 300), []) == 2 and "a" * 300 in capsys.readouterr().err
