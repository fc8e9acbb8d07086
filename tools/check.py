"""The steps of ./check: all are run, so that every failure is reported, each with its duration.

The checks themselves are in the tools it calls or in the modules beside this one.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tools import doc_links, house_rules, powershell_grammar, retired_words
from tools.tree import ROOT, shell_scripts

__all__ = ["Step", "main", "static_checks"]

STEP_TIMEOUT_S = 900


@dataclass(frozen=True)
class Step:
    """A step: its name, and a function that returns its findings, "" when there are none."""

    name: str
    run: Callable[[], str]


def command(*arguments: str | Path, **environment: str) -> Callable[[], str]:
    """Return a function that runs a program; its output is the findings when it exits with an error.

    `environment` is added to this process's own.
    """

    def run() -> str:
        try:
            done = subprocess.run(
                [str(part) for part in arguments],
                cwd=ROOT,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=STEP_TIMEOUT_S,
                check=False,
            )
        except FileNotFoundError:
            return f"{arguments[0]} is not installed; ./check installs it when started as ./check"
        except subprocess.TimeoutExpired:
            return f"{arguments[0]} did not end within {STEP_TIMEOUT_S} s"
        return "" if done.returncode == 0 else done.stdout.strip() or f"exit code {done.returncode}"

    return run


def module(name: str, *arguments: str | Path) -> Callable[[], str]:
    """Return a function that runs a module with this environment's Python."""
    return command(sys.executable, "-m", name, *arguments)


def program(name: str, *arguments: str | Path) -> Callable[[], str]:
    """Return a function that runs a program installed in this environment."""
    return command(Path(sys.executable).with_name(name), *arguments)


def package_folder() -> Path:
    """A folder in which the checkout is the package `katana_queue`, as when it is loaded."""
    link = ROOT / "build" / "package" / "katana_queue"
    if not link.is_symlink():
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(Path("..", ".."))
    return link.parent


def contracts() -> str:
    """The findings of import-linter; it imports the plug-ins as parts of `katana_queue`."""
    paths = os.pathsep.join([str(ROOT), str(package_folder())])
    return command(Path(sys.executable).with_name("lint-imports"), PYTHONPATH=paths)()


def types(*packages: str, options: Sequence[str] = ()) -> Callable[[], str]:
    """A run of mypy over whole packages; the checkout is the package `katana_queue`, as when it is loaded."""

    def run() -> str:
        os.environ["MYPYPATH"] = os.pathsep.join([str(package_folder()), str(ROOT)])
        return module("mypy", *options, *(part for name in packages for part in ("-p", name)))()

    return run


SHIPPED = ("katana_queue.kq", "katana_queue.host", "katana_queue.plugins")
AS_ON_WINDOWS = [
    "--platform", "win32", "--cache-dir", ".mypy_cache/windows",
    "--no-warn-unreachable", "--exclude", "_posix",  # modules for other systems are not checked
]  # fmt: skip


def static_checks() -> list[Step]:
    """Every step but the tests, in the order in which they are reported: the quickest to fail first."""
    return [
        Step("format", module("ruff", "format", "--check", "--quiet", "--diff", ".")),
        Step("lint", module("ruff", "check", "--quiet", ".")),
        Step("house rules", house_rules.findings),
        Step("words", retired_words.findings),
        Step("docs links", doc_links.findings),
        Step("PowerShell grammar", powershell_grammar.findings),
        Step("shellcheck", command("shellcheck", "--external-sources", *shell_scripts())),
        Step("import contracts", contracts),
        Step("types; plug-ins against Katana's stubs", types(*SHIPPED, "tools")),
        Step("types, as on Windows", types(*SHIPPED[:2], options=AS_ON_WINDOWS)),
    ]


def fast_tests() -> Step:
    """Return the step of the fast tests, on several workers, with fewer property examples than ./test."""
    options = ("-q", "-m", "not slow", "--no-header", "--hypothesis-profile=quick", "--numprocesses=auto")
    return Step("fast tests", module("pytest", *options))


def _run_all(checks: Sequence[Step], tests: Sequence[Step]) -> Iterator[tuple[Step, str, float]]:
    """Yield each step with its findings and seconds; checks run in sequence, tests in parallel to them."""

    def timed(step: Step) -> tuple[Step, str, float]:
        step_began = time.monotonic()
        findings = step.run()
        return step, findings, time.monotonic() - step_began

    with ThreadPoolExecutor(1 + len(tests)) as pool:
        last = [pool.submit(timed, step) for step in tests]
        first = [pool.submit(timed, step) for step in checks]
        yield from (each.result() for each in [*first, *last])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the steps and print their findings. Returns 0 when there are none, else 1."""
    parser = argparse.ArgumentParser(prog="./check", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--no-tests", action="store_true", help="leave out the fast tests")
    options = parser.parse_args(arguments)
    # A narrow terminal would wrap the tools' paths; colours would garble a log.
    os.environ.update(COLUMNS="200", NO_COLOR="1")
    began = time.monotonic()
    failed = []
    for step, findings, took in _run_all(static_checks(), [] if options.no_tests else [fast_tests()]):
        if findings:
            failed.append(step.name)
            print(f"\n{findings}\n")
        print(f"{'FAILED' if findings else 'ok':>6} {took:6.1f} s  {step.name}", flush=True)
    verdict = f"failed: {', '.join(failed)}" if failed else "all well"
    print(f"{'check':>6} {time.monotonic() - began:6.1f} s  {verdict}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
