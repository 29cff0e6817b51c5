"""What is known about a device or a link: numbers in SI units, each with its source, absent ones as None."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from explorer.devices.operators import KINDS, OTHER
from explorer.utils.numbers import Number

Positive = Annotated[Number, Field(gt=0)]
NonNegative = Annotated[Number, Field(ge=0)]
Share = Annotated[Number, Field(ge=0, lt=1)]
PositiveShare = Annotated[Number, Field(gt=0, le=1)]
SpreadingFactor = Annotated[Number, Field(ge=6, le=12, multiple_of=1)]
BlockSymbols = Annotated[Number, Field(ge=5, le=8, multiple_of=1)]

LatencyBasis = Literal["operators", "roofline", "roofline, lower bound"]


def _known_kind(kind: str) -> str:
    if kind not in KINDS:
        raise ValueError(f"must be one of {', '.join(KINDS)}")
    return kind


OperatorKind = Annotated[str, AfterValidator(_known_kind)]


class OperatorTimes(BaseModel):
    """What operators of one kind take: the sum of four terms.

    Attributes:
        s_per_call: Seconds of a call.
        s_per_mac: Seconds of a multiply-accumulate, those with stored zeros included.
        s_per_byte: Seconds of a byte read or written, gathered ones included.
        s_per_group: Seconds of a group, for products in groups or blocks.

    Example:
        >>> OperatorTimes(s_per_call=1e-6, s_per_mac=1e-9).s_per_byte
        0.0
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    s_per_call: NonNegative = 0.0
    s_per_mac: NonNegative = 0.0
    s_per_byte: NonNegative = 0.0
    s_per_group: NonNegative = 0.0

    @property
    def terms(self) -> tuple[float, float, float, float]:
        """Seconds per call, per multiply-accumulate, per byte, per group."""
        return self.s_per_call, self.s_per_mac, self.s_per_byte, self.s_per_group


