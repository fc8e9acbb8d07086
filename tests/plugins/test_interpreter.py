"""Which Python kq's processes get in Katana, which is none itself and whose environment is poison."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from katana_queue.kq.api import Interpreter, NotFound, check_interpreter
from katana_queue.plugins import interpreter

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="shell scripts stand for interpreters")


def script(path: Path, text: str) -> Path:
    """A program of the shell."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def katana(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation of Katana in which this process runs: no Python of its own, none on PATH."""
    root = tmp_path / "Katana 9.0v1 ü"
    (root / "bin").mkdir(parents=True)
    monkeypatch.setenv("KATANA_ROOT", str(root))
    monkeypatch.setattr(sys, "executable", str(root / "bin" / "katanaBin"))
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "nowhere"))
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.delenv("KQ_PYTHON", raising=False)
    monkeypatch.delenv("KQ_OPEN_PYTHON", raising=False)
    return root


def test_ones_own_python_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the program is Python, as in the stand-in, nothing is tried and the environment stays."""
    monkeypatch.delenv("KQ_PYTHON", raising=False)
    monkeypatch.setenv("PYTHONPATH", "/some where")
    found = interpreter.find_interpreter()
    assert (found.path, found.environment["PYTHONPATH"]) == (sys.executable, "/some where")


@posix_only
def test_katanas_launcher_is_taken_without_its_environment(
    katana: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """bin/python.sh serves, and neither a poisoned PYTHONHOME nor LD_LIBRARY_PATH reaches it."""
    monkeypatch.setenv("PYTHONHOME", "/no such home")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/no such libraries")
    site = Path(check_interpreter.__code__.co_filename).parents[2] / ".venv"
    launcher = script(katana / "bin" / "python.sh", f'exec "{site}/bin/python" "$@"')
    found = interpreter.find_interpreter()
    assert found.path == str(launcher)
    assert not set(found.environment) & {"PYTHONHOME", "LD_LIBRARY_PATH", "PYTHONPATH"}


@posix_only
def test_a_launcher_that_needs_katanas_libraries(katana: Path) -> None:
    """Where the clean environment is too little, that of Foundry's own Agents is tried."""
    site = Path(check_interpreter.__code__.co_filename).parents[2] / ".venv"
    script(
        katana / "bin" / "python.sh",
        f'[ "$LD_LIBRARY_PATH" ] || exit 127\nunset LD_LIBRARY_PATH\nexec "{site}/bin/python" "$@"',
    )
    assert interpreter.find_interpreter().environment["LD_LIBRARY_PATH"].startswith(f"{katana}/bin")


@posix_only
@pytest.mark.parametrize(
    ("program", "fact"),
    [
        ("exit 3", "exit code 3"),
        ("echo katana: no such option; exit 1", "no such option"),
        ("""echo 'kq_check: {"version": [3, 9, 7], "problems": [], "zmq": "", "curve": false}'""", "3.9.7"),
        (
            """echo 'kq_check: {"version": [3, 11, 7], "problems": ["msgspec: none"], "zmq": ""}'""",
            "msgspec",
        ),
        (
            """echo 'kq_check: {"version": [3, 11, 7], "problems": [], "zmq": "25.1", "curve": false}'""",
            "CURVE",
        ),
    ],
)
def test_what_does_not_serve_is_explained(katana: Path, program: str, fact: str) -> None:
    """One message: which interpreter, and why it does not serve; and what to set."""
    launcher = script(katana / "bin" / "python.sh", program)
    with pytest.raises(NotFound) as refused:
        interpreter.find_interpreter()
    assert str(launcher) in str(refused.value)
    assert fact in str(refused.value)
    assert "KQ_OPEN_PYTHON" in str(refused.value)


@posix_only
def test_a_program_that_never_answers_is_ended(tmp_path: Path) -> None:
    """A second desktop, say: it is ended with what it started."""
    endless = script(tmp_path / "katana", "sleep 600")
    reason = check_interpreter(Interpreter(str(endless), dict(os.environ)), timeout_s=0.2)
    assert str(endless) in reason


def test_what_was_named_is_the_only_candidate(katana: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """KQ_OPEN_PYTHON before KQ_PYTHON; a mistake in it is not hidden by another Python."""
    script(katana / "bin" / "python.sh", "exit 0")
    monkeypatch.setenv("KQ_PYTHON", "/theirs")
    assert [each.path for each in interpreter.candidates()] == ["/theirs"]
    monkeypatch.setenv("KQ_OPEN_PYTHON", "/ours")
    assert [each.path for each in interpreter.candidates()] == ["/ours"]
    with pytest.raises(NotFound, match="/ours"):
        interpreter.find_interpreter()


def test_no_python_at_all(katana: Path) -> None:
    """The message says what to set."""
    with pytest.raises(NotFound, match="KQ_OPEN_PYTHON"):
        interpreter.find_interpreter()
