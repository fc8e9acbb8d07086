"""Finds our own `kq` and our own plug-in modules, whatever else has taken those names. No feature lives here.

Katana loads plug-ins by path, under names of its choosing, and real Katana ships another package `kq`.
"""

from __future__ import annotations

import ast
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import CodeType, ModuleType

__all__ = ["MODULE_NAME", "farm_name", "install_hint", "is_kq_taken", "load"]

MODULE_NAME = "katana_queue_import_isolation"
"""The name under which the plug-in files keep this module in `sys.modules`."""

ROOT = Path(__file__).resolve().parents[1]
_KATANAS_KQ = Path("plugins", "Resources", "Core", "Plugins", "kq")
_PREFIX = "katana_queue_open_"
_OURS = ("kq", "plugins")


def load(name: str) -> ModuleType:
    """The module `name` (`kq.api`, or `plugins.Tabs.KatanaQueue.tab`) of this project. Any thread.

    Where nobody else uses the names, it is an ordinary import. Where somebody does, ours are loaded beside
    theirs under other names, and what our sources import as `kq` is led there.

    Raises:
        ImportError: something that it needs is not installed.
    """
    if any(_is_taken(package) for package in _OURS):
        _install_finder()
        return importlib.import_module(_PREFIX + name)
    root = str(ROOT)
    if root not in sys.path:
        sys.path.insert(0, root)
    return importlib.import_module(name)


def is_kq_taken() -> bool:
    """Whether the package name `kq` belongs to somebody else here, as it does in Katana 4 and later."""
    return _is_taken("kq")


def farm_name(taken: Sequence[str] = ()) -> str:
    """The name of our farm plug-in and tab: "Katana Queue", unless that is in `taken` or Katana's own."""
    global _farm_name  # one answer for a process: the farm plug-in and the tab must agree
    if _farm_name is None:
        beside = is_kq_taken() or "Katana Queue" in taken
        _farm_name = "Katana Queue (Open)" if beside else "Katana Queue"
    return _farm_name


_farm_name: str | None = None


def install_hint(error: ImportError) -> str:
    """One sentence that says what to install after `error`."""
    packages = {"zmq": "pyzmq", "msgspec": "msgspec", "psutil": "psutil", "PySide6": "PySide6-Essentials"}
    missing = (error.name or "").partition(".")[0]
    if missing in packages:
        return (
            f"Katana Queue is off: Python package {packages[missing]} is not installed; install it for "
            f"{sys.executable} (for example with pip install {packages[missing]}) and start again."
        )
    return f"Katana Queue is off: a part of it cannot be loaded: {error}."


def _is_taken(package: str) -> bool:
    ours = ROOT / package
    loaded = sys.modules.get(package)
    if loaded is not None:
        return not any(Path(folder).resolve() == ours for folder in getattr(loaded, "__path__", ()))
    if package == "kq" and (Path(os.environ.get("KATANA_ROOT") or ROOT) / _KATANAS_KQ).exists():
        return True
    # `plugins` is a namespace package here, which any regular package of that name would win over.
    spec = importlib.machinery.PathFinder.find_spec(package)
    if spec is None:
        return False
    folders = [Path(folder).resolve() for folder in spec.submodule_search_locations or ()]
    return folders != [ours] if package == "kq" else bool(folders) and ours not in folders


def _install_finder() -> None:
    if not any(isinstance(finder, _BesideFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _BesideFinder())


class _BesideFinder(importlib.abc.MetaPathFinder):
    """Finds `katana_queue_open_kq` and `katana_queue_open_plugins` in our folders."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if not fullname.startswith(_PREFIX):
            return None
        place = ROOT.joinpath(*fullname.removeprefix(_PREFIX).split("."))
        package = place / "__init__.py"
        if package.is_file():
            return importlib.util.spec_from_file_location(
                fullname,
                package,
                loader=_BesideLoader(fullname, str(package)),
                submodule_search_locations=[str(place)],
            )
        if place.is_dir():
            spec = importlib.machinery.ModuleSpec(fullname, None, is_package=True)
            spec.submodule_search_locations = [str(place)]
            return spec
        module = place.with_suffix(".py")
        if not module.is_file():
            return None
        return importlib.util.spec_from_file_location(
            fullname, module, loader=_BesideLoader(fullname, str(module))
        )


class _BesideLoader(importlib.machinery.SourceFileLoader):
    """Compiles our sources with the names of our packages replaced."""

    def source_to_code(self, data, path, *, _optimize: int = -1) -> CodeType:  # type: ignore[no-untyped-def, override]
        tree = ast.fix_missing_locations(_Renamer().visit(ast.parse(data, filename=str(path))))
        code: CodeType = compile(tree, path, "exec", dont_inherit=True, optimize=_optimize)
        return code

    def path_stats(self, path: str) -> dict[str, float]:
        # Without stats the import system neither reads nor writes the bytecode cache: the cached code of the
        # same file under its ordinary name is another.
        raise OSError(f"no bytecode cache for {path}")


class _Renamer(ast.NodeTransformer):
    """Leads `import kq...` and `from kq... import` to our own package."""

    def visit_Import(self, node: ast.Import) -> ast.stmt | list[ast.stmt]:
        extra: list[ast.stmt] = []
        for alias in node.names:
            top, dot, _rest = alias.name.partition(".")
            if top not in _OURS:
                continue
            alias.name = _PREFIX + alias.name
            if alias.asname is None and not dot:
                alias.asname = top
            elif alias.asname is None:
                # `import kq.api` binds `kq`.
                bind = ast.Import(names=[ast.alias(name=_PREFIX + top, asname=top)])
                extra.append(ast.copy_location(bind, node))
        return [node, *extra] if extra else node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.ImportFrom:
        if node.level == 0 and node.module and node.module.partition(".")[0] in _OURS:
            node.module = _PREFIX + node.module
        return node
