"""What a worker elsewhere reports of its work, and what it is told in return."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from attrs import NOTHING, frozen

from parcae.values import MAX_NOTE
from parcae_adapters.http.fields import many, name, number, text

MOST_RENEWED = 1_000
"""Leases that one request renews."""


@frozen(kw_only=True)
class ProgressBody:
    """How far a handler is."""

    done: int = number(0, least=0, most=2**53)
    total: int | None = number(None, least=0, most=2**53)
    note: str = text("", most=4_000)


@frozen(kw_only=True)
class Renewal:
    """A lease to be kept."""

    token: int = number(least=0, most=2**53)
    progress: ProgressBody | None = None


@frozen(kw_only=True)
class NamedRenewal:
    """One of many leases to be kept."""

    job_id: str = name()
    token: int = number(least=0, most=2**53)
    progress: ProgressBody | None = None


@frozen(kw_only=True)
class Renewals:
    """Leases to be kept."""

    leases: tuple[NamedRenewal, ...] = many(NOTHING, least=1, most=MOST_RENEWED)


@frozen(kw_only=True)
class Renewed:
    """The lease is kept for so many seconds more."""

    expires_at: datetime
    expires_in: float
    cancel_requested: bool


@frozen(kw_only=True)
class RenewedOne:
    """What became of one of many renewals: ``renewed``, or the ``problem`` that refused it."""

    job_id: str
    renewed: Renewed | None
    problem: Any


@frozen(kw_only=True)
class RenewedMany:
    """What became of many renewals, in their order."""

    answers: tuple[RenewedOne, ...]


@frozen(kw_only=True)
class Bare:
    """A report that is nothing but the lease."""

    token: int = number(least=0, most=2**53)


@frozen(kw_only=True)
class PhaseBody:
    """A report about one phase."""

    token: int = number(least=0, most=2**53)
    phase: str = name()


@frozen(kw_only=True)
class ResultBody:
    """A phase's end.

    Attributes:
        token: of the lease.
        phase: which.
        result: what it gave, if anything.
        result_json: the same as the text of a JSON value, kept byte by byte; one of both.
    """

    token: int = number(least=0, most=2**53)
    phase: str = name()
    result: Any = None
    result_json: str | None = None


@frozen(kw_only=True)
class LastResult:
    """The end of the last phase."""

    token: int = number(least=0, most=2**53)
    result: Any = None


@frozen(kw_only=True)
class ErrorBody:
    """What a handler raised; ``permanent``: no retry will help."""

    type: str = name()
    message: str = text("", most=100_000)
    traceback: str = text("", most=200_000)
    mro: tuple[str, ...] = many(most=100)
    permanent: bool = False


@frozen(kw_only=True)
class Failure:
    """The attempt failed."""

    token: int = number(least=0, most=2**53)
    error: ErrorBody


@frozen(kw_only=True)
class UndoFailure:
    """An undo failed."""

    token: int = number(least=0, most=2**53)
    phase: str = name()
    error: ErrorBody


@frozen(kw_only=True)
class GivenBack:
    """The job is given back; ``lacks``: what the worker lacks to run it, where that is why."""

    token: int = number(least=0, most=2**53)
    lacks: str = text("", most=MAX_NOTE)


@frozen(kw_only=True)
class Taken:
    """The report was taken; the job then had this status."""

    job_id: str
    status: str
