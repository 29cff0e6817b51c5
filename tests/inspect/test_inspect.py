"""What ``explorer.inspect`` says of a backbone, to machines and people; names cannot break its page."""

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from zoo import ZOO

from explorer.errors import EXIT_USER_ERROR, UserError
from explorer.inspect.__main__ import main
from explorer.inspect.describe import describe
from explorer.inspect.drawing import BOX_HEIGHT, BOX_WIDTH, draw
from explorer.inspect.page import render_page
from explorer.inspect.tables import title

MLP = [
    "explorer.backbones:mlp",
    "--input-shape",
    "1,4,4",
    "--argument",
    "hidden=[8, 6]",
    "--num-classes",
    "3",
]
MODULE = """
import torch
from torch import nn

class Gate(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x

class Overwrites(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second, self.fc = nn.Linear(4, 6), nn.Linear(6, 6), nn.Linear(6, 3)

    def forward(self, x):
        x = self.first(x)
        y = self.second(torch.relu(x))
        return self.fc(torch.relu_(x) + y)

def gated(input_shape, num_classes):
    return nn.Sequential(nn.Linear(4, num_classes), Gate())

def overwrites(input_shape, num_classes):
    return Overwrites()

def hostile(input_shape, num_classes):
    net = nn.Sequential()
    net.add_module("<script>alert(1)", nn.Linear(4, 8))
    net.add_module("[bold]", nn.ReLU())
    net.add_module("fc", nn.Linear(8, num_classes))
    return net
"""


@pytest.fixture
def own_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "models_to_inspect.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def printed(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    code = main(arguments)
    out, err = capsys.readouterr()
    return code, out, err


