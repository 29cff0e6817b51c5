"""The comparison over sockets: every sample is answered, at every way to choose."""

from pathlib import Path

import pytest

import explorer
from benchmarks.link_policy.live import Live, live


@pytest.mark.slow
def test_a_bundle_is_replayed_over_a_paced_link(tmp_path: Path) -> None:
    quiet = {"workers": 1, "energy": False, "progress": False, "reports": tmp_path}
    run = explorer.run_search("digits", trials=4, name="run", **quiet)  # type: ignore[arg-type]
    lived = live(run, samples=60)
    assert lived.samples == 180
    assert lived.accuracy > 0.7
    assert 0 < lived.oracle_s < 1
    assert len(lived.fixed_s) >= 1


def test_what_falls_short_is_named() -> None:
    held = Live("digits", 100, {"early": 0.05, "late": 0.03}, 0.02, 0.021, 0.97, 0.97, (), 0, 3)
    assert held.shortfalls() == []
    fell = Live("digits", 100, {"early": 0.05, "late": 0.03}, 0.02, 0.04, 0.5, 0.97, (), 0, 3)
    assert [line.split(" ")[1] for line in fell.shortfalls()] == ["policy", "policy", "accuracy"]
