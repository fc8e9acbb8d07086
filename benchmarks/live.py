"""How long from a parameter's change to its first picture in a live render: once, and while dragging?

End to end: graph, cook, connection, render process on an Agent of the queue, picture in the desktop.
The peer is mitsuba in this process with the scene loaded, in the same run: it makes the same changes.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import psutil
from PySide6.QtCore import QEventLoop, Qt, QTimer
from PySide6.QtWidgets import QApplication

from benchmarks.live_peer import Peer, intervals_s
from benchmarks.measuring import LONGEST_S, figures
from host.app.desktop import Desktop
from host.app.interactive import settle
from host.app.render_state import Render
from host.nodes import cooking
from host.nodes.graph import Node
from host.nodes.live_cooking import LiveCook
from host.nodes.parameters import Value
from host.nodes.project import usd_project
from host.nodes.scene import active_scene
from host.nodes.types import node_type
from host.render_service import RenderMethod
from host.renderboot.arguments import Arguments, parse
from host.renderboot.live.scene import LiveScene
from host.renderboot.live.state import LayerText, Update, decoded, encoded
from host.renderboot.picture import png

__all__ = ["run"]

ROOT = Path(__file__).parent.parent
SCENE = ROOT / "resources" / "scenes" / "sample.usda"
_AGENTS = 2
THREADS = max((os.cpu_count() or 1) // _AGENTS, 1)
"""For the peer: as many as the queue gives a render on each of that many Agents."""
Plan = dict[tuple[int, int], tuple[tuple[int, int, int], ...]]
_PLAN: Plan = {(640, 360): ((1, 6, 5), (10, 2, 20), (30, 2, 60)), (1280, 720): ((1, 4, 4), (10, 1, 20))}
"""By width and height: how many changes a second, in how many turns with the peer, how many in each."""
_SMALL_PLAN: Plan = {(64, 36): ((10, 1, 3), (30, 1, 5))}
_CORES = frozenset(range(os.cpu_count() or 1))
_CORE = frozenset({max(_CORES)})
"""Where the render and the peer run, and nothing else: a machine's cores may differ in speed."""
_PASS_MS = 2500
"""The longest that a pass takes, with a margin."""
_LIGHT_AT = (150.0, 300.0, 200.0)
_MOVED = "/World/Hero"
_WHAT = "change to first picture, ms"
_KINDS = (
    ("camera", "camera", "Camera", "position"),
    ("light", "light", "Light", "intensity"),
    ("material", "material", "Material", "color"),
    ("light moves", "light moves", "Light", "position"),
    ("transform", "transform", "Transform", "translate"),
    ("material, after moves", "material", "Material", "color"),
)
"""Name, the peer's change, node, parameter. Once something has moved, shapes are in groups: decision 76."""


def run(*, small: bool) -> list[dict[str, object]]:
    """Rows of milliseconds, for each kind of change, size of the picture and changes a second."""
    plan = _SMALL_PLAN if small else _PLAN
    os.environ["KATANA_RESOURCES"] = os.pathsep.join(str(ROOT / name) for name in ("plugins", "resources"))
    with tempfile.TemporaryDirectory(prefix="kq-live-") as name:
        os.environ["KQ_DATA_ROOT"] = name
        os.environ["KQ_NUM_AGENTS"] = str(_AGENTS)
        application = QApplication.instance() or QApplication([])
        desktop = Desktop(keeps_settings=False, asks=False)
        try:
            desktop.start()
            return _measured(desktop, plan, Path(name))
        finally:
            desktop.window.close()
            desktop.close()
            application.processEvents()
            _await_end()


def _measured(desktop: Desktop, plan: Plan, folder: Path) -> list[dict[str, object]]:
    _open_scene()
    _until(_is_queue_ready)
    settle()
    peers = {}
    for size in plan:
        _resize(size)
        peers[size] = _peer(folder)
    live = _Live(desktop)
    rows: list[dict[str, object]] = []
    for size, rates in plan.items():
        _resize(size)
        rows += _clock_rows(live, peers[size], size, rates)
    live.stop()
    smallest = next(iter(plan))
    _resize(smallest)
    return [*rows, *_processor_rows(peers[smallest])]


