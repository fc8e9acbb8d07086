"""The process that decodes pictures: killed, crashed, stopped, too slow, idle, or without its desktop."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from kq.errors import NotFound
from kq.pictures.open_file import PictureError
from kq.pictures.reader import PictureReader
from tests.pictures.conftest import this_python
from tests.support.hostile_pictures import png_of

ROOT = Path(__file__).resolve().parents[2]
MakeReader = Callable[..., PictureReader]
on_posix = pytest.mark.skipif(sys.platform == "win32", reason="this system has no such signals")


def running(reader: PictureReader, good: str) -> psutil.Process:
    """The process of a reader that has read a picture."""
    assert reader.read(good) is not None
    assert reader.pid is not None
    return psutil.Process(reader.pid)


def has_not_ended(helper: psutil.Process) -> bool:
    """Whether a process that is no child of this one runs; the system may be slow to reap it."""
    try:
        return helper.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def slow_picture(path: Path) -> str:
    """A picture that takes much longer to decode than the time between two looks at its time limit."""
    rows = zlib.compressobj(1)
    row = bytes(1 + 3 * 12_000)
    path.write_bytes(
        png_of(12_000, 11_000, b"".join(rows.compress(row) for _ in range(11_000)) + rows.flush())
    )
    return str(path)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems end no process for want of memory")
def test_memory_that_runs_out_ends_it_before_the_desktop(make_reader: MakeReader, good: str) -> None:
    """And before renders, which are 500 above the desktop."""
    helper = running(make_reader(), good)
    own, its = (int(Path(f"/proc/{pid}/oom_score_adj").read_text()) for pid in ("self", helper.pid))
    assert its == min(own + 600, 1000)


@on_posix
@pytest.mark.parametrize("name", ["SIGSEGV", "SIGKILL", "SIGABRT"])
def test_a_crash_is_an_error_and_the_next_picture_has_a_new_process(
    make_reader: MakeReader, good: str, name: str
) -> None:
    """In the middle of a picture, where it is suspended until then; between two it is not even noticed."""
    reader = make_reader()
    helper = running(reader, good)
    helper.suspend()

    def crash(_is_file_read: bool) -> bool:
        helper.send_signal(signal.Signals[name])
        helper.resume()
        return True

    with pytest.raises(PictureError, match=name):
        reader.read(good, is_wanted=crash)
    again = running(reader, good)
    assert again.pid != helper.pid
    again.kill()
    again.wait()
    assert running(reader, good).pid != again.pid


def test_a_process_that_does_not_respond_is_killed(make_reader: MakeReader, good: str) -> None:
    """As one that hangs on a share: no share can be made to hang here, so the process is suspended."""
    reader = make_reader(timeout_s=60.0)
    helper = running(reader, good)
    helper.suspend()
    reader._timeout_s = 0.0
    with pytest.raises(PictureError, match="folder"):
        reader.read(good)
    assert not helper.is_running()
    reader._timeout_s = 60.0
    assert running(reader, good).pid != helper.pid


def test_a_decoder_that_takes_too_long_is_killed(make_reader: MakeReader, good: str, tmp_path: Path) -> None:
    """The limit counts from the request on."""
    reader = make_reader()
    helper = running(reader, good)
    reader._timeout_s = 0.0
    with pytest.raises(PictureError, match="within 0 s"):
        reader.read(slow_picture(tmp_path / "slow.png"))
    assert not helper.is_running()


def test_a_picture_that_is_not_wanted_any_more_is_given_up(make_reader: MakeReader, good: str) -> None:
    """The desktop closes its tab, and waits for no share."""
    reader = make_reader()
    helper = running(reader, good)
    helper.suspend()
    assert reader.read(good, is_wanted=lambda _is_file_read: False) is None
    assert not helper.is_running()


@on_posix
def test_the_memory_of_the_process_is_limited(make_reader: MakeReader, good: str) -> None:
    """Whatever a decoder asks for."""
    helper = running(make_reader(), good)
    assert helper.rlimit(psutil.RLIMIT_AS)[0] == 3 << 30


@pytest.mark.parametrize("is_busy", [False, True])
def test_a_desktop_that_is_killed_leaves_no_process(good: str, tmp_path: Path, is_busy: bool) -> None:
    """Neither while it waits for a request nor in the middle of a picture."""
    program = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from tests.pictures.conftest import this_python
from kq.pictures.reader import PictureReader
reader = PictureReader(this_python)
reader.read({good!r})
print(reader.pid, flush=True)
if {is_busy}:
    slow = {slow_picture(tmp_path / "slow.png")!r}
    reader.read(slow, is_wanted=lambda _: print("busy", flush=True) or True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as desktop:
        try:
            assert desktop.stdout is not None
            helper = psutil.Process(int(desktop.stdout.readline()))
            if is_busy:
                assert desktop.stdout.readline() == "busy\n"
        finally:
            desktop.kill()
    end_s = time.monotonic() + 60
    while has_not_ended(helper) and time.monotonic() < end_s:
        time.sleep(0.01)
    assert not has_not_ended(helper)


def test_without_pillow_the_error_names_it(make_reader: MakeReader, good: str, tmp_path: Path) -> None:
    """And the Python that it is missing for; the process lives on."""
    package = tmp_path / "first" / "PIL"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('not installed')")
    reader = make_reader(find_python=lambda: this_python(PYTHONPATH=str(package.parent)))
    for _ in range(2):
        with pytest.raises(PictureError, match="pillow"):
            reader.read(good)


def test_without_openimageio_an_exr_names_it(make_reader: MakeReader, good: str, tmp_path: Path) -> None:
    """Other pictures are shown."""
    folder = tmp_path / "first"
    folder.mkdir()
    (folder / "OpenImageIO.py").write_text("raise ImportError('not installed')")
    reader = make_reader(find_python=lambda: this_python(PYTHONPATH=str(folder)))
    path = tmp_path / "a.exr"
    path.write_bytes(b"\x76\x2f\x31\x01" + bytes(100))
    with pytest.raises(PictureError, match="openimageio"):
        reader.read(str(path))
    assert reader.read(good) is not None


def test_without_an_interpreter_the_error_says_so(make_reader: MakeReader, good: str, tmp_path: Path) -> None:
    """None was found, or none can be started."""

    def none_found() -> None:
        raise NotFound("there is no Python")

    for find_python in (none_found, lambda: this_python()._replace(path=str(tmp_path / "none"))):
        with pytest.raises(PictureError, match=r"there is no Python|none"):
            make_reader(find_python=find_python).read(good)


@pytest.mark.parametrize(
    "output",
    [
        b"no reply\n",
        b'{"type":"pixels","width":60000,"height":60000,"has_alpha":false,"stamp":[0,0]}\n',
        b'{"type":"pixels","width":-1,"height":-1,"has_alpha":false,"stamp":[0,0]}\nfour',
        b'{"type":"pixels","width":9,"height":9,"has_alpha":false,"stamp":[0,0]}\ntoo few',
        b"x" * 100_000,
    ],
)
def test_what_a_hostile_picture_may_make_the_process_send_is_an_error(
    make_reader: MakeReader, good: str, tmp_path: Path, output: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A decoder that a file has taken over: a program of ours sends what it might."""
    program = tmp_path / "program.py"
    program.write_text(f"import os\nos.read(0, 1000)\nos.write(1, {output!r})\n")
    monkeypatch.setattr("kq.pictures.reader._PROGRAM", program)
    with pytest.raises(PictureError, match=r"process|reply"):
        make_reader().read(good)


@on_posix
def test_a_process_that_closes_its_output_and_stays_is_killed(
    make_reader: MakeReader, good: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It must not stay beside the next one."""
    program = tmp_path / "program.py"
    program.write_text("import os, time\nos.read(0, 1000)\nos.close(1)\ntime.sleep(1000)\n")
    monkeypatch.setattr("kq.pictures.reader._PROGRAM", program)
    monkeypatch.setattr("kq.pictures.reader._EXIT_TIMEOUT_S", 0.1)
    with pytest.raises(PictureError, match="killed"):
        make_reader().read(good)
    assert not psutil.Process().children()


def test_close_ends_the_process_and_its_thread(make_reader: MakeReader, good: str) -> None:
    """The next picture starts another."""
    reader = make_reader()
    helper = running(reader, good)
    reader.close()
    assert not helper.is_running() and reader.pid is None
    for thread in threading.enumerate():
        if thread.name == "kq-picture-pipe":
            thread.join(60)
    assert running(reader, good).pid != helper.pid
