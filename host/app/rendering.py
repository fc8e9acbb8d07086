"""Starts the desktop's renders and polls the farms for their states; scenes are prepared on a worker thread.

Jobs belong to the farm plug-ins; this module keeps the node, frame and picture of each.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from PySide6.QtCore import QObject, Qt, QTimer, Signal
from PySide6.QtWidgets import QApplication

from ..Katana import CatalogAPI
from ..Katana._callbacks import Callbacks, ExecuteCallbacksForType
from ..Katana.FarmAPI import FarmPluginManager
from ..nodes.errors import SceneError
from ..nodes.expressions import Evaluator
from ..nodes.frames import frame_text
from ..nodes.project import Project, output_path, to_document, with_values
from ..nodes.scene import UNTITLED, active_scene
from ..nodes.variables import values_of
from ..render_service import RenderMethod, set_render_service
from . import failure_reason
from .cook_client import CookClient
from .frame_sequence import FrameError, FrameRequest, frame_pattern, numbered
from .pixel_server import PixelServer
from .render_state import PHASES, Phase, Render
from .sequence_dialog import SequenceDialog
from .submission import Prepared, Submission, SubmissionError, discard, hand_in, prepare
from .worker import Worker

_log = logging.getLogger("Katana.Render")

_POLL_RUNNING_MS = 250
_POLL_ENDED_MS = 1000
"""Ended renders are polled, too: one that is started again in the farm's tab updates its picture again."""

_FOLLOWED = 100
"""Number of latest renders in each poll, and of earlier unfinished ones, which take turns."""

_MAX_RESTARTS = 3
_RESTART_WINDOW_S = 60.0
"""A live render that crashes more than _MAX_RESTARTS times within this time is not restarted."""

_JOIN_S = 2.0
"""Limit for the worker: a file share that does not respond must not keep the desktop from closing."""


