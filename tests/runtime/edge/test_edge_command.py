"""The edge's command: what it prints, its exit codes, and that a bundle runs with little installed."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundles import TinyNet, TinyPoint, tiny_bundle, tiny_samples, write_manifest
from scripted_server import reply, scripted_server

from explorer import edge
from explorer.errors import EXIT_UNREAD, run_command
from explorer.runtime.edge import command as edge_command
from explorer.runtime.edge.edge_runtime import open_edge
from explorer.runtime.errors import BundleError

SAMPLES = tiny_samples(40)
NET = TinyNet()
SPLIT, NO_EXIT, OUTPUT = TinyPoint(), TinyPoint(threshold=None), TinyPoint("output", threshold=None)


@pytest.fixture
def data(tmp_path: Path) -> str:
    labels = [NET.exit_label(sample) for sample in SAMPLES]
    np.savez(tmp_path / "data.npz", x_test=SAMPLES, y_test=labels)
    return f"npz:{tmp_path / 'data.npz'}"


def run(*arguments: object) -> int:
    """As ``explorer edge`` runs, errors in one line."""
    return run_command(lambda: edge.main([str(word) for word in arguments]))


def test_json_has_a_line_for_each_sample_and_one_for_all(
    tmp_path: Path, data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tiny_bundle(tmp_path / "b", SPLIT)
    with scripted_server(reply(b"{}", "503 Busy")) as server:
        assert run(folder, "--server", server.url, "--data", data, "--json") == 0
    *lines, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert [line["sample"] for line in lines] == list(range(40))
    sure = [NET.exit_confidence(sample) >= 0.5 for sample in SAMPLES]
    assert [line["source"] for line in lines] == ["exit" if own else "edge_fallback" for own in sure]
    for line, sample in zip(lines, SAMPLES, strict=True):
        assert line["label"] == line["truth"] == NET.exit_label(sample)
        assert line["class"] == "abc"[line["label"]]
        assert line["point"] == "tiny-0"
        assert line["latency_s"] > 0
        assert (line["reason"] is None) == (line["source"] == "exit")
    summary = last["summary"]
    assert (summary["samples"], summary["answered"], summary["failed"]) == (40, 40, 0)
    assert summary["sources"] == {"exit": sum(sure), "server": 0, "edge_fallback": 40 - sum(sure)}
    assert summary["accuracy"] == 1.0
    assert summary["sent_bytes"] == sum(line["sent_bytes"] for line in lines) == 3 * (384 + 10 + 8)
    assert summary["breaker_openings"] == 1
    assert sum(summary["reasons"].values()) == 40 - sum(sure)


def test_people_get_a_table(tmp_path: Path, data: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tiny_bundle(tmp_path / "b", SPLIT), "--data", data) == 0
    printed = capsys.readouterr().out
    first, head, *rows = printed.splitlines()
    assert first == "40 samples, 40 answered, accuracy 100.00 %"
    assert head.split() == ["source", "samples", "p50", "ms", "p95", "ms", "p99", "ms"]
    assert [row.split()[0] for row in rows[:4]] == ["all", "exit", "server", "edge_fallback"]
    assert rows[2].split()[1:] == ["0", "-", "-", "-"]
    assert rows[4].endswith(": no server was named")
    assert rows[-1] == "0 bytes sent, 0 received, 0 connections"


def test_samples_without_answer_are_counted_and_the_exit_code_says_so(
    tmp_path: Path, data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tiny_bundle(tmp_path / "b", NO_EXIT)
    assert run(folder, "--server", "http://127.0.0.1:1", "--data", data, "--json") == 1
    printed = capsys.readouterr()
    *lines, last = map(json.loads, printed.out.splitlines())
    assert len(lines) == 40
    assert all(line["label"] is None and line["source"] is None for line in lines)
    assert all("connection refused" in line["reason"] for line in lines)
    assert (last["summary"]["answered"], last["summary"]["failed"]) == (0, 40)
    assert "error: 37 of 40 samples have no answer: the edge has no exit" in printed.err
    assert "Traceback" not in printed.err


def test_no_guess_where_nobody_could_answer(
    tmp_path: Path, data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tiny_bundle(tmp_path / "b", NO_EXIT), "--data", data) == 2
    assert "has no exit to answer by, so --server must name one" in capsys.readouterr().err
    assert run(tiny_bundle(tmp_path / "c", NO_EXIT, OUTPUT), "--data", data) == 0  # by the other point


def test_limit(tmp_path: Path, data: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tiny_bundle(tmp_path / "b", OUTPUT), "--data", data, "--limit", 7, "--json") == 0
    assert len(capsys.readouterr().out.splitlines()) == 8


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--data", "npz:missing.npz"], "No such file or directory (missing.npz)"),
        (["--data", "csv:x"], "--data must be npz:FILE, folder:DIR or -, got 'csv:x'"),
        (["--data", "-", "--server", "localhost:80"], "the server's URL must be http(s)://HOST[:PORT]"),
        (["--data", "-", "--server", "http://s", "--token-file", "none"], "No such file or directory (none)"),
        (["--data", "-", "--server", "http://s", "--token-file", "empty"], "empty must hold a token"),
        (["--data", "-", "--server", "https://s", "--ca-file", "empty"], "empty must hold certificates"),
        (["--data", "-", "--server", "http://s", "--ca-file", "empty"], "are of use with https only"),
    ],
)
def test_bad_input_is_one_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").write_text("")
    assert run(tiny_bundle(tmp_path / "b"), *options) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("options", [["--timeout", "0"], ["--timeout", "nan"], ["--limit", "0"], []])
def test_bad_options_name_the_option(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        run("b", *options, *(["--data", "-"] if options else []))
    assert (options or ["--data"])[0] in capsys.readouterr().err


def test_a_damaged_bundle_is_refused_by_the_file(
    tmp_path: Path, data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tiny_bundle(tmp_path / "b", SPLIT)
    stage = folder / "edge" / "stage-0.onnx"
    stage.write_bytes(stage.read_bytes()[:-1] + b"!")
    assert run(folder, "--data", data) == 2
    assert "stage-0.onnx: is damaged" in capsys.readouterr().err


def test_a_machine_that_computes_other_values_is_refused(
    tmp_path: Path, data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tiny_bundle(tmp_path / "b", SPLIT)
    file = folder / "check" / "samples.npz"
    with np.load(file) as known:
        changed = {name: known[name] + (0.1 if name == "0.logits" else 0.0) for name in known.files}
    np.savez(file, **changed)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"]["check/samples.npz"]["sha256"] = hashlib.sha256(file.read_bytes()).hexdigest()
    write_manifest(folder, manifest)
    assert run(folder, "--data", data) == 2
    assert "point tiny-0: logits differs by" in capsys.readouterr().err
    with pytest.raises(BundleError, match="logits differs by"):
        open_edge(folder)


def test_a_token_in_clear_is_warned_of(tmp_path: Path, data: str, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "token").write_text(" secret\n")
    options = ["--server", "http://192.0.2.1", "--timeout", "0.01", "--token-file", tmp_path / "token"]
    assert run(tiny_bundle(tmp_path / "b"), "--data", data, "--limit", 1, *options) == 0
    error = capsys.readouterr().err
    assert error.startswith("warning: the token crosses the network without encryption")
    assert "secret" not in error


# what follows runs a bundle's own script, in a process of its own

ONLY = """
import importlib.abc, sys
ALLOWED = {"numpy", "onnxruntime", "runtime", "run_edge", "__main__"}
ALLOWED |= {"google", "flatbuffers", "packaging", "sympy", "mpmath"}  # what ONNX Runtime brings
class Refuse(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in ALLOWED and top not in sys.stdlib_module_names:
            raise ModuleNotFoundError(f"refused: {name}", name=name)
        return None
sys.meta_path.insert(0, Refuse())
"""


def script(folder: Path, *arguments: object, before: str = ONLY, **how: Any) -> subprocess.Popen[bytes]:
    """``run_edge.py`` of a bundle; only the standard library, numpy and ONNX Runtime can be imported."""
    code = f"{before}import runpy; del sys.argv[0]; runpy.run_path(sys.argv[0], run_name='__main__')"
    words = [sys.executable, "-c", code, str(folder / "run_edge.py"), *map(str, arguments)]
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen(words, cwd="/", env=clean, **(pipes | how))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_bundle(tmp_path_factory.mktemp("whole") / "b", SPLIT, with_runtime=True)


def test_script_needs_numpy_and_onnxruntime_only(whole: Path, data: str) -> None:
    out, err = script(whole, "--data", data, "--json").communicate(timeout=60)
    assert err == b""
    assert json.loads(out.splitlines()[-1])["summary"]["answered"] == 40


def test_a_missing_package_is_named_at_the_start(tmp_path: Path, data: str) -> None:
    folder = tiny_bundle(tmp_path / "b", TinyPoint(entropy="zstd"), with_runtime=True)
    out, err = script(folder, "--data", data, "--json").communicate(timeout=60)
    assert (out, err) == (b"", b"error: compressed payloads need the Python package zstandard\n")


def test_programs_use_the_class_behind_it(whole: Path) -> None:
    code = f"{ONLY}sys.path.insert(0, {str(whole)!r})\n" + (
        "import numpy, run_edge\n"
        "edge = run_edge.open_edge('http://127.0.0.1:1', timeout_s=0.5)\n"
        "print(edge.answer(numpy.zeros((1, 4, 4), numpy.float32)).source)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="/")
    assert done.stdout in ("exit\n", "edge_fallback\n")


def test_a_stream_is_answered_sample_by_sample(whole: Path) -> None:
    process = script(whole, "--data", "-", "--json")
    assert process.stdin is not None
    assert process.stdout is not None
    for number, sample in enumerate(SAMPLES[:5]):
        process.stdin.write(sample.astype("<f4").tobytes())
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["sample"] == number  # before the next is written
    process.stdin.write(b"torn")
    out, err = process.communicate(timeout=60)
    assert json.loads(out)["summary"]["answered"] == 5
    assert err == b"error: standard input must hold float32 samples of 64 bytes each, sample 5 has 4\n"
    assert process.returncode == 2


@pytest.mark.parametrize(
    ("number", "code", "said"), [(signal.SIGINT, 130, b"interrupted\n"), (signal.SIGTERM, 0, b"")]
)
def test_a_run_that_is_ended_still_counts(
    whole: Path, number: signal.Signals, code: int, said: bytes
) -> None:
    process = script(whole, "--data", "-", "--json")
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(SAMPLES[0].tobytes())
    process.stdin.flush()
    process.stdout.readline()
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert json.loads(out)["summary"]["answered"] == 1
    assert (process.returncode, err) == (code, said)


def test_a_reader_that_goes_away_ends_the_run_quietly(whole: Path, data: str) -> None:
    process = script(whole, "--data", data, "--json")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(timeout=60) == EXIT_UNREAD


def test_help_imports_nothing_heavy(whole: Path) -> None:
    code = (
        "import sys; from explorer import edge\n"
        "import explorer.runtime.edge.command\n"
        "assert not {'numpy', 'onnxruntime', 'tornado'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert edge_command.EXIT_NOT_ALL_ANSWERED == 1
