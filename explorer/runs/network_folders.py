"""Networks of a run folder as files. One writer; a network appears whole or not at all.

Each lies in a folder of its own, ``networks/<key>/``, where ``network.json`` has the checksum of each file.
What the files say is read by :mod:`explorer.runs.store`.
"""

import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from explorer.core.run_point import FLOAT32, INT8
from explorer.errors import UserError
from explorer.runs.folder import resume_command
from explorer.runs.record import check_schema
from explorer.runs.sealed import DamagedError, checksum, read_checked, unsealed, write_sealed
from explorer.utils.files import naming_file, read_json

_UNFINISHED, _REPLACED, _DAMAGED = ".unfinished-", ".replaced-", ".damaged-"
NETWORK, WEIGHTS = "network.json", "weights.safetensors"
POINTS, EVIDENCE, TRAINING_STATE = "points.parquet", "evidence.safetensors", "training_state.safetensors"
INT8_EVIDENCE = "int8_evidence.safetensors"  # of edge parts in int8, where the space has them
EVIDENCES = {FLOAT32: EVIDENCE, INT8: INT8_EVIDENCE}
EARLIER = "earlier"  # folder: <epochs>/ holds points and evidence of the network when it was paused there
CALIBRATION, LOGITS = "calibration.safetensors", "logits.safetensors"
_FILE = re.compile(
    rf"network\.json|weights\.safetensors|{re.escape(CALIBRATION)}|{re.escape(LOGITS)}|{re.escape(TRAINING_STATE)}"
    rf"|({EARLIER}/[1-9]\d*/)?({re.escape(POINTS)}|{re.escape(EVIDENCE)}|{re.escape(INT8_EVIDENCE)})"
)
DROPPED = (WEIGHTS, TRAINING_STATE)  # of networks that left the front
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")  # as NetworkSpec.key makes them


