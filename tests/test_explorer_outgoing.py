"""Deliveries and those who send them, walked to the end of every slice.

The counts are pinned: one that changes says that the kernel, or the world around it, has changed.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from attrs import evolve

from parcae_specs.bugs.plant import Change, planted
from parcae_specs.explorer.outgoing.model import Mishap
from parcae_specs.explorer.outgoing.search import explore
from parcae_specs.explorer.outgoing.slices import DEEP, SLICES

PINNED: Mapping[str, tuple[int, int, int]] = {
    "webhooks: crash": (4_854, 10_541, 18),
    "webhooks: replay": (5_078, 9_570, 18),
    "webhooks: seal": (9_006, 24_561, 16),
    "webhooks: in order": (6_260, 13_061, 24),
    "webhooks: retention": (2_559, 4_842, 19),
    "webhooks: removed": (1_115, 2_317, 16),
    "webhooks: tired": (8_700, 12_476, 26),
    "webhooks: clocks": (5_071, 11_779, 18),
}
"""Worlds, steps between them, and the depth of the last."""


@pytest.mark.parametrize("name", SLICES)
def test_no_guarantee_is_broken_in_any_world_of_a_slice(name: str) -> None:
    """S3, S4, S14, S15, S19, S21, S22, S25, L4: and every fair way ends with nothing owed."""
    found = explore(SLICES[name])
    assert found.violation is None, (found.violation, found.lines)
    assert found.whole
    assert (found.states, found.steps, found.depth) == PINNED[name]


def test_what_is_never_reached_is_reported() -> None:
    never = evolve(SLICES["webhooks: seal"], mishaps={Mishap.CRASH: 1})
    found = explore(never)
    assert found.violation is not None
    assert found.violation.guarantee == "vacuous"
    assert "sealed" in found.violation.message


def test_what_goes_on_for_ever_is_found_with_the_way_to_it() -> None:
    """L4: were tries not counted, and never waited for, a delivery would go round for ever."""
    endless = Change(
        module="parcae.outbox",
        function="start",
        old="elif to.active and one.open and (head is one or one.held(view.now)):",
        new="elif False:",
    )
    with planted(endless):
        found = explore(SLICES["webhooks: crash"])
    assert found.violation is not None
    assert found.violation.guarantee == "L4"
    assert found.lines[0] == "a job is admitted"


def test_the_deep_slices_are_the_quick_ones_and_more() -> None:
    assert set(DEEP) == set(SLICES)
    for name, model in DEEP.items():
        quick = SLICES[name].mishaps
        assert all(quick[one] <= most for one, most in model.mishaps.items()), name
