"""Checks whether kq's processes can run with a given Python: version, packages, CURVE.

The caller chooses the Python and its environment.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from .. import process
from ..errors import KqError

__all__ = ["OLDEST_PYTHON", "Interpreter", "check_interpreter"]

OLDEST_PYTHON = (3, 11)
ROOT = Path(__file__).resolve().parents[2]
_TIMEOUT_S = 30.0
_POLL_INTERVAL_S = 0.005
_MARK = "kq_check: "
# Valid in Python 2.7 and later, so that an old Python can still report its version.
_PROGRAM = """
import json, sys
sys.path[:1] = sys.argv[1:]
answer = {"version": list(sys.version_info[:3]), "problems": [], "zmq": "", "curve": False}
for name in ("msgspec", "psutil", "zmq"):
    try:
        module = __import__(name)
        if name == "zmq":
            answer["zmq"], answer["curve"] = module.__version__, bool(module.has("curve"))
    except Exception as error:
        answer["problems"].append("%s: %s" % (name, error))
print("kq_check: " + json.dumps(answer))
"""


class Interpreter(NamedTuple):
    """The Python executable and environment that kq's processes are started with."""

    path: str
    environment: Mapping[str, str]
    """The complete environment, except for kq's settings."""


def check_interpreter(interpreter: Interpreter, timeout_s: float = _TIMEOUT_S) -> str:
    """Run `interpreter` once. Blocks for up to `timeout_s`: do not call it on a UI's thread.

    Args:
        timeout_s: seconds after which the process is killed: it may be a second desktop, not a Python.

    Returns:
        Why kq's processes cannot run with it; empty when they can.
    """
    try:
        output, ended = _run(interpreter, timeout_s)
    except (KqError, OSError) as error:
        return f"{interpreter.path} cannot be started: {error}"
    if ended is None:
        return f"{interpreter.path} did not answer within {timeout_s:.0f} s: is it a Python?"
    lines = output.splitlines()
    answers = [line for line in lines if line.startswith(_MARK)]
    if not answers:
        last = next((line.strip() for line in reversed(lines) if line.strip()), "no output")
        return f"{interpreter.path} is not a working Python: exit code {ended.code} ({last[:200]})"
    answer = json.loads(answers[-1].removeprefix(_MARK))
    version = ".".join(str(number) for number in answer["version"])
    if tuple(answer["version"][:2]) < OLDEST_PYTHON:
        return (
            f"{interpreter.path} is Python {version}: kq needs {OLDEST_PYTHON[0]}.{OLDEST_PYTHON[1]} or later"
        )
    if answer["problems"]:
        problems = "; ".join(answer["problems"])
        return f"{interpreter.path} (Python {version}) cannot import what kq needs: {problems}"
    if not answer["curve"]:
        return f"{interpreter.path} has pyzmq {answer['zmq']} without CURVE: nothing could be encrypted"
    return ""


def _run(interpreter: Interpreter, timeout_s: float) -> tuple[str, process.Exit | None]:
    """Run the check. Returns stdout with stderr, and the exit; None when it timed out and was killed."""
    read_end, write_end = os.pipe()
    try:
        child = process.spawn_service(
            [interpreter.path, "-c", _PROGRAM, str(ROOT), str(ROOT / "packages")],
            environment=interpreter.environment,
            stdout=write_end,
            stderr=write_end,
        )
    except BaseException:
        os.close(read_end)
        raise
    finally:
        os.close(write_end)
    give_up = time.monotonic() + timeout_s
    # The output fits a pipe's buffer, so it can be read after the process has ended.
    while (ended := child.poll()) is None and time.monotonic() < give_up:
        time.sleep(_POLL_INTERVAL_S)
    if ended is None:
        process.end_tree([child.id])
        child.poll()
        child.close()
        os.close(read_end)
        return "", None
    child.close()
    with open(read_end, encoding="utf-8", errors="replace") as output:
        return output.read(), ended
