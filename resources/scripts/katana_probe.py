"""A report on this Katana, for those who write Katana Queue: run it in the Python tab. It changes nothing.

It writes one JSON file and prints its path. Paths, hosts, users and node names are masked; of environment
variables there are names, and never values. Read it before you send it: docs/katana.md says what it holds.
"""

from __future__ import annotations

import getpass
import importlib.util
import inspect
import json
import os
import platform
import re
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

REPORT = "katana_queue_probe.json"
_ROOT = r"(?:[A-Za-z]:[\\/]|\\\\|/)"
_QUOTED_PATH = re.compile(rf"""(?<=")({_ROOT}[^"]*)(?=")|(?<=')({_ROOT}[^']*)(?=')""")
"""As a whole: it may have spaces."""
_PATH = re.compile(rf"(?<![\w.<$]){_ROOT}(?:\\ |[^\s\"'|;:])+")
_PORT = re.compile(r"\b(?:\d{1,3}(?:\.\d{1,3}){3}|[\w-]+(?:\.[\w-]+)*):\d{2,5}\b")


def mask(text: object) -> str:
    """`text` without the site's folders (Katana's own stay), hosts, ports, user and machine."""
    masked = str(text)
    root = os.environ.get("KATANA_ROOT", "")
    if root:
        masked = masked.replace(root, "$KATANA_ROOT")
    for path in (_QUOTED_PATH, _PATH):
        masked = path.sub(lambda found: f"<path{_suffix(found[0])}>", masked)
    masked = _PORT.sub("<host:port>", masked)
    for private, name in ((socket.gethostname(), "<machine>"), (getpass.getuser(), "<user>")):
        if len(private) > 2:
            masked = re.sub(rf"\b{re.escape(private)}\b", name, masked)
    return masked


def mask_path(path: object) -> str:
    """`path` below $KATANA_ROOT, else its suffix alone; other text as `mask` returns it."""
    text = str(path or "")
    root = os.environ.get("KATANA_ROOT", "")
    if not re.match(_ROOT, text) or (root and text.startswith(root)):
        return mask(text)
    return f"<path{_suffix(text)}>"


def _suffix(path: str) -> str:
    suffix = Path(path).suffix
    return suffix if re.fullmatch(r"\.\w+", suffix) else ""


def section(ask: Callable[[], Any]) -> Any:
    """What `ask` finds; what it raised where it raised: each version of Katana lacks something."""
    try:
        return ask()
    except Exception as error:  # noqa: BLE001  one question that fails leaves the others
        return {"raised": f"{type(error).__name__}: {mask(error)}"}


def versions() -> dict[str, Any]:
    """Of Katana, Python, Qt, and the packages that the queue needs."""
    import PySide6
    from Katana import Configuration
    from PySide6 import QtCore

    names = ("KATANA_VERSION", "KATANA_MAJOR_VERSION", "KATANA_RELEASE", "KATANA_UI_MODE", "VERSION")
    return {
        "configuration": {name: mask(Configuration.get(name)) for name in names if Configuration.get(name)},
        "python": sys.version,
        "executable": mask_path(sys.executable),
        "prefix": mask_path(sys.prefix),
        "system": platform.platform(),
        "PySide6": PySide6.__version__,
        "Qt": QtCore.qVersion(),
    }


def packages() -> dict[str, Any]:
    """Which are there, and of pyzmq whether it can encrypt. None is imported for it."""
    found: dict[str, Any] = {}
    for name in ("zmq", "msgspec", "psutil", "paramiko", "cryptography", "kq"):
        module = sys.modules.get(name)
        if module is None:
            spec = section(lambda name=name: importlib.util.find_spec(name))
            where = mask_path(getattr(spec, "origin", None)) if spec is not None else "not there"
            found[name] = {"imported": False, "where": where}
            continue
        found[name] = {
            "imported": True,
            "where": mask_path(getattr(module, "__file__", "")),
            "version": str(getattr(module, "__version__", "")),
        }
    zmq = sys.modules.get("zmq")
    if zmq is not None:
        found["zmq"]["libzmq"] = section(zmq.zmq_version)
        found["zmq"]["curve"] = section(lambda: bool(zmq.has("curve")))
    return found


def interpreters() -> list[str]:
    """What is in Katana's bin that starts Python or a render."""
    folder = Path(os.environ["KATANA_ROOT"], "bin")
    return sorted(each.name for each in folder.iterdir() if re.match(r"python|renderboot|katana", each.name))


def registries() -> list[dict[str, Any]]:
    """Every tuple that a plug-in registered for a farm or a tab, and the class behind it."""
    from Katana import FarmAPI

    found = []
    for name, module in sorted(sys.modules.items()):
        registry = getattr(module, "__dict__", {}).get("PluginRegistry")
        for entry in registry if isinstance(registry, list | tuple) else ():
            is_farm = isinstance(entry[-1], type) and issubclass(entry[-1], FarmAPI.BaseFarmPlugin)
            if is_farm or "Queue" in str(entry[-2]):
                found.append(
                    {
                        "tuple": [mask(part) for part in entry[:-1]],
                        "types": [type(part).__name__ for part in entry],
                        "class": getattr(entry[-1], "__qualname__", type(entry[-1]).__name__),
                        "module": name,
                        "file": mask_path(getattr(module, "__file__", "")),
                        "is_farm_plugin": is_farm,
                    }
                )
    return found


