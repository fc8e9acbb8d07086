"""Graph state variables and expressions: what is rendered with which values, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from host.nodes import expressions
from host.nodes.cooking import cook, describe
from host.nodes.errors import CookError, ExpressionError, ProjectError
from host.nodes.expressions import Evaluator, check
from host.nodes.graph import Graph, Node
from host.nodes.project import Project, from_document, load, resolved, to_document, with_values
from host.nodes.restore import restore
from host.nodes.types import node_type
from host.nodes.variables import Variable, resolve


def made(graph: Graph, type_name: str, name: str = "", **values: object) -> Node:
    """A node with these values; text that begins with `=` is an expression."""
    node = graph.create(node_type(type_name), name)
    for key, value in values.items():
        if isinstance(value, str) and value.startswith("="):
            node.set_expression(key, value[1:])
        else:
            node.set_value(key, value)
    return node


def two_shots() -> Graph:
    """A switch between two cameras, and a Render node that writes to the shot's folder."""
    graph = Graph()
    switch = made(graph, "VariableSwitch", variableName="shot", patterns="sh010, sh02*")
    for name in ("Near", "Far"):
        graph.connect(made(graph, "Camera", name), switch)
    render = made(graph, "Render", output="='/out/' + getVar('shot') + '/a.####.exr'")
    graph.connect(switch, render)
    return graph


def drawn_from(graph: Graph) -> set[str]:
    """The nodes that Render draws from."""
    return {node.name for node in graph.node("Render").upstream()}


@pytest.mark.parametrize(("shot", "camera"), [("sh010", "Near"), ("sh020", "Far"), ("sh025", "Far")])
def test_a_switch_takes_the_input_of_the_variables_value(shot: str, camera: str) -> None:
    """And an expression in the output is its value; the graph itself stays as it is."""
    graph = two_shots()
    found = resolve(graph, "Render", 1.0, {"shot": shot})
    assert drawn_from(found) == {"Render", "VariableSwitch", camera}
    assert found.node("Render").value("output") == f"/out/{shot}/a.####.exr"
    assert drawn_from(graph) == {"Render", "VariableSwitch", "Near", "Far"}


@pytest.mark.parametrize(
    ("patterns", "shot", "camera"),
    [
        ("sh010, sh02*", "sh030", "Near"),
        ("sh010, *", "sh030", "Far"),
        ("sh0*, *", "sh010", "Near"),
        ("", "i1", "Far"),
        ("", "i0", "Near"),
        ("sh010", "i1", "Far"),
        (", sh020", "i0", "Near"),
        ("sh010, sh020, sh030", "sh030", "Near"),
    ],
)
def test_a_switch_chooses_as_katanas(patterns: str, shot: str, camera: str) -> None:
    """The leftmost that matches, else the leftmost; without a pattern a port's name is matched exactly."""
    graph = two_shots()
    graph.node("VariableSwitch").set_value("patterns", patterns)
    assert drawn_from(resolve(graph, "Render", 1.0, {"shot": shot})) == {"Render", "VariableSwitch", camera}


@pytest.mark.parametrize(("shot", "camera"), [("a", "Two"), ("b", "Two"), ("c", "Three")])
def test_a_switch_without_its_first_input_keeps_the_patterns_of_the_others(shot: str, camera: str) -> None:
    """Each pattern belongs to a port; where none matches, the leftmost input is taken."""
    graph = Graph()
    switch = made(graph, "VariableSwitch", variableName="shot", patterns="a, b, c")
    for name in ("One", "Two", "Three"):
        graph.connect(made(graph, "Camera", name), switch)
    graph.disconnect(switch, "i0")
    found = resolve(graph, "VariableSwitch", 1.0, {"shot": shot})
    assert {node.name for node in found.nodes} == {"VariableSwitch", camera}


