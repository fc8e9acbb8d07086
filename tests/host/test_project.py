"""Project files: what is saved comes back, and what is no project is refused."""

from __future__ import annotations

import errno
import json
import os
import shutil
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from host.nodes import project as projects
from host.nodes.errors import CookError, ProjectError, SceneError
from host.nodes.parameters import Kind, ParameterSpec, Value
from host.nodes.project import Project, from_document, output_path, to_document
from host.nodes.types import NODE_TYPES, node_type
from host.nodes.variables import Variable


def example() -> Project:
    """A project with one node of each type, all connected."""
    project = Project(frame=5.0, first_frame=1.0, last_frame=24.0)
    merge = project.graph.create(node_type("Merge"), position=(10.0, 20.5))
    for name in ("UsdIn", "Camera", "Light"):
        project.graph.connect(project.graph.create(node_type(name)), merge)
    last = merge
    for name in ("Transform", "Material", "RenderSettings", "Render"):
        node = project.graph.create(node_type(name))
        project.graph.connect(last, node)
        last = node
    project.graph.node("Light").set_value("color", (1.0, 0.5, 0.25))
    project.graph.node("Transform").bypassed = True
    return project


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    """Nodes, values, positions, connections, bypass and frames."""
    project = example()
    projects.save(project, tmp_path / "shot.kqproject")
    assert to_document(projects.load(tmp_path / "shot.kqproject")) == to_document(project)


def test_files_beside_the_project_move_with_it(tmp_path: Path) -> None:
    """They are named relative to it; files elsewhere absolutely."""
    project = example()
    (tmp_path / "a").mkdir()
    usd_in, material = project.graph.node("UsdIn"), project.graph.node("Material")
    usd_in.set_value("file", str(tmp_path / "a" / "set.usda"))
    material.set_value("texture", "/elsewhere/wood.png")
    project.graph.node("Render").set_value("output", str(tmp_path / "a" / "~backup" / "a.exr"))
    projects.save(project, tmp_path / "a" / "shot.kqproject")
    (tmp_path / "a").rename(tmp_path / "b")
    graph = projects.load(tmp_path / "b" / "shot.kqproject").graph
    assert graph.node("UsdIn").value("file") == str(tmp_path / "b" / "set.usda")
    assert graph.node("Material").value("texture") == "/elsewhere/wood.png"
    assert graph.node("Render").value("output") == str(tmp_path / "b" / "~backup" / "a.exr")


@pytest.mark.parametrize(
    "path",
    [
        "~/renders/a.####.exr",
        "~bob/a.exr",
        "C:\\show\\a.exr",
        "C:/show/a.exr",
        "\\\\server\\show\\a.exr",
        " /show/a.exr",
    ],
)
def test_paths_of_home_and_of_another_system_come_back(tmp_path: Path, path: str) -> None:
    """They are not below the project's folder, and are saved as they were."""
    project = example()
    project.graph.node("Render").set_value("output", path)
    projects.save(project, tmp_path / "shot.kqproject")
    assert projects.load(tmp_path / "shot.kqproject").graph.node("Render").value("output") == path


@pytest.mark.skipif(os.name == "nt", reason="links and permissions are of another kind there")
def test_a_link_stays_one_and_a_file_keeps_its_permissions(tmp_path: Path) -> None:
    """Saving through a link writes the file that it names, with paths relative to that file's folder."""
    (tmp_path / "versions").mkdir()
    file, link = tmp_path / "versions" / "shot_v003.kqproject", tmp_path / "latest.kqproject"
    projects.save(Project(), file)
    file.chmod(0o664)
    link.symlink_to(Path("versions", file.name))
    project = example()
    project.graph.node("UsdIn").set_value("file", str(tmp_path / "versions" / "set.usda"))
    projects.save(project, link)
    assert link.is_symlink()
    assert stat.S_IMODE(file.stat().st_mode) == 0o664
    assert to_document(projects.load(link)) == to_document(projects.load(file)) == to_document(project)


