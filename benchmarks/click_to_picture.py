"""How long from a click to the first picture: with a standby process, a new process, no queue?

The click is the submit, the picture the PNG on disk; between two clicks a light changes, or everything does.
The bare limit is mitsuba in this process, with the scene read and translated before the clock starts.
"""

from __future__ import annotations

import time
from pathlib import Path

import psutil
from pxr import Usd, UsdGeom, UsdLux

from benchmarks.measuring import connected_session, figures, until
from host import session as host_session
from host.renderboot.arguments import parse
from host.renderboot.diagnostics import Diagnostics
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
    changed_ms: list[float] = []
    renderer = load_renderer("mitsuba")
    with connected_session(agents=1) as (session, folder):
        stages = _Stages(folder)
        for _ in range(rounds):
            asked = parse(_arguments(stages.with_another_light(), size), {"KQ_THREADS": str(THREADS)})
            begin_s = time.perf_counter()
            picture = renderer.prepare(read_scene(asked, Diagnostics()), THREADS, Diagnostics())
            loaded_s = time.perf_counter()
            picture.render_preview()
            write_png(folder / "bare.png", picture.pixels())
            bare_ms.append(_ms(loaded_s))
            reading_ms.append(_ms(begin_s))
            cold = _Render(session, stages.with_another_light(), size, ready=False)
            cold_ms.append(cold.first_picture_ms())
            # When a render ends, the next standby process is loaded and gets a description of it.
            for times_ms, before in (
                (ready_ms, stages.with_another_light()),
                (changed_ms, stages.of_another_scene()),
            ):
                _Render(session, before, size, ready=True).first_picture_ms()
                _await_ready(session)
                ready = _Render(session, stages.with_another_light(), size, ready=True)
                times_ms.append(ready.first_picture_ms())
                if "kept ready" not in ready.log.read_text():
                    raise RuntimeError("the process that was kept ready was not used")
    what = "click to first picture, ms"
    kept, changed = "kq, a process kept ready, a light changed", "kq, a process kept ready, another scene"
    return [
        figures(what, "mitsuba in process, scene loaded", bare_ms, bare_ms),
        figures(what, "mitsuba in process, scene read at the click", reading_ms, bare_ms),
        figures(what, "kq, a new process", cold_ms, bare_ms),
        figures(what, kept, ready_ms, bare_ms),
        figures(what, changed, changed_ms, bare_ms),
        figures(f"{what}: against a new process", kept, ready_ms, cold_ms),
        figures(f"{what}: against a new process", changed, changed_ms, cold_ms),
        figures(f"{what}: against in process with reading", kept, ready_ms, reading_ms),
    ]


class _Stages:
    """Stage files as the desktop writes them: one flattened file for each click."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        self._stage = Usd.Stage.Open(str(SCENE))
        lights = (UsdLux.LightAPI(prim) for prim in self._stage.Traverse() if prim.HasAPI(UsdLux.LightAPI))
        self._intensity = next(lights).GetIntensityAttr()

    def with_another_light(self) -> Path:
        """Write the sample scene with one light changed."""
        self._intensity.Set(self._intensity.Get() * 1.02)
        return self._written(self._stage)

    def of_another_scene(self) -> Path:
        """Write a scene that has nothing in common with the sample scene."""
        stage = Usd.Stage.CreateInMemory()
        UsdGeom.Cube.Define(stage, "/Cube")
        return self._written(stage)

    def _written(self, stage: Usd.Stage) -> Path:
        self._count += 1
        path = self._folder / f"click{self._count}" / "stage.usdc"
        path.parent.mkdir()
        stage.Flatten().Export(str(path))
        return path


class _Render:
    """One render in its stage's folder, followed until its first picture, then stopped."""

    def __init__(self, session: Session, stage: Path, size: tuple[int, int], *, ready: bool) -> None:
        folder = stage.parent
        self._client = session.client
        self._picture = folder / "picture.png"
        self.log = Path()
        output = ("-renderOutputFile", str(self._picture))
        command = [*host_session.renderboot_command(), *_arguments(stage, size), *output]
        self._spec = JobSpec(
            name=folder.name,
            commands=(tuple(command),),
            cwd=str(folder),
            environment={**host_session.render_environment(), "KQ_THREADS": str(THREADS)},
            standby=tuple(host_session.standby_command()) if ready else (),
        )

    def first_picture_ms(self) -> float:
        """Submit the render, wait for its first picture, stop it, wait for its end; returns milliseconds."""
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
    """Wait until the Agent's standby process has loaded: it sleeps, and has used no CPU for a while."""
    agent = psutil.Process(session.client.agents()[0].pid)
    until(lambda: bool(agent.children()))
    [ready] = agent.children()
    spent_s = [-1.0]

    def is_at_rest() -> bool:
        spent_s.append(sum(ready.cpu_times()[:2]))
        return spent_s[-1] == spent_s[-2] and ready.status() == psutil.STATUS_SLEEPING

    until(is_at_rest, every_s=0.5)


def _arguments(stage: Path, size: tuple[int, int]) -> list[str]:
    width, height = map(str, size)
    return ["-geolib3OpTree", str(stage), "-width", width, "-height", height, "-samples", "1000000"]


def _ms(begin_s: float) -> float:
    return (time.perf_counter() - begin_s) * 1000
