"""Submits a render to a farm: temporary folder, stage, command line, job, in FarmAPI's order.

Without Qt: preparation runs on a worker thread, because folders and files may be on slow file shares.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .. import command_line, session
from ..Katana.FarmAPI import FarmPluginManager
from ..nodes.errors import SceneError
from ..nodes.frames import frame_text
from ..nodes.scene_files import FILE_LIST
from ..renderboot.pixel_stream import TICKET_FILE
from .cook_client import CookClient
from .frame_sequence import FrameRequest, in_order, path_of, remaining, with_digits

SHARED_ROOTS_VARIABLE = "KQ_SHARED_ROOTS"
"""Environment variable: folders shared by all machines. A Disk Render copies the scene's other files."""

_log = logging.getLogger("Katana.Render")

_TASK_FRAMES = "{start}-{end}x{step}"
"""The frames of a task, as placeholders that the farm substitutes."""


class SubmissionError(Exception):
    """A render that could not be submitted; its text is shown to the artist."""


@dataclass(frozen=True)
class Submission:
    """A snapshot of what to render, taken when the artist started it.

    `document` is the project from project.to_document. `output` is empty where the picture is written to the
    render's own folder. `pixel_host` is the HOST:PORT for the pictures, `pixel_ticket` the credentials.
    """

    node: str
    farm: str
    method_type: str
    method_name: str
    context: str
    frame: float
    renderer: str
    document: dict[str, Any]
    source: str = ""
    """Path of the project file, for the picture's header."""
    output: str = ""
    sequence: FrameRequest | None = None
    """Several frames, each a task of the job; `output` then holds `{frame:04d}`."""
    pixel_host: str = ""
    pixel_ticket: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Prepared:
    """A render whose stage has been written to its folder, ready to submit.

    `command` has this machine's paths. `before` and `after` are the job's commands before and after it.
    `width` and `height` are in pixels; None where the scene has none.
    """

    submission: Submission
    folder: str
    picture: Path
    command: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    width: int | None
    height: int | None
    camera: str
    samples: int | None
    warnings: tuple[str, ...]


def prepare(submission: Submission, cook: CookClient) -> Prepared:
    """Make the render's folder, cook the stage into it and call the farm's copyRenderFiles.

    Never on Qt's thread. Raises SubmissionError.
    """
    with _refusals(submission):
        folder = FarmPluginManager.CreateTemporaryDirectory(submission.context, submission.farm)
        with _discarded_if_failed(submission, folder):
            frames = _frames(submission)
            picture = _picture(submission, folder, frames)
            stage = str(Path(folder) / _stage_name(submission))
            answer = cook.request(
                op="export",
                project=submission.document,
                node=submission.node,
                frame=submission.frame,
                frames=frames,
                path=stage,
                source=submission.source,
                lists_files=bool(submission.output),
                shared_roots=_shared_roots(submission),
            )
            files = [stage, *_ticket(submission, folder)]
            FarmPluginManager._set_sequence(
                submission.context, frames or [round(submission.frame)], _about_tasks(submission.sequence)
            )
            FarmPluginManager.CopyRenderFiles(files, submission.context, submission.farm)
            render = answer["render"]
            command = command_line.join(_arguments(submission, folder, stage, picture, render))
            return Prepared(
                submission,
                folder,
                picture,
                command,
                *_around(submission, stage, picture),
                render["width"],
                render["height"],
                str(render["camera"] or next(iter(answer["cameras"]), "")),  # renderboot takes the first, too
                render["samples"],
                tuple(answer["warnings"]),
            )
    raise AssertionError("unreachable: _refusals lets nothing pass in silence")


def hand_in(prepared: Prepared) -> str:
    """Submit the render to the farm and return the job's ID. Qt's thread, as plug-ins expect.

    Raises SubmissionError.
    """
    asked = prepared.submission
    with _refusals(asked):
        command = FarmPluginManager.PrepareRemoteCommand(
            prepared.command, asked.context, prepared.folder, asked.farm
        )
        commands = [*prepared.before, command, *prepared.after]
        return FarmPluginManager.SubmitJob(asked.node, asked.context, prepared.folder, commands, asked.farm)
    raise AssertionError("unreachable: _refusals lets nothing pass in silence")


def discard(submission: Submission, folder: str) -> None:
    """Delete the scene that `prepare` has written to `folder`: there is no job that would delete it.

    The rest stays: a farm plug-in may hand out a folder that has other files. Never on Qt's thread.
    """
    root = Path(folder)
    for name in (_stage_name(submission), TICKET_FILE, FILE_LIST):
        with suppress(OSError):
            (root / name).unlink()
    with suppress(OSError):  # not empty
        root.rmdir()


def _stage_name(submission: Submission) -> str:
    return f"{submission.node}.usdc"


@contextmanager
def _discarded_if_failed(submission: Submission, folder: str) -> Iterator[None]:
    try:
        yield
    except BaseException:
        discard(submission, folder)
        raise