def test_a_project_on_a_share_that_changes_no_permissions_is_saved_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as one whose files belong to another user: permissions are kept where that may be."""

    def refused(*_paths: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(shutil, "copymode", refused)
    file = tmp_path / "shot.kqproject"
    projects.save(Project(), file)
    projects.save(example(), file)
    assert to_document(projects.load(file)) == to_document(example())


def test_an_output_is_relative_to_the_projects_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the project is opened again; before it has a folder it is refused."""
    monkeypatch.chdir("/")
    project = tmp_path / "shots" / "a.kqproject"
    assert output_path("out/beauty.####.exr", project) == str(tmp_path / "shots" / "out" / "beauty.####.exr")
    with pytest.raises(SceneError, match="save the project first"):
        output_path("out/beauty.####.exr", None)
    for whole in ("", "/out/a.exr", "C:\\out\\a.exr", "//server/share/a.exr"):
        assert output_path(whole, None) == whole
    assert output_path("~/a.exr", None) == str(Path.home() / "a.exr")


@pytest.mark.parametrize(
    ("node", "parameter", "expression", "differs"),
    [
        ("RenderSettings", "samples", "frame * 2", "RenderSettings.samples"),
        ("RenderSettings", "samples", "12 if getVar('frame_rate') == '24' else 6", ""),
        ("RenderSettings", "samples", "8 if frame < 100 else 16", ""),
        ("RenderSettings", "samples", "8 if getParam('Render.output') == '' else 6", ""),
    ],
)
def test_what_depends_on_the_frame_is_refused_for_a_sequence(
    node: str, parameter: str, expression: str, differs: str
) -> None:
    """Its frames have one scene, that of the first: another frame would be rendered with its values."""
    project = example()
    project.variables = (Variable("frame_rate", "24"),)
    project.graph.node(node).set_expression(parameter, expression)
    projects.check_same_at(project, "Render", [7])
    if differs:
        with pytest.raises(CookError, match=rf"{differs} depends on the frame"):
            projects.check_same_at(project, "Render", [1, 2])
    else:
        projects.check_same_at(project, "Render", [1, 2])


def test_a_save_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    """No such folder, too long a name, a folder of that name: a message each, and no half-written file."""
    with pytest.raises(ProjectError, match=rf"\bgone\b.*{os.strerror(errno.ENOENT)}"):
        projects.save(example(), tmp_path / "gone" / "shot.kqproject")
    blocked = tmp_path / "shot.kqproject"
    blocked.mkdir()
    with pytest.raises(ProjectError, match="a" * 300):
        projects.save(example(), tmp_path / ("a" * 300))
    with pytest.raises(ProjectError, match=os.strerror(errno.EISDIR)):
        projects.save(example(), blocked)
    assert [path.name for path in tmp_path.iterdir()] == ["shot.kqproject"]


