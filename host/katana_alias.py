"""Makes `host.Katana` importable as `Katana`, as plug-ins expect it: one set of modules under two names.

A folder on sys.path would do the same, but load every module a second time under its second name.
"""

from __future__ import annotations

import importlib
import sys

_ALIASES = {f"{__package__}.Katana": "Katana", f"{__package__}.Katana.UI4": "UI4"}
"""In Katana UI4 is a package of its own as well."""


def install() -> None:
    """From now on `import Katana` means `host.Katana`. Calling it again changes nothing.

    All modules are entered at once. A finder would have Python set a module anew on its package when its
    alias is first imported: FarmAPI's class BaseFarmPlugin would turn into the module of that name.
    """
    importlib.import_module(f"{__package__}.Katana")
    for name, module in tuple(sys.modules.items()):
        for real, alias in _ALIASES.items():
            if name == real or name.startswith(real + "."):
                sys.modules[alias + name.removeprefix(real)] = module
