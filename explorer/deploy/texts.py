"""What a bundle says and how it is started: its README and two scripts."""

from collections.abc import Mapping
from typing import Any

_RUN_EDGE = '''"""Run the edge half of this bundle: python run_edge.py --server URL --data npz:FILE

It needs Python 3.11, numpy and onnxruntime; --help names all options. Programs use the class behind it:

    from run_edge import open_edge

    edge = open_edge("http://192.168.1.20:8080", timeout_s=0.5)
    answer = edge.answer(sample)  # a numpy array, as it comes from the sensor
    print(answer.label, answer.source, answer.confidence)
"""

import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER))  # where the runtime lies, whoever imports this


def open_edge(server=None, **options):
    """The edge of this bundle, ready to answer; see runtime/edge/edge_runtime.py for the options."""
    from runtime.edge.edge_runtime import open_edge as open_bundle

    return open_bundle(FOLDER, server, **options)


if __name__ == "__main__":
    from runtime.edge.command import main

    sys.exit(main(folder=FOLDER))
'''
_SERVE = '''"""Serve this bundle, or those that are named: python serve.py

It needs Python 3.11, numpy, onnxruntime and tornado; --help names all options.
"""

import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER))  # where the runtime lies

if __name__ == "__main__":
    from runtime.server.command import main

    sys.exit(main(folder=FOLDER))
'''
_SCRIPTS = {"run_edge.py": _RUN_EDGE, "serve.py": _SERVE}


def script(name: str) -> str:
    """The text of ``run_edge.py`` or ``serve.py``.

    Example:
        >>> script("serve.py").splitlines()[-1]
        '    sys.exit(main(folder=FOLDER))'
    """
    return _SCRIPTS[name]


def readme(content: Mapping[str, Any], file_bytes: Mapping[str, int]) -> str:
    """What stands in a bundle's README.

    Args:
        content: Of the manifest.
        file_bytes: Length of every ONNX file.

    Example:
        >>> point = {"id": "mlp-0.1", "payload": None, "exit_rate": 1.0}
        >>> known = {"shape": [64], "dtype": "float32"}
        >>> text = readme({"name": "digits", "run": "digits", "points": [point], "input": known}, {})
        >>> text.splitlines()[4]
        '- `mlp-0.1`: everything runs on the edge device.'
    """
    sizes = "\n".join(f"| `{path}` | {size:,} |" for path, size in file_bytes.items())
    points = "\n".join(f"- {_described(point)}" for point in content["points"])
    shape, dtype = tuple(content["input"]["shape"]), content["input"]["dtype"]
    return f"""# {content["name"]}

Two halves of one network, from the run `{content["run"]}`.

{points}

## Server

    pip install numpy onnxruntime tornado prometheus-client
    python serve.py --host 0.0.0.0 --port 8080

Needs `manifest.json`, `serve.py`, `runtime/`, `server/` and `check/`.

## Edge device

    pip install numpy onnxruntime
    python run_edge.py --server http://SERVER:8080 --data npz:check/test.npz

Needs `manifest.json`, `run_edge.py`, `runtime/`, `edge/` and `check/`.
Samples are arrays of shape {shape}, {dtype}, as they come: the first stage normalises them.
Payloads that are compressed need `zstandard` on both machines.

`check/test.npz` holds labelled samples of the test subset, to try it with.

Both halves check their files by SHA-256 and their values by the samples in `check/` before they start.
The server refuses an edge of another bundle by the digest in `manifest.json`.

| file | bytes |
|---|---|
{sizes}
"""


def _described(point: Mapping[str, Any]) -> str:
    share = point["exit_rate"]
    if point["payload"] is None:
        return f"`{point['id']}`: everything runs on the edge device."
    sends = f"{point['message_bytes']:.0f} bytes at {point['payload']['bits']} bits a value"
    if point["exit"] is None:
        return f"`{point['id']}`: cut at `{point['split_point']}`, every sample is sent, {sends}."
    return (
        f"`{point['id']}`: cut at `{point['split_point']}`; the edge answers {share:.0%} of the samples, "
        f"from a confidence of {point['exit']['threshold']:.4g}, and sends the others, {sends}."
    )
