"""What an edge device does with tensors that were computed: score, decide, encode, frame; and ``edge.h``."""

from dataclasses import dataclass

import numpy as np

from explorer.microcontroller.arena import Arena
from explorer.microcontroller.int8_numbers import Int8Numbers
from explorer.microcontroller.numbers import Array, Numbers, literal
from explorer.microcontroller.program import Normalise
from explorer.microcontroller.quantise import LOWEST
from explorer.runtime.codec import Codec, encoded_bytes
from explorer.runtime.manifest import ExitRule

FRAME_BYTES = 24


@dataclass(frozen=True, eq=False)
class Task:
    """What an edge device does besides computing tensors.

    Attributes:
        classes: Length of the logits.
        exit: When it answers alone; None where it never does, or where there is nothing to send.
        codec: How the crossing tensor is sent; None where nothing is.
        digest: Of the bundle, 64 hexadecimal digits.
        point: Number of the operating point in the bundle.

    Example:
        >>> Task(10).codec is None
        True
    """

    classes: int
    exit: ExitRule | None = None
    codec: Codec | None = None
    digest: str = "0" * 64
    point: int = 0


class Interface:
    """Writes what follows the tensors.

    Args:
        numbers: The program.
        task: What is done.

    Example:
        >>> from explorer.microcontroller.forms import Shape
        >>> from explorer.microcontroller.numbers import FloatNumbers
        >>> from explorer.microcontroller.program import Program
        >>> start = Normalise("input", (), "input", np.zeros(1), np.ones(1), "uint8")
        >>> program = Program((start,), {"input": Shape(1, 1, 4)}, "input", None)
        >>> Interface(FloatNumbers(program), Task(2, codec=Codec(8))).functions()
        ['encode_sample', 'bytes', 'frame']
    """

    def __init__(self, numbers: Numbers, task: Task) -> None:
        self.numbers, self.task, self.program = numbers, task, numbers.program
        self.integers = numbers.integers if isinstance(numbers, Int8Numbers) else None

    def are_codes(self) -> bool:
        """Whether the crossing tensor's integers are the payload's codes."""
        codec = self.task.codec
        if self.integers is None or codec is None or codec.bits != 8 or codec.ranges != "tensor":
            return False
        assert codec.low is not None
        assert codec.step is not None
        scale = self.integers.scales[self.program.crossing]
        return bool(codec.low[0] == 0 and scale.zero == LOWEST and np.float32(scale.step) == codec.step[0])

    def constants(self) -> dict[str, Array]:
        """Arrays that encoding needs."""
        codec = self.task.codec
        if codec is None or codec.low is None or codec.step is None or self.are_codes():
            return {}
        return {"payload_low": codec.low, "payload_step": codec.step}

    def macros(self) -> list[str]:
        """What encoding needs to know, in C."""
        if self.task.codec is None:
            return []
        real = "(value)"
        if self.integers is not None:
            scale = self.integers.scales[self.program.crossing]
            real = f"((float)((value) - {scale.zero}) * {literal(scale.step)})".replace("- -", "+ ")
        return [f"#define PAYLOAD_BITS {self.task.codec.bits}", f"#define REAL(value) {real}"]

    def functions(self) -> list[str]:
        """Sections of the C files that :meth:`lines` and :meth:`frame` call."""
        chosen, codec = list[str](), self.task.codec
        if self.program.logits is not None:
            chosen.append("label")
        if self.task.exit is not None:
            chosen.append(self.task.exit.score)
        if codec is not None:
            if codec.bits > 8:
                chosen.append(f"encode_{codec.bits}")
            elif codec.ranges == "sample":
                chosen.append("encode_sample")
            else:
                chosen.append("encode_integers" if self.are_codes() else "codes")
            chosen += ["bytes", "frame"]
        return chosen

    def lines(self, arena: Arena) -> list[str]:
        """The end of a run, in C: logits, label, confidence, payload."""
        lines, task = list[str](), self.task
        shape = self.program.shapes[self.program.crossing]
        crossing = f"memory + {arena.tensors[self.program.crossing] // self.numbers.value_bytes}"
        if self.program.logits is not None:
            start = arena.tensors[self.program.logits] // 4
            lines += [
                f"for (int i = 0; i < {task.classes}; i++)",
                f"    output->logits[i] = arena[{start} + i];",
                f"output->label = largest(output->logits, {task.classes});",
            ]
        if task.exit is not None:
            factor, threshold = literal(self._confidence_factor()), literal(task.exit.threshold)
            call = f"confidence(output->logits, {task.classes}, output->label, {factor})"
            lines += [
                f"output->confidence = {call};",
                f"output->answers = output->confidence >= {threshold};",
            ]
        if self.program.sends:
            lines.append(f"output->crossing = {crossing};")
        if task.codec is None:
            return lines
        lines.append("output->payload_bytes = 0;")
        encoding = self._encoding(task.codec, f"{crossing}, to, {shape.pixels}, {shape.channels}")
        if task.exit is not None:
            return [*lines, "if (!output->answers) {", *(f"    {line}" for line in encoding), "}"]
        return [*lines, *encoding]

    def _confidence_factor(self) -> float:
        assert self.task.exit is not None
        assert self.program.logits is not None
        step = 1.0 if self.integers is None else self.integers.wide_step(self.program.logits)
        return step / self.task.exit.temperature

    def _encoding(self, codec: Codec, arguments: str) -> list[str]:
        form, function = (1 if codec.ranges == "sample" else 2), "encode"
        if codec.bits <= 8 and codec.ranges != "sample" and not self.are_codes():
            function, ranges = "codes", (2 if codec.ranges == "channel" else 1)
            arguments += f", payload_low, payload_step, {ranges}"
        head = [f"uint8_t *to = put(output->payload, {form + 256 * codec.bits}, 2);"]
        if codec.ranges == "sample" and codec.bits > 8:  # a range of 0 to 1, which the codec ignores
            head.append("to = put(put(to, 0, 4), 0x3f800000, 4);")
        return [
            *head,
            f"to = {function}({arguments});",
            "output->payload_bytes = (uint32_t)(to - output->payload);",
        ]

    def frame(self) -> list[str]:
        """The function that puts the compact frame around a payload, in C."""
        if self.task.codec is None:
            return []
        digest = ", ".join(f"0x{byte:02x}" for byte in bytes.fromhex(self.task.digest)[:8])
        return [
            "",
            _FRAME_HEAD,
            "{",
            f"    static const uint8_t start[6] = {{'S', 'S', 'X', 1, 1, {self.task.point}}};",
            f"    static const uint8_t digest[8] = {{{digest}}};",
            "    uint8_t *to = frame;",
            "    for (int i = 0; i < 6; i++)",
            "        *to++ = start[i];",
            "    to = put(to, sequence, 2);",
            "    for (int i = 0; i < 8; i++)",
            "        *to++ = digest[i];",
            "    to = put(to, output->payload_bytes, 4);",
            "    put(to, checksum(checksum(0, frame, 20), output->payload, output->payload_bytes), 4);",
            "    to += 4;",
            "    for (uint32_t i = 0; i < output->payload_bytes; i++)",
            "        *to++ = output->payload[i];",
            "    return output->payload_bytes + 24;",
            "}",
        ]

    def header(self, static_bytes: int) -> str:
        """The text of ``edge.h``."""
        task, start = self.task, self.program.ops[0]
        assert isinstance(start, Normalise)
        shape = self.program.shapes[start.output]
        crossing = self.program.shapes[self.program.crossing]
        fields = list[str]()
        if self.program.logits is not None:
            fields += [f"{'int32_t' if self.integers else 'float'} logits[{task.classes}];", "int32_t label;"]
        if task.exit is not None:
            fields += ["float confidence;", "int32_t answers; /* 1 where the edge answers alone */"]
        defines = {"INPUTS": shape.size, "STATIC_BYTES": static_bytes}
        if self.program.logits is not None:
            defines["CLASSES"] = task.classes
        if task.exit is not None:
            defines["SCORES"] = 1
        if self.program.sends:
            defines["CROSSING"] = crossing.size
            kind = "int8_t" if self.integers else "float"
            fields.append(f"const {kind} *crossing; /* until the next run; channels last */")
        if task.codec is not None:
            most = payload_bytes(crossing.size, task.codec)
            defines |= {"PAYLOAD_BYTES": most, "FRAME_BYTES": most + FRAME_BYTES}
            fields += [
                "uint32_t payload_bytes; /* 0 where nothing is to be sent */",
                f"uint8_t payload[{most}];",
            ]
        raw = "uint8_t" if start.raw == "uint8" else "float"
        names = "\n".join(f"#define EXPLORER_EDGE_{name} {value}" for name, value in defines.items())
        inside = "\n".join(f"    {own}" for own in fields)
        return _HEADER.format(
            names=names,
            raw=raw,
            step=self._logit_step(),
            fields=inside,
            frame=_FRAME if task.codec is not None else "",
        )

    def _logit_step(self) -> str:
        if self.integers is None or self.program.logits is None:
            return ""
        step = literal(self.integers.wide_step(self.program.logits))
        return f"#define EXPLORER_EDGE_LOGIT_STEP {step} /* real value of one unit of the logits */\n"


def payload_bytes(elements: int, codec: Codec) -> int:
    """Length of a payload, which the device never compresses.

    Example:
        >>> payload_bytes(100, Codec(8))
        110
    """
    return encoded_bytes(elements, codec.bits, codec.ranges)


_HEADER = """/* The edge part of a network: one sample in, an answer or a payload out. */
#ifndef EXPLORER_EDGE_H
#define EXPLORER_EDGE_H

#include <stdint.h>

{names}
{step}
/* Raw values of a sample, channel by channel. */
typedef {raw} explorer_edge_input;

typedef struct {{
{fields}
}} explorer_edge_output;

/* Not reentrant: the tensors lie in one static block of memory. */
void explorer_edge_run(const explorer_edge_input *input, explorer_edge_output *output);
{frame}
#endif
"""
_FRAME_HEAD = (
    "uint32_t explorer_edge_frame(const explorer_edge_output *output, uint16_t sequence, uint8_t *frame)"
)
_FRAME = f"""
/* The compact frame around the payload, for links on which HTTP is too long. Returns its length. */
{_FRAME_HEAD};
"""