def _clock_rows(
    live: _Live, peer: Peer, size: tuple[int, int], rates: Sequence[tuple[int, int, int]]
) -> list[dict[str, object]]:
    rows = []
    for name, kind, node, parameter in _KINDS:
        for a_second, turns, count in rates:
            spent_ms: list[float] = []
            peer_ms: list[float] = []
            first_ms: list[float] = []
            # In turns: the speed of the machine comes and goes, within seconds.
            for _ in range(turns):
                live.take_cores()
                with live.paused(), _on_core():
                    first_ms += [peer.first_pass_ms() for _ in range(3)]
                    peer_ms += peer.latencies_ms(kind, a_second, count)
                spent_ms += live.latencies_ms(active_scene().graph.node(node), parameter, a_second, count)
            who = f"{size[0]} x {size[1]}: {name}, {a_second} a second"
            rows.append(_row(_WHAT, who, spent_ms, peer_ms, first_ms))
    return rows


def _row(
    what: str, who: str, spent_ms: list[float], peer_ms: list[float], first_ms: list[float]
) -> dict[str, object]:
    """A row with the peer's figures beside it; `ratio` is to the peer's with the same changes."""
    beside = figures(what, who, peer_ms)
    first = statistics.median(first_ms)
    row = figures(what, who, spent_ms, peer_ms)
    return {
        **row,
        "peer median": beside["median"],
        "peer p95": beside["p95"],
        "ratio of fastest": round(_fastest(spent_ms) / _fastest(peer_ms), 2),
        "first pass": round(first, 3),
        "ratio to it": round(statistics.median(spent_ms) / first, 2),
    }


