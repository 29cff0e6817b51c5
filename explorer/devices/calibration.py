"""A profile of times of operators, made from small networks that were timed on a device."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from explorer.devices.fitting import fit_times
from explorer.devices.micro_builder import MicroNetwork
from explorer.devices.profiles import DeviceProfile
from explorer.runtime.timing import PAUSE_S, QUANTILE, Timed
from explorer.utils.files import write_text

BUSY = 0.25  # spread from which on a machine did other things too
_CONVOLUTIONS = ("conv", "pointwise_conv", "depthwise_conv", "grouped_conv", "gathered_conv")


@dataclass(frozen=True)
class Check:
    """How well times of networks are predicted that were left out of the fit.

    Attributes:
        networks: How many were left out.
        median_error: Of the predicted seconds, relative.
        within_10, within_25: Shares of the networks whose error is at most 10 and 25 %.
        spearman: Rank correlation of predicted and measured seconds: of all, ``mlp`` and ``cnn``; NaN where
            there are fewer than three.

    Example:
        >>> check_of([1.0, 2.0, 3.3], [1.0, 2.0, 3.0], ["mlp"] * 3).within_25
        1.0
    """

    networks: int
    median_error: float
    within_10: float
    within_25: float
    spearman: Mapping[str, float]


def check_of(predicted: Sequence[float], measured: Sequence[float], families: Sequence[str]) -> Check:
    """Compare predicted with measured seconds.

    Example:
        >>> found = check_of([1.0, 3.0, 2.0], [1.0, 2.0, 4.0], ["cnn", "cnn", "cnn"])
        >>> found.median_error, round(found.spearman["cnn"], 2)
        (0.5, 0.5)
    """
    own, truth, family = np.array(predicted), np.array(measured), np.array(families)
    errors = np.abs(own / truth - 1.0)
    ranks = {"all": _spearman(own, truth)}
    ranks |= {name: _spearman(own[family == name], truth[family == name]) for name in np.unique(family)}
    within = [float(np.mean(errors <= limit + 1e-12)) for limit in (0.1, 0.25)]
    by_name = {str(name): rank for name, rank in ranks.items()}
    return Check(len(own), float(np.median(errors)), within[0], within[1], by_name)


def _spearman(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    if len(first) < 3:
        return float("nan")
    from scipy.stats import spearmanr  # slow to import

    return float(spearmanr(first, second).statistic)


def cross_check(networks: Sequence[MicroNetwork], timed: Mapping[str, Timed]) -> Check:
    """Fit to all networks but half of the chains of several operators, and predict these; then the others.

    Example:
        >>> cross_check(micro_networks(), timed).median_error  # doctest: +SKIP
        0.06
    """
    chains = [own for own in networks if len(own.operators) > 1]
    predicted = dict[str, float]()
    for left_out in (chains[::2], chains[1::2]):
        names = {own.name for own in left_out}
        kept = [own for own in networks if own.name not in names]
        fitted = fit_times([own.operators for own in kept], [timed[own.name].seconds for own in kept])
        predicted |= {own.name: fitted.predicted_s(own.operators) for own in left_out}
    families = ["cnn" if _has_convolution(own) else "mlp" for own in chains]
    return check_of(
        [predicted[own.name] for own in chains], [timed[own.name].seconds for own in chains], families
    )


def _has_convolution(network: MicroNetwork) -> bool:
    return any(own.kind in _CONVOLUTIONS for own in network.operators)


def calibrated_profile(
    name: str, networks: Sequence[MicroNetwork], timed: Mapping[str, Timed], where: Mapping[str, Any]
) -> DeviceProfile:
    """The profile of a device on which all of some networks were timed.

    Args:
        name: Of the profile.
        networks: What was timed.
        timed: By name of the network.
        where: ``processor``, ``threads`` and version of ``onnxruntime``.

    Example:
        >>> calibrated_profile("mine", micro_networks(), timed, where).latency_basis  # doctest: +SKIP
        'operators'
    """
    fitted = fit_times([own.operators for own in networks], [timed[own.name].seconds for own in networks])
    spread = float(np.median([own.spread for own in timed.values()]))
    runtime = f"ONNX Runtime {where['onnxruntime']}, {where['threads']} thread(s), batch 1"
    how = (
        f"measured on {where['processor']} with {runtime}: {len(networks)} small networks in turn, "
        f"{1000 * PAUSE_S:g} ms between calls, {QUANTILE:.0%} quantile"
    )
    sources = dict.fromkeys(DeviceProfile.quantities(), "not measured")
    fit = f"{how}; non-negative least squares of relative errors"
    rate = max(sum(part.macs for part in own.operators) / timed[own.name].seconds for own in networks)
    sources |= {"operators": fit, "part_overhead_s": fit}
    sources["macs_per_s"] = f"achieved by the fastest of them, {how}"
    busy = f"times spread by {spread:.0%}: the machine did other things too; calibrate it when it is idle"
    return DeviceProfile(
        name=name,
        kind="device",
        description=f"{where['processor']}, {runtime}",
        macs_per_s=rate,
        part_overhead_s=fitted.part_overhead_s,
        operators=dict(fitted.operators),
        spread=spread,
        sources=sources,
        notes=(busy,) if spread >= BUSY else (),
    )


def write_profile(path: Path, profile: DeviceProfile) -> None:
    """Write a profile as :func:`explorer.devices.load_device` reads it.

    Example:
        >>> from explorer.devices import load_device
        >>> write_profile(Path("mine.yaml"), load_device("rpi4").model_copy(update={"name": "mine"}))
        >>> load_device("mine.yaml").idle_w
        1.6
    """
    content = profile.model_dump(mode="json", exclude={"sources"})
    for quantity, source in profile.sources.items():
        content[quantity] = {"value": content[quantity], "source": source}
    known = {key: value for key, value in content.items() if value is not None and value != []}
    write_text(path, yaml.safe_dump(known, sort_keys=False, width=110, allow_unicode=True))
