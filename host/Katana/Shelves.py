"""Shelves: folders of scripts. Each script is a shelf item; its docstring has the name, icon and shortcut."""

from __future__ import annotations

import ast
import logging
import os
import re
from importlib.util import decode_source
from pathlib import Path
from typing import Any

from ..nodes.scene import active_scene
from . import KatanaResources

__all__ = [
    "SHELF_TYPE_BUILTIN",
    "SHELF_TYPE_CUSTOM",
    "SHELF_TYPE_UNKNOWN",
    "SHELF_TYPE_USER",
    "CreateShelfItem",
    "GetBuiltinShelves",
    "GetShelves2",
    "GetUserShelves",
    "ParseFile",
    "Shelf",
    "ShelfItem",
]

SHELF_TYPE_UNKNOWN: int = 0
SHELF_TYPE_BUILTIN: int = 1
SHELF_TYPE_USER: int = 2
SHELF_TYPE_CUSTOM: int = 3

_log = logging.getLogger("Katana.Shelves")
_KEYS = ("NAME", "ICON", "KEYBOARD_SHORTCUT", "SCOPE", "DROP_TYPES")
_LINE = re.compile(r"^\s*([A-Z_]+)\s*:\s*(.*?)\s*$")


class ShelfItem:
    """One script of a shelf."""

    def __init__(
        self,
        name: str,
        icon: str,
        keyboardShortcut: str,
        description: str,
        sourceFile: str,
        scope: tuple[str, ...] = (),
    ) -> None:
        self._name = name
        self._icon = icon
        self._shortcut = keyboardShortcut
        self._description = description
        self._source_file = sourceFile
        self._scope = tuple(scope)

    def getName(self) -> str:
        """Return the item's display name."""
        return self._name

    def getIconName(self) -> str:
        """Return the icon's file name or path, as given in the script's docstring."""
        return self._icon

    def getKeyboardShortcut(self) -> str:
        """Return the shortcut, or an empty string."""
        return self._shortcut

    def getDescription(self) -> str:
        """Return the description in the script's docstring."""
        return self._description

    def getScope(self) -> tuple[str, ...]:
        """Return the node types of which one must be selected to run the script; empty for no condition."""
        return self._scope

    def getSourceFile(self) -> str:
        """Return the path of the script."""
        return self._source_file

    def getSourceFilename(self) -> str:
        """Return the name of the script's file."""
        return Path(self._source_file).name

    def sourceFileExists(self) -> bool:
        """Return whether the script's file exists."""
        return os.path.isfile(self._source_file)

    def getCode(self) -> str:
        """Return the script's source text, in its own encoding; raises OSError where it cannot be read."""
        return decode_source(Path(self._source_file).read_bytes())

    def run(self, additionalEnvironment: dict[str, Any] | None = None, checkScope: bool = True) -> None:
        """Run the script on the calling thread; an exception is logged.

        `additionalEnvironment`: global names for the script. With `checkScope`, the script is not run, and a
        warning is logged, unless a node of a type in its scope is selected.
        """
        if checkScope and self._scope and not self._in_scope():
            _log.warning("%s works on nodes of type %s: select one.", self._name, ", ".join(self._scope))
            return
        names = dict(
            additionalEnvironment or {}
        )  # no __file__ or __name__: no source says that Katana has them
        try:
            exec(compile(self.getCode(), self._source_file, "exec"), names)  # noqa: S102  it is what a shelf is for
        # In a slot of Qt, SystemExit would end the desktop.
        except (Exception, SystemExit) as error:  # noqa: BLE001  a script that fails must leave the desktop whole
            if isinstance(error, SystemExit) and error.code in (None, 0):
                return
            _log.error(
                "The shelf item %s (%s) failed: %s: %s",
                self._name,
                self._source_file,
                type(error).__name__,
                error,
                exc_info=True,
            )

    def _in_scope(self) -> bool:
        return any(node.type.name in self._scope for node in active_scene().selected)


