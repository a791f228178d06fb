"""The contracts, held to by the stores and clocks of Parcae; and the contracts themselves."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from parcae.ports import Clock, EventBus, Store
from parcae_adapters.clock import ManualClock, SystemClock
from parcae_specs.contracts import ClockContract, StoreContract
from parcae_specs.contracts.ours import MEMORY, SQLITE


class TestMemory(StoreContract):
    subject = MEMORY
    # It is the reference itself.
    test_s26_whatever_is_asked_it_answers_as_the_reference_does = None  # type: ignore[assignment]


class TestSqlite(StoreContract):
    subject = SQLITE


class TestSystemClock(ClockContract):
    make = SystemClock


class TestManualClock(ClockContract):
    make = ManualClock
    by_hand = True

    def pass_time(self, clock: Clock, by: timedelta) -> None:
        assert isinstance(clock, ManualClock)
        clock.advance(by)


def _numbered(port: type) -> set[str]:
    """The requirements that a port's docstring counts up."""
    return {
        f"{port.__name__} {one}"
        for one in re.findall(r"^    (\d+)\.", port.__doc__ or "", re.MULTILINE)
    }


def _tests(contract: type) -> dict[str, Any]:
    names = [name for name in dir(contract) if name.startswith("test_")]
    return {name: getattr(contract, name) for name in names}


def test_every_numbered_requirement_of_a_port_has_a_test_that_names_it() -> None:
    said = [getattr(test, "promised", ()) for test in _tests(StoreContract).values()]
    promised = {one for some in said for one in some}
    for port in (Store, EventBus):
        assert _numbered(port)
        assert _numbered(port) <= promised, f"no test: {sorted(_numbered(port) - promised)}"
    clocks = " ".join(test.__doc__ for test in _tests(ClockContract).values())
    assert all(one in clocks for one in _numbered(Clock))


def test_every_test_of_a_contract_names_its_guarantee() -> None:
    for name, test in {**_tests(StoreContract), **_tests(ClockContract)}.items():
        assert re.match(r"test_[sl]\d+_", name), name
        guarantee = name.split("_")[1].upper()
        promised = getattr(test, "promised", (guarantee,))
        assert guarantee in promised, f"{name} promises {promised}"
