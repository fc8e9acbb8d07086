"""`kq doctor`: prints the report of an examination."""

from __future__ import annotations

import argparse
import os

__all__ = ["examine"]


def examine(options: argparse.Namespace) -> int:
    """Returns 1 when something is wrong."""
    from .. import doctor  # other commands do without, and start sooner

    report = doctor.examine(os.environ, options.data_root)
    print(doctor.as_json(report) if options.json else doctor.as_text(report))
    return 1 if report.wrong else 0
