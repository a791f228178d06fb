"""Tokens and request keys that somebody in a world still knows: the rest can be forgotten.

The kernel compares tokens and counts them up, nothing else. So a world keeps their ranks among
those that a lease, a worker or a message still carries; a token that nobody can mention any more
is dropped from receipts and phases. That they only grow is checked before this, on real steps.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import evolve as replace
from attrs import frozen

from parcae.commands import Command, WorkerCommand
from parcae.state import Compensating, Ended, Job, Lease, Running, Stored, Undo
from parcae.values import Place, Token, WorkerId
from parcae_specs.explorer.cell import Cell, Ghost, Taken

NOBODY = "-"
"""The request of a lease whose claim nobody will repeat."""

Ranks = Mapping[int, int]


@frozen
class Renamed:
    """A cell by new names, and what the old tokens are called now."""

    cell: Cell
    ranks: Ranks


def lease_bits(cell: Cell) -> int:
    """The token that the store itself will not forget, as a bit mask."""
    job = cell.stored.job if cell.stored else None
    return 0 if job is None or job.lease is None else 1 << job.lease.token


def request_of(cell: Cell) -> str:
    """The request key of the lease; :data:`NOBODY` where there is none."""
    job = cell.stored.job if cell.stored else None
    return NOBODY if job is None or job.lease is None else job.lease.request


def rename(cell: Cell, bits: int, *, request: bool, place: int | None = None) -> Renamed:
    """The cell by the ranks of the tokens in ``bits``; ``request``: its claim may be repeated."""
    tokens = [token for token in range(bits.bit_length()) if bits >> token & 1]
    ranks = {token: rank for rank, token in enumerate(tokens, 1)}
    stored = cell.stored
    if stored is None:
        return Renamed(Cell(), ranks)
    job, liveness = stored.job, stored.liveness
    job = replace(
        _job(job, ranks, request=request),
        token=Token(len(tokens)),
        place=job.place if place is None else Place(place),
    )
    if liveness is not None:
        liveness = replace(liveness, token=Token(ranks[liveness.token]))
    ghost = _ghost(cell.ghost, ranks)
    return Renamed(Cell(stored=Stored(job=job, liveness=liveness), ghost=ghost), ranks)


def _job(job: Job, ranks: Ranks, *, request: bool) -> Job:
    state = job.state
    if isinstance(state, Running | Compensating):
        lease = state.lease
        if lease is not None:
            state = replace(state, lease=_lease(lease, ranks, request=request))
    if isinstance(state, Compensating | Ended):
        state = replace(state, undos=tuple(_undo(undo, ranks) for undo in job.undos))
    return replace(
        job,
        state=state,
        phases=tuple(
            phase if phase.token is None else replace(phase, token=_rank(phase.token, ranks))
            for phase in job.phases
        ),
        receipts=tuple(
            replace(one, report=replace(one.report, token=Token(ranks[one.report.token])))
            for one in job.receipts
            if one.report.token in ranks
        ),
        late=tuple(sorted(Token(ranks[one]) for one in job.late if one in ranks)),
    )


def _undo(undo: Undo, ranks: Ranks) -> Undo:
    return undo if undo.token is None else replace(undo, token=_rank(undo.token, ranks))


def _rank(token: Token, ranks: Ranks) -> Token | None:
    rank = ranks.get(token)
    return None if rank is None else Token(rank)


def _lease(lease: Lease, ranks: Ranks, *, request: bool) -> Lease:
    return replace(
        lease,
        token=Token(ranks[lease.token]),
        worker=lease.worker if request else WorkerId(NOBODY),
        request=lease.request if request else NOBODY,
    )


def _ghost(ghost: Ghost, ranks: Ranks) -> Ghost:
    if not ghost.taken:
        return ghost
    kept: tuple[Taken, ...] = tuple(
        (ranks[token], spoken(command, ranks), status)
        for token, command, status in ghost.taken
        if token in ranks
    )
    return replace(ghost, taken=tuple(sorted(kept, key=repr)))


def spoken(command: Command, ranks: Ranks) -> Command:
    """A command by new names."""
    if isinstance(command, WorkerCommand):
        return replace(command, token=Token(ranks[command.token]))
    return command
