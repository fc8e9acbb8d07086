"""`python -m benchmarks [NAME ...] [--small] [--json FILE]`: runs the questions of speed, a table for each.

What is measured lives in a file a question.
"""

from __future__ import annotations

import argparse
import compileall
import importlib
import json
import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path

QUESTIONS = (
    "queue_latency",
    "queue_throughput",
    "queue_scale",
    "idle",
    "stop",
    "session",
    "click_to_picture",
    "log_writing",
    "thousand_agents",
    "core_simulation",
    "tab",
    "log_view",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Ask the named questions, or all. Returns 0, or 1 when one could not be asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Questions of speed.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(QUESTIONS)}")
    parser.add_argument("--small", action="store_true", help="the smallest sizes, to see that it runs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows to FILE as well")
    given = parser.parse_args(arguments)
    for name in given.names:
        if name not in QUESTIONS:
            parser.error(f"{name!r} is no benchmark: use any of {', '.join(QUESTIONS)}")
    for room in ("kq", "host"):
        # As an installation leaves them: with PYTHONDONTWRITEBYTECODE each process would compile anew.
        compileall.compile_dir(Path(__file__).parents[1] / room, quiet=2)
    answers: dict[str, list[dict[str, object]]] = {}
    missing = False
    for name in given.names or QUESTIONS:
        try:
            module = importlib.import_module(f"benchmarks.{name}")
        except ModuleNotFoundError as error:
            print(f"\n{name}: cannot run here, {error.name} is not installed", file=sys.stderr)
            missing = True
            continue
        answers[name] = module.run(small=given.small)
        print(f"\n{name}\n{table(answers[name])}", flush=True)
    if given.json:
        given.json.write_text(json.dumps({"machine": machine(), "questions": answers}, indent=1) + "\n")
    return 1 if missing else 0


def table(rows: Sequence[dict[str, object]]) -> str:
    """The rows with their columns in line; a column is any key of any row."""
    names = list(dict.fromkeys(key for row in rows for key in row))
    cells = [names] + [["" if row.get(name) is None else str(row[name]) for name in names] for row in rows]
    widths = [max(len(line[column]) for line in cells) for column in range(len(names))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    )


def machine() -> dict[str, object]:
    """What the figures were taken on; the load tells of others at work."""
    return {
        "system": platform.platform(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load": [round(each, 2) for each in os.getloadavg()],
    }


if __name__ == "__main__":
    sys.exit(main())
