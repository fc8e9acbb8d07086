"""The user's settings: the window's layout, each tab's settings, recent files.

One JSON file in the user's own folder. A headless run neither reads nor writes it.
"""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path
from typing import Any

from ..Katana import KatanaResources

_log = logging.getLogger("Katana.Settings")
_VERSION = 1
_RECENT = 10


class UserSettings:
    """The settings, read once and written when the desktop closes."""

    def __init__(self, kept: bool = True) -> None:
        self._path = Path(KatanaResources.GetUserKatanaPath("desktop.json")) if kept else None
        self._values: dict[str, Any] = self._read()

    def get(self, key: str, default: Any = None) -> Any:
        """Return a setting, or `default`."""
        return self._values.get(key, default)

    def set(self, key: str, value: Any) -> None:
        """Set a setting; `value` must be JSON-serializable."""
        self._values[key] = value

    @property
    def recent(self) -> list[str]:
        """The recently opened or saved files, latest first."""
        noted = self._values.get("recent")
        return [path for path in noted if isinstance(path, str)] if isinstance(noted, list) else []

    def add_recent(self, path: str) -> None:
        """Note that `path` was opened or saved."""
        self._values["recent"] = [path, *(known for known in self.recent if known != path)][:_RECENT]

    def save(self) -> None:
        """Write the settings to the file; an error is logged."""
        if self._path is None:
            return
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}")
            temporary.unlink(
                missing_ok=True
            )  # Windows writes over no hidden file, and shares hide such names
            temporary.write_text(json.dumps(self._values, indent=1), encoding="utf-8")
            temporary.replace(self._path)
        except OSError as error:
            _log.warning("The window's layout cannot be kept in %s: %s.", self._path, error.strerror)
        except (TypeError, ValueError) as error:
            _log.warning("The window's layout was not kept: a tab's settings are no JSON (%s).", error)

    def _read(self) -> dict[str, Any]:
        if self._path is None:
            return {}
        try:
            values = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {"version": _VERSION}
        except (OSError, ValueError) as error:
            _log.warning("The settings in %s cannot be read, so the defaults are used: %s", self._path, error)
            return {"version": _VERSION}
        if not isinstance(values, dict) or values.get("version") != _VERSION:
            return {"version": _VERSION}
        return values
