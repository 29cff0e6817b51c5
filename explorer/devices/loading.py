"""Find and read profiles: shipped ones by name, a user's own by path, this machine as ``host``."""

from collections.abc import Callable
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from explorer.devices.host import HOST, calibrate_host, host_file
from explorer.devices.profiles import DeviceProfile, LinkProfile, Profile
from explorer.errors import UserError
from explorer.utils.refusals import first_refusal
from explorer.utils.yaml_files import read_yaml

P = TypeVar("P", bound=Profile)
M = TypeVar("M", bound=BaseModel)

_SUFFIX = ".yaml"


class _Entry(BaseModel):
    """One quantity as it stands in a file; the profile checks the value."""

    model_config = ConfigDict(extra="forbid")
    value: Any
    source: Annotated[str, Field(min_length=1, strict=True)]


def device_names() -> list[str]:
    """Names of the shipped device profiles, sorted; ``host`` is legal too and not among them.

    Example:
        >>> device_names()[:4]
        ['esp32', 'jetson_nano', 'jetson_nano_gpu', 'jetson_orin_nano']
    """
    return [name for name, kind in _shipped_kinds().items() if kind == "device"]


def link_names() -> list[str]:
    """Names of the shipped link profiles, sorted.

    Example:
        >>> link_names()[:2]
        ['ble_1m_dle', 'ble_2m_dle']
    """
    return [name for name, kind in _shipped_kinds().items() if kind == "link"]


def load_device(name_or_path: str | Path) -> DeviceProfile:
    """Load a device profile.

    Args:
        name_or_path: Name of a shipped profile, path of a profile that ends in ``.yaml``, or ``host``: this
            machine, timed for some seconds the first time; ``explorer calibrate --host`` does so anew.

    Raises:
        UserError: Unknown name, unreadable file, wrong kind, unknown key or illegal value.

    Example:
        >>> device = load_device("stm32h7a3")
        >>> device.ram_bytes, device.sources["ram_bytes"]
        (1190000.0, 'as the vendor states it, 1.19 MB')
    """
    if name_or_path == HOST:
        return _host()
    return _load(name_or_path, DeviceProfile, lambda: [*device_names(), HOST])


def _host() -> DeviceProfile:
    """As it was calibrated; a file that cannot be read is the same as none."""
    try:
        return _parse(read_yaml(host_file(), HOST)[0], DeviceProfile, HOST, HOST)
    except UserError:
        return calibrate_host()


def load_link(name_or_path: str | Path) -> LinkProfile:
    """Load a link profile, as :func:`load_device` does for devices.

    Example:
        >>> load_link("ble_2m_dle").uplink_bits_per_s
        2000000.0
    """
    return _load(name_or_path, LinkProfile, link_names)


def _shipped() -> dict[str, Traversable]:
    files = resources.files("explorer.devices").iterdir()
    return {file.name.removesuffix(_SUFFIX): file for file in files if file.name.endswith(_SUFFIX)}


@cache
def _shipped_kinds() -> dict[str, str]:
    return {name: str(read_yaml(file, file.name)[0]["kind"]) for name, file in sorted(_shipped().items())}


def _load(name_or_path: str | Path, model: type[P], known: Callable[[], list[str]]) -> P:
    """Only a text that ends in ``.yaml`` is a path; every other must be a shipped name as it stands."""
    name = str(name_or_path)
    if name.endswith(_SUFFIX):
        return _parse(read_yaml(Path(name), name)[0], model, name, Path(name).name.removesuffix(_SUFFIX))
    shipped = _shipped()
    if name not in shipped:
        choice = f"{', '.join(known())}, or a path that ends in {_SUFFIX}"
        raise UserError(f"unknown profile {name!r}; known: {choice}")
    file = shipped[name]
    return _parse(read_yaml(file, file.name)[0], model, file.name, name)


def _parse(content: dict[str, Any], model: type[P], where: str, stem: str) -> P:
    """Turn ``quantity: {value, source}`` into plain attributes and a table of sources."""
    if "sources" in content:
        raise UserError(f"{where}: sources: unknown key; every quantity carries its own source")
    quantities = model.quantities()
    flat = {key: value for key, value in content.items() if key not in quantities}
    sources = dict.fromkeys(quantities, "not given in the profile")
    for key in content.keys() & set(quantities):
        entry = _validate(_Entry, content[key], where, key)
        flat[key], sources[key] = entry.value, entry.source
    profile = _validate(model, flat | {"sources": sources}, where)
    if profile.name != stem:
        raise UserError(f"{where}: name: must equal the file's name {stem!r}, got {profile.name!r}")
    return profile


def _validate(model: type[M], content: object, where: str, *prefix: str) -> M:
    """Validate; the first error names the file, the key, the rule and what was found there."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        raise UserError(f"{where}: {first_refusal(error, *prefix)}") from error
