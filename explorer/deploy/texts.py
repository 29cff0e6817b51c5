"""What a bundle says and how it is started: its README and two scripts."""

from collections.abc import Mapping
from typing import Any

_SCRIPT = '''"""{about}"""

import sys

from runtime.{module} import main
from runtime.errors import run_command

if __name__ == "__main__":
    sys.exit(run_command(main))
'''
_ABOUT = {
    "run_edge.py": ("The edge half of this bundle: python run_edge.py --help", "edge_command"),
    "serve.py": ("The server half of this bundle: python serve.py --help", "serve_command"),
}


def script(name: str) -> str:
    """The text of ``run_edge.py`` or ``serve.py``.

    Example:
        >>> script("serve.py").splitlines()[4]
        'from runtime.serve_command import main'
    """
    about, module = _ABOUT[name]
    return _SCRIPT.format(about=about, module=module)


def readme(content: Mapping[str, Any], file_bytes: Mapping[str, int]) -> str:
    """What stands in a bundle's README.

    Args:
        content: Of the manifest.
        file_bytes: Length of every ONNX file.
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
    python run_edge.py --server http://SERVER:8080 --data npz:samples.npz

Needs `manifest.json`, `run_edge.py`, `runtime/`, `edge/` and `check/`.
Samples are arrays of shape {shape}, {dtype}, as they come: the first stage normalises them.
Payloads that are compressed need `zstandard` on both machines.

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
