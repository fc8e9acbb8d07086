"""Every instruction has an effect and every request a handler; the Server hands no callback to its parts."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import get_args

from kq import messages as m
from kq.core import instructions as do
from kq.server import effects, program, request_handler


def test_every_instruction_has_one_effect() -> None:
    assert set(effects._EFFECTS) == set(do.Instruction.__subclasses__())


def test_orders_to_agents_wait_for_the_journal() -> None:
    """Whatever reaches an Agent is on disk before; what only notes or gathers is carried out at once."""
    waiting = {kind for kind, effect in effects._EFFECTS.items() if effect.when_journaled}
    assert waiting == {
        do.LaunchAgent, do.EndAgent, do.Assign, do.AskStop, do.AskToRegister, do.Acknowledge,
    }  # fmt: skip


def test_every_request_has_one_handler() -> None:
    assert set(request_handler._HANDLERS) == set(get_args(m.ClientRequest))


def test_the_server_hands_no_callback_to_its_parts() -> None:
    """What it composes gets other parts, so that a reader can follow a call by its definition."""
    tree = ast.parse(Path(program.__file__).read_text(encoding="utf-8"))
    [server] = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Server"]
    methods = {node.name for node in server.body if isinstance(node, ast.FunctionDef)}
    [init] = [node for node in server.body if isinstance(node, ast.FunctionDef) and node.name == "__init__"]
    for node in ast.walk(init):
        assert not isinstance(node, ast.Lambda), ast.unparse(node)
        if isinstance(node, ast.Call):
            for argument in [*node.args, *(keyword.value for keyword in node.keywords)]:
                is_own = isinstance(argument, ast.Attribute) and ast.unparse(argument.value) == "self"
                assert not (is_own and argument.attr in methods), ast.unparse(node)  # type: ignore[attr-defined]
    assert len(inspect.getsource(program.Server.__init__).splitlines()) <= 48, "it fits a screen"
