"""The `-key value` command line, Katana's way, read into one frozen record.

Never opens the stage: resolution and camera that are not given are read from the stage later.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from .errors import ArgumentError

USAGE = """\
usage: python -m host.renderboot -geolib3OpTree STAGE [-key value ...]
       python -m host.renderboot --standby

  -geolib3OpTree FILE      the composed stage to render (.usd, .usda, .usdc, .usdz)
  -renderOutputFile PATH   the picture, .png or .exr; the other one is written beside it. Of several frames,
                           each # in its name is a digit of the frame
  -renderer NAME           mitsuba (default), or cycles where it is installed
  -renderMethodType TYPE   previewRender, liveRender or diskRender (default: previewRender)
  -renderMethodName NAME   a name for the log
  -nodeName NAME           the node that is rendered, for the picture's header
  -frame N                 the frame (default: the stage's first), or several: 1-9, 1-9x2
  -camera PRIMPATH         the camera (default: the render settings', else the first one found, else one is
                           made that frames the scene)
  -width N, -height N      pixels (default: the render settings', else 640 by 360)
  -samples N               samples for each pixel (default: the render settings', else 32)
  -threads N               threads (default: KQ_THREADS, else all cores)
  -memoryLimit BYTES       memory that the render may hold (default: four fifths of the machine's)
  -tempDir DIR             where the picture goes when no -renderOutputFile is given
  -host HOST:PORT          where pictures are sent while they are made, besides the file
  -katanaRoot, -pluginDsoPath are accepted for Katana's sake and not used

  --standby                load the renderer, print "kq_standby: ready", then read one line of JSON from
                           stdin, {"argv": [...], "cwd": DIR, "env": {...}, "log": FILE}, print
                           "kq_standby: taken", and render that job
"""

RENDER_METHODS = ("previewRender", "liveRender", "diskRender")
THREADS_VARIABLE = "KQ_THREADS"
MAX_FRAMES = 10_000
"""The most frames of one process; a larger range is rejected as a typing mistake."""

_MAX_THREADS = 1024
"""Blender accepts no more."""
_MAX_CORES = 1_000_000
"""KQ_THREADS is set to a machine's cores by programs that do not know how many threads a render may have."""
_ACCEPTED_UNUSED = frozenset({"katanaRoot", "pluginDsoPath"})
_PICTURE_SUFFIXES = (".png", ".exr")


@dataclass(frozen=True)
class Arguments:
    """The arguments of one render. None: use the stage's value."""

    stage: Path
    output: Path | None = None
    renderer: str = "mitsuba"
    method: str = "previewRender"
    method_name: str = ""
    node_name: str = ""
    """Name of the rendered node, recorded in the picture's header."""
    frame: float | None = None
    frames: tuple[int, ...] = ()
    """All frames when there are several; `frame` is the first. `#` in `output` stands for the number."""
    camera: str | None = None
    width: int | None = None
    height: int | None = None
    samples: int | None = None
    threads: int = 1
    temp_dir: Path | None = None
    host: str = ""
    memory_limit: int | None = None
    """The most memory that the process may use, in bytes."""
    unknown: tuple[str, ...] = field(default=())

    def of_frame(self, frame: int) -> Arguments:
        """Return the arguments for one of several frames."""
        output = None if self.output is None else Path(numbered(str(self.output), frame))
        return replace(self, frame=float(frame), frames=(), output=output)


def numbered(path: str, frame: int) -> str:
    """Return `path` with each run of `#` in its file name replaced by `frame`, padded with zeros."""
    head, slash, name = path.replace("\\", "/").rpartition("/")
    return head + slash + re.sub(r"#+", lambda marks: f"{frame:0{len(marks[0])}d}", name)


def read_frames(text: str) -> tuple[int, ...]:
    """Return the frames of a range such as `1-9` or `1-9x2`; empty when `text` is not a range."""
    match = re.fullmatch(r"(-?\d{1,7})-(-?\d{1,7})(?:x(\d{1,7}))?", text)
    if match is None or not 0 <= int(match[2]) - int(match[1]) < MAX_FRAMES or match[3] == "0":
        return ()
    return tuple(range(int(match[1]), int(match[2]) + 1, int(match[3] or 1)))


def parse(argv: Sequence[str], environment: Mapping[str, str]) -> Arguments:
    """Read the command line.

    Args:
        argv: The arguments without the program's name.
        environment: Where KQ_THREADS is looked up.

    Raises:
        ArgumentError: A value is missing or is not of its kind.
    """
    values, unknown = _pairs(argv)
    stage = values.get("geolib3OpTree", "")
    if not stage:
        raise ArgumentError("No stage to render: give one with -geolib3OpTree FILE.")
    method = values.get("renderMethodType", "previewRender")
    if method not in RENDER_METHODS:
        raise ArgumentError(f"-renderMethodType is one of {', '.join(RENDER_METHODS)}, not '{method}'.")
    output = Path(values["renderOutputFile"]) if values.get("renderOutputFile") else None
    if output is not None and output.suffix.lower() not in _PICTURE_SUFFIXES:
        raise ArgumentError(f"-renderOutputFile '{output}' must end in .png or .exr.")
    frames = read_frames(values.get("frame", ""))
    if len(frames) > 1 and (output is None or "#" not in output.name):
        raise ArgumentError(
            f"-frame {values['frame']} needs # in the name of -renderOutputFile: else each "
            "frame would overwrite the one before."
        )
    if frames:
        values["frame"] = str(frames[0])
    if len(frames) == 1 and output is not None:
        output = Path(numbered(str(output), frames[0]))
    return Arguments(
        stage=Path(stage),
        output=output,
        renderer=values.get("renderer") or "mitsuba",
        method=method,
        method_name=values.get("renderMethodName", ""),
        node_name=values.get("nodeName", ""),
        frame=_number(values, "frame"),
        frames=frames if len(frames) > 1 else (),
        camera=values.get("camera") or None,
        width=_count(values, "width", 16384),
        height=_count(values, "height", 16384),
        samples=_count(values, "samples", 1_000_000),
        threads=_threads(values, environment),
        memory_limit=_count(values, "memoryLimit", 2**60),
        temp_dir=Path(values["tempDir"]) if values.get("tempDir") else None,
        host=values.get("host", ""),
        unknown=tuple(unknown),
    )


_KNOWN = _ACCEPTED_UNUSED | {
    "renderer",
    "geolib3OpTree",
    "renderMethodType",
    "renderMethodName",
    "tempDir",
    "host",
    "threads",
    "renderOutputFile",
    "frame",
    "camera",
    "width",
    "height",
    "samples",
    "memoryLimit",
    "nodeName",
}


def _pairs(argv: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    values: dict[str, str] = {}
    unknown: list[str] = []
    words = list(argv)
    while words:
        word = words.pop(0)
        if not word.startswith("-"):
            raise ArgumentError(f"'{word}' stands alone: arguments come as -key value.")
        key = word.lstrip("-")
        if key in _KNOWN:
            if not words:
                raise ArgumentError(f"-{key} needs a value.")
            values[key] = words.pop(0)
            continue
        unknown.append(f"-{key}")
        # An unknown key may or may not take a value: a following word without a dash is its value.
        if words and not words[0].startswith("-"):
            words.pop(0)
    return values, unknown


def _number(values: Mapping[str, str], key: str) -> float | None:
    text = values.get(key)
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ArgumentError(f"-{key} needs a number, not '{text}'.")
    return number


def _count(values: Mapping[str, str], key: str, most: int) -> int | None:
    text = values.get(key)
    if not text:
        return None
    return _whole(text, f"-{key}", most)


def _whole(text: str, name: str, most: int) -> int:
    # Python refuses to convert thousands of digits.
    if not text.isdecimal() or len(text) > 20 or not 1 <= int(text) <= most:
        raise ArgumentError(f"{name} needs a whole number from 1 to {most}, not '{text[:100]}'.")
    return int(text)


def _threads(values: Mapping[str, str], environment: Mapping[str, str]) -> int:
    asked = _count(values, "threads", _MAX_THREADS)
    if asked is not None:
        return asked
    text = environment.get(THREADS_VARIABLE, "")
    if text:
        cores = _whole(text, THREADS_VARIABLE, _MAX_CORES)
    elif hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return min(cores, _MAX_THREADS)
