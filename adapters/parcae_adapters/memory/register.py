"""The register of workers in memory. Not thread-safe."""

from __future__ import annotations

from collections.abc import Sequence

from parcae.values import WorkerId
from parcae.workers import MOST_WORKERS, Presence, forgotten_before


class Register:
    """One row for each worker, those that are long gone left out."""

    def __init__(self) -> None:
        self._rows: dict[WorkerId, Presence] = {}

    def enlist(self, presence: Presence) -> None:
        """Write a row in place of that worker's former one, and forget who is long gone."""
        before = forgotten_before(presence.heard_at)
        rows = {name: one for name, one in self._rows.items() if one.until >= before}
        rows[presence.id] = presence
        newest = sorted(rows.values(), key=lambda one: (one.until, one.id), reverse=True)
        self._rows = {one.id: one for one in newest[:MOST_WORKERS]}

    def dismiss(self, worker: WorkerId) -> None:
        """Strike a worker out."""
        self._rows.pop(worker, None)

    def all(self) -> Sequence[Presence]:
        """Everybody, by name."""
        return tuple(self._rows[name] for name in sorted(self._rows))
