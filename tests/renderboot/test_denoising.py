"""Denoised pictures: less noise from the same samples, only where asked for, and never in the way."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO
import pytest
from pxr import Gf, Sdf, Usd, UsdLux, UsdRender

from host.renderboot import job
from host.renderboot.arguments import Arguments
from host.renderboot.denoising import DENOISER, Denoiser
from host.renderboot.diagnostics import Diagnostics
from host.renderboot.errors import EXIT_OK, RenderBootError
from host.renderboot.live.machine import Apply, Complete, Instruction, Refine, RenderFirst
from host.renderboot.live.session import LiveRender
from host.renderboot.live.state import LayerText, Update
from host.renderboot.picture import Pixels, srgb
from host.renderboot.renderers import load_renderer
from host.renderboot.renderers.mitsuba.mitsuba_picture import MitsubaPicture
from host.renderboot.report import Report
from host.renderboot.stage.reader import read_stage
from tests.renderboot.stages import add_camera, add_card, add_sphere, new_stage

SIZE = 96


def a_stage(denoise: str | None) -> Usd.Stage:
    """A ball before a card, lit from around: soft shadows, which need many samples."""
    stage = new_stage()
    add_camera(stage)
    add_card(stage, "/World/Card", 1.8, -1.0)
    add_sphere(stage, "/World/Ball", (0.3, 0.2, 0.0), 0.7)
    UsdLux.DomeLight.Define(stage, "/World/Sky").CreateIntensityAttr(0.8)
    settings = UsdRender.Settings.Define(stage, "/Render/Settings")
    if denoise is not None:
        settings.GetPrim().CreateAttribute("katana:denoise", Sdf.ValueTypeNames.Token).Set(denoise)
    return stage


def arguments_for(method: str = "previewRender", samples: int = 8) -> Arguments:
    return Arguments(Path("scene.usda"), method=method, width=SIZE, height=SIZE, samples=samples)


def picture_of(stage: Usd.Stage, arguments: Arguments, diagnostics: Diagnostics) -> MitsubaPicture:
    scene = read_stage(stage, arguments, diagnostics)
    picture = load_renderer("mitsuba").prepare(scene, 1, diagnostics)
    assert isinstance(picture, MitsubaPicture)
    picture.render_pass(scene.settings.samples)
    return picture


def error(pixels: Pixels, reference: Pixels) -> float:
    """Root mean square error in display values."""
    return float(np.sqrt(((srgb(pixels[..., :3]) - srgb(reference[..., :3])) ** 2).mean()))


def filter_of(picture: MitsubaPicture) -> str:
    return str(type(picture._film.rfilter()).__name__) + str(picture._film.rfilter())


def test_eight_samples_denoised_are_nearer_to_many_samples() -> None:
    noisy = picture_of(a_stage("never"), arguments_for(), Diagnostics())
    denoised = picture_of(a_stage("previews"), arguments_for(), Diagnostics())
    reference = picture_of(a_stage("never"), arguments_for(samples=256), Diagnostics()).pixels()

    assert noisy.denoised(lambda: False) is None
    result = denoised.denoised(lambda: False)

    assert result is not None
    assert error(result, reference) < 0.7 * error(noisy.pixels(), reference)
    np.testing.assert_array_equal(result[..., 3], denoised.pixels()[..., 3])
    assert "Gaussian" in filter_of(noisy)
    assert "Box" in filter_of(denoised)
    assert denoised.denoised(lambda: True) is None


@pytest.mark.parametrize(
    ("denoise", "method", "expected"),
    [
        (None, "previewRender", False),
        ("previews", "previewRender", True),
        ("previews", "liveRender", True),
        ("previews", "diskRender", False),
        ("always", "diskRender", True),
        ("never", "previewRender", False),
        ("anything", "previewRender", False),
    ],
)
def test_the_switch(denoise: str | None, method: str, expected: bool) -> None:
    assert read_stage(a_stage(denoise), arguments_for(method), Diagnostics()).settings.denoise is expected


@pytest.fixture
def no_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mitsuba_oidn", None)


def rendered(denoise: str, method: str, folder: Path) -> Any:
    """Render to files in the folder, and return the EXR's header."""
    scene = folder / "scene.usda"
    a_stage(denoise).Export(str(scene))
    asked = replace(arguments_for(method), stage=scene, output=folder / "picture.png", samples=2)
    assert job.run(asked) == EXIT_OK
    image = OpenImageIO.ImageInput.open(str(folder / "picture.exr"))
    assert image is not None
    spec = image.spec()
    image.close()
    return spec