def test_a_node_that_is_copied_takes_no_other_nodes_name() -> None:
    """Its name may be the path of its prim, which nodes downstream edit."""
    graph = Graph()
    merge = made(graph, "Merge")
    graph.connect(made(graph, "Light", "Key1", exposure=7.0), merge)
    key = made(graph, "Light", "Key", exposure="=getVar('strength', '0')")
    for strength in ("3", "4"):
        node = made(graph, "VariableSet", variableName="strength", variableValue=strength)
        graph.connect(key, node)
        graph.connect(node, merge)
    found = resolve(graph, merge.name, 1.0, {})
    assert found.node("Key1").value("exposure") == 7.0
    assert len([node for node in found.nodes if node.type.name == "Light"]) == 3


def test_set_and_delete_are_for_what_is_above_them() -> None:
    """One node that is reached with two values is there twice, under two names."""
    graph = Graph()
    camera = made(graph, "Camera", far="=getVar('distance', '5')")
    merge = made(graph, "Merge")
    near = made(graph, "VariableSet", "Ten", variableName="distance", variableValue="10")
    none = made(graph, "VariableDelete", variableName="distance")
    for node in (near, none):
        graph.connect(camera, node)
        graph.connect(node, merge)
    graph.connect(camera, merge)
    found = resolve(graph, merge.name, 1.0, {"distance": "20"})
    cameras = [node for node in found.nodes if node.type.name == "Camera"]
    assert sorted(float(str(node.value("far"))) for node in cameras) == [5.0, 10.0, 20.0]


def test_a_graph_without_variables_is_left_as_it_is() -> None:
    """Nothing is copied."""
    graph = Graph()
    made(graph, "Camera")
    assert resolve(graph, "Camera", 1.0, {"shot": "a"}) is graph


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("getVar('shot')", "sh010"),
        ("getVar('none', 'x') + str(frame)", "x12"),
        ("'a' if getVar('shot') == 'sh020' else 'b'", "b"),
        ("'v' + str(round(7 / 2) * 10 - 1)", "v39"),
        ("getParam('Other.output')", "sh010!"),
        ("1234567 + 0.25", "1234567.25"),
    ],
)
def test_expressions(expression: str, value: str) -> None:
    """Variables, the frame, other parameters, and a little arithmetic."""
    graph = Graph()
    made(graph, "Render", "Other", output="=getVar('shot') + '!'")
    node = made(graph, "Render", output=f"={expression}")
    assert Evaluator(graph, 12.0).value(node, "output", {"shot": "sh010"}) == value


