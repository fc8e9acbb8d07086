"""The choice of a renderer, and what is reported where it is not installed."""

from __future__ import annotations

import sys
import threading

import pytest

from host.nodes.types.render import RENDER
from host.renderboot.errors import ArgumentError, RenderBootError
from host.renderboot.renderers import RENDERERS, load_renderer


def test_a_render_node_offers_each_renderer() -> None:
    """The node's menu is that of renderboot, which it does not import."""
    [renderer] = [parameter for parameter in RENDER.parameters if parameter.name == "renderer"]
    assert set(renderer.choices) == set(RENDERERS)


def test_an_unknown_renderer_is_answered_with_those_that_there_are() -> None:
    """As bad arguments are."""
    with pytest.raises(ArgumentError) as raised:
        load_renderer("wobble")
    assert all(name in str(raised.value) for name in RENDERERS)


def test_cycles_names_how_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is in no requirements that are installed by themselves."""
    for name in [name for name in sys.modules if name.startswith("host.renderboot.renderers.cycles")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "bpy", None)
    with pytest.raises(RenderBootError) as raised:
        load_renderer("cycles")
    assert not isinstance(raised.value, ArgumentError)
    assert "'bpy'" in str(raised.value) and "./start --install-cycles" in str(raised.value)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("blender")]