@pytest.mark.parametrize("denoise", ["previews", "always"])
@pytest.mark.parametrize("method", ["previewRender", "diskRender"])
def test_the_header_records_it(denoise: str, method: str, tmp_path: Path) -> None:
    is_denoised = denoise == "always" or method == "previewRender"
    expected = DENOISER if is_denoised else ""
    assert rendered(denoise, method, tmp_path).get_string_attribute("denoiser") == expected
    assert (DENOISER.encode() in (tmp_path / "picture.png").read_bytes()) is is_denoised


def test_without_the_package_the_picture_is_noisy_and_one_warning_gives_the_reason(
    no_package: None, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert rendered("previews", "previewRender", tmp_path).get_string_attribute("denoiser") == ""
    assert capfd.readouterr().err.count("mitsuba-oidn") == 1
    assert "Gaussian" in filter_of(picture_of(a_stage("always"), arguments_for(), Diagnostics()))


def test_a_denoiser_that_fails_leaves_the_noisy_picture(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> Pixels:
        raise RenderBootError("no memory for the denoiser")

    monkeypatch.setattr(Denoiser, "denoised", fail)
    assert rendered("previews", "previewRender", tmp_path).get_string_attribute("denoiser") == ""
    assert capfd.readouterr().err.count("no memory for the denoiser") == 1


class Shown:
    """Counts the pictures that a live render sends, in place of the connection to the desktop."""

    def __init__(self) -> None:
        self.pictures: list[bytes] = []

    def send_picture(self, content: bytes, _: object) -> None:
        self.pictures.append(content)

    def send_progress(self, done: int, total: int) -> None:
        pass


def test_a_live_render_denoises_what_it_refines_and_not_the_first_picture(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "scene.usda").write_text("#usda 1.0\n")
    arguments = replace(arguments_for("liveRender"), stage=tmp_path / "scene.usda")
    live = LiveRender(arguments, load_renderer("mitsuba"), Report(), tmp_path / "picture")
    shown = Shown()
    monkeypatch.setattr(live, "_sender", shown)
    denoised: list[int] = []
    denoise = Denoiser.denoised

    def note(self: Denoiser, pixels: Pixels, is_cancelled: Any) -> Pixels | None:
        denoised.append(len(shown.pictures))
        return denoise(self, pixels, is_cancelled)

    monkeypatch.setattr(Denoiser, "denoised", note)

    def state(when: str, revision: int) -> Update:
        stage = a_stage(when)
        stage.GetPrimAtPath("/Render/Settings").GetAttribute("resolution").Set(Gf.Vec2i(SIZE, SIZE))
        return Update(revision, "a", {"a": LayerText(stage.ExportToString())})

    instructions: list[Instruction] = [Apply(state("previews", 1)), RenderFirst(), Refine(1), Refine(1)]
    for instruction in [*instructions, Complete()]:
        live._execute(instruction)
    assert denoised == [1, 2]
    header = OpenImageIO.ImageBuf(str(tmp_path / "picture.exr")).spec()
    assert header.get_string_attribute("denoiser") == DENOISER
    assert header.get_int_attribute("samples") == 2
    for name in ("scene", "renderer", "camera", "DateTime"):
        assert header.get_string_attribute(name), name
    assert DENOISER.encode() not in shown.pictures[0] and DENOISER.encode() in shown.pictures[2]
    # A stop cancels the running pass: the last picture that was shown is kept, not one with its noise.
    cancelled = live._picture
    assert cancelled is not None
    render_pass = cancelled.render_pass
    monkeypatch.setattr(cancelled, "render_pass", lambda samples: (cancelled.cancel(), render_pass(samples)))
    live._execute(Refine(1))
    live._save()
    assert OpenImageIO.ImageBuf(str(tmp_path / "picture.exr")).spec().get_int_attribute("samples") == 2
    assert DENOISER.encode() in (tmp_path / "picture.exr").read_bytes()
    for instruction in (Apply(state("never", 2)), RenderFirst(), Refine(1), Complete()):
        live._execute(instruction)
    assert denoised == [1, 2]
    assert DENOISER.encode() not in (tmp_path / "picture.exr").read_bytes()
