"""``python -m parcae_specs.soak.wire.ahead SECONDS serve …``: on a machine whose clock is ahead.

What waits for hours falls due without anybody's waiting: as if the server had been away so long.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta

from parcae.values import Instant
from parcae_adapters.cli import main
from parcae_adapters.clock import SystemClock


class AheadClock(SystemClock):
    """The system's clock, and so much more.

    Args:
        ahead: by how much.
    """

    def __init__(self, ahead: timedelta) -> None:
        self._ahead = ahead

    def now(self) -> Instant:
        """The present instant, there."""
        return datetime.now(UTC) + self._ahead


def put_ahead(ahead: timedelta) -> None:
    """Have every store that is opened in this process from now on read such a clock."""
    there = AheadClock(ahead)
    setattr(SystemClock, "now", lambda _: there.now())  # noqa: B010 - a method is not assigned


if __name__ == "__main__":
    put_ahead(timedelta(seconds=float(sys.argv.pop(1))))
    main()
