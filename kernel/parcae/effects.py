"""What an adapter is asked to do about one job, as values.

``Offer`` and ``Remind`` follow from the state alone: a store keeps them as indexed columns, so no
crash can lose them. ``Interrupt`` and ``Announce`` only make somebody look sooner.
"""

from __future__ import annotations

from attrs import frozen

from parcae.values import Instant, JobId, Lane, Place, Status, Token, WorkerId


@frozen(kw_only=True)
class Offer:
    """Offer the job to claimers.

    Attributes:
        at: not before.
        until: only before; ``None``: for ever.
        kind: to those who serve this kind.
        lane: its line.
        undo: it is to be undone: undos go first.
        priority: higher goes first.
        place: then lower goes first.
    """

    at: Instant
    until: Instant | None
    kind: str
    lane: Lane
    undo: bool
    priority: int
    place: Place


@frozen(kw_only=True)
class Remind:
    """Reconcile the job at this instant: something falls due."""

    at: Instant


@frozen(kw_only=True)
class Interrupt:
    """Tell the worker that a cancel was requested, or that it is fenced off."""

    job_id: JobId
    worker: WorkerId
    token: Token


@frozen(kw_only=True)
class Announce:
    """Tell whoever waits for the job that it has ended."""

    job_id: JobId
    status: Status


Effect = Offer | Remind | Interrupt | Announce
