"""Paths as each machine has them, wherever they stand in a text, and whichever system each of them runs."""

from __future__ import annotations

import pytest

from kq.agent.path_mapping import PathMap
from kq.messages import AssignOrder

LINUX = PathMap([("/data/shot", "/mnt/a shot"), ("/data/shot/tex", "/cache"), ("/opt/katana", "/usr/katana")])
LINUX_TO_WINDOWS = PathMap([("/data/a shot", "C:\\users\\ü\\work"), ("/opt/katana", "D:\\Katana")])
WINDOWS_TO_LINUX = PathMap([("C:\\data\\a shot", "/home/ü/work"), ("D:\\Katana", "/opt/katana")])


@pytest.mark.parametrize(
    ("paths", "there", "here"),
    [
        (LINUX, "/data/shot/a b.usda", "/mnt/a shot/a b.usda"),
        (LINUX, "/data/shot/a\\b", "/mnt/a shot/a\\b"),
        (
            LINUX,
            "--in=/data/shot/tex/x --out=/data/shot:/opt/katana",
            "--in=/cache/x --out=/mnt/a shot:/usr/katana",
        ),
        (LINUX, "/data/shots /x/data/shot", "/data/shots /x/data/shot"),
        (LINUX, "/data/shot/data/shot", "/mnt/a shot/data/shot"),
        (LINUX, "/data/shot /data/shot/y", "/mnt/a shot /mnt/a shot/y"),
    ],
)
def test_folders_are_replaced_in_any_text(paths: PathMap, there: str, here: str) -> None:
    """Whole folders, the longest first, and back again."""
    assert paths.to_local(there) == here
    assert paths.to_desktop(here) == there


def test_a_desktop_on_linux_is_sent_its_own_paths_by_windows() -> None:
    """It would take a backslash for a letter of a name."""
    paths = LINUX_TO_WINDOWS
    assert paths.to_local("/opt/katana/bin/renderboot") == "D:\\Katana/bin/renderboot"
    assert paths.to_desktop("C:\\users\\ü\\work\\a b\\c.png") == "/data/a shot/a b/c.png"
    assert paths.to_desktop("C:\\users\\ü\\work/a\\c.png") == "/data/a shot/a/c.png"
    two = "kq_picture: C:\\users\\ü\\work\\x.png D:\\Katana\\y"
    assert paths.to_desktop(two) == "kq_picture: /data/a shot/x.png /opt/katana/y"


def test_an_agent_on_linux_understands_a_desktop_on_windows() -> None:
    """Each argument of its commands, and lists of folders in the environment."""
    paths = WINDOWS_TO_LINUX
    assert paths.to_local("C:\\data\\a shot\\b\\c.usda") == "/home/ü/work/b/c.usda"
    assert paths.to_local("--scene=D:\\Katana\\a;C:\\data\\a shot") == "--scene=/opt/katana/a;/home/ü/work"
    assert paths.to_desktop("/home/ü/work/b/c.png") == "C:\\data\\a shot/b/c.png"
    assert paths.to_local("E:\\else\\where") == "E:\\else\\where"


def test_what_is_returned_goes_to_a_folder_whose_other_files_keep_their_names() -> None:
    """A picture is made elsewhere, as is what is beside it; a scene in the same folder is where it was."""
    paths = PathMap([("/show/a.exr", "/work/picture/a.exr")], [("/show", "/work/picture")])
    assert (
        paths.to_local("render /show/scene.usd -o /show/a.exr")
        == "render /show/scene.usd -o /work/picture/a.exr"
    )
    assert paths.to_desktop("/work/picture/a.exr /work/picture/a.png") == "/show/a.exr /show/a.png"
    assert paths.to_desktop("/work/pictures/a.png") == "/work/pictures/a.png"


def test_a_program_of_a_desktop_on_windows_has_another_name_on_linux() -> None:
    """The programs alone, in each command and in the one that is kept ready; not files of such a name."""
    render = ("D:\\Katana\\bin\\renderboot.exe", "D:\\Katana\\a.exe", "E:\\b.exe")
    order = AssignOrder(
        number=1, attempt="job:0:1", commands=(render, ("E:\\copy.exe",)), standby=render, cwd="",
        environment={}, log_file="",
    )  # fmt: skip
    here = WINDOWS_TO_LINUX.order(order)
    expected = ("/opt/katana/bin/renderboot", "/opt/katana/a.exe", "E:\\b.exe")
    assert here.commands == (expected, ("E:\\copy.exe",)) and here.standby == expected
