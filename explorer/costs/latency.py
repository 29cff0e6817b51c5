"""Seconds and joules of computing and transmitting: modelled from profiles, or measured on this machine."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from explorer.costs.lora import lora_bytes
from explorer.devices import DeviceProfile, LinkProfile, Setting, WireProtocol
from explorer.devices.operators import OTHER

SECONDS_PER_DAY = 86_400
_BITS_PER_BYTE = 8


def operator_times_s(
    macs: ArrayLike,
    moved_bytes: ArrayLike,
    device: DeviceProfile,
    kind: ArrayLike = OTHER,
    groups: ArrayLike = 1,
    added_macs: ArrayLike = 0,
    added_bytes: ArrayLike = 0,
) -> NDArray[np.float64]:
    """Modelled time of each operator, from times of its kind where the profile has them, else a roofline.

    By kind: ``call + MACs per MAC + bytes per byte + groups per group``, with what the runtime computes and
    moves beyond kept weights. Else the slower of computing and moving data, plus a fixed cost per call: the
    roofline model of Williams et al., Communications of the ACM 2009. A limit that the profile does not
    know is left out: without a bandwidth the time is that of computing, and without a call overhead there is
    no fixed cost; see :attr:`explorer.devices.profiles.DeviceProfile.latency_basis`.

    Args:
        macs: Multiply-accumulates per operator, shape (n_operators,).
        moved_bytes: Bytes read plus bytes written per operator, same shape.
        device: Where the operators run.
        kind: Of each operator, see :data:`explorer.devices.operators.KINDS`.
        groups: Of products in groups or blocks.
        added_macs: What the runtime computes beyond ``macs``; a roofline leaves it out.
        added_bytes: What it moves beyond ``moved_bytes``; likewise.

    Returns:
        Seconds, same shape; all NaN when the profile has neither times nor a rate.

    Example:
        >>> limits = {"macs_per_s": 1e6, "memory_bandwidth_bytes_per_s": 1e6}
        >>> device = DeviceProfile(name="mcu", kind="device", description="", **limits)
        >>> operator_times_s([2000, 100], [500, 4000], device)  # the first computes, the second moves data
        array([0.002, 0.004])
        >>> kinds = {"linear": {"s_per_mac": 1e-6}, "other": {"s_per_call": 1e-3}}
        >>> device = DeviceProfile(name="mcu", kind="device", description="", operators=kinds)
        >>> operator_times_s([2000, 100], [500, 4000], device, ["linear", "pool"])
        array([0.002, 0.001])
    """
    numbers = (np.asarray(column, float) for column in (macs, moved_bytes, groups, added_macs, added_bytes))
    all_macs, all_bytes, all_groups, more_macs, more_bytes, kinds = np.broadcast_arrays(
        *numbers, np.asarray(kind)
    )
    if device.operators is not None:
        work = (np.ones_like(all_macs), all_macs + more_macs, all_bytes + more_bytes, all_groups)
        times = np.zeros(all_macs.shape)
        for name in np.unique(kinds):
            own = kinds == name
            times[own] = sum(
                each * done[own] for each, done in zip(device.times_of(str(name)).terms, work, strict=True)
            )
        return times
    if device.macs_per_s is None:
        return np.full(all_macs.shape, np.nan)
    times = all_macs / device.macs_per_s
    if device.memory_bandwidth_bytes_per_s is not None:
        times = np.maximum(times, all_bytes / device.memory_bandwidth_bytes_per_s)
    return np.asarray(times + (device.call_overhead_s or 0.0))


def codec_times_s(
    codec_macs: ArrayLike, codec_bytes: ArrayLike, setting: Setting
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Times of encoding on the edge and of decoding on the server.

    Args:
        codec_macs: One per value that is coded, 0 where floats are sent as they are.
        codec_bytes: Of the tensor and its encoded form.
        setting: Devices that times are modelled for.

    Example:
        >>> setting = Setting.load(edge="rpi4", server="xeon_8124m", link="wifi_huang2012")
        >>> setting = setting.with_changes(["edge.macs_per_s=100", "server.macs_per_s=1000"])
        >>> codec_times_s([20], [100], setting)
        (array([0.2]), array([0.02]))
    """
    coded = np.asarray(codec_macs) > 0
    encode, decode = (np.where(coded, kind, f"{kind}_floats") for kind in ("encode", "decode"))
    return (
        operator_times_s(codec_macs, codec_bytes, setting.edge, encode),
        operator_times_s(codec_macs, codec_bytes, setting.server, decode),
    )


def request_bytes(payload_bytes: ArrayLike, protocol: WireProtocol) -> NDArray[np.float64]:
    """Bytes of each message that carries a payload: what the protocol puts around it included.

    Args:
        payload_bytes: Bytes of each payload, any shape; an empty one is not sent.
        protocol: Which messages carry payloads.

    Returns:
        Bytes, same shape.

    Example:
        >>> from explorer.devices import PROTOCOLS
        >>> request_bytes([0, 100], PROTOCOLS["frame"])
        array([  0., 124.])
    """
    payload = np.asarray(payload_bytes, float)
    return np.where(payload == 0, 0.0, payload + protocol.overhead_bytes)


