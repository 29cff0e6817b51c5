"""Time on air of LoRa packets, in whole symbols: the formula of Semtech's SX1276 data sheet and of AN1200.13.

With spreading factor SF, bandwidth B, blocks of CR + 4 symbols and a packet of PL bytes, header and CRC sent:

    symbol    = 2^SF / B
    preamble  = (programmed symbols + 4.25) symbol
    payload   = (8 + max(ceil((8 PL - 4 SF + 28 + 16) / (4 (SF - 2 DE))) (CR + 4), 0)) symbol

where DE, the low data rate optimisation, is 1 where a symbol lasts longer than 16 ms (SF11, SF12 at 125 kHz).
A symbol carries ``4 SF / (CR + 4)`` bits of the modulation's rate, so that a number of symbols is a number of
bytes at that rate: a link profile needs no other rate, and what reads bytes on air reads LoRa's, too.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from explorer.devices import LinkProfile

_SYNC_SYMBOLS = 4.25
_HEADER_SYMBOLS = 8
_CRC_BITS = 16
_LONGEST_SYMBOL_S = 16e-3  # without the low data rate optimisation


def symbol_bytes(link: LinkProfile) -> float:
    """Bytes of the modulation's rate that pass during one symbol.

    Example:
        >>> from explorer.devices import load_link
        >>> link = load_link("lorawan_sf12")
        >>> symbol_bytes(link), 8 * symbol_bytes(link) / link.uplink_bits_per_s  # seconds
        (1.2, 0.032768)
    """
    assert link.lora_spreading_factor is not None
    assert link.lora_block_symbols is not None
    return link.lora_spreading_factor * 4 / link.lora_block_symbols / 8


def packet_symbols(packet_bytes: ArrayLike, link: LinkProfile) -> NDArray[np.float64]:
    """Symbols of each packet, preamble included.

    Args:
        packet_bytes: Bytes of each packet with its headers, any shape.
        link: A profile of LoRa.

    Returns:
        Symbols, same shape.

    Example:
        >>> from explorer.devices import load_link
        >>> packet_symbols([13 + 1, 13 + 51], load_link("lorawan_sf12"))
        array([35.25, 85.25])
    """
    assert link.lora_spreading_factor is not None
    assert link.lora_block_symbols is not None
    assert link.lora_preamble_symbols is not None
    assert link.uplink_bits_per_s is not None
    optimised = 8 * symbol_bytes(link) / link.uplink_bits_per_s > _LONGEST_SYMBOL_S
    bits = 8 * np.asarray(packet_bytes, float) - 4 * link.lora_spreading_factor + 28 + _CRC_BITS
    blocks = np.maximum(np.ceil(bits / (4 * (link.lora_spreading_factor - 2 * optimised))), 0.0)
    fixed = link.lora_preamble_symbols + _SYNC_SYMBOLS + _HEADER_SYMBOLS
    return np.asarray(fixed + blocks * link.lora_block_symbols)


def lora_bytes(message_bytes: ArrayLike, link: LinkProfile) -> NDArray[np.float64]:
    """Air time of each message, fragmented where it must be, as bytes at the modulation's rate.

    Args:
        message_bytes: Bytes of each message, any shape.
        link: A profile of LoRa.

    Returns:
        Bytes, same shape; 0 for an empty message.

    Example:
        >>> from explorer.devices import load_link
        >>> link = load_link("lorawan_sf12")
        >>> (8 * lora_bytes([0, 51, 500], link) / link.uplink_bits_per_s).round(3)
        array([ 0.   ,  2.793, 27.607])
    """
    message = np.asarray(message_bytes, float) + (link.header_bytes_per_message or 0.0)
    header = link.header_bytes_per_packet or 0.0
    full, rest = np.zeros_like(message), message
    if link.packet_payload_bytes is not None:
        full = np.floor(message / link.packet_payload_bytes)
        rest = message - full * link.packet_payload_bytes
    symbols = np.where(rest > 0, packet_symbols(rest + header, link), 0.0)
    if link.packet_payload_bytes is not None:
        symbols = symbols + full * packet_symbols(link.packet_payload_bytes + header, link)
    return np.where(np.asarray(message_bytes, float) == 0, 0.0, symbols * symbol_bytes(link))
