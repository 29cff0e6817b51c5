import base64
import hashlib
import html
import json
import re
import time
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from synthetic_results import make_results, make_study

from explorer.report import write_report
from explorer.report.html import script_json
from explorer.report.page import report_html
from explorer.report.page_data import run_argument

HOSTILE = """</script><script>alert('1')</script><img src=x onerror="alert(2)">&\u2028'"{{ 7 * 7 }}"""


class Page(HTMLParser):
    """Elements, attributes and script texts of a page, read the way a browser does."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.in_script = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.in_script = tag == "script"

    def handle_endtag(self, tag: str) -> None:
        self.in_script = False

    def handle_data(self, data: str) -> None:
        if self.in_script:
            self.scripts.append(data)

    @property
    def policy(self) -> str:
        return next(str(a["content"]) for t, a in self.tags if t == "meta" and "http-equiv" in a)

    @property
    def data(self) -> dict[str, Any]:
        data: dict[str, Any] = json.loads(self.scripts[0])
        return data


def without_plotly(text: str) -> str:
    """The page without the one long line of plotly."""
    return "\n".join(part for part in re.split(r"</?script[^>]*>", text) if len(part) < 4_000_000)


@pytest.fixture(scope="module")
def page_text(tmp_path_factory: pytest.TempPathFactory) -> str:
    results = make_results(
        tmp_path_factory.mktemp("run"), objectives=("accuracy", "edge_macs", "payload_bytes")
    )
    return report_html(results, make_study(60, 3))


def test_write_report_replaces_the_old_file_whole(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("old")
    path = write_report(make_results(tmp_path))
    assert path == tmp_path / "report.html"
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


def test_page_is_the_same_for_the_same_run(tmp_path: Path) -> None:
    assert report_html(make_results(tmp_path), make_study()) == report_html(
        make_results(tmp_path), make_study()
    )


def test_page_has_what_readers_and_their_tools_expect(page_text: str) -> None:
    page = Page(page_text)
    assert ("html", {"lang": "en"}) in page.tags
    assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in page.tags
    assert re.search(r"<title>\S+.* report</title>", page_text)
    for tag, attributes in page.tags:
        if tag == "th":
            assert attributes.get("scope") in ("col", "colgroup")
        if tag == "a":
            assert str(attributes["href"]).startswith("#")
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_page_refers_to_nothing_outside_itself(page_text: str) -> None:
    page = Page(page_text)
    assert not [tag for tag, attributes in page.tags if {"src", "srcset", "action"} & set(attributes)]
    assert not [tag for tag, _ in page.tags if tag in ("link", "iframe", "object", "embed", "base")]
    assert "http://" not in without_plotly(page_text)
    assert "https://" not in without_plotly(page_text)


def test_policy_lets_exactly_our_scripts_run_and_nothing_be_fetched(page_text: str) -> None:
    page = Page(page_text)
    data, *scripts = page.scripts
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts]
    assert re.findall(r"'sha256-([^']+)'", page.policy) == hashes
    assert page.policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "connect-src" not in page.policy
    assert "script-src 'unsafe-inline'" not in page.policy
    assert data.startswith("{")
    assert not [a for _, a in page.tags if any(name.startswith("on") for name in a)]


def test_plotly_is_inlined_once_and_never_offers_to_upload(page_text: str) -> None:
    page = Page(page_text)
    assert len([script for script in page.scripts if len(script) > 1_000_000]) == 1
    assert page.data["config"]["showSendToCloud"] is False
    assert page.data["config"]["displaylogo"] is False
    draws = re.findall(r"Plotly\.(?:react|newPlot)\((.*)\);", page.scripts[-1])
    assert len(draws) == 3
    assert all(arguments.endswith("data.config") for arguments in draws)
    assert "eval(" not in page.scripts[-1]
    assert "innerHTML" not in page.scripts[-1]


def test_data_are_embedded_once_without_nan(page_text: str) -> None:
    data = Page(page_text).data
    assert len(data["values"]["accuracy"]) == data["numPoints"] == 400
    assert None in data["values"]["confidence_threshold"]
    assert None in data["values"]["payload_bits"]
    assert "NaN" not in Page(page_text).scripts[0]
    importances = {f"importances-{place}" for place in range(3)}
    assert set(data["figures"]) == {"parallel-figure", "hypervolume-trials", "hypervolume-time"} | importances


def test_modelled_and_measured_columns_are_listed_apart(page_text: str) -> None:
    for select in re.findall(r"<select.*?</select>", page_text, flags=re.DOTALL):
        groups = dict(re.findall(r'<optgroup label="(.*?)">(.*?)</optgroup>', select, flags=re.DOTALL))
        assert {"modelled", "measured on host", "counted"} <= set(groups)
        assert "latency_model_s" in groups["modelled"]
        assert "_host_" not in groups["modelled"]
        assert "_model_" not in groups["measured on host"]


def test_hostile_names_do_no_harm(tmp_path: Path) -> None:
    results = make_results(tmp_path, backbone=HOSTILE, split_point=HOSTILE)
    results.points["point_id"] = HOSTILE + results.points["point_id"]
    results.trials["reason"] = HOSTILE
    for key in ("name", "sampler", "space_name", "space_file", "created"):
        results.run[key] = HOSTILE
    results.run["notes"] = [HOSTILE]
    results.run["uncounted_operators"] = {HOSTILE: {HOSTILE: 1}}
    results.run["machine"] = {"cpu": HOSTILE}
    text = report_html(results, make_study())
    page = Page(text)
    assert len(page.scripts) == 3
    assert "img" not in [tag for tag, _ in page.tags]
    assert html.escape(HOSTILE).replace("&quot;", "&#34;").replace("&#x27;", "&#39;") in text
    assert page.data["values"]["backbone"]["levels"] == [HOSTILE]
    assert page.data["values"]["point_id"]["levels"][0].startswith(HOSTILE)


def test_script_json_cannot_leave_its_element() -> None:
    text = script_json({"<!--": HOSTILE})
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == {"<!--": HOSTILE}
    with pytest.raises(ValueError, match="not JSON compliant"):
        script_json([float("nan")])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"num_points": 0, "num_trials": 0}, "The run has no operating point yet"),
        ({"num_points": 1, "constraints": ()}, "All operating points of the run are shown: 1."),
        ({"constraints": ("accuracy >= 0.9999",)}, "No operating point satisfies every constraint."),
        ({"latency_model_s": np.nan}, "Latency (modelled, expected): no point has a value."),
        ({"num_trials": 0}, "No trial recorded a hypervolume."),
        ({"objectives": ("edge_macs",)}, "Edge MACs (lower is better)"),
    ],
)
def test_page_says_what_a_run_lacks(tmp_path: Path, options: dict[str, Any], expected: str) -> None:
    assert expected in without_plotly(report_html(make_results(tmp_path, **options), None))


def test_objective_without_any_value(tmp_path: Path) -> None:
    results = make_results(tmp_path, objectives=("latency_model_s", "accuracy"), latency_model_s=np.nan)
    data = Page(report_html(results)).data
    assert data["sort"]["column"] == "point_id"
    assert data["front"]["layout"]["yaxis"]["title"]["text"].startswith("Accuracy")


def test_page_of_a_run_read_before_any_network_was_stored(tmp_path: Path) -> None:
    full = make_results(tmp_path)
    empty = pd.DataFrame(columns=full.points.columns, dtype=object)
    text = without_plotly(report_html(replace(full, points=empty, trials=full.trials.iloc[:0])))
    assert "The run has no operating point yet: no trial finished." in text
    assert "No trial recorded a hypervolume." in text


def test_run_without_optional_records(tmp_path: Path) -> None:
    results = make_results(tmp_path)
    text = without_plotly(report_html(replace(results, run={})))
    assert text.count("not recorded") >= 10
    assert "The text of the search space file was not recorded." in text


def test_fifty_thousand_points_stay_small_and_quick(tmp_path: Path) -> None:
    results = make_results(tmp_path, num_points=50_000, num_trials=200)
    start = time.perf_counter()
    path = write_report(results, make_study(200))
    assert time.perf_counter() - start < 5
    assert path.stat().st_size < 6_000_000


def test_run_argument_is_short_under_reports_and_quoted(tmp_path: Path) -> None:
    assert run_argument(tmp_path / "reports" / "my-run") == "my-run"
    assert run_argument(tmp_path / "a b") == f"'{tmp_path / 'a b'}'"
