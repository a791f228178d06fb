"""Instants, spans, counts and lists, as sentences have them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from parcae.phrases import at, count, listed, span, when
from parcae.values import hours, minutes, seconds
from parcae_specs.story import at as instant


@pytest.mark.parametrize(
    ("duration", "text"),
    [
        (seconds(-5), "0.0s"),
        (seconds(1.26), "1.3s"),
        (seconds(10), "10s"),
        (seconds(119), "119s"),
        (minutes(2), "2m"),
        (hours(2), "2h"),
        (timedelta(days=2), "2d"),
    ],
)
def test_a_span_has_one_unit(duration: timedelta, text: str) -> None:
    assert span(duration) == text


def test_an_instant_says_how_far_away_it_is() -> None:
    assert at(instant(5.9)) == "2026-01-01 00:00:05 UTC"
    assert when(instant(65), instant(5)) == "2026-01-01 00:01:05 UTC (in 60s)"
    assert when(instant(5), instant(65)) == "2026-01-01 00:00:05 UTC (60s ago)"


def test_numbers_have_their_nouns() -> None:
    assert (count(1, "job"), count(2, "job"), count(0, "job")) == ("1 job", "2 jobs", "0 jobs")


def test_a_long_list_is_counted() -> None:
    assert listed([]) == ""
    assert listed(["a"]) == "a"
    assert listed("ab") == "a and b"
    assert listed("abcd") == "a, b, c and d"
    assert listed("abcde") == "a, b, c and 2 more"