def test_a_read_only_project_on_windows_is_an_error_and_leaves_no_draft(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows neither replaces nor deletes a read-only file: its refusals are imitated here."""
    file = tmp_path / "shot.kqproject"
    projects.save(example(), file)
    file.chmod(0o444)
    unlink = Path.unlink

    def refused(path: Path, *_arguments: object, **_named: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    def unlinked(path: Path, missing_ok: bool = False) -> None:
        if not path.stat().st_mode & stat.S_IWRITE:
            refused(path)
        unlink(path, missing_ok)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", refused)
        patched.setattr(Path, "unlink", unlinked)
        with pytest.raises(ProjectError, match=os.strerror(errno.EACCES)):
            projects.save(example(), file)
    assert [path.name for path in tmp_path.iterdir()] == ["shot.kqproject"]
    file.chmod(0o644)


@pytest.mark.skipif(os.name == "nt", reason="permissions are of another kind there")
def test_a_project_is_as_readable_as_other_files(tmp_path: Path) -> None:
    """Not only its owner can read it, if that is the artist's habit."""
    before = os.umask(0o022)
    try:
        projects.save(example(), tmp_path / "shot.kqproject")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "shot.kqproject").stat().st_mode) == 0o644


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda document: document.update(format="other"), "not a project"),
        (
            lambda document: document.update(version=99),
            "version 99",
        ),
        (lambda document: document.pop("nodes"), "a part of it is missing or malformed ('nodes')."),
        (lambda document: document.update(range=[1]), "malformed"),
        (lambda document: document.update(nodes=7), "malformed"),
        (lambda document: document.update(frame=float("nan")), "nan"),
        (lambda document: document.update(range=[1, float("inf")]), "inf"),
        (lambda document: document.update(frame=10**400), "malformed"),
        (lambda document: document["nodes"][0].update(position=[float("nan"), 0]), "nan"),
        (lambda document: document["nodes"][3]["parameters"].update(intensity=10**400), "Intensity"),
        (lambda document: document["nodes"][0].update(type="Cube"), "There is no node type 'Cube'"),
        (lambda document: document["nodes"][1].update(name="Merge"), "'Merge'"),
        (lambda document: document["nodes"][0].update(inputs={"i0": "Absent"}), "'Absent'"),
        (lambda document: document["nodes"][0].update(inputs={"i0": "Render"}), "cycle"),
        (
            lambda document: document["nodes"][0].update(inputs={"side": "Light"}),
            "'side'",
        ),
        (
            lambda document: document["nodes"][3]["parameters"].update(intensity="bright"),
            "'bright'",
        ),
        (
            lambda document: document["nodes"][3]["parameters"].update(glow=1),
            "Node Light (Light) has no parameter 'glow'.",
        ),
    ],
)
def test_a_malformed_project_is_refused_with_what_is_wrong(
    tmp_path: Path, change: object, message: str
) -> None:
    """The message names the file and the fault."""
    document = to_document(example())
    change(document)  # type: ignore[operator]
    file = tmp_path / "shot.kqproject"
    file.write_text(json.dumps(document))
    with pytest.raises(ProjectError) as refused:
        projects.load(file)
    assert str(file) in str(refused.value)
    assert message in str(refused.value)


def test_frames_beyond_the_timeline_are_brought_to_its_limit(caplog: pytest.LogCaptureFixture) -> None:
    """The range of a USD file had no limit when some projects were saved; a warning names the frame."""
    project = from_document({**to_document(example()), "range": [-3, 2_000_000]})
    assert (project.first_frame, project.last_frame) == (-3.0, 1_000_000.0)
    assert "2000000" in caplog.text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "JSON"),
        (b"\xff\xfe", "JSON"),
        (b"[]", "not a project"),
        (b"[" * 200_000, "JSON"),
        (b"9" * 5000, "JSON"),
    ],
)
def test_what_is_no_json_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    """Neither text nor bytes bring more than a message."""
    file = tmp_path / "shot.kqproject"
    file.write_bytes(content)
    with pytest.raises(ProjectError, match=message):
        projects.load(file)
    with pytest.raises(ProjectError, match=os.strerror(errno.ENOENT)):
        projects.load(tmp_path / "gone.kqproject")


def _values(spec: ParameterSpec) -> st.SearchStrategy[Value]:
    low, high = max(spec.minimum, -1e6), min(spec.maximum, 1e6)
    number = st.floats(low, high)
    match spec.kind:
        case Kind.BOOLEAN:
            return st.booleans()
        case Kind.INTEGER:
            return st.integers(int(low), int(high))
        case Kind.NUMBER:
            return number
        case Kind.CHOICE:
            return st.sampled_from(spec.choices)
        case Kind.COLOR | Kind.VECTOR:
            return st.tuples(number, number, number)
        case _:
            return st.text(max_size=12).map(lambda text: f"/{text}" if spec.kind is Kind.FILE else text)


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_value_that_a_parameter_accepts_survives_a_project(data: st.DataObject) -> None:
    """Through JSON, as the cook process and project files see it."""
    project = Project()
    for kind in NODE_TYPES.values():
        node = project.graph.create(kind)
        for spec in kind.parameters:
            node.set_value(spec.name, data.draw(_values(spec)))
    back = from_document(json.loads(json.dumps(to_document(project))))
    for node in project.graph.nodes:
        for spec in node.specs:
            assert back.graph.node(node.name).value(spec.name) == node.value(spec.name)
