"""`kq doctor`: looks at versions, settings, data root and sessions, and says what is wrong. Mends nothing."""

from kq.doctor.examination import examine
from kq.doctor.report import Finding, Report, Verdict, as_json, as_text

__all__ = ["Finding", "Report", "Verdict", "as_json", "as_text", "examine"]
