"""The host's own queue has given the job up, and says so for the handler that cannot."""

from __future__ import annotations

from parcae import commands as c
from parcae import events as e
from parcae.commands import ReportKind
from parcae.decide.draft import Draft
from parcae.decide.ending import end
from parcae.decide.reconcile import reconcile
from parcae.errors import LeaseLost, Reason
from parcae.state import Compensating, Ended, Running
from parcae.values import Cause


def still_news(draft: Draft, command: c.Abandon) -> bool:
    """Whether what is reported is of the job's last start, and forward work goes on.

    ``False`` for a repeat, which changes nothing, and for what comes too late: another start was
    granted since, or the job has ended otherwise. That is kept as evidence, once a token (S4).

    Raises:
        LeaseLost: it comes too late, and there is nothing to keep.
        Rejected: the token was never given.
    """
    job, token = draft.job, command.token
    if not 0 <= token <= job.token:
        message = f"token {token} was never given, the last is {job.token}"
        raise draft.rejected(command, Reason.UNKNOWN_TOKEN, message)
    receipt = job.receipt(token)
    if receipt is not None and receipt.report.kind is ReportKind.ABANDONED:
        draft.first_answer = receipt.status
        return False
    over = isinstance(job.state, Compensating | Ended)
    if over and token == job.token and _given_up(draft):
        return False
    if token == job.token and not over:
        return True
    _too_late(draft, command)
    return False


def _too_late(draft: Draft, command: c.Abandon) -> None:
    """Keep it as evidence, once a token; of what was never started there is none to keep."""
    token = command.token
    if token == 0 or token in draft.job.late:
        raise LeaseLost(Reason.STALE_TOKEN, f"Abandon refused: token {token} is not current")
    kind, error = ReportKind.ABANDONED, command.error
    draft.add(e.LateResultRecorded(at=draft.now, token=token, kind=kind, error=error))


def _given_up(draft: Draft) -> bool:
    state = draft.job.state
    causes = (getattr(state, "cause", None), getattr(state, "trigger", None))
    return Cause.REPORTED in causes


def abandon(draft: Draft, command: c.Abandon) -> None:
    """End forward work. Whether a phase in work has happened, nobody knows.

    Of a job that is held it is taken like a result, even after the lease's expiry: nobody else
    holds it. Otherwise what had fallen due before it wins, whether or not anybody had looked (S30).
    """
    state = draft.job.state
    held = isinstance(state, Running)
    if not held:
        reconcile(draft)
        if draft.job.status.is_terminal or isinstance(draft.job.state, Compensating):
            _too_late(draft, command)
            return
    cancelled = isinstance(state, Running) and state.cancel is not None
    end(
        draft,
        Cause.CANCELLED if cancelled else Cause.REPORTED,
        draft.now,
        error=command.error,
        interrupted=draft.interrupted(),
        fence=draft.fence(draft.now),
        burned_by=Cause.REPORTED if held else None,
        answers=c.report(command) if held else None,
    )