@contextmanager
def _refusals(submission: Submission) -> Iterator[None]:
    """Turn every exception into a SubmissionError with a message for the artist."""
    try:
        yield
    except (SceneError, FarmPluginManager.FarmPluginManagerException) as error:
        raise SubmissionError(str(error)) from error
    except SubmissionError:
        raise
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        raise SubmissionError(
            f"{submission.node} was not submitted to {submission.farm}: {error.strerror or error}{where}."
        ) from error
    except (Exception, SystemExit) as error:
        # A farm plug-in may raise anything; the artist sees the message, the debug log has the traceback.
        _log.debug("Submission failed:", exc_info=True)
        raise SubmissionError(
            f"{submission.farm} did not take the render of {submission.node}: {_words(error)}"
        ) from error


def _shared_roots(submission: Submission) -> list[str] | None:
    """Return the folders shared by all machines that will render; None where the scene is not packed.

    It is for a farm whose renders leave this site, and for a Disk Render where the variable is set.
    """
    if FarmPluginManager._packs_scenes(submission.farm):
        return []
    roots = os.environ.get(SHARED_ROOTS_VARIABLE, "")
    if not roots.strip() or not submission.output:
        return None
    return [root.strip() for root in roots.split(os.pathsep) if root.strip()]


def _ticket(submission: Submission, folder: str) -> list[str]:
    """Write the ticket for the pixel server, readable by this user only; return its path, or nothing."""
    if not submission.pixel_host:
        return []
    path = Path(folder) / TICKET_FILE
    path.touch(mode=0o600)
    path.write_text(json.dumps(submission.pixel_ticket), encoding="utf-8")
    return [str(path)]


def _frames(submission: Submission) -> list[int]:
    """Return a sequence's frames in rendering order, empty for a single picture; make output folders.

    Raises SubmissionError where all frames exist already.
    """
    sequence = submission.sequence
    if sequence is None:
        return []
    frames = list(sequence.frames)
    if sequence.make_folders:
        path_of(sequence.pattern, frames[0]).parent.mkdir(parents=True, exist_ok=True)
    if sequence.skip_existing:
        frames = remaining(frames, sequence.pattern, Path.exists)
        if not frames:
            raise SubmissionError(f"Nothing to render: all {len(sequence.frames)} frames exist already.")
    return in_order(frames, sequence.order, sequence.per_task)


def _about_tasks(sequence: FrameRequest | None) -> dict[str, str]:
    """Return the environment variables for kq's tasks and priority; other farms ignore them."""
    if sequence is None:
        return {}
    return {"KQ_FRAMES_PER_TASK": str(sequence.per_task), "KQ_PRIORITY": str(sequence.priority)}


def _picture(submission: Submission, folder: str, frames: list[int]) -> Path:
    if not submission.output:
        return Path(folder) / f"{submission.method_name}.png"  # renderboot's own choice
    output = path_of(submission.output, frames[0]) if frames else Path(submission.output)
    if not output.parent.is_dir():
        raise SubmissionError(
            f"The picture cannot be written: the folder {output.parent} does not exist. "
            "Make it, or let Disk Render Frames… make it."
        )
    if not os.access(output.parent, os.W_OK):
        raise SubmissionError(f"The picture cannot be written: the folder {output.parent} is not writable.")
    return output


def _written(submission: Submission, picture: Path) -> str:
    """Return the picture's path for commands: with `{frame:04d}` where a task renders one frame of a
    sequence, with `####` where it renders several."""
    if submission.sequence is None:
        return str(picture)
    return with_digits(submission.output) if submission.sequence.per_task > 1 else submission.output


def _frame_argument(submission: Submission) -> str:
    if submission.sequence is None:
        return frame_text(submission.frame)
    return _TASK_FRAMES if submission.sequence.per_task > 1 else "{frame}"


def _around(submission: Submission, stage: str, picture: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the commands before and after a Disk Render; none for a preview, as in Katana."""
    if not submission.output:
        return (), ()
    before = command_line.join(session.check_command("stage", stage))
    after = session.check_command("picture", _written(submission, picture))
    if submission.sequence is not None and submission.sequence.per_task > 1:
        after.append(_TASK_FRAMES)
    return (before,), (command_line.join(after),)


def _arguments(
    submission: Submission, folder: str, stage: str, picture: Path, render: dict[str, Any]
) -> list[str]:
    arguments = [
        *session.renderboot_command(),
        *("-renderer", submission.renderer),
        *("-geolib3OpTree", stage),
        *("-renderMethodType", submission.method_type),
        *("-renderMethodName", submission.method_name),
        *("-nodeName", submission.node),
        *("-tempDir", folder),
        *("-katanaRoot", str(session.ROOT)),
        *("-frame", _frame_argument(submission)),
    ]
    if submission.output:
        arguments += ["-renderOutputFile", _written(submission, picture)]
    if submission.pixel_host:
        arguments += ["-host", submission.pixel_host]
    for key in ("camera", "width", "height", "samples"):
        if render[key] is not None:
            arguments += [f"-{key}", str(render[key])]
    return arguments


def _words(error: Exception | SystemExit) -> str:
    if isinstance(error, SystemExit):
        return f"it tried to end the program ({error})."
    text = " ".join(str(error).split()) or type(error).__name__
    return text if text.endswith((".", "!", "?")) else text + "."
