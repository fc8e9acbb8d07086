"""`kq doctor`: checks versions, settings, data root and sessions, and reports problems. Changes nothing."""

from .report import Finding, Report, Verdict, as_json, as_text
from .run import examine

__all__ = ["Finding", "Report", "Verdict", "as_json", "as_text", "examine"]
