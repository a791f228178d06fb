"""How often a peer may fail: a bounded table of buckets, one for each peer that failed of late."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable

MOST_PEERS = 10_000


class Throttle:
    """Counts failures of each peer; whoever has too many waits.

    A peer's failures drain at ``per_second``. Where more peers fail than the table holds, the one
    that failed the longest ago is forgotten: the table cannot be made to grow.

    Args:
        burst: so many failures in a row are borne.
        per_second: so many are forgiven each second.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        *,
        burst: int = 20,
        per_second: float = 0.5,
        most_peers: int = MOST_PEERS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._burst = burst
        self._rate = per_second
        self._most = most_peers
        self._clock = clock
        self._failures: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        """How many peers are remembered."""
        return len(self._failures)

    def wait(self, peer: str) -> int:
        """Whole seconds until ``peer`` may try again; 0: now."""
        level = self._level(peer)
        excess = level - self._burst + 1
        return math.ceil(excess / self._rate) if excess > 0 else 0

    def failed(self, peer: str) -> None:
        """Count a failure."""
        self._failures[peer] = (self._level(peer) + 1, self._clock())
        self._failures.move_to_end(peer)
        if len(self._failures) > self._most:
            self._failures.popitem(last=False)

    def _level(self, peer: str) -> float:
        level, at = self._failures.get(peer, (0.0, 0.0))
        level -= (self._clock() - at) * self._rate
        if level > 0:
            return level
        self._failures.pop(peer, None)
        return 0.0
