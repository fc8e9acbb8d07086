"""The program: its arguments, and how it is set up before there is a window. Nothing of Qt at import time."""

from __future__ import annotations

import argparse
import io
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from .. import session

EXIT_OK, EXIT_FAILED, EXIT_BAD_INPUT = 0, 1, 2


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 0 or more")
    return int(text)


def _frame(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a frame number") from None


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
    result.add_argument(
        "--agents",
        type=_count,
        metavar="N",
        help="local agents of the queue (default: KQ_NUM_AGENTS or 2)",
    )
    result.add_argument(
        "--headless", action="store_true", help="render off screen even if there is a display"
    )
    return result


def _not_twice() -> Callable[[logging.LogRecord], bool]:
    """A filter for a terminal: a bad file is found bad when it is opened, and again when it renders."""
    last = ""

    def passes(record: logging.LogRecord) -> bool:
        nonlocal last
        repeated, last = record.getMessage() == last, record.getMessage()
        return not repeated

    return passes


def has_display() -> bool:
    """Return whether a window could be seen."""
    if sys.platform in ("win32", "darwin"):
        return True
    chosen = os.environ.get("QT_QPA_PLATFORM", "")
    if chosen and chosen.split(":")[0] not in ("offscreen", "minimal", "xcb", "wayland"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the desktop and return its exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Into a pipe Windows writes by its old code page, which has few letters of other languages.
        sys.stdout.reconfigure(errors="backslashreplace")
    options = parser().parse_args(arguments)
    logging.basicConfig(format="katana-queue: %(message)s", stream=sys.stderr)
    logging.getLogger().handlers[0].setLevel(logging.WARNING)
    logging.getLogger().handlers[0].addFilter(_not_twice())
    if options.agents is not None:
        os.environ["KQ_NUM_AGENTS"] = str(options.agents)
    if not os.environ.get("KATANA_RESOURCES"):
        os.environ["KATANA_RESOURCES"] = str(session.ROOT / "plugins")
    os.environ.setdefault("KATANA_ROOT", str(session.ROOT))
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
        from .headless import run

        return run(scene, options.node, options.frame, options.out, why_headless(options.headless))
    from .interactive import run as run_window

    return run_window(scene if scene.exists() or options.scene else None, options.node, options.frame)


def why_headless(asked: bool) -> str:
    """Return, for the artist, why there is no window."""
    return "as asked" if asked else "there is no display"
