"""What USD says of a broken file, in words that help to mend it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pxr import Tf, Usd

from host.usd_errors import words


def _error_of(path: Path) -> Tf.ErrorException:
    with pytest.raises(Tf.ErrorException) as raised:
        Usd.Stage.Open(str(path))
    return raised.value


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "    double3 xformOp:translate = (1, 2)\n}\n",
            "line 3, column 33: Error parsing tuple value: Failed to parse value at '(1, 2)' "
            "in </M.xformOp:translate>.",
        ),
        ('    def Sphere "s" {\n', "line 4, column 1: Expected } in </M/s>."),
    ],
)
def test_a_syntax_error_is_reported_with_its_line_and_cause(tmp_path: Path, body: str, message: str) -> None:
    """Also where USD names the line only in the last of several errors."""
    path = tmp_path / "broken.usda"
    path.write_text(f'#usda 1.0\ndef Xform "M" {{\n{body}')
    assert words(_error_of(path)) == message


def test_an_error_without_a_line_is_reported_as_it_is(tmp_path: Path) -> None:
    """A crate file that was cut off."""
    path = tmp_path / "whole.usdc"
    stage = Usd.Stage.CreateNew(str(path))
    stage.GetRootLayer().Save()
    cut = tmp_path / "cut.usdc"
    cut.write_bytes(path.read_bytes()[:100])
    assert words(_error_of(cut)).endswith("but file size is 100.")


def test_files_are_quoted_and_prims_named(tmp_path: Path) -> None:
    """Not in USD's own notation."""
    path = tmp_path / "scene.usda"
    path.write_text('#usda 1.0\nover "A" (references = @gone.usda@) {}\n')
    stage = Usd.Stage.Open(str(path))
    (error,) = stage.GetCompositionErrors()
    assert words(error) == f"Could not open asset 'gone.usda' for reference introduced by '{path}' at </A>."
