"""Bugs of webhooks and outboxes, planted into the rules of deliveries."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve

from parcae_specs.bugs.bug import Bug
from parcae_specs.bugs.plant import Change
from parcae_specs.explorer.outgoing.model import Mishap, Outgoing
from parcae_specs.explorer.outgoing.slices import SLICES

DECIDE, EVOLVE = "parcae.deliveries.decide", "parcae.deliveries.evolve"
STATE, OUTBOX = "parcae.deliveries.state", "parcae.outbox"


def _slice(name: str) -> Outgoing:
    return evolve(SLICES[f"webhooks: {name}"], sometimes=())


def _plant(module: str, function: str, old: str, new: str) -> Change:
    return Change(module=module, function=function, old=old, new=new)


REMOVED = evolve(_slice("removed"), mishaps={Mishap.REMOVE: 1, Mishap.CRASH: 1})
GONE = "isinstance(command, d.Report) and d.is_gone(command.attempt)"

OUTGOING: Sequence[Bug] = (
    Bug(
        name="a result is accepted by the name of the delivery, whoever holds it by now",
        seen=("https://github.com/langwatch/langwatch/pull/7037",),
        guarantee="S4",
        model=_slice("crash"),
        changes=(
            _plant(DECIDE, "_holds", " and found.state.token == token", ""),
            _plant(EVOLVE, "_require_holder", " and state.token == token", ""),
        ),
    ),
    Bug(
        name="a sender dies, and its delivery is being sent for ever",
        seen=(
            "https://github.com/RamaAditya49/titen/issues/48",
            "https://github.com/postalserver/postal/issues/2869",
        ),
        guarantee="L4",
        model=_slice("crash"),
        changes=(_plant(STATE, "Delivery.held", " and now < self.state.until", ""),),
    ),
    Bug(
        name="a try counts only once somebody reports it: what kills its senders is sent for ever",
        seen=("https://github.com/langwatch/langwatch/pull/7037",),
        guarantee="S19",
        model=_slice("tired"),
        changes=(
            _plant(
                EVOLVE,
                "_over",
                "state=Waiting(at=event.at), tries=found.tries + 1)",
                "state=Waiting(at=event.at), tries=found.tries)",
            ),
        ),
    ),
    Bug(
        name="a receiver that is gone (410) is sent the same again",
        seen=(
            "https://github.com/spatie/laravel-webhook-server/issues/47",
            "https://github.com/discourse/discourse/pull/7392",
        ),
        guarantee="L4",
        model=_slice("removed"),
        changes=(_plant(OUTBOX, "report", GONE, "False"),),
    ),
    Bug(
        name="a later event is sent while the one before it waits for its retry",
        seen=(
            "https://github.com/ow00us/sb11-mopl-team1/issues/266",
            "https://github.com/hasura/graphql-engine/issues/4043",
        ),
        guarantee="S15",
        model=_slice("in order"),
        changes=(_plant(OUTBOX, "_heads", "not to.ordered", "to.ordered"),),
    ),
    Bug(
        name="what is owed to a removed endpoint is never given up",
        seen=("https://github.com/keygen-sh/keygen-api/issues/139",),
        guarantee="L4",
        model=REMOVED,
        changes=(_plant(STATE, "Delivery.belongs", "subscription.removed", "False"),),
    ),
    Bug(
        name="one that was delivered is put back in line",
        seen=("https://github.com/dreamgeneX/stargate-backend/issues/136",),
        guarantee="S15",
        model=_slice("crash"),
        changes=(_plant(EVOLVE, "_over", "state=Done(at=event.at)", "state=Waiting(at=event.at)"),),
    ),
    Bug(
        name="after one that failed for good, those behind it are never sent",
        seen=("https://github.com/namastack/namastack-outbox/issues/80",),
        guarantee="L4",
        model=_slice("in order"),
        changes=(
            _plant(OUTBOX, "_put_off", "_reminded(one, until)", "_reminded(one, None)"),
            _plant(OUTBOX, "report", "if not after.open:", "if after.open:"),
        ),
    ),
    Bug(
        name="of a deletion nobody is told, for the job is gone",
        seen=("https://github.com/specklesystems/speckle-server/issues/1141",),
        guarantee="S14",
        model=_slice("retention"),
        changes=(
            _plant(
                OUTBOX,
                "_told",
                "if found is not None:",
                "if found is not None and job is not None:",
            ),
        ),
    ),
    Bug(
        name="a subscription made again under its name gets what was owed to the one before",
        seen=("this kernel, before it was read again",),
        guarantee="S15",
        model=_slice("removed"),
        changes=(
            _plant(
                STATE,
                "Delivery.belongs",
                "(subscription.name, subscription.life) == (self.subscription, self.life)",
                "True",
            ),
        ),
    ),
)

OUTGOING_GUARDS: Sequence[Bug] = (
    Bug(
        name="the seal is looked at where deliveries are found, and not where they are given",
        guarantee="S15",
        model=_slice("seal"),
        changes=(_plant(OUTBOX, "start", "if view.seal.closed:", "if False:"),),
    ),
    Bug(
        name="a delivery is tried without a bound",
        guarantee="S19",
        model=_slice("tired"),
        changes=(_plant(DECIDE, "_report", "tries >= TRIES", "tries >= 9 * TRIES"),),
    ),
    Bug(
        name="one that is being sent is replayed beside its sender",
        guarantee="S3",
        model=_slice("replay"),
        changes=(
            _plant(DECIDE, "_decide", "if found.held(now):", "if False:"),
            _plant(
                EVOLVE,
                "_apply",
                "_require(not isinstance(found.state, Sending), found, event)",
                "pass",
            ),
        ),
    ),
    Bug(
        name="the evidence of a late sender is taken twice",
        guarantee="S25",
        model=_slice("crash"),
        changes=(_plant(DECIDE, "_report", "token not in found.heard", "True"),),
    ),
    Bug(
        name="the tokens of a delivery begin again with a replay",
        guarantee="S3",
        model=_slice("replay"),
        changes=(
            _plant(DECIDE, "_start", "Token(found.token + 1)", "Token(found.tries + 1)"),
            _plant(EVOLVE, "_started", "event.token == found.token + 1", "True"),
        ),
    ),
    Bug(
        name="one whose subscription is removed is given up beside its sender",
        guarantee="S4",
        model=_slice("removed"),
        changes=(_plant(DECIDE, "given_up", " or found.held(now)", ""),),
    ),
)