def test_each_expression_is_evaluated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Expressions that read each other several times would take hours, on the thread of the window."""
    parsed: list[str] = []
    parse = expressions._parsed
    monkeypatch.setattr(expressions, "_parsed", lambda text: parsed.append(text) or parse(text))
    graph = Graph()
    made(graph, "Light", "L3", intensity=2.0)
    for level in (2, 1, 0):
        reading = " + ".join([f"getParam('L{level + 1}.intensity')"] * 4)
        made(graph, "Light", f"L{level}", intensity=f"={reading}")
    assert Evaluator(graph, 1.0).value(graph.node("L0"), "intensity", {}) == 2.0 * 4**3
    assert len(parsed) == 3


@pytest.mark.parametrize("updates", [True, False])
def test_expressions_follow_a_node_that_is_renamed(updates: bool) -> None:
    """As in Katana, unless `updateExpressions` is false; names that only begin like it stay."""
    graph = Graph()
    key = made(graph, "Light", "Key")
    made(graph, "Light", "Key2")
    before = "getParam('Key.path') + getParam ( \"Key.path\") + getParam('Key2.path')"
    reader = made(graph, "Render", output=f"={before}")
    graph.rename(key, "Sun", updates)
    after = "getParam('Sun.path') + getParam ( \"Sun.path\") + getParam('Key2.path')"
    assert reader.expression("output") == (after if updates else before)


@pytest.mark.parametrize(
    ("expression", "fact"),
    [
        ("getVar('none')", "no variable 'none'"),
        ("getParam('Nowhere.x')", "Nowhere.x"),
        ("getParam('Render.output')", "Render.output → Render.output"),
        ("getParam('Other.output')", "Other.output → Render.output"),
        ("1 / 0", "division by zero"),
        ("'a' * 1000000000", "joined"),
        ("__import__('os').system('true')", "not understood"),
        ("open('/etc/passwd')", "no function open"),
        ("[1][0]", "not understood"),
        ("getVar('shot'", "expression"),
        ("(lambda: 1)()", "not understood"),
        ("-" * 900 + "1", ""),
        ("1 + " * 400 + "1", "characters"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(expression: str, fact: str) -> None:
    """Loops are named from end to end; nothing beyond the small language is run."""
    graph = Graph()
    made(graph, "Render", "Other", output="=getParam('Render.output')")
    node = made(graph, "Render", output=f"={expression}")
    try:
        value = Evaluator(graph, 1.0).value(node, "output", {"shot": "a"})
    except ExpressionError as error:
        assert fact in str(error)
    else:
        assert not fact, value


def test_a_value_that_the_parameter_cannot_hold_is_refused() -> None:
    """With the parameter's own reason; a number that is a variable's text is one."""
    graph = Graph()
    node = made(graph, "RenderSettings", samples="=getVar('samples')")
    evaluator = Evaluator(graph, 1.0)
    assert evaluator.value(node, "samples", {"samples": "64"}) == 64
    for text in ("0", "many", "1.5"):
        with pytest.raises(ExpressionError, match="samples"):
            evaluator.value(node, "samples", {"samples": text})
    with pytest.raises(ExpressionError):
        check("getVar(")


def test_diamonds_of_variables_come_to_an_end() -> None:
    """Each level would double the nodes: so many are refused, and no memory is filled."""
    graph = Graph()
    below = made(graph, "Camera")
    for level in range(24):
        setter = made(graph, "VariableSet", variableName=f"v{level}", variableValue="x")
        merge = made(graph, "Merge")
        graph.connect(below, setter)
        graph.connect(setter, merge)
        graph.connect(below, merge)
        below = merge
    with pytest.raises(CookError, match="many"):
        resolve(graph, below.name, 1.0, {})


def test_a_project_keeps_variables_and_expressions() -> None:
    """In its file, on its way to the cook process, and through undo; a project of before has none."""
    project = Project(two_shots(), variables=(Variable("shot", "sh020", ("sh010", "sh020")),))
    document = to_document(project)
    again = from_document(document)
    assert again.variables == project.variables
    assert resolved(again, "Render", 1.0).node("Render").value("output") == "/out/sh020/a.####.exr"
    graph = again.graph
    graph.node("Render").set_expression("output", "")
    restore(graph, {"nodes": document["nodes"]})
    assert graph.node("Render").expression("output") == project.graph.node("Render").expression("output")
    old = {key: value for key, value in document.items() if key != "variables"}
    old["nodes"] = [
        {key: value for key, value in entry.items() if key != "expressions"} for entry in document["nodes"]
    ]
    assert from_document(old).variables == ()


@pytest.mark.parametrize(
    "variables",
    [[{"name": "a b", "value": ""}], [{"name": "a", "value": "1"}, {"name": "a", "value": "2"}], [1]],
)
def test_variables_that_cannot_be_are_refused_with_the_project(variables: object) -> None:
    """A name with a blank, one name twice, no variable at all."""
    document = to_document(Project())
    document["variables"] = variables
    with pytest.raises(ProjectError):
        from_document(document)


@pytest.mark.parametrize(("shot", "camera"), [("sh010", "Shot"), ("sh020", "Detail")])
def test_the_sample_project_has_two_shots(shot: str, camera: str) -> None:
    """24 frames; each shot has its camera, its light, and a folder of its own."""
    project = load(Path(__file__).resolve().parents[2] / "resources" / "scenes" / "two_shots.kqproject")
    assert (project.first_frame, project.last_frame) == (1, 24)
    graph = resolved(with_values(project, {"shot": shot}), "Render", 1.0)
    assert str(graph.node("Render").value("output")).endswith(f"/{shot}/wave_study.####.exr")
    assert ("Moon" in {node.name for node in graph.node("Render").upstream()}) is (shot == "sh020")
    scene = cook(graph, "Render", 1.0)
    assert describe(scene).camera == f"/World/Cameras/{camera}"
    assert not scene.warnings
