"""An explanation as plain values."""

from __future__ import annotations

from parcae.freshness import Assessment
from parcae.why import Diagnostics, Explanation
from parcae_adapters.records.jobs import Record, iso


def trust(found: Assessment) -> Record:
    """How far what is shown of a job can be trusted, and the evidence: two fields of a record."""
    return {"freshness": str(found.word), "evidence": _evidence(found)}


def _evidence(found: Assessment) -> Record:
    evidence = found.evidence
    due = evidence.due
    return {
        "because": found.because,
        "heard_at": iso(evidence.heard_at),
        "expires_at": iso(evidence.expires_at),
        "due_at": iso(due.at if due else None),
        "due": due.kind.name.lower() if due else None,
        "waiting_since": iso(evidence.waiting_since),
        "waiting_seconds": None if evidence.age is None else evidence.age.total_seconds(),
        "paused_at": iso(evidence.paused_at),
        "workers": evidence.workers,
        "ended_at": iso(evidence.ended_at),
    }


def explained(found: Explanation) -> Record:
    """All of it."""
    record: Record = {
        "id": found.job_id,
        "status": str(found.status),
        "since": iso(found.since),
        **trust(found.freshness),
        "state": found.state,
        "waits": list(found.waits),
        "past": list(found.past),
        "doubts": list(found.doubts),
        "next": found.next,
        "remedies": [{"command": one.command, "does": one.does} for one in found.remedies],
    }
    if found.diagnostics is not None:
        record["diagnostics"] = _diagnostics(found.diagnostics)
    return record


def _diagnostics(found: Diagnostics) -> Record:
    return {
        "payload": found.payload,
        "errors": [
            {
                "at": iso(one.at),
                "phase": one.phase,
                "undo": one.undo,
                "number": one.number,
                "type": one.error.type,
                "message": one.error.message,
                "traceback": one.error.traceback,
            }
            for one in found.errors
        ],
    }
