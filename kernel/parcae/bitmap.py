"""Some of many names in little space: one bit each, in hexadecimal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import compress
from typing import TypeVar

T = TypeVar("T", bound=str)
_HEX = re.compile("[0-9a-f]+")


def pack(names: Sequence[T], chosen: Iterable[T]) -> str:
    """Which of ``names`` are ``chosen``; the first name is the highest bit."""
    wanted = frozenset(chosen)
    bits = "".join("1" if name in wanted else "0" for name in names)
    return f"{int(bits, 2):0{(len(names) + 3) // 4}x}"


def unpack(names: Sequence[T], packed: str) -> list[T]:
    """Those of ``names`` that were chosen, in their order.

    Raises:
        ValueError: there are not so many names, or it was never packed.
    """
    if not _HEX.fullmatch(packed):
        raise ValueError(f"expected hexadecimal digits, got {packed[:20]!r}")
    bits = f"{int(packed, 16):0{len(names)}b}"
    if len(bits) > len(names):
        raise ValueError(f"expected {len(names)} bits, got {len(bits)}")
    return list(compress(names, map(int, bits)))
