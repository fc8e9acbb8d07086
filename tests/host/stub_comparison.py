"""Compares what host/Katana offers with `types-katana`, name by name and signature by signature.

Both sides are read as source: neither Katana nor a display is needed, and nothing runs.
"""

from __future__ import annotations

import ast
import importlib.metadata
from dataclasses import dataclass, field
from pathlib import Path

HOST_KATANA = Path(__file__).resolve().parents[2] / "host" / "Katana"

STUB_OF = {
    "__init__.py": "Katana-stubs/__init__.pyi",
    "_callbacks.py": "Callbacks-stubs/Callbacks.pyi",
    "CatalogAPI/__init__.py": "CatalogAPI-stubs/__init__.pyi",
    "CatalogAPI/Catalog.py": "CatalogAPI-stubs/Catalog.pyi",
    "CatalogAPI/CatalogItem.py": "CatalogAPI-stubs/CatalogItem.pyi",
    "CatalogAPI/Client.py": "CatalogAPI-stubs/Client.pyi",
    "Configuration.py": "ConfigurationAPI_cmodule-stubs/__init__.pyi",
    "FarmAPI/__init__.py": "PyUtilModule-stubs/FarmAPI/__init__.pyi",
    "FarmAPI/_job_request.py": "PyUtilModule-stubs/FarmAPI/FarmPluginManager.pyi",
    "FarmAPI/BaseFarmPlugin.py": "PyUtilModule-stubs/FarmAPI/BaseFarmPlugin.pyi",
    "FarmAPI/FarmPluginManager.py": "PyUtilModule-stubs/FarmAPI/FarmPluginManager.pyi",
    "KatanaFile.py": "PyUtilModule-stubs/KatanaFile.pyi",
    "KatanaResources/__init__.py": "KatanaResources-stubs/__init__.pyi",
    "NodegraphAPI/__init__.py": "NodegraphAPI-stubs/__init__.pyi",
    "NodegraphAPI/_node.py": "NodegraphAPI_cmodule-stubs/__init__.pyi",
    "NodegraphAPI/_root_node.py": "NodegraphAPI_cmodule-stubs/__init__.pyi",
    "Nodes2DAPI.py": "Nodes2DAPI_cmodule-stubs/__init__.pyi",
    "RenderManager/__init__.py": "PyUtilModule-stubs/RenderManager/__init__.pyi",
    "RenderManager/Constants.py": "PyUtilModule-stubs/RenderManager/Constants.pyi",
    "RenderManager/RenderCore.py": "PyUtilModule-stubs/RenderManager/RenderCore.pyi",
    "Shelves.py": "PyUtilModule-stubs/Shelves.pyi",
    "UI4/__init__.py": "UI4-stubs/__init__.pyi",
    "UI4/App/__init__.py": "UI4-stubs/App/__init__.pyi",
    "UI4/App/MainWindow.py": "UI4-stubs/App/MainWindow.pyi",
    "UI4/App/Tabs.py": "UI4-stubs/App/Tabs.pyi",
    "UI4/FormMaster/__init__.py": "UI4-stubs/FormMaster/__init__.pyi",
    "UI4/FormMaster/NodeActionDelegate/__init__.py": "UI4-stubs/FormMaster/NodeActionDelegate/__init__.pyi",
    "UI4/FormMaster/NodeActionDelegate/BaseNodeActionDelegate.py": (
        "UI4-stubs/FormMaster/NodeActionDelegate/BaseNodeActionDelegate.pyi"
    ),
    "UI4/FormMaster/NodeActionDelegate/NodeActionDelegate.py": (
        "UI4-stubs/FormMaster/NodeActionDelegate/NodeActionDelegate.pyi"
    ),
    "UI4/Tabs/__init__.py": "UI4-stubs/Tabs/__init__.pyi",
    "UI4/Tabs/BaseTab.py": "UI4-stubs/Tabs/BaseTab.pyi",
    "UI4/Util/__init__.py": "UI4-stubs/Util/__init__.pyi",
    "UI4/Util/RenderMenu.py": "UI4-stubs/Util/RenderMenu.pyi",
    "UI4/Widgets/__init__.py": "UI4-stubs/Widgets/__init__.pyi",
    "UI4/Widgets/BaseWidgets.py": "UI4-stubs/Widgets/BaseWidgets.pyi",
    "Utils/__init__.py": "Utils-stubs/__init__.pyi",
    "Utils/EventModule.py": "Utils-stubs/EventModuleCommon.pyi",
    "Utils/Plugins.py": "Utils-stubs/Plugins.pyi",
    "Utils/UndoStack.py": "Utils-stubs/UndoStack.pyi",
}
"""Each file of host/Katana and the stub that is its judge."""

