"""Subscriptions: given what was set, when somebody asks something, then these events."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parcae import subscriptions as n
from parcae.errors import Corrupt, Reason, Rejected
from parcae.filters import Filter
from parcae.subscriptions.decide import SECRETS
from parcae.telling import tell_outgoing
from parcae.values import Blob, Instant, blob, hours, seconds
from parcae_adapters.clock import EPOCH

URL = "https://example.org/hook"
FIRST, SECOND, THIRD = (blob(f"secret/{one}", one.encode()) for one in ("a", "b", "c"))
MADE = n.SubscriptionSet(at=EPOCH, url=URL, filter=Filter(), secret=FIRST)


def at(offset: float) -> Instant:
    return EPOCH + seconds(offset)


def after(*events: n.SubscriptionEvent) -> n.Subscription:
    found = n.fold("hook", (MADE, *events))
    assert found is not None
    return found


def test_given_none_when_it_is_set_then_it_is_made_with_its_first_secret() -> None:
    command = n.SetSubscription(url=URL, secret=FIRST)
    assert n.decide("hook", None, command, EPOCH) == (MADE,)
    assert [one.blob for one in after().signed_with(EPOCH)] == [FIRST]


def test_given_it_is_so_already_when_it_is_set_then_nothing_happens() -> None:
    """S25: an application may subscribe whenever it starts; its own secrets stay."""
    for secret in (None, FIRST, SECOND):
        assert n.decide("hook", after(), n.SetSubscription(url=URL, secret=secret), at(1)) == ()


def test_given_one_when_another_address_is_set_then_its_secrets_and_its_state_stay() -> None:
    off = after(n.SubscriptionDisabled(at=at(1), gone=True))
    command = n.SetSubscription(url="http://other/", ordered=True, secret=SECOND, by="ops")
    (event,) = n.decide("hook", off, command, at(2))
    assert event == n.SubscriptionSet(
        at=at(2), url="http://other/", filter=Filter(), ordered=True, by="ops"
    )
    found = n.evolve("hook", off, event)
    assert [one.blob for one in found.secrets] == [FIRST]
    assert (found.disabled_at, found.gone, found.life, found.active) == (at(1), True, 0, False)


def test_given_it_was_removed_when_it_is_set_then_it_lives_again_with_nothing_of_before() -> None:
    gone = after(n.SubscriptionDisabled(at=at(1)), n.SubscriptionRemoved(at=at(1)))
    assert gone.secrets == ()
    (event,) = n.decide("hook", gone, n.SetSubscription(url=URL, secret=SECOND), at(2))
    found = n.evolve("hook", gone, event)
    assert [one.blob for one in found.secrets] == [SECOND]
    assert (found.removed, found.disabled_at, found.life, found.version) == (False, None, 1, 4)


@pytest.mark.parametrize("gone", [False, True])
@pytest.mark.parametrize(
    "command", [n.Rotate(secret=SECOND), n.Disable(), n.Enable(), n.Unsubscribe()]
)
def test_given_there_is_none_when_anything_else_is_asked_then_it_is_refused(
    command: n.SubscriptionCommand, gone: bool
) -> None:
    found = after(n.SubscriptionRemoved(at=EPOCH)) if gone else None
    with pytest.raises(Rejected) as refused:
        n.decide("hook", found, command, at(1))
    assert refused.value.reason is Reason.NOT_FOUND


def test_given_it_is_disabled_or_enabled_when_the_same_is_asked_then_nothing_happens() -> None:
    """S25: a repeated command changes nothing."""
    off = after(n.SubscriptionDisabled(at=at(1)))
    assert n.decide("hook", after(), n.Enable(), at(2)) == ()
    assert n.decide("hook", off, n.Disable(gone=True), at(2)) == ()
    assert n.decide("hook", off, n.Enable(by="ops"), at(2)) == (
        n.SubscriptionEnabled(at=at(2), by="ops"),
    )
    assert n.decide("hook", after(), n.Disable(by="ops"), at(2)) == (
        n.SubscriptionDisabled(at=at(2), by="ops"),
    )


def test_given_a_secret_when_it_is_rotated_then_both_count_until_the_overlap_is_over() -> None:
    (event,) = n.decide("hook", after(), n.Rotate(secret=SECOND), at(1))
    assert event == n.SecretRotated(at=at(1), secret=SECOND, until=at(1) + n.OVERLAP)
    found = after(event)
    just_before = at(1) + n.OVERLAP - timedelta.resolution
    assert [one.blob for one in found.signed_with(just_before)] == [SECOND, FIRST]
    assert [one.blob for one in found.signed_with(at(1) + n.OVERLAP)] == [SECOND]


def test_given_a_rotation_without_overlap_then_the_former_secret_counts_no_more() -> None:
    """For a secret that leaked."""
    (event,) = n.decide("hook", after(), n.Rotate(secret=SECOND, overlap=seconds(0)), at(1))
    assert [one.blob for one in after(event).secrets] == [SECOND]


def test_given_a_secret_that_it_had_when_it_is_rotated_to_that_then_it_is_refused() -> None:
    again = Blob("secret/other-name", FIRST.size, FIRST.digest)
    with pytest.raises(Rejected) as refused:
        n.decide("hook", after(), n.Rotate(secret=again), at(1))
    assert refused.value.reason is Reason.BAD_INPUT


def test_given_many_secrets_that_count_when_one_more_comes_then_it_is_refused() -> None:
    found, more = after(), [blob(f"secret/{one}", bytes([one])) for one in range(SECRETS)]
    for one in more[:-1]:
        (event,) = n.decide("hook", found, n.Rotate(secret=one), at(1))
        found = n.evolve("hook", found, event)
    with pytest.raises(Rejected) as refused:
        n.decide("hook", found, n.Rotate(secret=more[-1]), at(1))
    assert refused.value.reason is Reason.TOO_LARGE
    (event,) = n.decide("hook", found, n.Rotate(secret=more[-1]), at(2) + n.OVERLAP)
    found = n.evolve("hook", found, event)
    assert [one.blob for one in found.secrets][:1] == [more[-1]]
    assert len(found.secrets) == 2


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.org",
        "ftp://example.org",
        "https://a b",
        "https://a\n",
        "https://ä",
        "https://" + "a" * 2_000,
    ],
)
def test_an_address_that_is_none_is_refused_without_being_repeated(url: str) -> None:
    """S28: it may be a secret in itself."""
    with pytest.raises(ValueError, match="expected url to be an https") as refused:
        n.SetSubscription(url=url)
    assert not url or url not in str(refused.value)


COMMANDS: st.SearchStrategy[n.SubscriptionCommand] = st.one_of(
    st.builds(
        n.SetSubscription,
        url=st.sampled_from([URL, "http://other"]),
        ordered=st.booleans(),
        secret=st.sampled_from([None, FIRST, SECOND]),
    ),
    st.builds(
        n.Rotate,
        secret=st.sampled_from([FIRST, SECOND, THIRD]),
        overlap=st.sampled_from([None, seconds(0), hours(1)]),
    ),
    st.builds(n.Disable, gone=st.booleans()),
    st.just(n.Enable()),
    st.just(n.Unsubscribe()),
)


@given(st.lists(st.tuples(COMMANDS, st.sampled_from([0, 1, 5_000, 90_000, -500])), max_size=25))
def test_whatever_is_asked_the_fold_is_the_state_and_the_present_secret_has_no_end(
    steps: Sequence[tuple[n.SubscriptionCommand, int]],
) -> None:
    """S5, S25: and the same once more does nothing, but for a rotation, which is refused."""
    found: n.Subscription | None = None
    events: list[n.SubscriptionEvent] = []
    now, removals = EPOCH, 0
    for command, jump in steps:
        now += seconds(jump)
        try:
            made = n.decide("hook", found, command, now)
        except Rejected:
            continue
        for event in made:
            found = n.evolve("hook", found, event)
            removals += isinstance(event, n.SubscriptionRemoved)
            tell_outgoing(event)
        events += made
        assert found is not None
        if not isinstance(command, n.Rotate | n.Unsubscribe):
            assert n.decide("hook", found, command, now) == ()
        ends = [one.until for one in found.secrets]
        assert ends[:1] == [None] or not ends
        assert None not in ends[1:]
        assert found.life + int(found.removed) == removals
        assert not (found.removed and found.secrets)
    assert n.fold("hook", events) == found
    assert found is None or found.version == len(events)


def test_a_history_of_one_that_is_not_there_is_corrupt() -> None:
    """S5: no run of this kernel can have written it."""
    for past in ((), (MADE, n.SubscriptionRemoved(at=EPOCH))):
        for event in (n.SubscriptionEnabled(at=EPOCH), n.SubscriptionRemoved(at=EPOCH)):
            with pytest.raises(Corrupt):
                n.fold("hook", (*past, event))
