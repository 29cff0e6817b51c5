import base64
import gzip
import hashlib
import html
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from benchmarks.report_scale.synthetic import make_record, make_results, make_setting
from explorer.devices import DeviceProfile
from explorer.report.html import bundle, packed, script_json
from explorer.report.page import report_html, write_report

NO_RATE = DeviceProfile(name="none", kind="device", description="")
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
        data: dict[str, Any] = json.loads(self.scripts[1])
        return data


@pytest.fixture(scope="module")
def page_text(tmp_path_factory: pytest.TempPathFactory) -> str:
    results = make_results(
        tmp_path_factory.mktemp("run"), objectives=("accuracy", "edge_macs", "payload_bytes")
    )
    return report_html(results)


def test_write_report_replaces_the_old_file_whole(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("old")
    path = write_report(make_results(tmp_path))
    assert path == tmp_path / "report.html"
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


def test_page_is_the_same_for_the_same_run(tmp_path: Path) -> None:
    first = report_html(make_results(tmp_path))
    assert report_html(make_results(tmp_path)) == first


def test_page_has_what_readers_and_their_tools_expect(page_text: str) -> None:
    page = Page(page_text)
    assert ("html", {"lang": "en"}) in page.tags
    assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in page.tags
    assert re.search(r"<title>\S+.* report</title>", page_text)
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [str(attributes["href"]) for tag, attributes in page.tags if tag == "a"]
    assert {link.removeprefix("#") for link in links} <= set(ids)


def test_page_refers_to_nothing_outside_itself(page_text: str) -> None:
    page = Page(page_text)
    assert not [tag for tag, attributes in page.tags if {"src", "srcset", "action"} & set(attributes)]
    assert not [tag for tag, _ in page.tags if tag in ("link", "iframe", "object", "embed", "base")]
    without_names = page_text.replace("http://www.w3.org/2000/svg", "")
    assert "http://" not in without_names
    assert "https://" not in without_names


def test_policy_lets_exactly_our_scripts_run_and_nothing_be_fetched(page_text: str) -> None:
    page = Page(page_text)
    recall, data, plotly, own = page.scripts
    texts = (gzip.decompress(base64.b64decode(plotly)).decode(), own, recall)
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in texts]
    assert re.findall(r"'sha256-([^']+)'", page.policy) == hashes
    assert page.policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "connect-src" not in page.policy
    assert "unsafe-eval" not in page.policy
    assert "script-src 'unsafe-inline'" not in page.policy
    assert data.startswith("{")
    assert not [a for _, a in page.tags if any(name.startswith("on") for name in a)]


def test_own_script_evaluates_and_parses_nothing(page_text: str) -> None:
    own = Page(page_text).scripts[-1]
    for word in ("eval(", "innerHTML", "insertAdjacentHTML", "document.write", "new Function", "fetch("):
        assert word not in own


def test_plotly_is_carried_once_and_never_offers_to_upload(page_text: str) -> None:
    page = Page(page_text)
    assert page.data["plotlyConfig"]["showSendToCloud"] is False
    assert page.data["plotlyConfig"]["displaylogo"] is False
    draws = re.findall(r"Plotly\.\w+\((.*?)\)[,;]\n", page.scripts[-1])
    assert len(draws) == 1
    assert draws[0].endswith("config")
    assert len(page.scripts[2]) < 2_100_000
    assert set(page.data["figures"]) == {"hypervolume-networks", "hypervolume-time"}
    assert "networks are too few; at least 10 are needed" in page_text


def test_without_figures_there_is_no_plotly(tmp_path: Path) -> None:
    text = report_html(make_results(tmp_path, num_trials=0))
    assert len(Page(text).scripts) == 3
    assert len(text) < 290_000  # plotly takes 1,400,000, packed


def test_points_are_embedded_once_and_small(page_text: str) -> None:
    data = Page(page_text).data
    assert data["numPoints"] == 400
    assert set(data["points"]) == {
        *("split", "bits", "threshold", "correct", "exited", "sent_bytes"),
    }
    assert data["points"]["correct"]["type"] == "u16"
    assert sum(len(column["data"]) for column in data["points"].values()) < 400 * 40


def test_modules_are_bundled_in_the_order_of_their_needs() -> None:
    text = bundle("main")
    names = re.findall(r"^const module_(\w+) =", text, flags=re.MULTILINE)
    assert len(names) == len(set(names))
    assert names[-1] == "main"
    assert not re.findall(r"^(import|export) ", text, flags=re.MULTILINE)
    assert not re.findall(r"^ *(/\*\*.*)?\*/$", text, flags=re.MULTILINE)
    for place, name in enumerate(names):
        needed = re.findall(
            r"= module_(\w+);", text.split(f"const module_{name} =")[1].split("const module_")[0]
        )
        assert set(needed) <= set(names[:place])


def test_packed_text_is_the_same_each_time() -> None:
    assert packed("text" * 50) == packed("text" * 50)
    assert gzip.decompress(base64.b64decode(packed("é"))) == "é".encode()


def test_hostile_names_do_no_harm(tmp_path: Path) -> None:
    objectives = ("accuracy", "edge_macs", "payload_bytes")
    results = make_results(tmp_path, rename={"mlp": HOSTILE, "fc1": HOSTILE}, objectives=objectives)
    results.trials["reason"] = HOSTILE
    for key in ("name", "sampler", "space_name", "space_file", "created"):
        setattr(results.record, key, HOSTILE)
    results.record.notes = [HOSTILE]
    results.record.uncounted_arithmetic = results.record.operators_without_macs = {HOSTILE: {HOSTILE: 1}}
    results.record.machine = {"cpu": HOSTILE}
    text = report_html(results)
    page = Page(text)
    assert len(page.scripts) == 4
    assert "img" not in [tag for tag, _ in page.tags]
    assert html.escape(HOSTILE).replace("&quot;", "&#34;").replace("&#x27;", "&#39;") in text
    assert HOSTILE in page.data["networks"]["backbone"]
    assert HOSTILE in page.data["splitNames"]


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
        ({"setting": replace(make_setting(), edge=NO_RATE)}, "Latency (modelled, expected): no point has a"),
        ({"num_trials": 0}, "are needed to see how the hypervolume grew"),
        ({"objectives": ("edge_macs",)}, "Edge MACs (lower is better)"),
    ],
)
def test_page_says_what_a_run_lacks(tmp_path: Path, options: dict[str, Any], expected: str) -> None:
    assert expected in report_html(make_results(tmp_path, **options))


def test_live_page_says_so_and_carries_its_interval(tmp_path: Path) -> None:
    text = report_html(make_results(tmp_path), live_s=30)
    assert Page(text).data["live"] == 30
    assert "reloads every 30 s" in text


def test_run_without_optional_records(tmp_path: Path) -> None:
    results = make_results(tmp_path)
    record = make_record("bare", results.reference_point, (), results.setting)
    text = report_html(replace(results, record=record))
    assert text.count("not recorded") >= 5
