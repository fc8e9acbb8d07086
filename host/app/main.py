"""The program's entry point: arguments, environment and mode. Imports no Qt at module level."""

from __future__ import annotations

import argparse
import io
import logging
import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from .. import session
from ..nodes.frames import frame_number

EXIT_OK, EXIT_FAILED, EXIT_BAD_INPUT = 0, 1, 2


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 0 or more")
    return int(text)


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)


def _frame(text: str) -> float:
    try:
        return frame_number(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def parser() -> argparse.ArgumentParser:
    """Return the parser of this program's arguments."""
    result = argparse.ArgumentParser(
        prog="katana-queue",
        description="A small lighting desktop with a render queue. With a display it opens its window. "
        "Without one it renders: it opens the same window off screen, chooses Preview Render from a node's "
        "menu, waits for the picture, and saves picture, log and a screenshot.",
    )
    result.add_argument(
        "scene", nargs="?", metavar="SCENE", help="a USD file or a saved project (default: the sample scene)"
    )
    result.add_argument("--node", metavar="NAME", help="the node to render (default: the first Render node)")
    result.add_argument("--frame", type=_frame, metavar="N", help="the frame to render or show")
    result.add_argument(
        "--out", type=Path, default=Path("out"), metavar="DIR", help="where results are saved (default: out)"
    )
    for name, what in (
        ("width", "pixels across"),
        ("height", "pixels down"),
        ("samples", "samples for each pixel"),
    ):
        result.add_argument(
            f"--{name}", type=_positive, metavar="N", help=f"without a window: {what}, not the scene's own"
        )
    result.add_argument(
        "--denoise",
        metavar="WHEN",
        help="without a window: previews, always or never, not the scene's own",
    )
    result.add_argument(
        "--renderer", metavar="NAME", help="without a window: the renderer, not the Render node's own"
    )
    result.add_argument(
        "--agents",
        type=_count,
        metavar="N",
        help="local agents of the queue (default: KQ_NUM_AGENTS or 2)",
    )
    result.add_argument(
        "--headless", action="store_true", help="render off screen even if there is a display"
    )
    batch = result.add_argument_group("without the UI, as on a farm")
    batch.add_argument("--batch", action="store_true", help="render frames of a Render node to its Output")
    batch.add_argument("--katana-file", type=Path, metavar="FILE", help="with --batch: the project")
    batch.add_argument("--render-node", metavar="NAME", help="with --batch: the Render node")
    batch.add_argument(
        "-t", "--frames", metavar="FRAMES", default="1", help="with --batch: such as 1-10 or 1,5"
    )
    batch.add_argument(
        "--script", nargs=argparse.REMAINDER, metavar="FILE", help="run a script, with the arguments after it"
    )
    return result


class _Once(logging.Filter):
    """Logging filter: passes each message to the terminal once and counts repeated warnings."""

    def __init__(self) -> None:
        super().__init__()
        self._counts: Counter[str] = Counter()
        self._seen: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        self._counts[message] += 1 if record.levelno == logging.WARNING else 0
        is_new = message not in self._seen
        self._seen.add(message)
        return is_new

    def summary(self) -> list[str]:
        """Return a line with the count for each repeated warning. Repeated errors are not counted."""
        return [f"{count} times: {message}" for message, count in self._counts.items() if count > 1]


def has_display() -> bool:
    """Return whether this process has a display to open windows on."""
    if sys.platform in ("win32", "darwin"):
        return True
    chosen = os.environ.get("QT_QPA_PLATFORM", "")
    if chosen and chosen.split(":")[0] not in ("offscreen", "minimal", "xcb", "wayland"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the desktop and return its exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # On Windows a pipe uses the legacy code page, which lacks many characters.
        sys.stdout.reconfigure(errors="backslashreplace")
    options = parser().parse_args(arguments)
    logging.basicConfig(format="katana-queue: %(message)s", stream=sys.stderr)
    logging.getLogger().handlers[0].setLevel(logging.WARNING)
    once = _Once()
    logging.getLogger().handlers[0].addFilter(once)
    if options.script is not None or options.batch:
        return _without_ui(options)
    if options.agents is not None:
        os.environ["KQ_NUM_AGENTS"] = str(options.agents)
    _set_up_environment()
    scene = Path(options.scene) if options.scene else session.ROOT / "resources" / "scenes" / "sample.usda"
    headless = options.headless or not has_display()
    if headless and set(os.environ.get("KQ_NUM_AGENTS", "").strip()) == {"0"}:
        print(
            "katana-queue: 0 local Agents render nothing, and without a window there is no dialog that "
            "launches others: use --agents 1 or more",
            file=sys.stderr,
        )
        return EXIT_BAD_INPUT
    if headless:
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
        from .headless import RenderOverrides, run

        overrides = RenderOverrides(
            options.width, options.height, options.samples, options.renderer, options.denoise
        )
        why = why_headless(options.headless)
        code = run(scene, options.node, options.frame, overrides, options.out, why)
        for line in once.summary():
            print(f"katana-queue: {line}", file=sys.stderr)
        return code
    from .interactive import run as run_window

    return run_window(scene if options.scene or scene.exists() else None, options.node, options.frame)


def _set_up_environment() -> None:
    if not os.environ.get("KATANA_RESOURCES"):
        os.environ["KATANA_RESOURCES"] = str(session.ROOT / "plugins")
    os.environ.setdefault("KATANA_ROOT", str(session.ROOT))


def _without_ui(options: argparse.Namespace) -> int:
    _set_up_environment()
    from . import batch

    if options.script is not None:
        if not options.script:
            print("katana-queue: --script needs the script's path", file=sys.stderr)
            return EXIT_BAD_INPUT
        return batch.run_script(Path(options.script[0]), options.script[1:])
    if options.katana_file is None or not options.render_node:
        print("katana-queue: --batch needs --katana-file and --render-node", file=sys.stderr)
        return EXIT_BAD_INPUT
    try:
        frames = batch.parse_frames(options.frames)
    except ValueError as error:
        print(f"katana-queue: invalid frames: {error}", file=sys.stderr)
        return EXIT_BAD_INPUT
    return batch.run_batch(options.katana_file, options.render_node, frames)


def why_headless(asked: bool) -> str:
    """Return the reason for running off screen, as text for the artist; `asked`: by an argument."""
    return "as asked" if asked else "there is no display"
