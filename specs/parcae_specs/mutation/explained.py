"""Why a mutant may live: each reason, and the mutants that it speaks of."""

from __future__ import annotations

import re
from collections.abc import Sequence

from attrs import frozen

from parcae_specs.mutation.results import Mutant


@frozen
class Reason:
    """Why some mutants change nothing that anybody could see.

    Attributes:
        words: the reason, as a sentence.
        pattern: of ``module.function: before → after``.
    """

    words: str
    pattern: str

    def covers(self, mutant: Mutant) -> bool:
        """Whether it speaks of this one."""
        return re.search(self.pattern, f"{mutant.place}: {mutant.change}") is not None


REASONS: Sequence[Reason] = (
    Reason(
        "The two are of one length in every job that exists: `strict` finds no difference.",
        r"zip\(.*strict=True",
    ),
    Reason(
        "Nothing comes here: the types say so to mypy, and a table has refused it before.",
        r"assert_never|cannot (begin a history|follow)|did not lead to",
    ),
    Reason(
        "It ran when the module was imported, before mutmut could exchange anything; the golden "
        "table of the lifecycle holds it.",
        r"^lifecycle\._?evidence",
    ),
    Reason(
        "The change is idle: a store writes nothing of it, and shows only the answer.",
        r"^handle\.(unchanged: liveness|_?known: return Change)",
    ),
    Reason(
        "A constant that only has to stay the same from one run to the next.",
        r"^handle\._?retry: body = .*'retry', origin_id, mode.* → body = .*mode, \*settled",
    ),
    Reason(
        "The fingerprint of this key is never asked for: the key itself refuses.",
        r"^handle\._?retry: .*KeyRow\(key=once",
    ),
    Reason(
        "Compared are kind, phase and digest only: the token chose what is compared.",
        r"^decide\.fence\._?taken: known = Report",
    ),
    Reason(
        "Both are as good as no: whatever is asked of it is whether there is one.",
        r"first_answer: Status",
    ),
    Reason(
        "There is always one here: a claim of no job, and a lease without liveness, were "
        "refused before.",
        r"self\._job\.lease if|liveness\.expires_at if",
    ),
    Reason(
        "A fence that comes here lies after now, or is none.",
        r"overlap=forced",
    ),
    Reason(
        "Of an undo that raised, the error is the cause; the word is used of lost ones only.",
        r"^decide\.undo\._?fail_undo: burn_undo",
    ),
    Reason(
        "A job that waits for others owes nothing, so that nothing is to be undone at any instant.",
        r"^decide\.operator\._?settle_dependency: end\(",
    ),
    Reason(
        "What was cut off is marked interrupted, whatever else is said of it.",
        r"^evolve\._?finished: raised",
    ),
    Reason(
        "Every event of a reconciliation has a cause.",
        r'^handle\._?cause: return next.*getattr\(event, "cause", \)',
    ),
    Reason(
        "What is not certain has no result.",
        r"^saga\._?to_undo: result = .*and False",
    ),
    Reason(
        "Beyond sixty doublings every wait has met its cap; and whole microseconds are whole in a "
        "float, too, up to the longest duration.",
        r"^retry\._?delay: wait: int",
    ),
)


def reason(mutant: Mutant) -> str | None:
    """Why it may live; ``None``: nobody has said."""
    return next((one.words for one in REASONS if one.covers(mutant)), None)
