"""The environment that `kq submit` gives a job: of the submitter, as --export says, and by --set-env."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

from ..errors import BadInput
from ..plain_text import quoted
from ..records import MAX_ARGUMENT_BYTES

__all__ = ["exported", "parse_assignments"]

_OF_THE_SHELL = ("PWD", "OLDPWD", "SHLVL", "_")
"""Of the submitter's shell alone. The Agent's programs get the job's folder as PWD."""


def exported(export: str, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables of `environ` that a job gets.

    Args:
        export: `all`, `none`, or names with commas in between.

    Raises:
        BadInput: a variable that is named is not set.
    """
    if export == "none":
        return {}
    if export == "all":
        found = {key: value for key, value in environ.items() if not _is_own(key)}
        unfit = [key for key, value in found.items() if not _fits(key, value)]
        if unfit:
            names = ", ".join(map(quoted, unfit[:5])) + (f" and {len(unfit) - 5} more" if unfit[5:] else "")
            print(f"kq: not passed on, too large or not UTF-8: {names}", file=sys.stderr)
        return {key: value for key, value in found.items() if key not in unfit}
    names_given = [name.strip() for name in export.split(",") if name.strip()]
    missing = [name for name in names_given if name not in environ]
    if missing:
        raise BadInput(
            f"Invalid --export: {quoted(missing[0])} is not set. Use all, none or names of variables"
        )
    return {name: environ[name] for name in names_given}


def _is_own(key: str) -> bool:
    """Whether it belongs to the shell, or to kq, whose marks an Agent sets itself."""
    return key in _OF_THE_SHELL or key.startswith("KQ_")


def _fits(key: str, value: str) -> bool:
    try:
        return max(len(key.encode()), len(value.encode())) < MAX_ARGUMENT_BYTES
    except UnicodeEncodeError:
        return False


def parse_assignments(items: Sequence[str]) -> dict[str, str]:
    """The variables that NAME=VALUE arguments set. Raises BadInput."""
    environment = {}
    for item in items:
        key, equals, value = item.partition("=")
        if not equals or not key:
            raise BadInput(f"--set-env {quoted(item)} is not understood: write NAME=VALUE")
        environment[key] = value
    return environment
