"""Opening the stage file, with USD's own diagnostics turned into sentences. Reads nothing from the scene."""

from __future__ import annotations

from pathlib import Path

from pxr import Tf, Usd, UsdUtils

from ...usd_errors import words
from ..diagnostics import Diagnostics
from ..errors import RenderBootError

USD_SUFFIXES = (".usd", ".usda", ".usdc", ".usdz")


def open_stage(path: Path, diagnostics: Diagnostics) -> Usd.Stage:
    """Open and compose the stage, everything loaded.

    Args:
        path: The stage file.
        findings: Receives a warning for each layer, reference or payload that cannot be composed.

    Raises:
        RenderBootError: There is no such file, or it is not a USD file.
    """
    if not path.is_file():
        raise RenderBootError(f"There is no stage file '{path}'.")
    if path.suffix.lower() not in USD_SUFFIXES:
        raise RenderBootError(
            f"'{path}' is not a USD file: its name should end in {', '.join(USD_SUFFIXES)}."
        )
    # Held so that USD does not print its diagnostics in its own form besides ours.
    delegate = UsdUtils.CoalescingDiagnosticDelegate()
    try:
        stage = Usd.Stage.Open(str(path), Usd.Stage.LoadAll)
    except Tf.ErrorException as error:
        raise RenderBootError(f"'{path}' cannot be read as USD: {words(error)}") from error
    finally:
        delegate.TakeUncoalescedDiagnostics()
    for broken in stage.GetCompositionErrors():
        diagnostics.warn(words(broken).rstrip("."))
    return stage
