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
    """S1, S3–S8, S11, S12, S14–S18, S20–S28, L2–L4, L6–L8, but for what a kill could take away."""

    subject = MEMORY
    # It is the reference itself.
    test_s26_whatever_is_asked_it_answers_as_the_reference_does = None  # type: ignore[assignment]


class TestSqlite(StoreContract):
    """S1, S3–S8, S11, S12, S14–S18, S20–S28, L2–L4, L6–L8."""

    subject = SQLITE
    # Half of what is held against the stores of others: this one is asked at every check.
    examples = 50


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


def test_the_contract_is_about_the_guarantees_that_its_docstring_names() -> None:
    said = [getattr(test, "promised", ()) for test in _tests(StoreContract).values()]
    promised = {one for some in said for one in some if " " not in one}
    assert promised == _named(TestSqlite.__doc__ or "")


def _named(text: str) -> set[str]:
    ranges = re.findall(r"([SL])(\d+)(?:–[SL](\d+))?", text)
    return {
        f"{letter}{number}"
        for letter, first, last in ranges
        for number in range(int(first), int(last or first) + 1)
    }


def test_every_test_of_a_contract_names_its_guarantee() -> None:
    for name, test in {**_tests(StoreContract), **_tests(ClockContract)}.items():
        assert re.match(r"test_[sl]\d+_", name), name
        guarantee = name.split("_")[1].upper()
        promised = getattr(test, "promised", (guarantee,))
        assert guarantee in promised, f"{name} promises {promised}"
