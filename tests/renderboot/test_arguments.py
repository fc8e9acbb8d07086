"""The -key value command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from host.renderboot.arguments import parse
from host.renderboot.errors import ArgumentError


def test_katana_keys_are_read() -> None:
    """What Katana passes arrives, and what is left open stays for the stage to decide."""
    words = "-renderer mitsuba -geolib3OpTree a.usda -renderMethodType diskRender -renderOutputFile o.exr"
    arguments = parse([*words.split(), "-frame", "-5", "-width", "64", "-threads", "3"], {})
    assert arguments.stage == Path("a.usda")
    assert arguments.method == "diskRender"
    assert arguments.output == Path("o.exr")
    assert (arguments.frame, arguments.width, arguments.threads) == (-5.0, 64, 3)
    assert (arguments.height, arguments.samples, arguments.camera) == (None, None, None)
    assert arguments.unknown == ()


def test_unknown_keys_are_collected_and_known_unused_ones_are_not() -> None:
    """-katanaRoot, -pluginDsoPath and -host are Katana's; anything else is named once."""
    katana = ["-katanaRoot", "/k", "-pluginDsoPath", "/p", "-host", "a:1"]
    arguments = parse([*katana, "-geolib3OpTree", "a.usd", "-odd", "7", "-flag", "-other", "x"], {})
    assert arguments.unknown == ("-odd", "-flag", "-other")


def test_threads_come_from_the_environment_unless_asked_for() -> None:
    """KQ_THREADS is the default, up to 1024; -threads overrules it."""
    assert parse(["-geolib3OpTree", "a.usd"], {"KQ_THREADS": "5"}).threads == 5
    assert parse(["-geolib3OpTree", "a.usd", "-threads", "2"], {"KQ_THREADS": "5"}).threads == 2
    # Set to the cores of a machine that has more than a render may use.
    assert parse(["-geolib3OpTree", "a.usd"], {"KQ_THREADS": "2048"}).threads == 1024
    assert parse(["-geolib3OpTree", "a.usd"], {}).threads >= 1


@pytest.mark.parametrize(
    ("words", "environment", "part"),
    [
        ("", {}, "-geolib3OpTree"),
        ("-geolib3OpTree", {}, "-geolib3OpTree needs a value"),
        ("a.usd", {}, "'a.usd' stands alone"),
        ("-geolib3OpTree a.usd -samples many", {}, "-samples needs a whole number"),
        ("-geolib3OpTree a.usd -width 0", {}, "-width needs a whole number"),
        ("-geolib3OpTree a.usd -frame x", {}, "-frame needs a number"),
        ("-geolib3OpTree a.usd -frame nan", {}, "-frame needs a number"),
        ("-geolib3OpTree a.usd -frame 1e400", {}, "-frame needs a number"),
        (f"-geolib3OpTree a.usd -width {'9' * 5000}", {}, "-width needs a whole number"),
        ("-geolib3OpTree a.usd -renderOutputFile a.jpg", {}, ".png or .exr"),
        ("-geolib3OpTree a.usd -renderMethodType fast", {}, "previewRender"),
        ("-geolib3OpTree a.usd", {"KQ_THREADS": "none"}, "KQ_THREADS needs a whole number"),
        ("-geolib3OpTree a.usd", {"KQ_THREADS": "9" * 5000}, "KQ_THREADS needs a whole number"),
        ("-geolib3OpTree a.usd -threads 1025", {}, "-threads needs a whole number"),
    ],
)
def test_bad_arguments_are_named(words: str, environment: dict[str, str], part: str) -> None:
    """Each mistake gives one message that names the key."""
    with pytest.raises(ArgumentError) as caught:
        parse(words.split(), environment)
    assert part in str(caught.value)
    assert caught.value.exit_code == 2
