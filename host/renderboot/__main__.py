"""`python -m host.renderboot`: the command line of the render process.

Dispatches to a job, standby or help.
"""

from __future__ import annotations

import faulthandler
import os
import sys

from . import frames
from .arguments import USAGE, parse
from .errors import EXIT_OK, RenderBootError
from .process_exit import leave
from .report import Report, write_utf8
from .standby import stand_by


def main(argv: list[str]) -> int:
    """Run what the command line asks for.

    Returns:
        The exit code: 0 done, 1 failed, 2 bad arguments, 143 stopped.
    """
    try:
        if argv in (["--help"], ["-h"], ["-help"]):
            sys.stdout.write(USAGE)
            return EXIT_OK
        if argv == ["--standby"]:
            return stand_by()
        return frames.run(parse(argv, os.environ))
    except RenderBootError as error:
        Report().error(str(error))
        return error.exit_code


if __name__ == "__main__":
    write_utf8()
    faulthandler.enable()  # a crash inside the renderer leaves its kind and where it was in the log
    leave(main(sys.argv[1:]))
