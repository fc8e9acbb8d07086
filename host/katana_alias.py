"""Makes `host.Katana` importable as `Katana`, as plug-ins expect it: one set of modules under two names.

A folder on sys.path would do the same, but load every module a second time under its second name.
"""

from __future__ import annotations

import importlib
import sys

_ALIASES = {f"{__package__}.Katana": "Katana", f"{__package__}.Katana.UI4": "UI4"}
"""In Katana UI4 is a package of its own as well."""


def install(ui: bool = True) -> None:
    """From now on `import Katana` means `host.Katana`. Calling it again changes nothing.

    Without `ui`, importing UI4 raises ImportError, as in Katana's batch mode.

    All modules are entered at once. A finder would have Python set a module anew on its package when its
    alias is first imported: FarmAPI's class BaseFarmPlugin would turn into the module of that name.
    """
    katana = importlib.import_module(f"{__package__}.Katana")
    for name, module in tuple(sys.modules.items()):
        for real, alias in _ALIASES.items():
            if name == real or name.startswith(real + "."):
                sys.modules[alias + name.removeprefix(real)] = module
    if not ui:
        vars(katana).pop("UI4", None)
        for name in ("UI4", "Katana.UI4", f"{katana.__name__}.UI4"):
            sys.modules[name] = None  # type: ignore[assignment]  # how Python is kept from importing a module
