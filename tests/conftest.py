"""For every test: Qt off screen, a data root of its own, and guards against leaks.

Fixtures of a single folder of tests are in that folder.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Generator, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from plugins import import_isolation
from tests import workers
from tests.leaks import LeakGuard, mark_descendants

# Plug-ins and kq are parts of the package `katana_queue`, as in a desktop.
import_isolation.load("kq")

_WAIT_MS = 60_000

# Before anything imports Qt.
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
if sys.platform == "win32":
    from host.app.off_screen_fonts import use_windows_fonts

    use_windows_fonts(os.environ)

# No deadline: pauses of a shared machine are no fault of the code. On CI failures must be reproducible.
settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("dev", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "dev")
# For ./check: few examples find most new errors; ./test tries more.
settings.register_profile("quick", max_examples=25)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer the nightly tests as an option and the guards' grace as a setting."""
    parser.addoption("--all", action="store_true", help="run the nightly tests too")
    parser.addini("leak_grace_s", "how long what is already ending may take, in seconds", default="30")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests of whole programs as slow, skip nightly ones, and run the slowest files first."""
    here = Path(__file__).parent
    whole = tuple(here / name for name in workers.WHOLE_PROGRAMS)
    for item in items:
        if item.path in whole or any(folder in whole for folder in item.path.parents):
            item.add_marker(pytest.mark.slow)
    if not config.getoption("all"):
        nightly = [item for item in items if item.get_closest_marker("nightly")]
        items[:] = [item for item in items if not item.get_closest_marker("nightly")]
        config.hook.pytest_deselected(items=nightly)
    first = {here / name: place for place, name in enumerate(workers.FIRST)}
    items.sort(key=lambda item: first.get(item.path, len(first)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """How many workers `--numprocesses=auto` starts."""
    return workers.auto_count()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Distribute whole files to the workers, in collection order."""
    return workers.scheduler(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_report_to_serializable() -> Generator[None, Any, Any]:
    """Allow test output with names that are not valid UTF-8."""
    return workers.encodable((yield))


def pytest_configure(config: pytest.Config) -> None:
    """Mark this run's processes, so that the leak guards find them even when re-parented.

    Also gives the tests' sessions a folder of this run for their keys, and their renders a full share of the
    processor: at the default KQ_NICE a render of seconds takes minutes on a machine that is busy otherwise.
    """
    mark_descendants()
    runtime = tempfile.TemporaryDirectory(prefix="kq-run-", ignore_cleanup_errors=True)
    config.add_cleanup(runtime.cleanup)
    os.environ["XDG_RUNTIME_DIR"] = runtime.name
    os.environ["KQ_NICE"] = "0"


@pytest.fixture(autouse=True)
def leak_guard(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Fails a test after which threads, processes or sockets remain that were not there before it.

    Waits for things that are ending. Ignores what fixtures of a wider scope hold.
    """
    guard = LeakGuard(tmp_path_factory.getbasetemp(), grace_s=float(request.config.getini("leak_grace_s")))
    yield
    leaks = guard.leaks()
    if leaks:
        pytest.fail("The test left behind:\n  " + "\n  ".join(leaks), pytrace=False)


@pytest.fixture(autouse=True)
def no_expected_farm() -> None:
    """Forget a farm plug-in that an earlier test imported.

    The host's list of farms is cleared between tests, so the tab would report that one as not registered.
    """
    registration = sys.modules.get("katana_queue.plugins.registration")
    if registration is not None:
        registration.expect("")


@pytest.fixture(autouse=True)
def no_held_keys() -> Iterator[None]:
    """Release Ctrl or Shift after a test whose last click had them: for Qt they stay held until the next one.

    A row that a later test selects would extend the selection, or be taken out of it.
    """
    yield
    widgets = sys.modules.get("PySide6.QtWidgets")
    if widgets is not None and widgets.QApplication.keyboardModifiers().value:
        from PySide6.QtCore import Qt
        from PySide6.QtTest import QTest

        QTest.keyRelease(widgets.QWidget(), Qt.Key.Key_Shift)


@pytest.fixture
def data_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty KQ_DATA_ROOT of the test's own, set in the environment too."""
    root = tmp_path / "data root"  # with a space, as in artists' paths
    root.mkdir()
    monkeypatch.setenv("KQ_DATA_ROOT", str(root))
    return root


@pytest.fixture
def qtbot(qtbot: Any) -> Any:
    """pytest-qt's, but its waits end after a minute, like all others: 5 s are too few on a busy machine."""
    for name in ("waitUntil", "waitSignal", "waitSignals", "waitActive", "waitExposed"):
        setattr(qtbot, name, partial(getattr(qtbot, name), timeout=_WAIT_MS))
    return qtbot


@pytest.fixture(scope="session")
def qapp(qapp: Any) -> Any:
    """Qt's application with the stand-in's style sheet, of Katana's kind, for every test with widgets."""
    from host.app import style

    style.apply(qapp)
    return qapp
