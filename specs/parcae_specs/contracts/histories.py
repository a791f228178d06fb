"""What many clients did at once, some of them killed, must have one order that explains it all."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from parcae_specs.contracts.base import Contract
from parcae_specs.contracts.kit import Kit, promise
from parcae_specs.linear.check import check
from parcae_specs.linear.history import Ended
from parcae_specs.linear.record import record, record_here
from parcae_specs.subject import Capability, opened


class Histories(Contract):
    """Requirements 2, 3 and 5, by the checker of :mod:`parcae_specs.linear`."""

    calls: ClassVar[int] = 10_000
    """Calls that killed clients make."""
    kills: ClassVar[int] = 12

    @promise("Store 2", "Store 5", "Store 8", "S26", "S16", "S7", long=True)
    async def test_s26_what_concurrent_clients_did_is_strictly_serialisable(self, kit: Kit) -> None:
        number = 2 if Capability.SHARED in kit.subject.capabilities else 1
        folder = kit.folder / "kept"
        folder.mkdir()
        stores = [await opened(kit.subject, folder, seed) for seed in range(number)]
        verdict = check(await record_here(stores, kit.folder, calls=1_000, seed=1))
        assert verdict.operations >= 1_000

    def test_s27_what_killed_clients_were_answered_is_there_once_and_what_not_at_most_once(
        self, kit: Kit
    ) -> None:
        """Every acknowledged operation once, a refused one never, an unknown one 0 or 1 times."""
        kit.require(Capability.PROCESSES)
        doing = record(kit.subject, kit.folder, calls=self.calls, kills=self.kills, seed=1)
        verdict = check(asyncio.run(doing))
        assert verdict.operations >= self.calls
        assert verdict.ended[Ended.UNKNOWN] >= self.kills, "the kills interrupted nobody"
        assert verdict.ended[Ended.REFUSED] > self.calls // 100