def test_json_of_a_factory(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = printed([*MLP, "--json"], capsys)
    content = json.loads(out)
    assert code == 0
    assert [(p["name"], p["payload_elements"], p["edge_macs"]) for p in content["split_points"]] == [
        ("input", 16, 0),
        ("relu1", 8, 16 * 8),
        ("relu2", 6, 16 * 8 + 8 * 6),
        ("output", 3, 16 * 8 + 8 * 6 + 6 * 3),
    ]
    assert [p["server_macs"] for p in content["split_points"]] == [
        16 * 8 + 8 * 6 + 6 * 3,
        8 * 6 + 6 * 3,
        6 * 3,
        0,
    ]
    assert content["split_points"][1]["payload_bytes"] == {"32": 10 + 4 * 8, "8": 10 + 8}
    assert content["stages"][0] == {
        "start": "input",
        "end": "relu1",
        "macs": 16 * 8,
        "param_bytes": 4 * (16 * 8 + 8),
        "peak_activation_bytes": 4 * (16 + 8),
    }
    assert content["junctions"][1] == {
        "path": "fc2",
        "kind": "Linear",
        "inputs": 8,
        "outputs": 6,
        "num_weights": 48,
        "legal_densities": ["1/2", "1"],
        "stays_dense": "",
        "initial_weights": "drawn by seed",
    }
    assert content["refusals"] == []
    assert content["traced_by"] == "torch.fx"


def test_tables_and_drawing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "deep" / "page.html"
    code, out, _ = printed([*MLP, "--html", str(page)], capsys)
    assert code == 0
    for text in ("relu1", "176", "1/8 1/4 3/8 .. 1 (8)", "operators that cost no MACs: none", "drawing:"):
        assert text in out
    text = page.read_text("utf-8")
    assert "http" not in text.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")
    assert "default-src &#39;none&#39;; script-src &#39;sha256-" in text
    assert 'thead th, th[scope="rowgroup"]' in text  # a style sheet is not escaped: no rule of it would hold
    svg = ET.fromstring(text[text.index("<svg") : text.index("</svg>") + 6])
    labels = [element.text for element in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert {"input", "fc1", "128 MACs", "relu1"} <= set(labels)
    assert '<td class="number">176</td>' in text  # MACs of the stages, aligned on the right
    assert '<th scope="col" class="">tensor</th>' in text


def test_a_pooled_input(capsys: pytest.CaptureFixture[str]) -> None:
    how = ["explorer.backbones:mlp", "--input-shape", "1,8,8", "--argument", "hidden=[8]", "--json"]
    assert main([*how, "--input-pool", "2"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["input_pool"] == 2
    assert [(point["name"], point["shape"], point["edge_macs"]) for point in found["split_points"]] == [
        ("input", [1, 8, 8], 0),
        ("input_pool", [1, 4, 4], 0),
        ("relu1", [8], 16 * 8),
        ("output", [10], 16 * 8 + 8 * 10),
    ]
    assert title(describe("explorer.backbones:mlp", {"hidden": [8]}, (1, 8, 8), 10, input_pool=2)) == (
        "explorer.backbones:mlp(hidden=[8]), input pool 2, input 1 x 8 x 8, 10 classes"
    )


def test_several_crossing_tensors(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["explorer.backbones:resnet", "--input-shape", "3,8,8", "--argument", "depth=8", "--json"]
    alone, joint = (
        json.loads(printed(options, capsys)[1])["split_points"]
        for options in (arguments, [*arguments, "--max-crossing-tensors", "2"])
    )
    inside = [point for point in joint if "+" in point["name"]]
    assert [point for point in joint if point not in inside] == alone
    assert [point["name"] for point in inside] == [
        "stem.relu+stage1.0.relu1",
        "stage1.0.relu2+stage2.0.relu1",
        "stage2.0.relu2+stage3.0.relu1",
    ]
    assert inside[0]["payload_elements"] == 2 * 16 * 8 * 8


def test_a_space_with_and_without_its_data(capsys: pytest.CaptureFixture[str]) -> None:
    _, from_data, _ = printed(["digits", "--json"], capsys)
    _, from_shape, _ = printed(["digits", "--json", "--input-shape", "1,8,8", "--num-classes", "10"], capsys)
    assert from_data == from_shape
    backbones = json.loads(from_data)["backbones"]
    assert [backbone["arguments"] for backbone in backbones][:2] == [
        {"hidden": [24, 16]},
        {"hidden": [64, 32]},
    ]
    assert len(backbones) == 3 + 2


def test_a_refused_backbone_is_said_with_module_and_line(
    own_models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = printed(
        ["models_to_inspect:gated", "--input-shape", "4", "--num-classes", "3", "--json"], capsys
    )
    (refusal,) = json.loads(out)["refusals"]
    assert code == EXIT_USER_ERROR
    assert refusal["what"] == "backbone"
    assert (
        "(module '1' (Gate), models_to_inspect.py line 7: `return x if x.sum() > 0 else -x`)"
        in refusal["reason"]
    )
    assert refusal["reason"] in err
    assert [junction["path"] for junction in json.loads(out)["junctions"]] == ["0"]


def test_sys_exit_in_a_forward_is_no_success(own_models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (own_models / "models_that_leave.py").write_text(
        "import sys\n\nfrom torch import nn\n\n\nclass Leaves(nn.Module):\n"
        "    def forward(self, x):\n        sys.exit()\n\n\ndef net():\n    return nn.Sequential(Leaves())\n",
        encoding="utf-8",
    )
    code, _, err = printed(["models_that_leave:net", "--input-shape", "4"], capsys)
    assert code == EXIT_USER_ERROR
    assert "it called sys.exit()" in err


@pytest.mark.filterwarnings("ignore:Overwrites")
def test_a_split_point_left_out_is_a_refusal(own_models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["models_to_inspect:overwrites", "--input-shape", "4", "--num-classes", "3"]
    code, out, _ = printed([*arguments, "--json"], capsys)
    (refusal,) = json.loads(out)["refusals"]
    assert code == 0
    assert (refusal["what"], refusal["name"]) == ("split point", "first")
    _, out, _ = printed(arguments, capsys)
    assert "refused: split point first: edge then server differs by" in out
    assert (own_models / "reports" / "inspect" / "models_to_inspect_overwrites.html").is_file()


def test_names_are_escaped(own_models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = describe("models_to_inspect:hostile", {}, (4,), 3)
    page = render_page([found])
    assert page.count("<script") == 1  # the page's own
    assert "&lt;script&gt;" in page
    printed(["models_to_inspect:hostile", "--input-shape", "4", "--num-classes", "3"], capsys)


@pytest.mark.parametrize("kind", ZOO, ids=lambda kind: kind.name)
def test_boxes_do_not_overlap_and_lie_right_of_their_inputs(kind: Any) -> None:
    found = describe("factories:zoo_net", {"name": kind.name}, kind.input_shape, 3)
    drawing = draw(found.values)
    corners = {(box.x, box.y) for box in drawing.boxes}
    assert len(corners) == len(drawing.boxes) == len(found.values)
    place = {value["name"]: box for value, box in zip(found.values, drawing.boxes, strict=True)}
    for value in found.values:
        assert all(place[value["name"]].x > place[source].x + BOX_WIDTH for source in value["inputs"])
    assert max(box.x + BOX_WIDTH for box in drawing.boxes) <= drawing.width
    assert max(box.y + BOX_HEIGHT for box in drawing.boxes) <= drawing.height
    assert [box.split_point for box in drawing.boxes if box.split_point] == list(kind.edge_macs)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["explorer.backbones:lenet5"],
            r"--input-shape: needed for a factory, .* got 'explorer.backbones:lenet5'",
        ),
        (["digits", "--argument", "hidden=[3]"], "--argument: goes with a factory"),
        (["no_such_space"], "no_such_space: no such search space"),
        (["nowhere:net", "--input-shape", "3"], "cannot import 'nowhere'"),
    ],
)
def test_what_cannot_be_inspected(arguments: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        main(arguments)


@pytest.mark.parametrize(
    ("option", "value"), [("--input-shape", "3,x"), ("--argument", "hidden=[3"), ("--num-classes", "0")]
)
def test_options_are_checked(option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([*MLP, option, value])
    assert stop.value.code == EXIT_USER_ERROR
    assert repr(value) in capsys.readouterr().err
