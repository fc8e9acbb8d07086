"""`python -m benchmarks [NAME ...] [--small] [--json FILE]`: runs benchmarks, a table for each.

Each benchmark is a file here. Several run in a process each: what one leaves behind, on the heap and in
threads, would slow the next.
"""

from __future__ import annotations

import argparse
import compileall
import importlib
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from plugins import import_isolation

QUESTIONS = (
    "queue_latency",
    "queue_throughput",
    "queue_scale",
    "idle",
    "stop",
    "session",
    "katana_start",
    "click_to_picture",
    "live",
    "log_writing",
    "thousand_agents",
    "core_simulation",
    "tab",
    "tab_on_queue",
    "log_view",
    "farm",
    "farm_load",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the named benchmarks, or all. Returns 0, or 1 when one could not run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Questions of speed.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of {', '.join(QUESTIONS)}")
    parser.add_argument("--small", action="store_true", help="the smallest sizes, to see that it runs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows to FILE as well")
    given = parser.parse_args(arguments)
    for name in given.names:
        if name not in QUESTIONS:
            parser.error(f"{name!r} is no benchmark: use any of {', '.join(QUESTIONS)}")
    for room in ("kq", "host", "plugins"):
        # As an installation leaves them: with PYTHONDONTWRITEBYTECODE each process would compile anew.
        compileall.compile_dir(Path(__file__).parents[1] / room, quiet=2)
    names = tuple(given.names) or QUESTIONS
    ask = _asked_here if len(names) == 1 else _asked_apart
    answers = {name: rows for name in names if (rows := ask(name, small=given.small)) is not None}
    if given.json:
        given.json.write_text(json.dumps({"machine": machine(), "questions": answers}, indent=1) + "\n")
    return 0 if len(answers) == len(set(names)) else 1


def _asked_here(name: str, *, small: bool) -> list[dict[str, object]] | None:
    """Run one benchmark in this process, print its table; returns its rows, None when it cannot run."""
    import_isolation.load("kq")  # what measures the plug-ins imports them as parts of `katana_queue`
    try:
        module = importlib.import_module(f"benchmarks.{name}")
    except ModuleNotFoundError as error:
        print(f"\n{name}: cannot run here, {error.name} is not installed", file=sys.stderr)
        return None
    rows: list[dict[str, object]] = module.run(small=small)
    print(f"\n{name}\n{table(rows)}", flush=True)
    return rows


def _asked_apart(name: str, *, small: bool) -> list[dict[str, object]] | None:
    """Run one benchmark in a separate process; returns as `_asked_here`."""
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "rows.json"
        command = [sys.executable, "-m", "benchmarks", name, "--json", str(answer)]
        subprocess.run([*command, "--small"] if small else command, check=False)
        if not answer.exists():
            return None
        rows: list[dict[str, object]] = json.loads(answer.read_text())["questions"].get(name)
        return rows


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
    """Describe the machine; the load average shows whether other programs were running."""
    return {
        "system": platform.platform(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load": [round(each, 2) for each in os.getloadavg()],
    }


if __name__ == "__main__":
    sys.exit(main())
