"""Predicted against measured: bytes to the byte, shares by counting, latency never below the link's."""

import json
from pathlib import Path

import numpy as np
import pytest
from deployable import rows_of, source_of

from explorer import backbones
from explorer.core.calibration import InferenceConfig
from explorer.core.payload import PayloadForm, encoded_bytes
from explorer.core.run_point import RunPoint
from explorer.deploy.bundle import build_bundle
from explorer.devices import LinkProfile
from explorer.errors import UserError
from explorer.measure import __main__ as command
from explorer.measure.comparison import table
from explorer.measure.deployed import (
    TimedParts,
    both_halves,
    load_samples,
    measure,
    message_s,
    time_parts,
)
from explorer.runtime.sizes import REQUEST_OVERHEAD, RESPONSE_BYTES

LINK = LinkProfile(name="test", kind="link", description="", uplink_bits_per_s=1e6, rtt_s=0.01)
SAMPLES = 25


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = InferenceConfig(PayloadForm((8,)))
    source = source_of(backbones.mlp, {"hidden": [12]}, (16,), config=config)
    rows = rows_of([RunPoint("relu1", 0.35, 8)])
    rows[0] |= {"payload_bytes": 0.75 * encoded_bytes(12, 8)}  # three of four samples are sent
    return build_bundle(source, rows, tmp_path_factory.mktemp("bundle") / "bundle", samples=20).folder


def test_bytes_are_exact_and_every_sample_is_answered(folder: Path) -> None:
    bundle = both_halves(folder)
    samples, labels = load_samples(bundle, SAMPLES)
    measured = measure(bundle, LINK, samples, labels)
    sent = measured.source == "server"
    assert set(measured.source) <= {"exit", "server"}
    assert 0 < sent.sum() < SAMPLES
    payload = encoded_bytes(12, 8)
    assert set(measured.sent_bytes[sent]) == {payload + REQUEST_OVERHEAD}
    assert set(measured.sent_bytes[~sent]) == {0}
    assert measured.uplink_bytes == (payload + REQUEST_OVERHEAD,) * int(sent.sum())
    assert measured.downlink_bytes == (RESPONSE_BYTES,) * int(sent.sum())
    on_link = LINK.rtt_s + 8 * (payload + REQUEST_OVERHEAD + RESPONSE_BYTES) / LINK.uplink_bits_per_s
    assert message_s(payload, LINK) == pytest.approx(on_link)
    assert measured.latency_s[sent].min() > on_link
    assert measured.latency_s[~sent].max() < on_link
    parts = time_parts(bundle, samples)
    rows = {row["quantity"]: row for row in table(bundle, LINK, parts, measured)}
    assert rows["exit rate"]["measured"] == pytest.approx(1 - sent.mean())
    assert measured.right is not None
    assert rows["accuracy"]["measured"] == pytest.approx(measured.right.mean())
    assert rows["accuracy"]["low"] < rows["accuracy"]["measured"] < rows["accuracy"]["high"]
    assert rows["payload bytes a message"]["model"] == rows["payload bytes a message"]["measured"] == payload
    assert rows["request bytes a message"]["model"] == payload + REQUEST_OVERHEAD
    formula = rows["latency of samples that are sent"]["formula"]
    assert formula == pytest.approx(parts.edge_s + parts.encode_s + on_link + parts.answer_s, abs=1e-9)


def test_the_formula_adds_what_a_sample_goes_through() -> None:
    parts = TimedParts(edge_s=1.0, encode_s=2.0, answer_s=4.0)
    assert parts.sent_s(8.0) == 15.0


def test_samples_are_repeated_where_there_are_too_few(folder: Path) -> None:
    with pytest.raises(UserError, match=r"test.npz: x_test must take at most 9 bytes"):
        load_samples(both_halves(folder), 130, max_bytes=9)
    samples, labels = load_samples(both_halves(folder), 130)
    assert len(samples) == len(labels) == 130
    np.testing.assert_array_equal(samples[120:], samples[:10])


def test_the_command_prints_and_refuses(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main([str(folder), "--link", "wifi_huang2012", "--samples", "5", "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["link"] == "wifi_huang2012"
    assert len(content["rows"]) == 8
    for options, message in (
        ([str(folder), "--samples", "0"], "--samples: must be at least 1, got 0"),
        ([str(folder), "--link", "tin_can"], "unknown profile 'tin_can'"),
        (["nowhere"], "nowhere/manifest.json: no such file: the folder is no bundle"),
    ):
        with pytest.raises(UserError, match=message.replace("(", r"\(")):
            command.main(options)