class Shelf:
    """A folder of shelf items."""

    def __init__(self, name: str, path: str, shelfType: int, shelfTypeStr: str | None = None) -> None:
        self._name = name
        self._path = path
        self._type = shelfType
        self._type_name = shelfTypeStr
        self._items: list[ShelfItem] = []

    def getName(self) -> str:
        """Return the shelf's name, that of its folder."""
        return self._name

    def getPath(self) -> str:
        """Return the shelf's folder."""
        return self._path

    def getType(self) -> int:
        """Return one of SHELF_TYPE_*."""
        return self._type

    def getTypeStr(self) -> str:
        """Return the display name of the shelf's type; empty for an unknown one."""
        return self._type_name or {SHELF_TYPE_BUILTIN: "Built-in", SHELF_TYPE_USER: "User"}.get(
            self._type, ""
        )

    def getItems(self) -> list[ShelfItem]:
        """Return the items, sorted by file name."""
        return list(self._items)

    def find(self, name: str) -> ShelfItem | None:
        """Return the item called `name`, if any."""
        return next((item for item in self._items if item.getName() == name), None)

    def load(self) -> None:
        """Read the folder again; a script that cannot be read or parsed is logged and skipped."""
        self._items = []
        for file in sorted(Path(self._path).glob("*.py")):
            if file.name.startswith("_"):
                continue
            try:
                self._items.append(CreateShelfItem(str(file)))
            except (OSError, SyntaxError, ValueError) as error:
                _log.error("The shelf item %s was not loaded: %s.", file, str(error).rstrip("."))


def ParseFile(filename: str) -> dict[str, Any]:
    """Return the fields of the docstring of the script `filename`: name, icon, shortcut, scope, description.

    Raises OSError where it cannot be read, SyntaxError where it is not valid Python.
    """
    text = decode_source(Path(filename).read_bytes())
    docstring = ast.get_docstring(ast.parse(text, filename)) or ""
    fields = dict.fromkeys(_KEYS, "")
    lines = docstring.splitlines()
    while lines:
        match = _LINE.match(lines[0])
        if match is None or match[1] not in _KEYS:
            break
        fields[match[1]] = match[2]
        lines.pop(0)
    scope = tuple(part for part in re.split(r"[,\s]+", fields["SCOPE"]) if part)
    return {
        "name": fields["NAME"] or Path(filename).stem.replace("_", " "),
        "icon": fields["ICON"],
        "keyboardShortcut": fields["KEYBOARD_SHORTCUT"],
        "scope": scope,
        "dropTypes": fields["DROP_TYPES"],
        "description": "\n".join(lines).strip(),
    }


def CreateShelfItem(shelfItemFilename: str) -> ShelfItem:
    """Return the item for a script. Raises OSError or SyntaxError, as ParseFile."""
    parsed = ParseFile(shelfItemFilename)
    return ShelfItem(
        parsed["name"],
        parsed["icon"],
        parsed["keyboardShortcut"],
        parsed["description"],
        shelfItemFilename,
        parsed["scope"],
    )


_loaded: list[Shelf] | None = None


def GetShelves2(forceReload: bool = False) -> list[Shelf]:
    """Return all shelves: the built-in ones first, then the user's."""
    global _loaded
    if _loaded is None or forceReload:
        _loaded = [
            *_shelves(KatanaResources.GetSearchPaths("Shelves"), SHELF_TYPE_BUILTIN),
            *_shelves([KatanaResources.GetUserKatanaPath("Shelves")], SHELF_TYPE_USER),
        ]
    return list(_loaded)


def GetBuiltinShelves() -> list[Shelf]:
    """Return the shelves of KATANA_RESOURCES."""
    return [shelf for shelf in GetShelves2() if shelf.getType() == SHELF_TYPE_BUILTIN]


def GetUserShelves(suffix: str = "") -> list[Shelf]:
    """Return the user's own shelves whose names end in `suffix`."""
    return [
        shelf
        for shelf in GetShelves2()
        if shelf.getType() == SHELF_TYPE_USER and shelf.getName().endswith(suffix)
    ]


def _shelves(folders: list[str], shelf_type: int) -> list[Shelf]:
    found: list[Shelf] = []
    for folder in folders:
        if not os.path.isdir(folder):
            continue
        try:
            paths = sorted(Path(folder).iterdir())
        except OSError as error:
            _log.error("The shelves in %s cannot be read: %s.", folder, error.strerror)
            continue
        for path in paths:
            if os.path.isdir(path) and not path.name.startswith((".", "_")):
                shelf = Shelf(path.name, str(path), shelf_type)
                shelf.load()
                found.append(shelf)
    return found
