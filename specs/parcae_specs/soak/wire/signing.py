"""Whether something that was received is signed by who is meant to have sent it."""

from __future__ import annotations

from datetime import UTC, datetime

from standardwebhooks import Webhook

from parcae_specs.soak.wire.receiver import Receipt


def signed_by(key: Webhook, receipt: Receipt) -> bool:
    """Whether the signature is over this id, this time and this body. How old it is says nothing:
    it is asked long afterwards."""
    when = datetime.fromtimestamp(receipt.signed, UTC)
    expected = key.sign(receipt.id, when, receipt.body.decode())
    return expected in receipt.signature.split(" ")
