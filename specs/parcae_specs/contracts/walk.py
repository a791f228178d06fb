"""What takes a while: every state, every order, and a reference beside it at every step."""

from __future__ import annotations

from inspect import isawaitable
from itertools import count
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from parcae.deliveries import Standing as Stage
from parcae.ports import Entropy, Store
from parcae.values import TERMINAL, Status
from parcae_adapters.clock import ManualClock
from parcae_adapters.memory import MemoryStore
from parcae_specs.contracts import interleave, pairs
from parcae_specs.contracts.base import Contract
from parcae_specs.contracts.kit import Kit, promise
from parcae_specs.contracts.reach import SMALL, reachable
from parcae_specs.machine import MovableClock, agreement
from parcae_specs.subject import Capability


class Walk(Contract):
    """Requirements 1 to 9, over all small states instead of chosen examples."""

    interleavings: ClassVar[int] = 400
    """How many orders of two operations are tried."""
    examples: ClassVar[int] = 100
    """How many runs the state machine makes."""

    @promise("Store 1", "Store 5", "Store 6", "S5", "S18", needs=[Capability.CLOCK], long=True)
    async def test_s5_every_command_in_every_reachable_state_does_what_the_kernel_says(
        self, kit: Kit
    ) -> None:
        states = [found for admission in SMALL for found in reachable(admission)]
        counted = await pairs.run(kit, states)
        assert counted.pairs >= 40_000
        assert counted.changed >= 5_000
        assert {one.stored.job.status for one in states} == set(Status)

    @promise("Store 2", "S26", "S3", needs=[Capability.CLOCK, Capability.SHARED], long=True)
    async def test_s26_of_two_that_overlap_the_second_sees_what_the_first_has_left(
        self, kit: Kit
    ) -> None:
        states = [found for admission in SMALL for found in reachable(admission)]
        assert await interleave.run(kit, states, self.interleavings) >= self.interleavings // 2

    def test_s26_whatever_is_asked_it_answers_as_the_reference_does(self, kit: Kit) -> None:
        """The shipped state machine: after every step all that can be asked is compared."""
        kit.require(Capability.CLOCK, Capability.ENTROPY)
        numbers = count()

        def reference(clock: MovableClock, entropy: Entropy) -> Store:
            return MemoryStore(clock=clock, entropy=entropy)

        def system(clock: MovableClock, entropy: Entropy) -> Store:
            folder = kit.folder / f"run-{next(numbers)}"
            folder.mkdir()
            opened = kit.subject.open(folder, clock, entropy)
            if isawaitable(opened):
                pytest.skip("opened by a coroutine: the state machine cannot await it")
            return opened

        machine = agreement(ManualClock, reference, system)
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=self.examples,
                stateful_step_count=30,
                deadline=None,
                derandomize=True,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
        assert set(machine.reached) == set(Status), "some status was never reached"
        ended = machine.stages[Stage.DELIVERED]
        assert ended > 5, "hardly any delivery was ever delivered"
        assert min(machine.reached[status] for status in TERMINAL) > 10
