"""Where a network runs: an edge device, a server, the link between them and what is spoken over it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from pydantic import ValidationError

from explorer.devices.loading import load_device, load_link
from explorer.devices.profiles import DeviceProfile, LinkProfile
from explorer.devices.protocols import ProtocolName, protocol_name
from explorer.errors import UserError, naming
from explorer.utils.refusals import first_refusal

_IN_PLACE_OF = {  # one number for what a profile may hold as several
    "tx_joules_per_bit": ("tx_alpha_w_per_bit_per_s", "tx_beta_w"),
    "message_energy_j": ("promotion_j", "tail_w"),
    "macs_per_s": ("operators",),
}


@dataclass(frozen=True)
class Setting:
    """Edge device, server device and the link between them.

    Attributes:
        edge: Runs the network up to the split point.
        server: Runs the rest.
        link: Carries payloads.
        protocol: Which messages carry them, see :mod:`explorer.devices.protocols`.
        deadline_s: When answers are late, for the share of late samples; None for never.

    Example:
        >>> setting = Setting.load(edge="rpi4", server="xeon_8124m", link="wifi_huang2012")
        >>> setting.with_changes(["link.rtt_s=0.5"]).link.rtt_s, setting.protocol
        (0.5, 'http')
    """

    edge: DeviceProfile
    server: DeviceProfile
    link: LinkProfile
    protocol: ProtocolName = "http"
    deadline_s: float | None = None

    @classmethod
    def load(cls, edge: str, server: str, link: str, protocol: str = "http") -> Self:
        """Read three profiles by the names of shipped ones, or from YAML files.

        Raises:
            UserError: There is no such profile or protocol, or a profile is not legal.
        """
        with naming("edge"):
            edge_profile = load_device(edge)
        with naming("server"):
            server_profile = load_device(server)
        with naming("link"):
            link_profile = load_link(link)
        return cls(edge_profile, server_profile, link_profile, protocol_name(protocol))

    @classmethod
    def from_json(
        cls, profiles: Mapping[str, Any], protocol: ProtocolName, deadline_s: float | None = None
    ) -> Self:
        """Inverse of :meth:`to_json`, which leaves protocol and deadline out."""
        return cls(
            DeviceProfile.model_validate(profiles["edge"]),
            DeviceProfile.model_validate(profiles["server"]),
            LinkProfile.model_validate(profiles["link"]),
            protocol,
            deadline_s,
        )

    @property
    def profiles(self) -> dict[str, DeviceProfile | LinkProfile]:
        """The three profiles by role."""
        return {"edge": self.edge, "server": self.server, "link": self.link}

    def to_json(self) -> dict[str, Any]:
        """All numbers of the three profiles as plain data, by role."""
        return {role: profile.model_dump(mode="json") for role, profile in self.profiles.items()}

    @property
    def text(self) -> str:
        """Names of the profiles and the protocol, and the deadline where there is one.

        Example:
            >>> Setting.load(edge="rpi4", server="nvidia_t4", link="lte_2021").text
            'edge rpi4, server nvidia_t4, link lte_2021, protocol http'
        """
        late = "" if self.deadline_s is None else f", deadline {self.deadline_s:g} s"
        names = ", ".join(f"{role} {profile.name}" for role, profile in self.profiles.items())
        return f"{names}, protocol {self.protocol}{late}"

    @property
    def latency_basis(self) -> str:
        """What modelled times of edge and server rest on, see :class:`explorer.devices.DeviceProfile`.

        Example:
            >>> Setting.load(edge="rpi4", server="nvidia_t4", link="lte_2021").latency_basis
            'edge and server: roofline, lower bound'
        """
        edge, server = _basis(self.edge), _basis(self.server)
        return f"edge and server: {edge}" if edge == server else f"edge: {edge}; server: {server}"

    def missing(self) -> dict[str, list[str]]:
        """Quantities that each profile lacks, by role; derived columns that need them are empty."""
        return {role: profile.missing() for role, profile in self.profiles.items()}

    def with_profiles(
        self,
        edge: str | None = None,
        server: str | None = None,
        link: str | None = None,
        protocol: str | None = None,
        deadline_s: float | None = None,
    ) -> "Setting":
        """The setting with other profiles, another protocol and deadline, in the place of those named.

        Raises:
            UserError: There is no such profile or protocol, or a profile is not legal.
        """
        with naming("edge"):
            edge_profile = load_device(edge) if edge else self.edge
        with naming("server"):
            server_profile = load_device(server) if server else self.server
        with naming("link"):
            link_profile = load_link(link) if link else self.link
        deadline_s = self.deadline_s if deadline_s is None else deadline_s
        named = protocol_name(protocol) if protocol else self.protocol
        return Setting(edge_profile, server_profile, link_profile, named, deadline_s)

    def with_changes(self, changes: Sequence[str]) -> "Setting":
        """The setting with single numbers changed.

        Args:
            changes: Such as ``link.uplink_bits_per_s=250000`` or ``edge.operators.conv.s_per_mac=1e-10``.

        Raises:
            UserError: Unknown quantity, or a value that is not legal.
        """
        profiles: dict[str, Any] = self.profiles
        for change in changes:
            path, _, text = change.partition("=")
            role, _, whole = path.partition(".")
            quantity, *inside = whole.split(".")
            if role not in profiles or quantity not in profiles[role].quantities():
                known = ", ".join(f"{r}.{q}" for r, profile in profiles.items() for q in profile.quantities())
                raise UserError(f"--set: must read `ROLE.QUANTITY=NUMBER`, got {change!r}; known: {known}")
            content = profiles[role].model_dump() | dict.fromkeys(_IN_PLACE_OF.get(quantity, ()))
            place = content
            for name in [quantity, *inside][:-1]:
                place[name] = place = dict(place.get(name) or {})
            place[[quantity, *inside][-1]] = _number(text, change)
            try:
                profiles[role] = type(profiles[role]).model_validate(content)
            except ValidationError as error:
                raise UserError(f"--set {change}: {first_refusal(error, role)}") from error
        return replace(self, **profiles)


def _basis(device: DeviceProfile) -> str:
    """With how much the times behind it varied, where that is known."""
    spread = "" if device.spread is None else f", whose times spread by {device.spread:.0%}"
    return f"{device.latency_basis}{spread}"


def _number(text: str, change: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UserError(f"--set: must end in a number, got {change!r}") from None
