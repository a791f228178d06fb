"""Sorted lists."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


def _itself(entry: Any) -> Any:
    return entry


def remove(line: list[T], entry: T, key: Callable[[T], Any] = _itself) -> None:
    """Take ``entry`` out of ``line``, which is sorted by ``key`` and has it."""
    del line[bisect_left(line, key(entry), key=key)]
