"""What Dr.Jit says of itself stays out of a render's log."""

from __future__ import annotations

import os

import pytest

from host.renderboot.renderers.mitsuba.engine import DRJIT_NOISE
from host.renderboot.renderers.quiet import without_noise


def test_only_the_noise_is_held_back(capfd: pytest.CaptureFixture[str]) -> None:
    """All else comes after, in its order, and later lines come as they are."""
    with without_noise(DRJIT_NOISE):
        os.write(2, b"one\njitc_llvm_init(): LLVM API initialization failed ..\ntwo")
    os.write(2, b"\njitc_llvm_init(): LLVM API initialization failed ..\n")
    assert capfd.readouterr().err == "one\ntwo\njitc_llvm_init(): LLVM API initialization failed ..\n"


def test_what_was_said_before_an_error_is_not_lost(capfd: pytest.CaptureFixture[str]) -> None:
    """It may be what explains it."""
    with pytest.raises(ImportError), without_noise(DRJIT_NOISE):
        os.write(2, b"no such library\n")
        raise ImportError("mitsuba")
    assert capfd.readouterr().err == "no such library\n"
