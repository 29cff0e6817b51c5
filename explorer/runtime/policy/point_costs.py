"""What running one operating point costs, and its expected latency on a link, in closed form."""

import math
from dataclasses import dataclass, fields

from ..errors import UserError


@dataclass(frozen=True, kw_only=True)
class PointCosts:
    """What one operating point costs, measured or modelled; times in seconds.

    Attributes:
        edge_s: Edge part of one sample.
        exit_s: Exit classifier, 0 where there is none.
        encode_s: Encoder, for a sample that is sent.
        server_s: Server part of it.
        offload_rate: Share of samples that are sent, in [0, 1].
        message_bytes: Bytes of one payload.
        accuracy: Expected share of right answers.
        decode_s: Decoder on the server.

    Example:
        >>> times = {"edge_s": 0.01, "exit_s": 0.001, "encode_s": 0.001, "server_s": 0.002}
        >>> point = PointCosts(**times, offload_rate=0.5, message_bytes=360, accuracy=0.9)
        >>> f"{point.latency_s(rtt_s=0.02, s_per_byte=1e-5, protocol_bytes=640):.4f} s"
        '0.0275 s'
    """

    edge_s: float
    exit_s: float
    encode_s: float
    server_s: float
    offload_rate: float
    message_bytes: float
    accuracy: float
    decode_s: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            number = getattr(self, field.name)
            highest = 1.0 if field.name in ("offload_rate", "accuracy") else math.inf
            if not (0 <= number <= highest and math.isfinite(number)):
                rule = "between 0 and 1" if highest == 1 else "a finite number >= 0"
                raise UserError(f"{field.name}: must be {rule}, got {number!r}")

    def latency_s(self, rtt_s: float, s_per_byte: float, protocol_bytes: float) -> float:
        """Expected seconds until a sample is answered.

        Args:
            rtt_s: Round-trip time.
            s_per_byte: Seconds of a byte on the link.
            protocol_bytes: Around the payload of one message, the answer included.
        """
        alone_s = self.edge_s + self.exit_s
        if self.offload_rate == 0:
            return alone_s
        link_s = rtt_s + s_per_byte * (self.message_bytes + protocol_bytes)
        return alone_s + self.offload_rate * (self.encode_s + link_s + self.decode_s + self.server_s)
