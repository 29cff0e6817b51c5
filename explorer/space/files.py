"""Search space files: YAML in, a validated space out, or one message that names the key."""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from explorer.data.dataset import DataSet, load_data
from explorer.devices import Setting, load_device, load_link
from explorer.errors import UserError, naming
from explorer.space.schema import SearchSpace
from explorer.utils.numbers import shown
from explorer.utils.refusals import first_refusal
from explorer.utils.yaml_files import parse_yaml, read_yaml

SHIPPED = Path(str(files("search_spaces")))


def load_space(name: str) -> tuple[SearchSpace, str, str]:
    """Read a space file, or a shipped space by its bare name.

    Returns:
        The space, its text and its name.

    Raises:
        UserError: As of :func:`read_space`.

    Example:
        >>> space, text, name = load_space("digits")
        >>> name, list(space.objectives)
        ('digits', ['accuracy', 'edge_macs', 'edge_memory_bytes', 'payload_bytes'])
    """
    path = Path(name)
    shipped = SHIPPED / f"{name}.yaml"
    if not path.suffix and not path.exists() and path.name == name and shipped.is_file():
        path = shipped
    space, text = read_space(path)
    return space, text, path.stem


def load_space_data(space: SearchSpace, data_dir: Path | None, max_bytes: int | None = None) -> DataSet:
    """The data set that a space names.

    Args:
        space: The space.
        data_dir: Where data files lie; None: the environment variable ``EXPLORER_DATA_DIR``, or a cache.
        max_bytes: That data read from files may take in memory; None: see
            :func:`explorer.runtime.edge.claims.most_bytes`.

    Raises:
        UserError: The data cannot be read, or do not fit what the space says of them.

    Example:
        >>> data = load_space_data(load_space("digits")[0], data_dir=None)
        >>> data.input_shape, len(data.train), len(data.validation)
        ((1, 8, 8), 1037, 400)
    """
    spec = space.data
    with naming("data"):
        return load_data(
            spec.source,
            train_samples=spec.train_samples,
            validation_samples=spec.validation_samples,
            test_samples=spec.test_samples,
            seed=spec.seed,
            data_dir=data_dir,
            layout=spec.layout,
            normalise=spec.scaling,
            max_bytes=max_bytes,
        )


def load_space_setting(space: SearchSpace) -> Setting:
    """The devices and the link that a space names, with its protocol and deadline.

    Raises:
        UserError: There is no such profile, or it is not legal; names the key of the space.

    Example:
        >>> load_space_setting(load_space("digits")[0]).link.name
        'ble_2m_dle'
    """
    with naming("edge_device"):
        edge = load_device(space.edge_device)
    with naming("server_device"):
        server = load_device(space.server_device)
    with naming("link"):
        link = load_link(space.link)
    return Setting(edge, server, link, space.protocol, space.deadline_s)


def read_space(path: Path) -> tuple[SearchSpace, str]:
    """Read a search space file.

    Returns:
        The validated space and the file's text.

    Raises:
        UserError: Missing or unreadable file, no YAML, or a key that is unknown, missing or illegal; names
            the file, the key path, the rule and the value received.

    Example:
        >>> space, text = read_space(SHIPPED / "digits.yaml")
        >>> list(space.backbones), "objectives:" in text
        (['mlp', 'cnn'], True)
    """
    if not path.exists():
        shipped = ", ".join(sorted(file.name for file in SHIPPED.glob("*.yaml")))
        raise UserError(f"{path}: no such search space; shipped in search_spaces/: {shipped}")
    content, text = read_yaml(path, str(path))
    return space_from(content, str(path)), text


def parse_space(text: str, where: str) -> SearchSpace:
    """Validate the text of a search space; ``where`` names it in messages.

    Example:
        >>> parse_space("data: {source: digits}", "mine.yaml")
        Traceback (most recent call last):
            ...
        explorer.runtime.errors.UserError: mine.yaml: data.validation_samples: required key is missing
    """
    return space_from(parse_yaml(text, where), where)


def space_from(content: Mapping[str, Any], where: str = "space") -> SearchSpace:
    """Validate the content of a search space; ``where`` names it in messages.

    Example:
        >>> content = parse_yaml(load_space("digits")[1], "digits.yaml")
        >>> space_from(content | {"payload_bits": [8, 4]}).payload_bits
        [8, 4]
    """
    try:
        return SearchSpace.model_validate(dict(content))
    except ValidationError as error:
        raise UserError(f"{where}: {first_refusal(error)}") from None


def space_differences(given: SearchSpace, held: SearchSpace) -> list[str]:
    r"""What one space says otherwise than another, a phrase each; comments and order of keys do not matter.

    Example:
        >>> held, text, _ = load_space("digits")
        >>> given = parse_space("# mine\n" + text.replace("seed: 0", "seed: 4"), "mine.yaml")
        >>> space_differences(given, held)
        ['data.seed 4 instead of 0', 'training.seed 4 instead of 0']
    """
    return _differences(given.model_dump(mode="json"), held.model_dump(mode="json"), "")


def _differences(given: Any, held: Any, path: str) -> list[str]:
    if given == held:
        return []
    if not (isinstance(given, dict) and isinstance(held, dict)):
        return [f"{path} {shown(given)} instead of {shown(held)}"]
    found = []
    for key in dict.fromkeys([*held, *given]):
        at = f"{path}.{key}" if path else key
        if key in given and key in held:
            found += _differences(given[key], held[key], at)
        else:
            found.append(f"{at} {'added' if key in given else 'left out'}")
    return found


def space_text(space: SearchSpace) -> str:
    """YAML that :func:`parse_space` reads as ``space``.

    Example:
        >>> space, _, _ = load_space("digits")
        >>> parse_space(space_text(space), "written") == space
        True
    """
    content = space.model_dump(mode="json", exclude_defaults=True)
    return str(yaml.safe_dump(content, sort_keys=False))
