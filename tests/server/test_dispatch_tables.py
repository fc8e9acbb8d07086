"""Every instruction has an effect and every request a handler; no part is handed a callback."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import get_args

from kq import messages as m
from kq.core import instructions as do
from kq.server import effects, program, request_handler

KQ = Path(program.__file__).parents[1]


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


def test_no_part_is_handed_a_callback() -> None:
    """Parts get other parts, so that a reader can follow each call by its definition."""
    trees = [
        ast.parse(path.read_text(encoding="utf-8"))
        for room in ("server", "core", "wire", "agent")
        for path in sorted((KQ / room).glob("*.py"))
    ]
    classes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    names = {each.name for each in classes}
    public = {name for each in classes for name in methods(each) if not name.startswith("_")}
    public -= {name for message in vars(m).values() for name in getattr(message, "__struct_fields__", ())}
    assert {"Server", "ServerWire", "Core", "FileWorkers", "Agent"} <= names
    for each in classes:
        for call in (node for node in ast.walk(each) if isinstance(node, ast.Call)):
            if isinstance(call.func, ast.Name) and call.func.id in names:
                for argument in [*call.args, *(keyword.value for keyword in call.keywords)]:
                    assert not isinstance(argument, ast.Lambda), ast.unparse(call)
                    if isinstance(argument, ast.Attribute):
                        is_own = ast.unparse(argument.value) == "self"
                        assert argument.attr not in (methods(each) if is_own else public), ast.unparse(call)


def methods(of: ast.ClassDef) -> set[str]:
    """Names of the methods of a class, without properties."""
    return {node.name for node in of.body if isinstance(node, ast.FunctionDef) and not node.decorator_list}


def test_the_composition_of_the_server_fits_a_screen() -> None:
    assert len(inspect.getsource(program.Server.__init__).splitlines()) <= 48
