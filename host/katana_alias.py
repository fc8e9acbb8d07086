"""Makes `host.Katana` importable as `Katana`, as plug-ins expect it: one set of modules under two names.

A folder on sys.path would do the same, but load every module a second time under its second name.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from types import ModuleType

_NAME = "Katana"


class _AliasFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds `Katana` and what is in it as the modules of `host.Katana`."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        del path, target
        if fullname != _NAME and not fullname.startswith(_NAME + "."):
            return None
        real = importlib.util.find_spec("host." + fullname)
        if real is None:
            return None
        return importlib.machinery.ModuleSpec(
            fullname, self, loader_state=real, is_package=real.submodule_search_locations is not None
        )

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        module = importlib.import_module("host." + spec.name)
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The import system has just put the alias's spec on the real module: put the real one back.
        assert module.__spec__ is not None
        module.__spec__ = module.__spec__.loader_state


_finder = _AliasFinder()


def install() -> None:
    """From now on `import Katana` means `host.Katana`. Calling it again changes nothing."""
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