class RenderSession(QObject):
    """Starts renders and polls their states. Qt's thread, unless a method states another.

    Signals:
        render_started: a Render that the artist or a script has requested; it is not yet submitted.
        render_changed: a Render whose phase, job or error has changed.
        message_posted: a text for the status bar.
    """

    render_started = Signal(object)
    render_changed = Signal(object)
    message_posted = Signal(str)
    _done = Signal(object)

    def __init__(self, cook: CookClient, pixels: PixelServer, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._cook = cook
        self._pixels = pixels
        self._renders: list[Render] = []
        self._sequence_ids = itertools.count(1)
        self._done.connect(self._on_done)
        self._prepared: dict[int, Prepared] = {}
        """Live renders by sequence ID, kept to submit them again after a crash."""
        self._restarts: dict[int, list[float]] = {}
        self._frames_dialog: SequenceDialog | None = None
        self._poll = QTimer(self)
        self._poll.timeout.connect(self._on_poll)
        self._turn = 0
        """Sequence ID of the last earlier render that was polled; the next poll begins after it."""
        self._worker = Worker("render-submission")
        # Another one: the reason of a failure does not wait for scenes to be prepared.
        self._reasons = Worker("failure-reasons")

    @property
    def renders(self) -> tuple[Render, ...]:
        """All renders of this session, oldest first."""
        return tuple(self._renders)

    # --- The render service: what Katana's API calls ---

    def start_render(self, node: str, farm: str, method: RenderMethod) -> int:
        return self.start(node, farm, method).sequence_id

    def ask_for_frames(self, node: str, farm: str) -> None:
        scene = active_scene()
        found = scene.graph.find(node)
        if found is None:
            _log.error("The node %s no longer exists.", node)
            return
        try:
            values = values_of(scene.project.variables)
            written = Evaluator(scene.graph, scene.frame).value(found, "output", values)
            output = output_path(str(written), scene.path)
        except SceneError as error:
            self.message_posted.emit(f"{node} was not submitted: {error}")
            _log.error("%s", error)
            return
        working = (round(scene.project.first_frame), round(scene.project.last_frame))
        dialog = SequenceDialog(node, farm, output, round(scene.frame), working, QApplication.activeWindow())
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.requested.connect(lambda request: self.start(node, farm, RenderMethod.DISK, sequence=request))
        dialog.open()
        self._frames_dialog = dialog  # a dialog without a parent would be garbage-collected

    def cancel_render(self, sequence_id: int) -> bool:
        render = self.find(sequence_id)
        return render is not None and self.cancel(render)

    def cancel_all(self) -> int:
        return sum(self.cancel(render) for render in self.unfinished)

    def cancel_latest(self) -> bool:
        unfinished = self.unfinished
        return bool(unfinished) and self.cancel(unfinished[-1])

    def repeat_latest(self) -> bool:
        return bool(self._renders) and self.restart_render(self._renders[-1].sequence_id)

    def restart_render(self, sequence_id: int) -> bool:
        render = self.find(sequence_id)
        if render is None:
            return False
        item = CatalogAPI.FindCatalogItemBySequenceID(sequence_id)
        is_pinned = item is not None and item.isFramePinned()
        pinned = {
            name: value
            for name, value in render.variables.items()
            if item is not None and item.isGSVPinned(name)
        }
        frame = render.frame if is_pinned else None
        again = self.start(render.node, render.farm, render.method, frame, render.sequence, pinned)
        new = CatalogAPI.FindCatalogItemBySequenceID(again.sequence_id)
        if new is not None:
            new.setFramePinned(is_pinned)
            for name in pinned:
                new.setGSVPinned(name, True)
        return True

    def is_in_progress(self, sequence_id: int) -> bool:
        render = self.find(sequence_id)
        return render is not None and not render.ended

    # --- Renders ---

    @property
    def unfinished(self) -> list[Render]:
        """The renders that have not ended, oldest first."""
        return [render for render in self._renders if not render.ended]

    def find(self, sequence_id: int) -> Render | None:
        """Return the render with that sequence ID, if it belongs to this session."""
        return next((render for render in self._renders if render.sequence_id == sequence_id), None)

    def cancel(self, render: Render) -> bool:
        """Ask the farm to stop the render, or drop one that is being prepared; False if it has ended."""
        if render.ended:
            return False
        self.message_posted.emit(f"{render.method.label} of {render.node}: cancelling…")
        self._prepared.pop(render.sequence_id, None)  # no restart: a farm may report a stopped job as failed
        if not render.job_id:
            self._end(render, Phase.CANCELLED)
            self.render_changed.emit(render)
            return True
        try:
            FarmPluginManager.StopJob(render.job_id, render.farm)
        except (Exception, SystemExit) as error:  # noqa: BLE001  a plug-in may raise anything; the other renders are still to cancel
            _log.error("%s could not stop the render of %s: %s", render.farm, render.node, error)
            return False
        return True

    def start(
        self,
        node: str,
        farm: str,
        method: RenderMethod,
        frame: float | None = None,
        sequence: FrameRequest | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> Render:
        """Start a render of `node` with a copy of the current scene. Returns at once.

        An error sets the render's phase to REFUSED and its reason; nothing is raised.

        `frame`: None for the current one. `sequence`: the frames of a Disk Render of several. `variables`:
        values of graph state variables that replace the project's.
        """
        scene = active_scene()
        at = scene.frame if frame is None else frame
        if sequence is not None:
            at = float(sequence.frames[0])
        render = Render(node, farm, method, at, next(self._sequence_ids), time.time(), sequence)
        project = with_values(scene.project, variables or {})
        render.variables = values_of(project.variables)
        self._renders.append(render)
        self.render_started.emit(render)
        self.message_posted.emit(f"{method.label} of {node}, frame {frame_text(render.frame)}: preparing…")
        try:
            submission = self._take_down(render, project)
        except (
            FrameError,
            SubmissionError,
            SceneError,
            FarmPluginManager.FarmPluginManagerException,
        ) as error:
            self._refuse(render, str(error))
            return render
        ExecuteCallbacksForType(
            Callbacks.Type.onRenderSetup, renderMethodName=method.method_name, nodeName=node
        )
        self._worker.put(lambda: self._submit(render, submission))
        return render

    def close(self) -> None:
        """Stop polling and the threads, 2 s each at most. Close the cook process first. Jobs continue."""
        self._poll.stop()
        self._worker.close(_JOIN_S)
        self._reasons.close(_JOIN_S)

    def _take_down(self, render: Render, project: Project) -> Submission:
        node = project.graph.find(render.node)
        if node is None:
            raise SubmissionError(f"There is no node called {render.node} any more.")
        values = Evaluator(project.graph, render.frame)
        renderer = "mitsuba"
        if node.type.is_render_node:
            renderer = str(values.value(node, "renderer", render.variables))
        output = ""
        if render.method is RenderMethod.DISK:
            output = output_path(str(values.value(node, "output", render.variables)), active_scene().path)
            if not output:
                raise SubmissionError(
                    f"Node {node.name} has no Output: set where Disk Render writes its picture."
                )
            if render.sequence is not None:
                # Of the node as it is now: a repeated render must not overwrite the frames of another shot.
                output = frame_pattern(output)
                render.sequence = replace(render.sequence, pattern=output)
            output = numbered(output, round(render.frame))
        return Submission(
            node=node.name,
            farm=render.farm,
            method_type=render.method.type_name,
            method_name=render.method.method_name,
            context=FarmPluginManager.CreateRenderContextName(render.sequence_id),
            frame=render.frame,
            renderer=renderer,
            document=to_document(project),
            source=str(active_scene().path or UNTITLED),
            output=output,
            sequence=render.sequence,
            # Frames that render at once would overwrite each other in the Monitor.
            pixel_host="" if render.sequence is not None else self._pixels.address,
            pixel_ticket={
                "sequenceID": render.sequence_id,
                "token": self._pixels.admit(render.sequence_id),
            },
        )

    def _submit(self, render: Render, submission: Submission) -> None:
        """Prepare a render, then submit it on Qt's thread. Runs on the worker thread."""
        if render.ended:
            return  # cancelled before its turn
        try:
            prepared = prepare(submission, self._cook)
        except SubmissionError as error:
            message = str(error)
            self._hand_over(lambda: self._refuse(render, message))
        else:
            self._hand_over(lambda: self._hand_in(render, prepared))

    def _hand_over(self, step: Callable[[], None]) -> None:
        """Run `step` on Qt's thread, unless the desktop has closed. Any thread."""
        try:
            self._done.emit(step)
        except RuntimeError:
            _log.debug("The desktop closed before a render was ready.")

    def _on_done(self, step: Callable[[], None]) -> None:
        step()

    def _refuse(self, render: Render, message: str) -> None:
        if render.ended:
            return
        render.phase = Phase.REFUSED
        render.reason = message
        render.ended_at = time.monotonic()
        _log.error("%s", message)
        self.message_posted.emit(f"{render.method.label} of {render.node} was not submitted.")
        self.render_changed.emit(render)

    def _hand_in(self, render: Render, prepared: Prepared) -> None:
        if render.ended:  # cancelled while it was prepared
            self._worker.put(lambda: discard(prepared.submission, prepared.folder))
            return
        for warning in prepared.warnings:
            _log.warning("%s", warning)
        try:
            render.job_id = hand_in(prepared)
        except SubmissionError as error:
            self._refuse(render, str(error))
            return
        if render.method is RenderMethod.LIVE:
            self._prepared[render.sequence_id] = prepared
        render.picture = prepared.picture
        render.width, render.height = prepared.width, prepared.height
        if not render.has_shown:  # a live render that starts again has those of its picture
            render.camera, render.samples = prepared.camera, prepared.samples
        render.submitted_at = time.monotonic()
        render.phase = Phase.WAITING
        self.message_posted.emit(f"{render.method.label} of {render.node} was submitted to {render.farm}.")
        self.render_changed.emit(render)
        self._on_poll()

    def _on_poll(self) -> None:
        followed = [render for render in self._renders[-_FOLLOWED:] if render.job_id]
        earlier = [render for render in self._renders[:-_FOLLOWED] if render.job_id and not render.ended]
        # Sequence IDs ascend: those after the last turn come first.
        earlier.sort(key=lambda render: render.sequence_id <= self._turn)
        if earlier := earlier[:_FOLLOWED]:
            self._turn = earlier[-1].sequence_id
        followed += earlier
        for render in followed:
            self._follow(render)
        if any(not render.ended for render in followed):
            self._poll.start(_POLL_RUNNING_MS)
        elif followed:
            self._poll.start(_POLL_ENDED_MS)
        else:
            self._poll.stop()

    def _follow(self, render: Render) -> None:
        try:
            phase = PHASES[FarmPluginManager.GetJobState(render.job_id, render.farm)]
            log_file = FarmPluginManager.GetRenderLogFilename(render.job_id, render.farm)
        except (Exception, SystemExit) as error:  # noqa: BLE001  a plug-in may raise anything; a removed job is nothing to follow
            if not render.ended:
                self._end(render, Phase.FAILED)
                render.reason = f"{render.farm} no longer knows of it: {error}"
                _log.error("The render of %s (job %s) is lost: %s", render.node, render.job_id, render.reason)
                self.render_changed.emit(render)
            render.job_id = ""
            return
        is_new_log = bool(log_file) and log_file != render.log_file  # each run of a job has its own
        render.log_file = log_file or render.log_file
        if phase is render.phase and not (phase is Phase.FAILED and is_new_log):
            return
        if render.ended:  # its job was started again, in the farm's tab, and may have ended since
            render.phase, render.reason = Phase.WAITING, ""
            render.started_at = render.ended_at = 0.0
            self.render_changed.emit(render)
        if phase is Phase.RUNNING:
            render.started_at = time.monotonic()
        if phase is Phase.FAILED and self._restart(render):
            return
        if phase in (Phase.COMPLETED, Phase.CANCELLED, Phase.FAILED):
            self._end(render, phase)
        render.phase = phase
        if phase is Phase.FAILED:
            log = render.log_file
            self._reasons.put(lambda: self._find_reason(render, log))
        else:
            self.message_posted.emit(f"{render.method.label} of {render.node}: {phase.value.lower()}.")
            self.render_changed.emit(render)

    def _restart(self, render: Render) -> bool:
        """Submit a crashed live render again.

        Returns: False where it is not live, had no picture yet, or has crashed too often.
        """
        prepared, now = self._prepared.get(render.sequence_id), time.monotonic()
        recent = [at for at in self._restarts.get(render.sequence_id, []) if now - at < _RESTART_WINDOW_S]
        if prepared is None or render.ended or not render.has_shown or len(recent) >= _MAX_RESTARTS:
            return False
        self._restarts[render.sequence_id] = [*recent, now]
        _log.warning(
            "The live render of %s ended unexpectedly (job %s): it is started again. Its log: %s",
            render.node,
            render.job_id,
            render.log_file,
        )
        self._hand_in(render, prepared)
        return True

    def _end(self, render: Render, phase: Phase) -> None:
        render.phase = phase
        render.ended_at = time.monotonic()

    def _find_reason(self, render: Render, log_file: str | None) -> None:
        """Read why a render failed from its log; report it on Qt's thread. Runs on the thread for reasons."""
        reason = failure_reason.reason(log_file)
        self._hand_over(lambda: self._tell_reason(render, reason))

    def _tell_reason(self, render: Render, reason: str) -> None:
        if render.phase is not Phase.FAILED:
            return
        render.reason = reason
        _log.error("The render of %s (job %s) failed: %s", render.node, render.job_id, reason)
        self.message_posted.emit(f"{render.method.label} of {render.node}: {render.phase.value.lower()}.")
        self.render_changed.emit(render)


_session: RenderSession | None = None


def set_active_renders(session: RenderSession | None) -> None:
    """Set the session in which menus and Katana's API start renders; None as the desktop closes."""
    global _session
    _session = session
    set_render_service(session)


def active_renders() -> RenderSession:
    """Return the session in which menus start renders; raises RuntimeError where there is no desktop."""
    if _session is None:
        raise RuntimeError("There is no desktop to render from.")
    return _session
