"""How long from a click to the first picture: by a process kept ready, by a new one, without a queue?

The click is the submit, the picture the PNG on disk. The bare limit is mitsuba in this process, with the
scene read and translated before the clock starts.
"""

from __future__ import annotations

import time
from pathlib import Path

import psutil

from benchmarks.measuring import connected_session, figures, until
from host import session as host_session
from host.renderboot.arguments import parse
from host.renderboot.findings import Findings
from host.renderboot.picture import write_png
from host.renderboot.renderers import load_renderer
from host.renderboot.stage.reader import read_scene
from kq.api import JobSpec, Session

__all__ = ["run"]

SCENE = Path(__file__).parent.parent / "resources" / "scenes" / "sample.usda"
THREADS = 1


def run(*, small: bool) -> list[dict[str, object]]:
    """Rows of milliseconds to the first picture: a sixteenth of the pixels, one sample each."""
    rounds, size = (1, (64, 36)) if small else (10, (640, 360))
    bare_ms: list[float] = []
    reading_ms: list[float] = []
    cold_ms: list[float] = []
    ready_ms: list[float] = []
    renderer = load_renderer("mitsuba")
    asked = parse(_arguments(size), {"KQ_THREADS": str(THREADS)})
    with connected_session(agents=1) as (session, folder):
        for number in range(rounds):
            begin_s = time.perf_counter()
            picture = renderer.prepare(read_scene(asked, Findings()), THREADS, Findings())
            loaded_s = time.perf_counter()
            picture.render_preview()
            write_png(folder / "bare.png", picture.pixels())
            bare_ms.append(_ms(loaded_s))
            reading_ms.append(_ms(begin_s))
            cold = _Render(session, folder / f"cold{number}", size, ready=False)
            cold_ms.append(cold.first_picture_ms())
            # When this one ends, the next one's process is loaded.
            _Render(session, folder / f"before{number}", size, ready=True).first_picture_ms()
            _await_ready(session)
            ready = _Render(session, folder / f"ready{number}", size, ready=True)
            ready_ms.append(ready.first_picture_ms())
            if "kept ready" not in ready.log.read_text():
                raise RuntimeError("the process that was kept ready was not used")
    what, kept = "click to first picture, ms", "kq, a process kept ready"
    return [
        figures(what, "mitsuba in process, scene loaded", bare_ms, bare_ms),
        figures(what, "mitsuba in process, scene read at the click", reading_ms, bare_ms),
        figures(what, "kq, a new process", cold_ms, bare_ms),
        figures(what, kept, ready_ms, bare_ms),
        figures(f"{what}: against a new process", kept, ready_ms, cold_ms),
        figures(f"{what}: against in process with reading", kept, ready_ms, reading_ms),
    ]


class _Render:
    """One render in a folder of its own, followed until its first picture, then stopped."""

    def __init__(self, session: Session, folder: Path, size: tuple[int, int], *, ready: bool) -> None:
        folder.mkdir()
        self._client = session.client
        self._picture = folder / "picture.png"
        self.log = Path()
        output = ("-renderOutputFile", str(self._picture))
        command = [*host_session.renderboot_command(), *_arguments(size), *output]
        self._spec = JobSpec(
            name=folder.name,
            commands=(tuple(command),),
            cwd=str(folder),
            environment={**host_session.render_environment(), "KQ_THREADS": str(THREADS)},
            standby=tuple(host_session.standby_command()) if ready else (),
        )

    def first_picture_ms(self) -> float:
        """Submit it, and wait for the picture; the render is over when this returns."""
        begin_s = time.perf_counter()
        job_id, _taken = self._client.submit(self._spec)
        until(self._picture.exists, every_s=0.001)
        spent_ms = _ms(begin_s)
        self._client.stop_jobs([job_id])

        def is_over() -> bool:
            job = self._client.job(job_id)
            return job is not None and job.state.is_terminal

        until(is_over)
        job = self._client.job(job_id)
        self.log = Path(job.log_file if job else "")
        return spent_ms


def _await_ready(session: Session) -> None:
    """Wait until the Agent's process has loaded: it sleeps, and has not used the processor for a while."""
    agent = psutil.Process(session.client.agents()[0].pid)
    until(lambda: bool(agent.children()))
    [ready] = agent.children()
    spent_s = [-1.0]

    def is_at_rest() -> bool:
        spent_s.append(sum(ready.cpu_times()[:2]))
        return spent_s[-1] == spent_s[-2] and ready.status() == psutil.STATUS_SLEEPING

    until(is_at_rest, every_s=0.5)


def _arguments(size: tuple[int, int]) -> list[str]:
    width, height = map(str, size)
    return ["-geolib3OpTree", str(SCENE), "-width", width, "-height", height, "-samples", "1000000"]


def _ms(begin_s: float) -> float:
    return (time.perf_counter() - begin_s) * 1000
