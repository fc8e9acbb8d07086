"""What the header of a native module says: its system, its processor, the newest glibc that it asks for."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import NamedTuple

from ..errors import BadInput

__all__ = ["ModuleHeader", "read_header"]

_ELF_X86_64, _PE_X86_64 = 62, 0x8664
_GLIBC = re.compile(rb"GLIBC_(\d+)\.(\d+)")


class ModuleHeader(NamedTuple):
    """The platform of a shared library or an extension module."""

    system: str
    """`linux` (ELF) or `windows` (PE)."""
    is_x86_64: bool
    glibc: tuple[int, int]
    """The newest version of glibc that any symbol asks for; (0, 0) for none."""


def read_header(path: Path) -> ModuleHeader:
    """Read the header of a native module.

    Raises:
        BadInput: it is neither ELF nor PE.
        OSError: it cannot be read.
    """
    content = path.read_bytes()
    if content[:4] == b"\x7fELF" and len(content) > 20:
        (machine,) = struct.unpack_from("<H", content, 18)
        # The names of needed versions are in the string table: a search misses none.
        versions = [(int(major), int(minor)) for major, minor in _GLIBC.findall(content)]
        # ELFCLASS64, little-endian.
        is_x86_64 = content[4:6] == b"\x02\x01" and machine == _ELF_X86_64
        return ModuleHeader("linux", is_x86_64, max(versions, default=(0, 0)))
    if content[:2] == b"MZ" and len(content) >= 64:
        (at,) = struct.unpack_from("<I", content, 60)
        if content[at : at + 4] == b"PE\0\0" and len(content) >= at + 6:
            (machine,) = struct.unpack_from("<H", content, at + 4)
            return ModuleHeader("windows", machine == _PE_X86_64, (0, 0))
    raise BadInput(f"{path} is neither a Linux nor a Windows module")
