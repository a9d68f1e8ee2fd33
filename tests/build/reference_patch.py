"""How a value is encoded into a hole: a second, plain statement of what src/runtime/back/patch_*.c does.

Written from the manuals, apart from the C: an instruction is a number, a field a list of its bits.
patch() works on any machine's holes, whatever machine it runs on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

MACHINE_OF = {"x86_64": ("ABS64", "ABS32", "ABS32S", "REL32")}
MACHINE_OF["aarch64"] = (
    "ABS64", "BRANCH26", "REL19", "ADR21", "PAGE21", "ADD12", "LOAD12", "MOVW0", "MOVW1", "MOVW2", "MOVW3", "MOVW1S",
)
MASK = (1 << 64) - 1


class DoesNotFit(Exception):
    """The value is out of the hole's range."""


@dataclass(frozen=True)
class Kind:
    """size: of what is written. least, most: of number(), which is what the field holds."""

    size: int
    number: Callable[[int, int, bytes], int]  # of the value, the hole's address, the bytes there
    least: int
    most: int
    bits: tuple[int, ...]  # where the number's bits go, least significant first
    unit: int = 1  # the value, or distance, counts in these


def signed(value: int, bits: int = 64) -> int:
    """The number that these bits stand for."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def _distance(unit: int) -> Callable[[int, int, bytes], int]:
    def distance(value: int, address: int, _: bytes) -> int:
        away = signed(value - address)
        if away % unit:
            raise DoesNotFit
        return away // unit

    return distance


def _pages(value: int, address: int, _: bytes) -> int:
    return signed((value & MASK) // 4096 * 4096 - address // 4096 * 4096) // 4096


# Bits 31:30 of a load or store give the size of the access; together with V (26) and opc<1> (23)
# 00 means a whole vector register.
ACCESS = {0b0000: 1, 0b0001: 1, 0b0010: 1, 0b0011: 16}
ACCESS |= {size << 2 | rest: 1 << size for size in (1, 2, 3) for rest in range(4)}


def _scaled(value: int, _: int, code: bytes) -> int:
    word = int.from_bytes(code[:4], "little")
    size = ACCESS[(word >> 30) << 2 | (word >> 26 & 1) << 1 | (word >> 23 & 1)]
    low = value % 4096
    if low % size:
        raise DoesNotFit
    return low // size


def _half(k: int) -> Callable[[int, int, bytes], int]:
    return lambda value, address, code: (value & MASK) >> 16 * k & 0xFFFF


def _value(value: int, address: int, code: bytes) -> int:
    return signed(value)


def _unsigned(value: int, address: int, code: bytes) -> int:
    return value & MASK


def _bits(low: int, high: int) -> tuple[int, ...]:
    return tuple(range(low, high + 1))


def _power(bits: int) -> tuple[int, int]:
    return -(1 << bits - 1), (1 << bits - 1) - 1


IMM16, ADR = _bits(5, 20), (29, 30, *_bits(5, 23))
KINDS = {
    "ABS64": Kind(8, _unsigned, 0, MASK, _bits(0, 63)),
    "ABS32": Kind(4, _unsigned, 0, 2**32 - 1, _bits(0, 31)),
    "ABS32S": Kind(4, _value, *_power(32), _bits(0, 31)),
    "REL32": Kind(4, _distance(1), *_power(32), _bits(0, 31)),
    "BRANCH26": Kind(4, _distance(4), *_power(26), _bits(0, 25), unit=4),
    "REL19": Kind(4, _distance(4), *_power(19), _bits(5, 23), unit=4),
    "ADR21": Kind(4, _distance(1), *_power(21), ADR),
    "PAGE21": Kind(4, _pages, *_power(21), ADR, unit=4096),
    "ADD12": Kind(4, lambda value, *_: value % 4096, 0, 4095, _bits(10, 21)),
    "LOAD12": Kind(4, _scaled, 0, 4095, _bits(10, 21)),
    **{f"MOVW{k}": Kind(4, _half(k), 0, 0xFFFF, IMM16) for k in range(4)},
}


def _movw1s(code: bytearray, value: int) -> None:
    """movz with bits 16-31, or movn with their complement when the value is negative."""
    if not -(2**31) <= value < 2**31:
        raise DoesNotFit
    word = int.from_bytes(code[:4], "little")
    opcode, half = (0b10, value >> 16) if value >= 0 else (0b00, ~value >> 16)
    word = word & ~(0b11 << 29 | 0xFFFF << 5) | opcode << 29 | (half & 0xFFFF) << 5
    code[:4] = word.to_bytes(4, "little")


def patch(code: bytearray, kind: str, offset: int, address: int, value: int) -> None:
    """Write `value` (symbol and addend) into the hole at code[offset], which will be at `address`."""
    place = code[offset : offset + 8]
    if kind == "MOVW1S":
        _movw1s(place, signed(value))
    else:
        how = KINDS[kind]
        number = how.number(value, address, bytes(place))
        if not how.least <= number <= how.most:
            raise DoesNotFit
        word = int.from_bytes(place[: how.size], "little")
        for k, bit in enumerate(how.bits):
            word = word & ~(1 << bit) | (number >> k & 1) << bit
        place[: how.size] = word.to_bytes(how.size, "little")
    code[offset : offset + len(place)] = place


def ends(kind: str, address: int) -> tuple[list[int], list[int]]:
    """Values at both ends of a hole's range, and those one step beyond."""
    if kind == "MOVW1S":
        least, most, unit, base = *_power(32), 1, 0
    else:
        how = KINDS[kind]
        least, most, unit = how.least, how.most, how.unit
        base = {"REL32": address, "BRANCH26": address, "REL19": address, "ADR21": address,
                "PAGE21": address // 4096 * 4096}.get(kind, 0)
    if kind in ("ABS64", "ADD12", "LOAD12", "MOVW0", "MOVW1", "MOVW2", "MOVW3"):
        return [0, MASK - 15], []  # only some bits of the value are looked at
    inside = [base + least * unit, base + most * unit]
    beyond = [inside[0] - unit, inside[1] + unit]
    if kind == "PAGE21":
        inside[1] += 4095
    return inside, beyond