class NetworkFolders:
    """Files of networks by key.

    Args:
        run: The run folder; created when missing.

    Example:
        >>> folders = NetworkFolders(Path("run"))
        >>> folders.put("mlp-1", {"points.parquet": b"points"}, {"key": "mlp-1"})
        >>> list(folders), sorted(folders.read_files("mlp-1"))
        (['mlp-1'], ['network.json', 'points.parquet'])
    """

    def __init__(self, run: Path) -> None:
        self.run = run
        self.networks = run / "networks"
        self.networks.mkdir(parents=True, exist_ok=True)

    def remove_unfinished(self) -> None:
        """Remove what a killed writer left behind; for the one writer only, before it writes.

        A network taken away whose successor was not yet in its place is put back.
        """
        for old in self.networks.glob(f"{_REPLACED}*"):
            key = old.name.removeprefix(_REPLACED)
            if key in self:
                shutil.rmtree(old)
            else:
                os.rename(old, self.networks / key)
        for leftover in (*self.networks.glob(f"{_UNFINISHED}*"), *self.networks.glob(f"{_DAMAGED}*")):
            shutil.rmtree(leftover)

    def __iter__(self) -> Iterator[str]:
        """Keys of all networks stored, sorted."""
        folders = (path for path in self.networks.iterdir() if path.is_dir())
        return iter(sorted(path.name for path in folders if not path.name.startswith(".")))

    def __contains__(self, key: str) -> bool:
        return (self.networks / key).is_dir()

    def put(
        self,
        key: str,
        files: Mapping[str, bytes],
        record: Mapping[str, Any],
        publish: Callable[[dict[str, bytes]], None] | None = None,
    ) -> None:
        """Store the files of a network, new or trained further; points and evidence of fewer epochs stay.

        A writer killed here leaves the old or the new one whole, once :meth:`remove_unfinished` has run.

        Args:
            key: Of the network.
            files: Contents by name, but ``network.json``.
            record: What that says, but the checksums of the files.
            publish: Given the files as of :meth:`read_files` just before they appear here. So what is here
                is published, wherever the writer was killed.
        """
        every = {**files, **self._kept_of_earlier(key)}
        unfinished = self._write_unfinished(key, every)
        sums = {name: checksum(content) for name, content in every.items()}
        write_sealed(unfinished / NETWORK, {**record, "files": sums})
        if publish is not None:
            publish(_read_files(unfinished))
        self._move_in(unfinished, key)

    def read_files(self, key: str) -> dict[str, bytes]:
        """Contents of a network's folder by file name, to be carried to another run folder."""
        return _read_files(self.networks / key)

    def write_files(self, key: str, files: Mapping[str, bytes]) -> None:
        """Store what :meth:`read_files` read elsewhere, in place of what is here under the key.

        Raises:
            UserError: A name is no file of a network, the key is not that of the network, or a file is not
                what was written.
        """
        if unknown := [name for name in files if not _FILE.fullmatch(name)]:
            raise UserError(f"network {key!r}: no file of a network is called {unknown[0]!r}")
        if not _KEY.fullmatch(key) or json.loads(files.get(NETWORK, b"{}")).get("key") != key:
            raise UserError(f"network {key!r}: its network.json is missing or says another key")
        expected = json.loads(files[NETWORK]).get("files", {})
        for name, content in files.items():
            if name != NETWORK and checksum(content) != expected.get(name):
                raise UserError(f"network {key!r}: its {name} is not what was written (its checksum differs)")
        self._move_in(self._write_unfinished(key, files), key)

    def _write_unfinished(self, key: str, files: Mapping[str, bytes]) -> Path:
        """Write files where no reader takes them for a network."""
        folder = self.networks / f"{_UNFINISHED}{key}"
        folder.mkdir()
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with naming_file(path):
                path.write_bytes(content)
        return folder

    def _move_in(self, unfinished: Path, key: str) -> None:
        folder, replaced = self.networks / key, self.networks / f"{_REPLACED}{key}"
        if key not in self:
            os.rename(unfinished, folder)
            return
        os.rename(folder, replaced)
        os.rename(unfinished, folder)
        shutil.rmtree(replaced)

    def _kept_of_earlier(self, key: str) -> dict[str, bytes]:
        """Files of a network to be replaced that stay: points and evidence at its epochs, now and earlier."""
        if key not in self:
            return {}
        record = self.record(key)
        now = record["training"]["epochs"]
        names = {name: name for name in record["files"] if name.startswith(f"{EARLIER}/")}
        own = [name for name in (POINTS, *EVIDENCES.values()) if name in record["files"]]
        names |= {f"{EARLIER}/{now}/{name}": name for name in own}
        return {name: self.content(key, own, record) for name, own in names.items()}

    def record(self, key: str) -> dict[str, Any]:
        """What ``network.json`` says of a network.

        Raises:
            UserError: It is missing, unreadable, changed or of another schema version.
        """
        path = self.networks / key / NETWORK
        try:
            record = read_json(path)
        except UserError as error:
            raise DamagedError(str(error), self._remedy) from None
        check_schema(record, path)
        return unsealed(record, path, self._remedy)

    def content(self, key: str, name: str, record: Mapping[str, Any] | None = None) -> bytes:
        """A file of a network, as it was written.

        Args:
            key: Of the network.
            name: Of the file.
            record: What its ``network.json`` says, where that was read already.

        Raises:
            UserError: It is missing or changed.
        """
        files = (record or self.record(key))["files"]
        return read_checked(self.networks / key / name, files.get(name), self._remedy)

    @property
    def _remedy(self) -> str:
        return f"`{resume_command(self.run)}` trains the network anew"

    def check(self, key: str) -> None:
        """Read every file of a network; weights and training state may have been dropped.

        Raises:
            DamagedError: One is missing or not what was written.
        """
        record = self.record(key)
        for name in record["files"]:
            if name not in DROPPED or (self.networks / key / name).exists():
                self.content(key, name, record)

    def remove(self, key: str) -> None:
        """Forget a network, as if it had never been trained; for the one writer only."""
        away = self.networks / f"{_DAMAGED}{key}"
        os.rename(self.networks / key, away)
        shutil.rmtree(away)


def _read_files(folder: Path) -> dict[str, bytes]:
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*.*") if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if _FILE.fullmatch(name)}
