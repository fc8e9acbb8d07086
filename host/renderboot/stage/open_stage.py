"""Opening the stage file, with USD's own diagnostics turned into messages. Reads nothing from the scene."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pxr import Tf, Usd, UsdUtils

from ...scene_origin import read_origin
from ...usd_errors import words
from ...usd_layers.layers import not_regular, problems, read_layers
from ..diagnostics import Diagnostics
from ..errors import RenderBootError

USD_SUFFIXES = (".usd", ".usda", ".usdc", ".usdz")


def open_stage(path: Path, diagnostics: Diagnostics) -> Usd.Stage:
    """Open and compose the stage, everything loaded.

    Args:
        path: The stage file.
        diagnostics: Receives a warning for each layer, reference or payload that cannot be composed, and what
            was wrong with the scene that the file was made of.

    Raises:
        RenderBootError: There is no such file, or it is not a USD file.
    """
    kind = not_regular(str(path))
    if kind:
        raise RenderBootError(f"The stage '{path}' is {kind}, not a file.")
    if not path.is_file():
        raise RenderBootError(f"There is no stage file '{path}'.")
    if path.suffix.lower() not in USD_SUFFIXES:
        raise RenderBootError(
            f"'{path}' is not a USD file: its name should end in {', '.join(USD_SUFFIXES)}."
        )
    # Held so that USD does not print its diagnostics in its own form besides ours.
    delegate = UsdUtils.CoalescingDiagnosticDelegate()
    try:
        layers = read_layers(str(path))
        stage = Usd.Stage.Open(str(path), Usd.Stage.LoadAll)
    except Tf.ErrorException as error:
        raise RenderBootError(f"'{path}' cannot be read as USD: {words(error)}") from error
    finally:
        delegate.TakeUncoalescedDiagnostics()
    del layers
    for problem in problems(stage):
        diagnostics.warn(problem.rstrip("."))
    for warning in read_origin(stage.GetRootLayer()).warnings:
        diagnostics.warn(warning.rstrip("."))
    return stage


@contextmanager
def usd_warnings(diagnostics: Diagnostics) -> Iterator[None]:
    """Within the `with` block, turn messages that USD would print into warnings."""
    delegate = UsdUtils.CoalescingDiagnosticDelegate()
    try:
        yield
    finally:
        for message in delegate.TakeUncoalescedDiagnostics():
            diagnostics.warn(f"USD: {' '.join(str(message.commentary).split())}")
