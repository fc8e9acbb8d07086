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

_ALIASES = {"Katana": "host.Katana", "UI4": "host.Katana.UI4"}
"""In Katana UI4 is a package of its own as well."""


class _AliasFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds `Katana` and what is in it as the modules of `host.Katana`."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        del path, target
        real_name = _real_name(fullname)
        if real_name is None:
            return None
        real = importlib.util.find_spec(real_name)
        if real is None:
            return None
        return importlib.machinery.ModuleSpec(
            fullname, self, loader_state=real, is_package=real.submodule_search_locations is not None
        )

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        real_name = _real_name(spec.name)
        assert real_name is not None
        module = importlib.import_module(real_name)
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The import system has just put the alias's spec on the real module: put the real one back.
        assert module.__spec__ is not None
        module.__spec__ = module.__spec__.loader_state


def _real_name(alias: str) -> str | None:
    head, dot, rest = alias.partition(".")
    return f"{_ALIASES[head]}{dot}{rest}" if head in _ALIASES else None


_finder = _AliasFinder()


def install() -> None:
    """From now on `import Katana` means `host.Katana`. Calling it again changes nothing."""
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
