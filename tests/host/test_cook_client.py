"""The cook process: answers, outlives bad requests, is started again when it died, ends with the desktop."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from host.app import cook_client
from host.app.cook_client import CookClient
from host.nodes import cook_service
from host.nodes.errors import CookError
from host.nodes.project import to_document, usd_project
from tests.host.conftest import SMALL


@pytest.fixture
def client() -> Iterator[CookClient]:
    """A client that is closed when the test ends."""
    client = CookClient()
    yield client
    client.close()


def ask(client: CookClient, file: Path = SMALL) -> list[str]:
    document = to_document(usd_project(file))
    answer = client.request(op="describe", project=document, node="Render", frame=1)
    cameras: list[str] = answer["cameras"]
    return cameras


def cook_process() -> psutil.Process:
    return next(
        child
        for child in psutil.Process().children()
        if "host.nodes.cook_service" in " ".join(child.cmdline())
    )


def test_it_is_started_again_when_it_died(client: CookClient) -> None:
    """The request that met its death fails with a message; the next is answered."""
    assert ask(client) == ["/World/Front"]
    child = cook_process()
    os.kill(child.pid, signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)
    psutil.wait_procs([child])
    assert ask(client) == ["/World/Front"]


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="this system does not stop processes")
def test_a_cook_that_does_not_end_is_given_up(client: CookClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """USD may wait for ever for a share; the next request is answered by a new process."""
    assert ask(client) == ["/World/Front"]  # it has loaded
    os.kill(cook_process().pid, signal.SIGSTOP)
    with monkeypatch.context() as patch:
        patch.setattr(cook_client, "COOK_TIMEOUT_S", 0.5)
        with pytest.raises(CookError, match=r"\b0 s\b"):
            ask(client)
    assert ask(client) == ["/World/Front"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_a_scene_that_doubles_itself_ends_at_the_memory_limit(tmp_path: Path) -> None:
    """2 to the 40 prims from a small file: without a limit the system would choose what to end."""
    lines = ['#usda 1.0\ndef Sphere "L0" {}\n']
    for level in range(1, 41):
        below = f"(references = </L{level - 1}>)"
        lines.append(f'def Xform "L{level}"\n{{\ndef "a" {below} {{}}\ndef "b" {below} {{}}\n}}\n')
    (tmp_path / "many.usda").write_text("".join(lines))
    document = to_document(usd_project(tmp_path / "many.usda"))
    request = json.dumps({"op": "describe", "project": document, "node": "Render", "frame": 1})
    limited = (
        f"from host.nodes import cook_service as s; s.psutil.virtual_memory = lambda: s; s.total = {2**28}"
    )
    ended = subprocess.run(
        [sys.executable, "-c", f"{limited}; s.main()"], input=request + "\n", capture_output=True, text=True
    )
    assert ended.returncode != 0 or "MemoryError" in ended.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_a_limit_of_the_machine_that_is_lower_stays() -> None:
    """Only root may raise it: the cook process ended with every start."""
    program = (
        "import resource as r; from host.nodes.cook_service import limit_memory;"
        f"r.setrlimit(r.RLIMIT_DATA, ({2**32}, {2**32})); limit_memory({2**40});"
        "print(r.getrlimit(r.RLIMIT_DATA))"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == str((2**32, 2**32))


def test_a_request_that_cannot_be_understood_does_not_end_it() -> None:
    """Each gets its answer, in order."""
    document = to_document(usd_project(SMALL))
    good = json.dumps({"op": "describe", "project": document, "node": "Render", "frame": 1})
    answers = io.StringIO()
    cook_service.serve(io.StringIO(f"not json\n{{}}\n{good}\n"), answers)
    replies = [json.loads(line) for line in answers.getvalue().splitlines()]
    assert [reply["ok"] for reply in replies] == [False, False, True]


def test_after_the_end_there_are_no_answers(client: CookClient) -> None:
    """And no process is started any more."""
    client.close()
    with pytest.raises(CookError, match="closing"):
        ask(client)


@pytest.mark.parametrize("cut_off", ['{"ok": true, "cameras": [', '{"ok": true, "cameras": []}'])
def test_an_answer_that_its_death_cuts_off_is_a_cook_error(
    client: CookClient, monkeypatch: pytest.MonkeyPatch, cut_off: str
) -> None:
    """Even where the line is whole but for its end; the next request is answered by a new process."""
    program = f"import sys; sys.stdin.readline(); sys.stdout.write({cut_off!r})"
    start = subprocess.Popen

    def start_another(_arguments: list[str], **options: Any) -> subprocess.Popen[str]:
        return start([sys.executable, "-c", program], **options)

    with monkeypatch.context() as patch:
        patch.setattr(cook_client.subprocess, "Popen", start_another)
        with pytest.raises(CookError, match="exit code 0"):
            ask(client)
    assert ask(client) == ["/World/Front"]


def test_a_process_that_does_not_start_is_a_cook_error(
    client: CookClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where there are no more descriptors or threads; the next request starts it."""
    start = threading.Thread.start

    for name in ("cook-messages", "cook-watch"):

        def start_other(thread: threading.Thread, name: str = name) -> None:
            if thread.name == name:
                raise RuntimeError("can't start new thread")
            start(thread)

        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", start_other)
            with pytest.raises(CookError, match="can't start new thread"):
                client.warm_up()
            with pytest.raises(CookError, match="can't start new thread"):
                ask(client)
    assert not [child for child in psutil.Process().children() if "cook_service" in " ".join(child.cmdline())]
    with monkeypatch.context() as patch:
        patch.setattr(cook_client.sys, "executable", str(SMALL.parent / "no-such-python"))
        with pytest.raises(CookError, match="does not start"):
            client.warm_up()
        with pytest.raises(CookError, match="does not start"):
            ask(client)
    assert ask(client) == ["/World/Front"]
