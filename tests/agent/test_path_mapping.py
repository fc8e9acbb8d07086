"""Paths as each machine has them, wherever they stand in a text, and whichever system each of them runs."""

from __future__ import annotations

from pathlib import Path, PureWindowsPath
from typing import cast

import pytest

from kq.agent.path_mapping import PathMap
from kq.agent.remote_attempt import RemoteAttempt
from kq.agent.standby import Standby
from kq.agent_config import Site
from kq.messages import AssignOrder
from kq.wire import AgentWire

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


def test_windows_paths_are_the_same_with_either_slash_and_in_either_case() -> None:
    """Katana writes slashes, other programs backslashes, and users what they like."""
    for text in ("C:/data/a shot/b.png", "c:\\DATA\\A Shot\\b.png"):
        assert WINDOWS_TO_LINUX.to_local(text) == "/home/ü/work/b.png"
    assert LINUX_TO_WINDOWS.to_desktop("c:/Users/Ü/work/b.png") == "/data/a shot/b.png"
    share = PathMap([("\\\\server\\show", "/mnt/show")])
    assert share.to_local("//SERVER/show/a\\b.png") == "/mnt/show/a/b.png"
    assert WINDOWS_TO_LINUX.to_local("C:/data/a shots/b.png") == "C:/data/a shots/b.png"
    assert PathMap([("/Data", "/here")]).to_local("/data/x") == "/data/x"


@pytest.mark.parametrize(
    "text",
    ["http://server/show/a.png", "step p: 5", "p:5", "map:5 P:a.png"],
)
def test_what_only_resembles_a_path_of_windows_stays(text: str) -> None:
    """Addresses, and letters with a colon, beside a share and a whole drive."""
    paths = PathMap([("\\\\server\\show", "/mnt/show"), ("P:\\", "/mnt/p")])
    assert paths.to_local(text) == text
    there = "/out:\\\\server\\show\\a.png //server/show p:/b P:\\c;P:"
    assert paths.to_local(there) == "/out:/mnt/show/a.png /mnt/show /mnt/p/b /mnt/p/c;/mnt/p"


def test_a_picture_comes_back_where_both_machines_have_a_folder_of_its_name(tmp_path: Path) -> None:
    """Such as /tmp: it is not the desktop's, which would never see the picture."""
    out = tmp_path / "out"
    out.mkdir()
    order = AssignOrder(
        number=1, attempt="job1/0/1", commands=(("render", "-o", f"{out}/a.0001.exr"),), cwd="/",
        environment={}, log_file="/data/0-1.log", picture=f"{out}/a.0001.exr",
    )  # fmt: skip
    site = Site(streams=True, work=str(tmp_path / "work"))
    wire = cast(AgentWire, None)
    attempt = RemoteAttempt(order, {}, "h:1", site, wire, Standby(0.0, 0, lambda _warning: None))
    made = f"{tmp_path}/work/job1-0-1/picture/a.0001.exr"
    assert attempt._order.commands == (("render", "-o", made),)
    assert attempt._map.to_desktop(made) == order.picture


def test_a_picture_of_a_windows_desktop_is_rendered_where_this_machine_can(tmp_path: Path) -> None:
    """It is made beside the log, and sent to where the desktop looks."""
    folder, job = "C:\\show\\out", "C:\\Users\\x\\renders\\job1"
    command = ("render", f"{folder}\\a.0001.png", "C:/show/out/a.####.png", f"{job}\\scene.usdc")
    order = AssignOrder(
        number=1,
        attempt="job1/0/1",
        commands=(command,),
        cwd="",
        environment={},
        log_file="C:\\data\\logs\\jobs\\job1\\0-1.log",
        picture=f"{folder}\\a.0001.png",
        temp_dir=job,
    )
    attempt = RemoteAttempt(
        order,
        {},
        "h:1",
        Site(streams=True, work=str(tmp_path)),
        cast(AgentWire, None),
        Standby(0.0, 0, lambda _warning: None),
    )
    work = f"{tmp_path}/job1-0-1"
    there = attempt._order
    assert there.commands[0][1:] == (
        f"{work}/picture/a.0001.png",
        f"{work}/picture/a.####.png",
        f"{work}/job1/scene.usdc",
    )
    assert (there.picture, there.temp_dir) == (f"{work}/picture/a.0001.png", f"{work}/job1")
    assert PureWindowsPath(attempt._map.to_desktop(there.picture)) == PureWindowsPath(order.picture)
    beside = attempt._map.to_desktop(f"{work}/picture/a.0001.exr")
    assert PureWindowsPath(beside) == PureWindowsPath(folder, "a.0001.exr")