class Profile(BaseModel):
    """What devices and links have in common.

    Attributes:
        name: Name of the profile; a file's name without ``.yaml``.
        description: One line for a person.
        notes: What a person should know before trusting the numbers.
        sources: Where each quantity comes from, or why it is absent; one entry per quantity.

    Example:
        >>> LinkProfile(name="mine", kind="link", description="bench", rtt_s=0.05).missing()[:2]
        ['uplink_bits_per_s', 'tx_joules_per_bit']
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    _follows_from: ClassVar[dict[str, str]] = {}
    _about: ClassVar[tuple[str, ...]] = ("name", "kind", "description", "notes", "sources")

    name: str
    kind: str
    description: str
    notes: tuple[str, ...] = ()
    sources: dict[str, str] = Field(default_factory=dict)

    @classmethod
    def quantities(cls) -> list[str]:
        """Names of the numbers such a profile can hold, in the order of declaration."""
        return [name for name in cls.model_fields if name not in cls._about]

    def missing(self) -> list[str]:
        """Names of the quantities without a value: what no model may assume."""
        return [name for name in self.quantities() if getattr(self, name) is None]

    @classmethod
    def spelled(cls, quantity: str) -> str:
        """What a profile must hold for a quantity that may follow from others."""
        return cls._follows_from.get(quantity, quantity)


class DeviceProfile(Profile):
    """A machine that runs a part of a network.

    Attributes:
        macs_per_s: float32 multiply-accumulates per second at batch 1; the source says whether the rate was
            achieved by a network or is the peak of the hardware.
        macs_per_s_int8: The same of integers of 8 bits with sums of 32; see :attr:`for_int8`.
        memory_bandwidth_bytes_per_s: Bytes read plus bytes written per second.
        call_overhead_s: Fixed cost of one operator call beyond what an achieved rate contains.
        idle_w: Power while awake and waiting.
        active_w: Power while computing.
        sleep_w: Power while asleep between samples, memory kept.
        ram_bytes: Memory for activations (and for parameters where there is no flash).
        flash_bytes: Memory for parameters.
        part_overhead_s: Fixed cost of running a part, whatever is in it: calling the runtime, handing over.
        operators: What operators take by their kind, see :data:`explorer.devices.operators.KINDS`; where a
            profile has it, it takes the place of rate, bandwidth and call overhead. It must hold the kind
            ``other``, which stands for the kinds that it lacks.
        spread: How much the times behind ``operators`` varied: the median over what was timed of the distance
            between the quartiles, relative to the median time.

    Example:
        >>> device = DeviceProfile(name="mine", kind="device", description="bench", macs_per_s=2e9)
        >>> device.macs_per_s, device.active_w, DeviceProfile.quantities()[:2]
        (2000000000.0, None, ['macs_per_s', 'memory_bandwidth_bytes_per_s'])
    """

    _about: ClassVar[tuple[str, ...]] = (*Profile._about, "spread")
    _follows_from: ClassVar[dict[str, str]] = {"compute_times": "macs_per_s, or operators"}

    kind: Literal["device"]
    macs_per_s: Positive | None = None
    memory_bandwidth_bytes_per_s: Positive | None = None
    call_overhead_s: NonNegative | None = None
    idle_w: NonNegative | None = None
    active_w: Positive | None = None
    sleep_w: NonNegative | None = None
    ram_bytes: Positive | None = None
    flash_bytes: Positive | None = None
    part_overhead_s: NonNegative | None = None
    macs_per_s_int8: Positive | None = None
    operators: dict[OperatorKind, OperatorTimes] | None = None
    spread: NonNegative | None = None

    @property
    def compute_times(self) -> float | dict[str, OperatorTimes] | None:
        """What times of operators follow from; None where nothing is known."""
        return self.macs_per_s if self.operators is None else self.operators

    @property
    def for_int8(self) -> "DeviceProfile":
        """The device as parts of a network find it whose values have 8 bits.

        Its rate is that for int8, and a quarter of the bytes is moved. Nothing is known of times where there
        is no such rate: times of operators are those of float32.

        Example:
            >>> device = DeviceProfile(name="mine", kind="device", description="bench", macs_per_s=2e9)
            >>> print(device.for_int8.macs_per_s)
            None
        """
        bandwidth = self.memory_bandwidth_bytes_per_s
        quarter = None if bandwidth is None else 4 * bandwidth
        changes = {"macs_per_s": self.macs_per_s_int8, "memory_bandwidth_bytes_per_s": quarter}
        return self.model_copy(update=changes | {"operators": None})

    def missing(self) -> list[str]:
        """As of all profiles; of rate and times of operators one suffices."""
        instead = "macs_per_s" if self.operators is not None else "operators"
        known = self.compute_times is not None
        return [name for name in super().missing() if not (known and name == instead)]

    @property
    def latency_basis(self) -> LatencyBasis:
        """What modelled times of this device rest on: times of operators, or a roofline.

        A roofline without the fixed costs of operators and parts promises too much of small networks.
        """
        if self.operators is not None:
            return "operators"
        fixed = (self.call_overhead_s, self.part_overhead_s)
        return "roofline, lower bound" if None in fixed else "roofline"

    def times_of(self, kind: str) -> OperatorTimes:
        """What operators of a kind take; those of ``other`` where the kind is not in the profile."""
        assert self.operators is not None
        return self.operators.get(kind, self.operators[OTHER])

    @model_validator(mode="after")
    def _any_kind(self) -> Self:
        if self.operators is not None and OTHER not in self.operators:
            raise ValueError(f"operators must hold the kind {OTHER!r}")
        return self


class LinkProfile(Profile):
    """A way from the edge device to the server.

    Transmit energy is known either per bit or as a power that grows with the rate,
    ``tx_alpha_w_per_bit_per_s * uplink_bits_per_s + tx_beta_w``; never both. What a message costs beyond its
    bits is known either as one number or as promotion and tail of the radio; never both.

    Attributes:
        uplink_bits_per_s: Rate of the bits that ``payload + headers`` counts; of LoRa that of its modulation.
        rtt_s: Time from the last bit sent to the first bit of an answer, without the payload's own time.
        tx_joules_per_bit: Energy of the edge device's radio per such bit.
        tx_alpha_w_per_bit_per_s: Growth of transmit power with the rate.
        tx_beta_w: Transmit power at rate zero.
        message_energy_j: Energy of one isolated message beyond its bits; 0 only where there is none.
        promotion_s: Time until a radio that rests may send.
        promotion_j: Energy of the radio during that time.
        tail_s: Time for which the radio stays up after a message.
        tail_w: Power of the radio during that time.
        header_bytes_per_message: Bytes on top of every message that the rate does not contain yet.
        header_bytes_per_packet: Bytes on top of every packet that the rate does not contain yet; gaps and
            acknowledgements of a fixed time count as the bytes that they could have carried.
        packet_payload_bytes: Largest payload of a packet; None sends a message as one packet.
        loss: Share of packets lost.
        duty_cycle: Share of the time for which the law lets a device send; None where there is no such law.
        keepalive_j: Energy of one event that keeps the connection while nothing is sent.
        keepalive_s: Time between two such events.
        lora_spreading_factor: Bits per symbol of LoRa; see :mod:`explorer.costs.lora`.
        lora_block_symbols: Symbols per block of four: 5 for coding rate 4/5, up to 8 for 4/8.
        lora_preamble_symbols: Symbols programmed for the preamble.

    Example:
        >>> radio = {"uplink_bits_per_s": 1e6, "tx_alpha_w_per_bit_per_s": 2e-7, "tx_beta_w": 0.5}
        >>> link = LinkProfile(name="mine", kind="link", description="bench", **radio, message_energy_j=0.04)
        >>> link.joules_per_bit, link.joules_per_message
        (7e-07, 0.04)
    """

    _follows_from: ClassVar[dict[str, str]] = {
        "joules_per_bit": "tx_joules_per_bit, or tx_alpha_w_per_bit_per_s with tx_beta_w",
        "joules_per_message": "message_energy_j, or promotion_j with tail_s and tail_w",
    }

    kind: Literal["link"]
    uplink_bits_per_s: Positive | None = None
    rtt_s: NonNegative | None = None
    tx_joules_per_bit: Positive | None = None
    tx_alpha_w_per_bit_per_s: NonNegative | None = None
    tx_beta_w: NonNegative | None = None
    message_energy_j: NonNegative | None = None
    promotion_s: NonNegative | None = None
    promotion_j: NonNegative | None = None
    tail_s: NonNegative | None = None
    tail_w: NonNegative | None = None
    header_bytes_per_message: NonNegative | None = None
    header_bytes_per_packet: NonNegative | None = None
    packet_payload_bytes: Positive | None = None
    loss: Share | None = None
    duty_cycle: PositiveShare | None = None
    keepalive_j: NonNegative | None = None
    keepalive_s: Positive | None = None
    lora_spreading_factor: SpreadingFactor | None = None
    lora_block_symbols: BlockSymbols | None = None
    lora_preamble_symbols: NonNegative | None = None

    @property
    def joules_per_bit(self) -> float | None:
        """Transmit energy per bit on air; None where neither form of it is known.

        A power of ``alpha * rate + beta`` watts costs ``alpha + beta / rate`` per bit.
        """
        if self.tx_joules_per_bit is not None:
            return self.tx_joules_per_bit
        alpha, beta, rate = self.tx_alpha_w_per_bit_per_s, self.tx_beta_w, self.uplink_bits_per_s
        return None if alpha is None or beta is None or rate is None else (alpha * rate + beta) / rate

    @property
    def joules_per_message(self) -> float | None:
        """Energy of an isolated message beyond its bits; None where neither form of it is known."""
        if self.message_energy_j is not None:
            return self.message_energy_j
        raising, time, power = self.promotion_j, self.tail_s, self.tail_w
        return None if raising is None or time is None or power is None else raising + time * power

    @property
    def keepalive_w(self) -> float | None:
        """Mean power of keeping the connection; None where it is not known."""
        if self.keepalive_j == 0:
            return 0.0
        own = self.keepalive_j, self.keepalive_s
        return None if own[0] is None or own[1] is None else own[0] / own[1]

    @model_validator(mode="after")
    def _one_energy_model(self) -> Self:
        line = [self.tx_alpha_w_per_bit_per_s, self.tx_beta_w]
        if line.count(None) == 1:
            raise ValueError("tx_alpha_w_per_bit_per_s and tx_beta_w must be given together")
        if self.tx_joules_per_bit is not None and None not in line:
            raise ValueError("give tx_joules_per_bit or tx_alpha_w_per_bit_per_s with tx_beta_w, not both")
        if self.message_energy_j is not None and (self.promotion_j, self.tail_w) != (None, None):
            raise ValueError("give message_energy_j or promotion_j with tail_s and tail_w, not both")
        return self

    @model_validator(mode="after")
    def _whole_modulation(self) -> Self:
        lora = (self.lora_spreading_factor, self.lora_block_symbols, self.lora_preamble_symbols)
        if lora.count(None) not in (0, 3):
            names = "lora_spreading_factor, lora_block_symbols and lora_preamble_symbols"
            raise ValueError(f"{names} must be given together")
        if None not in lora and self.uplink_bits_per_s is None:
            raise ValueError("LoRa needs uplink_bits_per_s, the rate of its modulation")
        return self
