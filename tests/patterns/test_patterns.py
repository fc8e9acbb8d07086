"""What lines of output mean, judged by renderers' own logs in data/."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kq.patterns import KINDS, OutputPatterns, known_renderers, load_patterns, renderer_of
from kq.states import Severity

DATA = Path(__file__).with_name("data")


def lines_of(log: str) -> list[bytes]:
    return re.split(rb"[\r\n]+", (DATA / log).read_bytes())


def told(patterns: OutputPatterns, log: str) -> tuple[list[float], list[str], list[str], list[str]]:
    """Progress, pictures, errors and failures that a log tells, in order."""
    lines = lines_of(log)
    return (
        [found for line in lines if (found := patterns.progress(line)) is not None],
        [found for line in lines if (found := patterns.picture(line)) is not None],
        [
            text
            for line in lines
            if patterns.classify(text := line.decode("utf-8", "replace")) is Severity.ERROR
        ],
        [line.decode() for line in lines if patterns.is_failure(line)],
    )


@pytest.mark.parametrize(
    ("log", "renderer", "progress", "pictures"),
    [
        ("blender-done.log", "blender", [0, 1 / 32, 1], ["/show/shot/beauty_0001.png"]),
        ("blender5-done.log", "blender", [0, 1 / 128, 0.5], ["/show/shot/beauty_0001.exr"]),
        ("arnold-done.log", "arnold", [0.05, 0.5, 1], ["/show/shot/beauty.0001.exr"]),
        ("renderman-done.log", "renderman", [0.01, 0.37, 0.99], []),
        ("vray-done.log", "vray", [0, 0.357, 0.625, 1], ["/show/shot/beauty.0001.exr"]),
        ("redshift-done.log", "redshift", [0.25, 0.5, 1], ["/show/shot/beauty.0001.exr"]),
        ("karma-done.log", "karma", [0, 0.17, 1], []),
        ("mitsuba-done.log", "mitsuba", [16 / 45, 34 / 45, 1], ["/show/shot/mi.exr"]),
    ],
)
@pytest.mark.parametrize("named", [True, False])
def test_a_good_render_tells_progress_and_pictures_and_no_error(
    log: str, renderer: str, progress: list[float], pictures: list[str], named: bool
) -> None:
    """And does so to whoever did not say which renderer it is."""
    patterns = load_patterns(renderer if named else "")
    assert told(patterns, log) == (pytest.approx(progress), pictures, [], [])


def test_3delight_prints_bare_percentages() -> None:
    """In a line that grows; from a program that is not known they would be anything."""
    assert told(load_patterns("dl"), "dl-done.log")[0] == [0.02, 0.03, 1]
    assert load_patterns("").progress(b"0%  1%  2%") is None
    assert renderer_of("/opt/3delight/bin/renderdl") == "dl"


def test_povray_tells_progress_after_carriage_returns() -> None:
    """Hundreds of times in one line of the log."""
    progress, pictures, _, failures = told(load_patterns("povray"), "povray-done.log")
    assert progress == sorted(progress)
    assert 0 < progress[0] < 0.01
    assert progress[-1] == 1
    assert pictures == ["/show/shot/a.png"]
    assert failures == []


@pytest.mark.parametrize(
    ("log", "renderer", "error"),
    [
        ("blender-failed.log", "blender", "Error: Cannot read file '/show/shot/gone.blend'"),
        ("arnold-failed.log", "arnold", 'Invalid image file "wood.tx"'),
        ("renderman-failed.log", "renderman", "R50002 {SEVERE} out of scratch space"),
        ("redshift-failed.log", "redshift", "License error"),
        ("mitsuba-failed.log", "mitsuba", "Caught a critical exception: [parser.cpp:1077] File not found"),
        ("povray-failed.log", "povray", "Parse Error: Expected 'numeric expression', End of"),
    ],
)
def test_a_failed_render_tells_what_went_wrong(log: str, renderer: str, error: str) -> None:
    """The error is seen, and its log looks failed whatever the exit code says."""
    patterns = load_patterns(renderer)
    _, _, errors, failures = told(patterns, log)
    causes = [line for line in errors if not patterns.is_consequence(line.encode())]
    assert error in causes[-1]
    assert failures


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("Error: no camera in the scene", "error"),
        ("[ERROR] no camera", "error"),
        ("ERROR - no camera", "error"),
        ("2026-01-01 12:00:00 ERROR main  [xmlparser.cpp:1] no camera", "error"),
        ("a.osl:3:4: error: expected ';'", "error"),
        ("\x1b[31merror:\x1b[0m no camera", "error"),
        ("RuntimeError: no camera", "error"),
        ("kq.errors.BadInputError: no camera", "error"),
        ("Fatal error in parser", "error"),
        ("Segmentation fault (core dumped)", "error"),
        ("sh: 1: kick: not found", "error"),
        ("cat: scene.usd: No such file or directory", "error"),
        ("Warning: no light, a dome is added", "warning"),
        ("WARN  | no light", "warning"),
        ("render.py:3: DeprecationWarning: use the other", "warning"),
        ("Warning: error reading wood.tx: No such file or directory", "warning"),
        ("0 errors", ""),
        ("0 errors, 0 warnings", ""),
        ("errors: 0", ""),
        ("Error count: 0", ""),
        ("error: 0", ""),
        ("no error: all is well", ""),
        ("writing error.exr", ""),
        ("writing /show/error: final/a.exr", ""),
        ("mean error: 0.0012", ""),
        ("relative error: 1.2e-5, 16 spp", ""),
        ("noise error threshold 0.01", ""),
        ("error_tolerance: 3", ""),
        ("--on-error=stop", ""),
        ("INFO error recovery is on", ""),
        ("warnings: 3", ""),
        ("no warning: all is well", ""),
        ("never out of memory", ""),
        ("", ""),
    ],
)
def test_lines_are_classed_by_what_they_say(line: str, kind: str) -> None:
    """A word alone is no error: file names, counts and measures are left in peace."""
    assert (load_patterns().classify(line) or "") == kind


@pytest.mark.parametrize(
    ("line", "progress"),
    [
        (b"ALF_PROGRESS 12%", 0.12),
        (b"2024/05/02 STDOUT: ALF_PROGRESS 77.9167", 0.779167),
        (b"openjd_progress: 33.5", 0.335),
        (b"Progress: 12.5%", 0.125),
        (b"\x1b[32m50% complete\x1b[0m", 0.5),
        (b"Fra:10 Mem:17M | Time:00:04.17 | Scene, RenderLayer | Path Tracing Tile 27/135", 0.2),
        (b"Fra:2 Mem:142M | Time:00:00.36 | Scene, View Layer | Rendered 17/680 Tiles", 0.025),
        (b"Fra:1 Mem:12M | Time:00:00.36 | Rendering 26 / 64 samples", 0.40625),
        (b"\xff\xfe ALF_PROGRESS 12%", 0.12),
        (b"Progress update (during rendering): 28.33%", 0.2833),
        (b"Progress update (global illumination): 73.0%", None),
        (b"[V-Ray] Rendering image...: 35.7%", 0.357),
        (b"ALF_PROGRESS 120%", None),
        (b"ALF_PROGRESS 1x", None),
        (b"Rendered 5 of 0 pixels", None),
        (b"CPU 45%", None),
        (b"45%", None),
        (b"openjd_progress: nan", None),
    ],
)
def test_progress_is_read(line: bytes, progress: float | None) -> None:
    """As a part of 1; what is no progress is none."""
    assert load_patterns().progress(line) == (None if progress is None else pytest.approx(progress))


@pytest.mark.parametrize(
    ("line", "picture"),
    [
        (b"kq_picture: /show/a b.exr", "/show/a b.exr"),
        (b"  kq_picture:relative.png  ", "relative.png"),
        ("kq_picture: /show/ü.png".encode(), "/show/ü.png"),
        (b"kq_picture: /show/\xff.png", "/show/\udcff.png"),
        (b"say kq_picture: /show/a.exr", None),
        (b"kq_picture:", None),
    ],
)
def test_the_picture_line_is_read(line: bytes, picture: str | None) -> None:
    """Paths may hold blanks and bytes that are not UTF-8."""
    assert load_patterns().picture(line) == picture


def test_an_unknown_renderer_gets_what_all_share() -> None:
    """A misspelt name is no reason to lose progress."""
    assert load_patterns("no such renderer") is load_patterns("")
    assert load_patterns(" Blender ").renderer == "blender"


@pytest.mark.parametrize(
    ("program", "renderer"),
    [
        ("blender", "blender"),
        ("/opt/blender-4.2/blender", "blender"),
        ("blender-4.2", "blender"),
        (r"C:\Program Files\Arnold\kick.EXE", "arnold"),
        ("kickstart", ""),
        ("python", ""),
        ("", ""),
    ],
)
def test_a_command_tells_its_renderer(program: str, renderer: str) -> None:
    """So that nobody has to name it."""
    assert renderer_of(program) == renderer


@pytest.mark.parametrize("renderer", ["", *known_renderers()])
def test_the_words_looked_for_first_do_not_hide_lines(renderer: str) -> None:
    """Every line of every log that has a kind holds one of that kind's keywords."""
    patterns = load_patterns(renderer)
    assert tuple(patterns.keywords) == KINDS
    for log in DATA.iterdir():
        for line in lines_of(log.name):
            seen = {
                "progress": patterns.progress(line) is not None,
                "picture": patterns.picture(line) is not None,
                "error": patterns.is_error(line),
                "failure": patterns.is_failure(line),
            }
            for kind, is_it in seen.items():
                assert not is_it or any(word in line.lower() for word in patterns.keywords[kind])
