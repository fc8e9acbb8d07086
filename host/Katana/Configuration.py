"""Configuration: names and values of this session, such as KATANA_UI_MODE."""

from __future__ import annotations

__all__ = ["exportConfiguration", "get", "has", "set"]

_values: dict[str, str] = {}


def exportConfiguration() -> dict[str, str]:
    """Return all names and values."""
    return dict(_values)


def get(key: str) -> str:
    """Return the value of `key`, or an empty string."""
    return _values.get(key, "")


def has(key: str) -> bool:
    """Return whether `key` is set."""
    return key in _values


def set(key: str, value: str) -> None:
    """Set `key` to `value`."""
    _values[key] = value