EXCEPTIONS = {
    "__init__.py: UI4": "the stubs were made without a window, in which Katana adds UI4 to its names",
    "__init__.py: QtCore": "likewise; and PyQt5 in the stubs is PySide6 since Katana 8",
    "__init__.py: QtGui": "likewise",
    "__init__.py: QtWidgets": "likewise",
    "Utils/EventModule.py: ProcessAllEvents": "EventModule takes it from EventModuleDefault",
    "Utils/EventModule.py: ProcessEvents": "likewise",
    "Utils/EventModule.py: QueueEvent": "likewise",
    "UI4/Widgets/BaseWidgets.py: BaseFrame bases": "keyboard shortcuts are no plug-in's of ours",
    "UI4/Widgets/BaseWidgets.py: BaseMainWindow bases": "likewise",
    "UI4/Widgets/BaseWidgets.py: BaseWidget bases": "likewise",
    "Utils/Plugins.py: Load(apinum)": "the stubs' str is at odds with the numbers that registries hold",
}
"""Where host/Katana may differ, and why."""

_BUILTINS = {"str", "int", "float", "bool", "list", "dict", "tuple", "set", "None", "object", "type"}


@dataclass
class _Scope:
    """What a module or class offers, as its source says."""

    functions: dict[str, list[ast.FunctionDef]] = field(default_factory=dict)
    classes: dict[str, ast.ClassDef] = field(default_factory=dict)
    values: set[str] = field(default_factory=set)
    imported: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By name: the module it comes from and its name there."""

    def has(self, name: str) -> bool:
        return name in self.functions or name in self.classes or name in self.values or name in self.imported


def stubs_folder() -> Path:
    """Return where `types-katana` is installed."""
    return Path(str(importlib.metadata.distribution("types-katana").locate_file("")))


def differences(host: Path = HOST_KATANA, stubs: Path | None = None) -> list[str]:
    """Return every difference that EXCEPTIONS does not name, one message each."""
    stubs = stubs or stubs_folder()
    found: list[str] = []
    files = sorted(path.relative_to(host).as_posix() for path in host.rglob("*.py"))
    for file in files:
        if file not in STUB_OF:
            found.append(f"{file}: no stub is named for it")
            continue
        ours, theirs = _read(host / file), _read(stubs / STUB_OF[file])
        found += _Comparison(file, theirs, stubs).module(ours, _offered(host / file))
    return [line for line in found if not any(line.startswith(f"{known}:") for known in EXCEPTIONS)]


def unused_exceptions(host: Path = HOST_KATANA) -> list[str]:
    """Return the exceptions that nothing needs any more."""
    stubs = stubs_folder()
    found: list[str] = []
    for path in host.rglob("*.py"):
        file = path.relative_to(host).as_posix()
        found += _Comparison(file, _read(stubs / STUB_OF[file]), stubs).module(_read(path), _offered(path))
    return [known for known in EXCEPTIONS if not any(line.startswith(f"{known}:") for line in found)]


def _read(path: Path) -> _Scope:
    return _scope(ast.parse(path.read_text(encoding="utf-8")).body)


def _offered(path: Path) -> list[str]:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            return [str(name) for name in ast.literal_eval(node.value)]
    return []


def _scope(body: list[ast.stmt]) -> _Scope:
    scope = _Scope()
    for node in body:
        if isinstance(node, ast.FunctionDef):
            scope.functions.setdefault(node.name, []).append(node)
        elif isinstance(node, ast.ClassDef):
            scope.classes[node.name] = node
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            scope.values.add(node.target.id)
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                names = target.elts if isinstance(target, ast.Tuple) else [target]
                scope.values.update(name.id for name in names if isinstance(name, ast.Name))
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                scope.imported[alias.asname or alias.name] = (
                    "." * node.level + (node.module or ""),
                    alias.name,
                )
        elif isinstance(node, ast.Import):
            for alias in node.names:
                scope.imported[alias.asname or alias.name.split(".")[0]] = (alias.name, "")
    return scope


class _Comparison:
    """Compares one file of host/Katana with its stub."""

    def __init__(self, file: str, stub: _Scope, stubs: Path) -> None:
        self._file = file
        self._stub = stub
        self._stubs = stubs

    def module(self, ours: _Scope, offered: list[str]) -> list[str]:
        found: list[str] = []
        defined = {*ours.functions, *ours.classes, *ours.values}
        for name in sorted(name for name in defined if not name.startswith("_") and name not in offered):
            found.append(f"{self._file}: {name}: public, but not in __all__")  # noqa: PERF401  one of several
        for name in offered:
            if not self._stub.has(name):
                found.append(f"{self._file}: {name}: Katana has no such name there")
            elif name in ours.functions and name in self._stub.functions:
                found += self._function(name, ours.functions[name][-1], self._stub.functions[name])
            elif name in ours.classes and name in self._stub.classes:
                found += self._class(name, ours.classes[name], self._stub.classes[name])
            elif name in ours.functions or name in ours.classes:
                found += self._elsewhere(name, ours)
        return found

    def _elsewhere(self, name: str, ours: _Scope) -> list[str]:
        """Compare with what the stub takes from elsewhere: Katana's modules are split finer than ours."""
        module, original = self._stub.imported.get(name, ("", ""))
        head, _, rest = module.partition(".")
        for place in (f"{head}-stubs/{rest.replace('.', '/')}.pyi", f"{head}-stubs/{rest}/__init__.pyi"):
            path = self._stubs / place.replace("//", "/")
            if module and path.is_file():
                source = _read(path)
                if name in ours.functions and original in source.functions:
                    return self._function(name, ours.functions[name][-1], source.functions[original])
        return [f"{self._file}: {name}: Katana has something else of that name"]

    def _class(self, name: str, ours: ast.ClassDef, theirs: ast.ClassDef) -> list[str]:
        found: list[str] = []
        our_bases, their_bases = _bases(ours), _bases(theirs)
        if our_bases != their_bases:
            found.append(f"{self._file}: {name} bases: {our_bases} here, {their_bases} in Katana")
        mine, stub = _scope(ours.body), self._with_bases(theirs)
        for method, definitions in mine.functions.items():
            if method.startswith("_") and method != "__init__":
                continue
            if method not in stub.functions:
                if not _overrides_qt(method):
                    found.append(f"{self._file}: {name}.{method}: Katana's has no such method")
                continue
            found += self._function(f"{name}.{method}", definitions[-1], stub.functions[method])
        for inner, node in mine.classes.items():
            if inner not in stub.classes:
                found.append(f"{self._file}: {name}.{inner}: Katana's has no such class")
            else:
                found += self._class(f"{name}.{inner}", node, stub.classes[inner])
        found += [
            f"{self._file}: {name}.{value}: Katana's has no such attribute"
            for value in sorted(mine.values)
            if not value.startswith("_") and value not in stub.values
        ]
        return found

    def _with_bases(self, node: ast.ClassDef) -> _Scope:
        """What the class has of its own and from bases in the same stub."""
        scope = _scope(node.body)
        for base in _bases(node):
            parent = self._stub.classes.get(base)
            if parent is not None:
                inherited = self._with_bases(parent)
                scope.functions = {**inherited.functions, **scope.functions}
                scope.values |= inherited.values
        return scope

    def _function(self, name: str, ours: ast.FunctionDef, theirs: list[ast.FunctionDef]) -> list[str]:
        verdicts = [self._signature(name, ours, candidate) for candidate in theirs]
        return [] if [] in verdicts else verdicts[0]

    def _signature(self, name: str, ours: ast.FunctionDef, theirs: ast.FunctionDef) -> list[str]:
        mine, stub = _arguments(ours), _arguments(theirs)
        found: list[str] = []
        # `*args, **kwargs` is how the stubs say that introspection found no signature.
        unknown = [argument.name for argument in stub] == ["*args", "**kwargs"]
        if not unknown and [(a.name, a.optional) for a in mine] != [(a.name, a.optional) for a in stub]:
            found.append(f"{self._file}: {name}: ({_shown(mine)}) here, ({_shown(stub)}) in Katana")
        elif not unknown:
            found += [
                f"{self._file}: {name}({a.name}): {a.annotation} here, {b.annotation} in Katana"
                for a, b in zip(mine, stub, strict=True)
                if _differ(a.annotation, b.annotation)
            ]
        if _differ(_outer(ours.returns), _outer(theirs.returns)):
            here, there = _outer(ours.returns), _outer(theirs.returns)
            found.append(f"{self._file}: {name}: returns {here} here, {there} in Katana")
        if _binding(ours) != _binding(theirs):
            found.append(f"{self._file}: {name}: {_binding(ours)} here, {_binding(theirs)} in Katana")
        return found


