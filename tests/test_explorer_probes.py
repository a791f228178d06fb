"""Every reachable job of the small models, and every command that anybody might say to it.

In protocol or out of it: the invariants that were written from the prose hold on each such pair,
and of each such job.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from parcae import commands as c
from parcae.values import Place
from parcae_specs.bugs import models as m
from parcae_specs.bugs.sole import universe
from parcae_specs.explorer.cell import NOW, Cell
from parcae_specs.explorer.search import explore
from parcae_specs.explorer.slices import SLICES
from parcae_specs.invariants import of_edge, of_job
from parcae_specs.story import put

SMALL = ((m.WAITING, 6_000), (m.OVERSLEPT, 6_000), (m.FORWARD, 6_000), (SLICES["saga"], 1_500))


def _cells() -> Iterator[Cell]:
    for model, worlds in SMALL:
        for cell in explore(model, worlds).space.tables.cells.values:
            if cell.stored is not None:
                yield cell


def test_every_reachable_job_keeps_the_invariants_of_a_job() -> None:
    """S6, S10, S13, by a second hand than the explorer's own observers."""
    broken = {one for cell in _cells() if cell.stored for one in of_job(cell.stored.job)}
    assert not broken


def test_every_pair_of_a_reachable_job_and_a_command_keeps_the_invariants_of_an_edge() -> None:
    """S3, S4, S5, S16, S18, S20, S24, S25, S28, S29, by a second hand."""
    pairs, broken = 0, set()
    # One job in two, so that every check can afford it.
    for cell in islice(_cells(), 0, None, 2):
        assert cell.stored is not None
        for command in (*universe(cell), c.Reconcile(), c.Cancel(force=True)):
            pairs += 1
            edge = put(cell.stored, command, NOW, Place(9), cell.stored.job.id)
            broken |= {f"{one} after {command}" for one in of_edge(edge)}
    assert not broken
    assert pairs > 50_000