def _fastest(times: Sequence[float]) -> float:
    """Return the median of the fastest sixth, in which the machine's other load takes the least part."""
    return statistics.median(sorted(times)[: max(len(times) // 6, 1)])


def _peer(folder: Path) -> Peer:
    stage = folder / "peer.usdc"
    cooking.export(cooking.cook(active_scene().graph, "Render", active_scene().frame), str(stage))
    return Peer(parse(["-geolib3OpTree", str(stage)], {"KQ_THREADS": str(THREADS)}), _LIGHT_AT, _MOVED)


def _processor_rows(peer: Peer) -> list[dict[str, object]]:
    """Measure a change's CPU time in one process, which depends less on the machine's other load."""
    cook, graph = LiveCook(), active_scene().graph
    scene = LiveScene(Arguments(stage=Path("live"), threads=THREADS), peer.renderer)

    def picture_ms() -> float:
        begin_s = time.process_time()
        answer = cook.cook(graph, "Render", active_scene().frame)
        layers = {key: LayerText(each["text"], tuple(each["beneath"])) for key, each in answer.layers.items()}
        _, picture = scene.updated(decoded(encoded(Update(1, root=answer.root, layers=layers, frame=1.0))))
        picture.render_preview()
        pixels = picture.preview_pixels()
        assert pixels is not None
        png(pixels)
        spent_ms = (time.process_time() - begin_s) * 1000
        cook.prepare_next()
        return spent_ms

    picture_ms()
    rows = []
    for name, kind, node, parameter in _KINDS:
        spent_ms, peer_ms, first_ms = [], [], []
        for number in range(20):
            first_ms.append(peer.first_pass_ms(time.process_time))
            peer_ms.append(peer.first_pass_ms(time.process_time, kind))
            changed = graph.node(node)
            changed.set_value(parameter, _other(changed.value(parameter), number))
            spent_ms.append(picture_ms())
        rows.append(_row("processor time of a change, ms", name, spent_ms, peer_ms, first_ms))
    return rows


def _resize(size: tuple[int, int]) -> None:
    settings = active_scene().graph.node("RenderSettings")
    settings.set_value("width", size[0])
    settings.set_value("height", size[1])


def _open_scene() -> None:
    project = usd_project(SCENE)
    graph = project.graph
    graph.disconnect(graph.node("RenderSettings"), "in")
    last = graph.node("UsdIn")
    values: dict[str, dict[str, Value]] = {
        "Camera": {"position": (0.0, 180.0, 620.0), "target": (0.0, 90.0, 0.0)},
        "Light": {"kind": "sphere", "position": _LIGHT_AT, "radius": 20.0, "intensity": 60.0},
        "Material": {"assign_to": _MOVED},
        "Transform": {"apply_to": _MOVED},
    }
    for kind, given in values.items():
        node = graph.create(node_type(kind))
        for parameter, value in given.items():
            node.set_value(parameter, value)
        graph.connect(last, node)
        last = node
    graph.connect(last, graph.node("RenderSettings"))
    settings = graph.node("RenderSettings")
    settings.set_value("camera", "/cameras/Camera")
    settings.set_value("samples", 64)
    active_scene().open_project(project)


class _Live:
    """A live render, with the revision that each of its pictures shows."""

    def __init__(self, desktop: Desktop) -> None:
        self._desktop = desktop
        self._changes = 0
        self._shown = 0
        self._announced = 0
        self._changes_of: dict[int, int] = {}
        self._waiting: list[tuple[int, float]] = []
        self._spent_ms: list[float] = []
        desktop.lives.shown.connect(self._on_shown)
        desktop.lives.sent.connect(lambda _number, revision: self._changes_of.update({revision: self._asked}))
        desktop.lives.asked.connect(self._on_asked)
        desktop.pictures.picture_changed.connect(self._on_picture)
        self._asked = 0
        self.render: Render = desktop.renders.start("Render", "", RenderMethod.LIVE)
        _until(lambda: self._announced > 0)

    def latencies_ms(self, node: Node, parameter: str, a_second: int, count: int) -> list[float]:
        """Change a value `count` times; return for each the time until a picture shows it or a later one."""
        _pause(1500)  # let it refine, as while an artist looks at the picture
        self._spent_ms = []
        left_s = intervals_s(a_second, count)
        timer = QTimer()
        timer.setSingleShot(True)
        timer.setTimerType(Qt.TimerType.PreciseTimer)

        def change() -> None:
            left_s.pop()
            if left_s:
                timer.start(round(left_s[-1] * 1000))
            self._changes += 1
            self._waiting.append((self._changes, time.perf_counter()))
            node.set_value(parameter, _other(node.value(parameter), self._changes))

        timer.timeout.connect(change)
        timer.start(round(left_s[-1] * 1000))
        _until(lambda: not left_s and not self._waiting)
        return self._spent_ms

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Pause the live render within the `with` block, so that it uses no CPU."""
        self._desktop.lives.set_paused(self.render, True)
        _pause(_PASS_MS)  # until the running pass has ended
        yield
        self._desktop.lives.set_paused(self.render, False)

    def take_cores(self) -> None:
        """Have the render's thread alone on `_CORE`, and all others of the desktop elsewhere."""
        if sys.platform != "linux" or len(_CORES) < 2:
            return
        desktop = psutil.Process()
        processes = desktop.children(recursive=True)
        boots = [each for each in processes if any("renderboot" in word for word in each.cmdline())]
        live = max(boots, key=lambda each: each.cpu_times().user)  # others wait for a render
        render = max(live.threads(), key=lambda each: each.user_time)
        for process in (desktop, *processes):
            for thread in process.threads():
                os.sched_setaffinity(thread.id, _CORE if thread.id == render.id else _CORES - _CORE)

    def stop(self) -> None:
        """Stop the render, and wait until it has ended."""
        self._desktop.renders.cancel(self.render)
        _until(lambda: self.render.ended)

    def _on_asked(self, _number: int) -> None:
        self._asked = self._changes

    def _on_shown(self, _number: int, revision: int) -> None:
        self._announced = revision

    def _on_picture(self, _number: int) -> None:
        now_s = time.perf_counter()
        shown = self._changes_of.get(self._announced, 0)
        self._spent_ms += [(now_s - at_s) * 1000 for change, at_s in self._waiting if change <= shown]
        self._waiting = [each for each in self._waiting if each[0] > shown]


@contextmanager
def _on_core() -> Iterator[None]:
    """Have this thread on `_CORE` within the `with` block."""
    if sys.platform != "linux" or len(_CORES) < 2:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, _CORE)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _other(value: Value, number: int) -> Value:
    step = 0.01 * (number % 7 + 1)
    if isinstance(value, tuple):
        return value[0], value[1], (value[2] + step) % 1.0 + (value[2] // 1.0)
    assert isinstance(value, int | float)
    return value + step


def _is_queue_ready() -> bool:
    from katana_queue.kq.api import current_session

    session = current_session()
    return session is not None and session.ready is not None


def _await_end() -> None:
    from katana_queue.kq.api import current_session

    session = current_session()
    if session is not None:
        session.wait(LONGEST_S)


def _until(condition: Any) -> None:
    """Run Qt's loop until the condition holds; it sleeps between events, so that the render has its cores."""
    end_s = time.perf_counter() + LONGEST_S
    while not condition():
        if time.perf_counter() > end_s:
            raise TimeoutError(f"what was waited for did not come within {LONGEST_S:g} s")
        _pause(20)


def _pause(ms: int) -> None:
    loop = QEventLoop()
    QTimer.singleShot(ms, loop.quit)
    loop.exec()
