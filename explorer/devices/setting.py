"""Where a network runs: an edge device, a server and the link between them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from pydantic import ValidationError

from explorer.devices.loading import load_device, load_link
from explorer.devices.profiles import DeviceProfile, LinkProfile
from explorer.errors import UserError


@dataclass(frozen=True)
class Setting:
    """Edge device, server device and the link between them.

    Example:
        >>> setting = Setting.load(edge="rpi4", server="xeon_8124m", link="wifi_huang2012")
        >>> setting.with_changes(["link.rtt_s=0.5"]).link.rtt_s
        0.5
    """

    edge: DeviceProfile
    server: DeviceProfile
    link: LinkProfile

    @classmethod
    def load(cls, edge: str, server: str, link: str) -> Self:
        """Read three profiles by the names of shipped ones, or from YAML files.

        Raises:
            UserError: There is no such profile, or it is not legal.
        """
        return cls(load_device(edge), load_device(server), load_link(link))

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Inverse of :meth:`to_json`."""
        return cls(
            DeviceProfile.model_validate(content["edge"]),
            DeviceProfile.model_validate(content["server"]),
            LinkProfile.model_validate(content["link"]),
        )

    def to_json(self) -> dict[str, Any]:
        """All numbers of the three profiles as plain data, by role."""
        return {role: profile.model_dump(mode="json") for role, profile in vars(self).items()}

    def missing(self) -> dict[str, list[str]]:
        """Quantities that each profile lacks, by role; derived columns that need them are empty."""
        return {role: profile.missing() for role, profile in vars(self).items()}

    def with_profiles(
        self, edge: str | None = None, server: str | None = None, link: str | None = None
    ) -> "Setting":
        """The setting with other profiles in the place of those named.

        Raises:
            UserError: There is no such profile, or it is not legal.
        """
        return Setting(
            load_device(edge) if edge else self.edge,
            load_device(server) if server else self.server,
            load_link(link) if link else self.link,
        )

    def with_changes(self, changes: Sequence[str]) -> "Setting":
        """The setting with single numbers changed.

        Args:
            changes: Such as ``link.uplink_bits_per_s=250000``.

        Raises:
            UserError: Unknown quantity, or a value that is not legal.
        """
        profiles: dict[str, Any] = dict(vars(self))
        for change in changes:
            path, _, text = change.partition("=")
            role, _, quantity = path.partition(".")
            if role not in profiles or quantity not in profiles[role].quantities():
                known = ", ".join(f"{r}.{q}" for r, profile in profiles.items() for q in profile.quantities())
                raise UserError(f"--set: must read `ROLE.QUANTITY=NUMBER`, got {change!r}; known: {known}")
            content = profiles[role].model_dump() | {quantity: _number(text, change)}
            if quantity == "tx_joules_per_bit":  # in place of a power that grows with the rate
                content |= {"tx_alpha_w_per_bit_per_s": None, "tx_beta_w": None}
            try:
                profiles[role] = type(profiles[role]).model_validate(content)
            except ValidationError as error:
                raise UserError(f"--set {change}: {error.errors()[0]['msg']}") from error
        return Setting(**profiles)


def _number(text: str, change: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UserError(f"--set: must end in a number, got {change!r}") from None
