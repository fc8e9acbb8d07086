"""The folder that Katana gets: plug-ins, kq and the packages they need, in one entry of KATANA_RESOURCES.

What runs inside Katana is in `plugins`; here is only what writes the folder, and its check of what it wrote.
"""

from .build import KATANA_PYTHON, Platform, build_folder, make_archive
from .native import ModuleHeader, read_header

__all__ = ["KATANA_PYTHON", "ModuleHeader", "Platform", "build_folder", "make_archive", "read_header"]
