"""Memory is the model, SQLite the system: the same commands, the same answers (S5, S18, S26)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from parcae.ports import Entropy
from parcae.values import TERMINAL, Status
from parcae_adapters.clock import ManualClock
from parcae_adapters.memory import MemoryStore
from parcae_adapters.sqlite import SqliteStore
from parcae_specs.machine import MovableClock, agreement


@pytest.fixture
def numbers() -> Iterator[int]:
    return count()


def test_whatever_is_asked_both_stores_answer_the_same(
    tmp_path: Path, numbers: Iterator[int]
) -> None:
    def memory(clock: MovableClock, entropy: Entropy) -> MemoryStore:
        return MemoryStore(clock=clock, entropy=entropy)

    def sqlite(clock: MovableClock, entropy: Entropy) -> SqliteStore:
        path = tmp_path / f"{next(numbers)}.db"
        return SqliteStore(path, clock=clock, entropy=entropy, durability="normal")

    machine = agreement(ManualClock, memory, sqlite)
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=60,
            stateful_step_count=30,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert set(machine.reached) == set(Status), "some status was never reached"
    assert min(machine.reached[status] for status in TERMINAL) > 10