def bytes_on_air(message_bytes: ArrayLike, link: LinkProfile) -> NDArray[np.float64]:
    """Message plus headers of the link: ``message + per message + ceil(message / packet) * per packet``.

    Headers that the profile does not know are left out; so are those which its rate contains (they are 0).
    A lost packet is sent until it arrives, ``1 / (1 - loss)`` times on average; an unknown loss is none.
    LoRa sends whole symbols: its air time is given as the bytes that its rate could have carried meanwhile.

    Args:
        message_bytes: Bytes of each message, any shape; a message of zero bytes is not sent.
        link: What the message crosses.

    Returns:
        Bytes, same shape.

    Example:
        >>> packets = {"packet_payload_bytes": 100, "header_bytes_per_packet": 10}
        >>> link = LinkProfile(name="radio", kind="link", description="", **packets)
        >>> bytes_on_air([0, 100, 101], link)
        array([  0., 110., 121.])
    """
    message, sendings = np.asarray(message_bytes, float), 1.0 / (1.0 - (link.loss or 0.0))
    if link.lora_spreading_factor is not None:
        return lora_bytes(message, link) * sendings
    packets = np.ones_like(message)
    if link.packet_payload_bytes is not None:
        packets = np.ceil(message / link.packet_payload_bytes)
    headers = (link.header_bytes_per_message or 0.0) + packets * (link.header_bytes_per_packet or 0.0)
    return np.where(message == 0, 0.0, (message + headers) * sendings)


def transfer_time_s(message_bytes: ArrayLike, link: LinkProfile) -> NDArray[np.float64]:
    """Modelled time that each message occupies the link; the caller adds ``link.rtt_s``.

    Answers take the uplink's rate, too: profiles hold no other. Sending again is in the bytes on air; waiting
    until a loss is noticed is not modelled.

    Args:
        message_bytes: Bytes of each message, any shape.
        link: What the message crosses.

    Returns:
        Seconds, same shape; 0 for an empty message, NaN when the profile has no rate.

    Example:
        >>> link = LinkProfile(name="radio", kind="link", description="", uplink_bits_per_s=1e6)
        >>> transfer_time_s([0, 1000], link)
        array([0.   , 0.008])
    """
    air_bytes = bytes_on_air(message_bytes, link)
    rate = np.nan if link.uplink_bits_per_s is None else link.uplink_bits_per_s
    return np.where(air_bytes == 0, 0.0, _BITS_PER_BYTE * air_bytes / rate)


def lawful_wait_s(message_bytes: ArrayLike, link: LinkProfile) -> NDArray[np.float64]:
    """Time for which a link's duty cycle keeps the packets of each message apart.

    A packet of t seconds is followed by ``(1 / duty cycle - 1) t`` of silence; nothing waits for the last.

    Args:
        message_bytes: Bytes of each message, any shape.
        link: What the message crosses.

    Returns:
        Seconds, same shape; 0 where a message is one packet or no law limits the link.

    Example:
        >>> from explorer.devices import load_link
        >>> link = load_link("lorawan_sf12")
        >>> (transfer_time_s([51, 500], link) + lawful_wait_s([51, 500], link)).round(1)
        array([   2.8, 2516.6])
    """
    message = np.asarray(message_bytes, float)
    if link.duty_cycle is None:
        return np.zeros_like(message)
    largest = link.packet_payload_bytes or math.inf
    last = message - np.maximum(np.ceil(message / largest) - 1.0, 0.0) * np.minimum(largest, message)
    once = transfer_time_s(last, link) * (1.0 - (link.loss or 0.0))
    return (1.0 / link.duty_cycle - 1.0) * (transfer_time_s(message, link) - once)


def messages_per_day(message_bytes: ArrayLike, link: LinkProfile) -> NDArray[np.float64]:
    """How many such messages a device may send in a day by the link's duty cycle.

    Args:
        message_bytes: Bytes of each message, any shape.
        link: What the message crosses.

    Returns:
        Messages, same shape; infinite for an empty message, NaN where no law limits the link.

    Example:
        >>> from explorer.devices import load_link
        >>> messages_per_day(51, load_link("lorawan_sf12")).round(1)
        np.float64(309.3)
    """
    air_s = transfer_time_s(message_bytes, link)
    duty = np.nan if link.duty_cycle is None else link.duty_cycle
    with np.errstate(divide="ignore"):
        return np.asarray(SECONDS_PER_DAY * duty / air_s)


def transfer_energy_j(message_bytes: ArrayLike, link: LinkProfile) -> NDArray[np.float64]:
    """Modelled energy that the edge device's radio spends on sending each message.

    Either a fixed energy per bit, or a power that grows linearly with the rate (the form of Huang et al.,
    MobiSys 2012) times the time of sending; plus what an isolated message costs beyond its bits.

    Args:
        message_bytes: Bytes of each message, any shape.
        link: What the message crosses.

    Returns:
        Joules, same shape; 0 for an empty message, NaN when the profile lacks the energy of bits or messages.

    Example:
        >>> energies = {"tx_joules_per_bit": 1e-7, "message_energy_j": 0.001}
        >>> link = LinkProfile(name="radio", kind="link", description="", **energies)
        >>> transfer_energy_j([0, 1000], link)
        array([0.    , 0.0018])
    """
    air_bytes = bytes_on_air(message_bytes, link)
    per_bit = np.nan if link.joules_per_bit is None else link.joules_per_bit
    per_message = np.nan if link.joules_per_message is None else link.joules_per_message
    energy = _BITS_PER_BYTE * air_bytes * per_bit + per_message
    return np.where(air_bytes == 0, 0.0, energy)
