"""`python -m tests.reliability [table | chaos]`: makes the figures of docs/reliability.md anew."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.reliability.chaos import run_chaos
from tests.reliability.killing import KINDS, TABLE_WAIT_S, VICTIMS, kill_and_count


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.reliability", description=__doc__)
    parser.add_argument("what", nargs="?", choices=("table", "chaos", "both"), default="both")
    parser.add_argument("--jobs", type=int, default=5000, help="of the chaos run")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the chaos run")
    options = parser.parse_args()
    bad = 0
    if options.what != "chaos":
        bad += _table()
    if options.what != "table":
        bad += _chaos(options.jobs, options.seed)
    return 1 if bad else 0


def _table() -> int:
    """Print the table of survivors as Markdown; returns how many there were."""
    began, total = time.monotonic(), 0
    print(f"| killed | {' | '.join(KINDS)} |")
    print("|---" * (len(KINDS) + 1) + "|")
    for victim in VICTIMS:
        cells = []
        for kind in KINDS.values():
            with tempfile.TemporaryDirectory(prefix="kq-reliability-") as folder:
                outcome = kill_and_count(Path(folder), victim, kind, wait_s=TABLE_WAIT_S, whole_wait=True)
            total += outcome.survivors
            gone = "" if outcome.gone_after_s is None else f", {outcome.gone_after_s:.2f} s"
            cells.append(f"{outcome.survivors} of {outcome.processes}{gone}")
        print(f"| {victim} | {' | '.join(cells)} |", flush=True)
    print(f"\n{total} survivors in {len(VICTIMS) * len(KINDS)} cells; {time.monotonic() - began:.0f} s.")
    return total


def _chaos(jobs: int, seed: int) -> int:
    """Print the figures of a chaos run as Markdown; returns how many things went wrong."""
    with tempfile.TemporaryDirectory(prefix="kq-chaos-") as folder:
        report = run_chaos(Path(folder), jobs, seed=seed, say=lambda line: print(line, file=sys.stderr))
    print("| figure | |\n|---|---|")
    for name, value in report._asdict().items():
        if isinstance(value, dict):
            value = ", ".join(f"{count} {what}" for what, count in sorted(value.items()))
        shown = f"{value:.0f}" if isinstance(value, float) else value
        print(f"| {name.replace('_', ' ')} | {shown} |")
    print(f"\nSeed {seed}.")
    wrong = (report.run_twice_at_once, report.done_twice, report.lost, report.left_over, report.failed)
    return sum(wrong) + (report.journal != "ok")


if __name__ == "__main__":
    sys.exit(main())