def signatures(holder: object) -> dict[str, str]:
    """The public callables of a class or module, with their arguments."""
    found = {}
    for name, member in sorted(inspect.getmembers(holder, callable)):
        if not name.startswith("_"):
            found[name] = section(lambda member=member: str(inspect.signature(member)))
    return {name: text if isinstance(text, str) else "(?)" for name, text in found.items()}


def farms() -> dict[str, Any]:
    """What the farm manager offers and knows."""
    from Katana import FarmAPI

    manager = FarmAPI.FarmPluginManager
    return {
        "names": section(lambda: list(manager.GetFarmPluginNames())),
        "default": section(manager.GetDefaultFarm),
        "manager": signatures(manager),
        "BaseFarmPlugin": signatures(FarmAPI.BaseFarmPlugin),
        "states": section(lambda: {k: repr(v) for k, v in vars(FarmAPI.Job.State).items() if k[0] == "k"}),
        "FarmAPI": sorted(name for name in dir(FarmAPI) if not name.startswith("_")),
    }


def requests() -> dict[str, Any]:
    """The last job of each render method that our farm plug-in was given: attributes, commands, names."""
    plugin = sys.modules.get("katana_queue.plugins.FarmAPI.KatanaQueueFarmPlugin")
    found = {}
    for method, request in (plugin.recent_requests if plugin is not None else {}).items():
        described: dict[str, Any] = {}
        for name, value in sorted(request.items()):
            if name == "environment":
                described[name] = sorted(map(str, value or {}))
            elif name == "nodeName":
                described[name] = "<node>" if value else ""
            elif name == "commands":
                node = str(request.get("nodeName") or "\0")
                described[name] = [mask(str(line).replace(node, "<node>")) for line in value]
            else:
                described[name] = {"type": type(value).__name__, "value": mask_path(value)}
        found[method] = described
    return found


def base_tab() -> dict[str, Any]:
    """How a tab's base class is made, and whether it takes an int for Qt's flags."""
    from Katana import UI4  # type: ignore[attr-defined]
    from PySide6.QtWidgets import QFrame

    def make(*arguments: object) -> str:
        widget = UI4.Tabs.BaseTab(*arguments)
        widget.deleteLater()
        return "made"

    def frame() -> str:
        QFrame(None, 0)  # type: ignore[call-overload]
        return "made"

    kind = UI4.Tabs.BaseTab
    return {
        "bases": [f"{each.__module__}.{each.__qualname__}" for each in kind.__mro__],
        "signature": section(lambda: str(inspect.signature(kind.__init__))),
        "BaseTab(None)": section(lambda: make(None)),
        "BaseTab(None, 0)": section(lambda: make(None, 0)),
        "QFrame(None, 0)": section(frame),
        "members": sorted(name for name in vars(kind) if not name.startswith("_")),
    }


def catalog() -> dict[str, Any]:
    """What the newest item of the Catalog answers, by type."""
    from Katana import CatalogAPI

    item = CatalogAPI.GetFirstCatalogItem()
    if item is None:
        return {"items": 0}
    names = ("getMainSequenceID", "getRenderProgress", "getRenderState", "getFrameRange", "isFramePinned")
    answers = {name: section(lambda name=name: repr(getattr(item, name)())) for name in names}
    answers["getThumbnailPixmap"] = section(lambda: type(item.getThumbnailPixmap()).__name__)
    return {"items": section(lambda: CatalogAPI.GetNumCatalogItems(None)), "newest": answers}


def renders() -> dict[str, Any]:
    """How renders are ended and repeated, and the signal of each usual renderer."""
    from Katana import Nodes2DAPI

    names = ("dl", "prman", "arnold", "vray", "redshift", "usd")
    return {
        "functions": sorted(name for name in dir(Nodes2DAPI) if "External" in name),
        "signals": {
            name: section(lambda name=name: Nodes2DAPI.GetRenderTerminationSignal(name)) for name in names
        },
    }


def shelves() -> list[dict[str, Any]]:
    """Each shelf with its items."""
    from Katana import Shelves

    return [
        {
            "name": each.getName(),
            "path": mask_path(each.getPath()),
            "items": [i.getName() for i in each.getItems()],
        }
        for each in Shelves.GetBuiltinShelves()
    ]


def report() -> dict[str, Any]:
    """All of it."""
    asked = (
        versions,
        packages,
        interpreters,
        registries,
        farms,
        requests,
        base_tab,
        catalog,
        renders,
        shelves,
    )
    found = {ask.__name__: section(ask) for ask in asked}
    found["environment"] = sorted(os.environ)
    found["resources"] = [
        mask_path(part) for part in os.environ.get("KATANA_RESOURCES", "").split(os.pathsep)
    ]
    return found


def main() -> Path:
    """Write the report into the user's home, and print where it is."""
    path = Path.home() / REPORT
    path.write_text(json.dumps(report(), indent=1, default=mask) + "\n", encoding="utf-8")
    print(f"Katana Queue: the report is in {path}")
    return path


if __name__ in ("__main__", "__builtin__", "builtins"):
    main()
