"""The page's modules in Node, without a browser."""

import json
import shutil
import subprocess
from typing import Any

from explorer.report.html import ASSETS

NODE = shutil.which("node")


def run_node(script: str, content: Any) -> Any:
    """Run an ES module that may import the page's files; ``input`` is ``content``, it prints JSON."""
    prelude = "import { readFileSync } from 'node:fs';\nconst input = JSON.parse(readFileSync(0, 'utf8'));\n"
    module = prelude + script.replace("./", f"{ASSETS.as_uri()}/")
    command = [str(NODE), "--input-type=module", "-e", module]
    done = subprocess.run(command, input=json.dumps(content), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
