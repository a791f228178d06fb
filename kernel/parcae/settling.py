"""What came of many tries at once: one commit for all, each as if it were alone."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve as replace
from attrs import frozen

from parcae import deliveries as d
from parcae.change import Revision, View
from parcae.errors import LeaseLost, Rejected
from parcae.outbox import report
from parcae.subscriptions import Subscription
from parcae.values import StreamId

Answer = d.Delivery | LeaseLost | Rejected
"""How a delivery stands then; or why what was said of it does not count."""


@frozen(kw_only=True)
class Said:
    """What a sender says of one delivery: what came of a try, or that it was not sent."""

    delivery: StreamId
    command: d.Report | d.Release


def settle(view: View, said: Sequence[Said]) -> tuple[Sequence[Revision], Sequence[Answer]]:
    """Rule: all that was said, in order. What is refused of one is its own affair."""
    deliveries, subscriptions = dict(view.deliveries), dict(view.subscriptions)
    view = replace(view, deliveries=deliveries, subscriptions=subscriptions)
    made: list[Revision] = []
    answers: list[Answer] = []
    for one in said:
        try:
            revisions, answer = report(view, one.delivery, one.command)
        except Rejected as error:
            answers.append(error)
            continue
        answers.append(answer)
        made += revisions
        for revision in revisions:
            # The next one is told as things stand then: a subscription is disabled once only.
            if isinstance(revision.after, d.Delivery):
                deliveries[revision.after.id] = revision.after
            elif isinstance(revision.after, Subscription):
                subscriptions[revision.after.name] = revision.after
    return tuple(made), tuple(answers)
