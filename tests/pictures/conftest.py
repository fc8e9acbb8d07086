"""Readers of pictures with real processes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kq.client.interpreter import Interpreter
from kq.pictures.reader import PictureReader
from tests.support.hostile_pictures import write_picture

__all__ = ["this_python"]


def this_python(**variables: str) -> Interpreter:
    """The interpreter of the tests, with more environment variables."""
    return Interpreter(sys.executable, {**os.environ, **variables})


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PictureReader]:
    """A reader whose process runs already. For tests that leave it alive."""
    shared = PictureReader(this_python)
    shared.read(str(write_picture(tmp_path_factory.mktemp("first") / "a.png")))
    yield shared
    shared.close()


@pytest.fixture
def make_reader() -> Iterator[Callable[..., PictureReader]]:
    """Makes readers of a test's own, by the arguments of PictureReader without the interpreter."""
    made: list[PictureReader] = []

    def make(*, find_python: Callable[[], Interpreter] = this_python, **rest: float) -> PictureReader:
        made.append(PictureReader(find_python, **rest))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def good(tmp_path: Path) -> str:
    """A picture of 40 x 20 pixels."""
    return str(write_picture(tmp_path / "good.png"))