@dataclass(frozen=True)
class _Argument:
    name: str
    optional: bool
    annotation: str


def _arguments(node: ast.FunctionDef) -> list[_Argument]:
    spec = node.args
    positional = [*spec.posonlyargs, *spec.args]
    first_optional = len(positional) - len(spec.defaults)
    found = [
        _Argument(arg.arg, index >= first_optional, _outer(arg.annotation))
        for index, arg in enumerate(positional)
        if not (index == 0 and arg.arg in ("self", "cls"))
    ]
    if spec.vararg:
        found.append(_Argument(f"*{spec.vararg.arg}", True, ""))
    found += [
        _Argument(arg.arg, default is not None, _outer(arg.annotation))
        for arg, default in zip(spec.kwonlyargs, spec.kw_defaults, strict=True)
    ]
    if spec.kwarg:
        found.append(_Argument(f"**{spec.kwarg.arg}", True, ""))
    return found


def _outer(annotation: ast.expr | None) -> str:
    """The annotation without what is in brackets, its alternatives in order; empty when there is none."""
    if annotation is None:
        return ""
    if isinstance(annotation, ast.BinOp):
        return " | ".join(sorted([_outer(annotation.left), _outer(annotation.right)]))
    if isinstance(annotation, ast.Subscript):
        return _outer(annotation.value)
    return ast.unparse(annotation).rpartition(".")[2]


def _differ(ours: str, theirs: str) -> bool:
    """Compared where the stub names builtin types only: of others its names mean nothing outside Katana."""
    parts = theirs.split(" | ")
    if not theirs or any(part not in _BUILTINS for part in parts) or not ours:
        return False
    return ours != theirs and ours != "Any"


def _binding(node: ast.FunctionDef) -> str:
    names = [ast.unparse(decorator) for decorator in node.decorator_list]
    return next((name for name in names if name in ("classmethod", "staticmethod", "property")), "method")


def _bases(node: ast.ClassDef) -> list[str]:
    return [ast.unparse(base).rpartition(".")[2] for base in node.bases]


def _shown(arguments: list[_Argument]) -> str:
    return ", ".join(argument.name + ("=" if argument.optional else "") for argument in arguments)


def _overrides_qt(method: str) -> bool:
    return method.endswith("Event")
