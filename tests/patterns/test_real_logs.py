"""What lines mean that renderers printed on users' machines: real/README.md says where they are from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kq.patterns import OutputPatterns, load_patterns
from kq.states import Severity

REAL = Path(__file__).with_name("real")


def found(log: str, meaning: Callable[[bytes], object]) -> dict[int, object]:
    """What `meaning` finds in the lines of a log, by their numbers from 1."""
    lines = (REAL / log).read_bytes().splitlines()
    seen = {number: meaning(line) for number, line in enumerate(lines, 1)}
    return {number: each for number, each in seen.items() if each is not None and each is not False}


def severities(patterns: OutputPatterns, log: str) -> dict[int, object]:
    """The lines that are errors or warnings."""
    return found(log, lambda line: patterns.classify(line.decode()))


@pytest.mark.parametrize("renderer", ["redshift", ""])
def test_redshift_tells_blocks_and_no_other_number(renderer: str) -> None:
    """Of 88 lines with sizes, times, rates and "0%", five are progress; none is an error or a failure."""
    patterns = load_patterns(renderer)
    assert list(found("redshift.log", patterns.progress).values()) == [0.025, 0.05, 0.25, 0.5, 1.0]
    assert not severities(patterns, "redshift.log")
    assert not found("redshift.log", patterns.is_failure)


def test_redshift_tells_its_pictures_without_a_hosts_prefix() -> None:
    """From redshiftCmdLine alone: elsewhere such a line may name anything that is saved."""
    pictures = found("redshift.log", load_patterns("redshift").picture)
    assert list(pictures.values()) == ["/show/shot/beauty 1001.exr", "/show/shot/depth.1001.exr"]
    assert not found("redshift.log", load_patterns("").picture)


@pytest.mark.parametrize("renderer", ["karma", ""])
def test_karma_tells_progress_behind_a_farms_prefix(renderer: str) -> None:
    """Dates, versions and sizes before it are none."""
    patterns = load_patterns(renderer)
    assert list(found("karma.log", patterns.progress).values()) == [0, 0, 0.01, 0.17, 1]
    assert not severities(patterns, "karma.log")
    assert not found("karma.log", patterns.is_failure)
    assert not found("karma.log", patterns.picture)


@pytest.mark.parametrize("renderer", ["vray", ""])
def test_vray_tells_pictures_and_warnings(renderer: str) -> None:
    """Building the light cache is no progress of the picture; "0 error(s)" is no error."""
    patterns = load_patterns(renderer)
    assert not found("vray.log", patterns.progress)
    assert list(found("vray.log", patterns.picture).values()) == [
        "/show/shot/beauty 0001.exr",
        "/show/shot/spheres.0001.exr",
    ]
    assert set(severities(patterns, "vray.log").values()) == {Severity.WARNING}
    assert list(severities(patterns, "vray.log")) == [4, 18]
    assert not found("vray.log", patterns.is_failure)


def test_3delight_tells_errors_by_its_own_words() -> None:
    """Without a colon behind; a render that cannot make an image is a failure, whatever its exit code."""
    patterns = load_patterns("dl")
    assert severities(patterns, "dl.log") == {
        2: Severity.WARNING,
        3: Severity.ERROR,
        4: Severity.ERROR,
        5: Severity.ERROR,
    }
    assert list(found("dl.log", patterns.is_failure)) == [3]
    assert not found("dl.log", patterns.progress)
