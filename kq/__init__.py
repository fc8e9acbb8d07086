"""Katana Queue: an embedded render queue. No Qt and no Katana in here."""

__version__ = "0.1.0"
