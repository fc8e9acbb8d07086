"""The plug-in loader: runs plug-in files by path and collects the entries of their PluginRegistry.

A file that raises is logged; the others are loaded.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import re
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from .. import KatanaResources

__all__ = ["DefaultPaths", "ExpandPaths", "Load", "LoadModule", "NoExceptionProxy", "Plugin", "Search"]

_log = logging.getLogger("Katana.Plugins")
_PACKAGE = "__plugins3__"


class NoExceptionProxy:
    """Wraps a plug-in's data; a call that raises is logged and returns None."""

    def __init__(self, data: Any) -> None:
        self._data = data

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return self._data(*args, **kwargs)
        except (Exception, SystemExit) as error:  # noqa: BLE001  shielding the caller from the plug-in is what this is for
            _log.error(
                "The plug-in %r failed: %s: %s", self._data, type(error).__name__, error, exc_info=True
            )
            return None

    def __getattr__(self, name: str) -> NoExceptionProxy:
        return NoExceptionProxy(getattr(self._data, name))

    def __getitem__(self, value: Any) -> NoExceptionProxy:
        return NoExceptionProxy(self._data[value])


class Plugin:
    """An entry of a PluginRegistry, with the module that lists it."""

    def __init__(
        self, path: str, module: ModuleType, plugtype: str, apinum: float, name: str, data: Any
    ) -> None:
        self.path = path
        self.module = module
        self.plugtype = plugtype
        self.apinum = apinum
        self.name = name
        self.data = data
        self.safe = NoExceptionProxy(data)
        self.loadTime = time.time()

    def __repr__(self) -> str:
        return f"<Plugin {self.plugtype} {self.name!r} from {self.path}>"


_loaded: dict[str, list[Plugin]] = {}


def DefaultPaths(subdir: str = "Plugins") -> list[str]:
    """Return the folders `subdir` of KATANA_RESOURCES that exist."""
    return KatanaResources.GetSearchPaths(subdir)


def ExpandPaths(path: str) -> list[str]:
    """Return the plug-in files of the folder `path`, modules and packages, sorted by name.

    Where `path` is a file, it is returned itself; where it does not exist, the list is empty.
    """
    if os.path.isfile(path):
        return [str(Path(path))]
    if not os.path.isdir(path):
        return []
    try:
        entries = sorted(Path(path).iterdir())
    except OSError as error:
        _log.error("The plug-ins in %s cannot be read: %s.", path, error.strerror)
        return []
    found: list[str] = []
    for entry in entries:
        if entry.name.startswith((".", "__")):
            continue
        package = str(entry / "__init__.py")
        if entry.suffix == ".py" and os.path.isfile(entry):
            found.append(str(entry))
        elif os.path.isfile(package):
            found.append(package)
    return found


def Load(
    plugtype: str,
    apinum: str | float | None,
    paths: list[str],
    reloadCached: bool = False,
    blacklist: Callable[[str], bool] | None = None,
) -> list[Plugin]:
    """Return the plug-ins of type `plugtype` and version `apinum` (None: any) in `paths`, in their order.

    `paths` are folders or files. Files for which `blacklist` returns True are skipped.
    """
    found: list[Plugin] = []
    for path in paths:
        for file in ExpandPaths(path):
            if blacklist is not None and blacklist(file):
                continue
            found += [
                plugin
                for plugin in LoadModule(file, reloadCached)
                if plugin.plugtype == plugtype and _same_version(plugin.apinum, apinum)
            ]
    return found


def LoadModule(path: str, reloadCached: bool = False) -> list[Plugin]:
    """Run the plug-in file at `path` (once, unless `reloadCached`) and return what it registers.

    A file that raises is logged and registers nothing.
    """
    file = str(Path(path).absolute())
    if reloadCached or file not in _loaded:
        _loaded[file] = []
        try:
            module = _run(file)
            _loaded[file] = _registered(file, module)
        except Exception as error:  # noqa: BLE001  a broken plug-in must leave the desktop and all others whole
            _log.error("The plug-in %s was not loaded: %s", file, _in_words(error, file))
            _log.debug("Where it failed:", exc_info=True)
        except SystemExit as error:
            _log.error("The plug-in %s was not loaded: it tried to end the program (%s).", file, error)
    return _loaded[file]


def Search(plugins: list[Plugin], name: str) -> Plugin | None:
    """Return the first plug-in called `name`, if any."""
    return next((plugin for plugin in plugins if plugin.name == name), None)


def _run(file: str) -> ModuleType:
    path = Path(file)
    is_package = path.name == "__init__.py"
    stem = path.parent.name if is_package else path.stem
    name = _module_name(re.sub(r"\W", "_", stem), file)
    _plugins_package()
    spec = importlib.util.spec_from_file_location(
        name, file, submodule_search_locations=[str(path.parent)] if is_package else None
    )
    if spec is None or spec.loader is None:
        raise ImportError("Python cannot load such a file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return module


def _module_name(stem: str, file: str) -> str:
    """Return a unique module name: a number is added for a second plug-in file of the same name."""
    name, number = f"{_PACKAGE}.{stem}", 2
    while name in sys.modules and getattr(sys.modules[name], "__file__", None) != file:
        name, number = f"{_PACKAGE}.{stem}_{number}", number + 1
    return name


def _plugins_package() -> None:
    if _PACKAGE not in sys.modules:
        package = ModuleType(_PACKAGE, "The plug-ins that were loaded by path.")
        package.__path__ = []
        sys.modules[_PACKAGE] = package


def _registered(file: str, module: ModuleType) -> list[Plugin]:
    registry = getattr(module, "PluginRegistry", [])
    plugins: list[Plugin] = []
    for entry in registry:
        if not isinstance(entry, tuple) or len(entry) != 4:
            raise TypeError(f"PluginRegistry lists {entry!r}, which is not (type, api number, name, data)")
        plugtype, apinum, name, data = entry
        plugins.append(Plugin(file, module, plugtype, apinum, name, data))
    return plugins


def _same_version(registered: object, wanted: object) -> bool:
    if wanted is None:
        return True
    try:
        return float(str(registered)) == float(str(wanted))
    except ValueError:
        return registered == wanted


def _in_words(error: BaseException, file: str) -> str:
    """Return the error's message with the last line of the plug-in's own files in its traceback."""
    if isinstance(error, SyntaxError):
        return f"{error.msg}, line {error.lineno} of {error.filename}."
    folder = str(Path(file).parent)
    own = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(folder)]
    where = f", line {own[-1].lineno} of {own[-1].filename}" if own else ""
    return f"{type(error).__name__}: {str(error).rstrip('.')}{where}."
