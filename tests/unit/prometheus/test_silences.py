"""What makes a silence, and when there is one already."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible_collections.hustlex.platform.plugins.module_utils.prometheus.errors import SettingsError
from ansible_collections.hustlex.platform.plugins.module_utils.prometheus.silences import (
    Matcher,
    Silence,
    Wish,
    end_of,
    matchers_of,
    reason_of,
    refuse_unknown,
    same,
    suffices,
    to_expire,
    words_of,
)

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
WEEK = 10080
WISH = Wish(matchers_of("HighLatency", ["pod=api-1"]), NOW + timedelta(hours=1), "load test", "jo@desk")
THERE = Silence("id", WISH.matchers, NOW, WISH.ends, WISH.reason, "ann@desk", "active")


@pytest.mark.parametrize(
    ("text", "matcher"),
    [
        ("pod=a", Matcher("pod", "a")),
        (' pod = "a b" ', Matcher("pod", "a b")),
        ("pod!=", Matcher("pod", "", is_equal=False)),
        ("pod=~a|b=c", Matcher("pod", "a|b=c", is_regex=True)),
        ("pod!~a.*", Matcher("pod", "a.*", is_regex=True, is_equal=False)),
    ],
)
def test_matchers(text: str, matcher: Matcher) -> None:
    assert Matcher.parsed(text) == matcher
    assert Matcher.of(matcher.data()) == matcher


@pytest.mark.parametrize("text", ["", "pod", "=a", "pod=", "pod=~", "1pod=a", "po-d=a", "pod=~(a"])
def test_matchers_that_are_none(text: str) -> None:
    with pytest.raises(SettingsError, match=r"is no (matcher|regular expression)"):
        Matcher.parsed(text)


def test_an_alert_and_its_labels_belong_together() -> None:
    assert words_of(WISH.matchers) == "alertname=HighLatency, pod=api-1"
    with pytest.raises(SettingsError, match="-e alert=NAME"):
        matchers_of("", [])


def test_ends() -> None:
    assert end_of(60, "", NOW, WEEK) == NOW + timedelta(hours=1)
    assert end_of(WEEK, "", NOW, WEEK) == NOW + timedelta(days=7)
    assert end_of(None, "2026-07-01T14:30+02:00", NOW, WEEK) == NOW + timedelta(minutes=30)


@pytest.mark.parametrize(
    ("minutes", "end", "words"),
    [
        (None, "", "Say when the silence ends"),
        (5, "2026-07-01T13:00Z", "Say when the silence ends"),
        (0, "", "minutes=0 is not in the future"),
        (-5, "", "minutes=-5 is not in the future"),
        (None, "2026-07-01T11:59Z", "end=2026-07-01T11:59Z is not in the future"),
        (WEEK + 1, "", "minutes=10081 is too long: a silence lasts 1 to 10080 minutes"),
        (10**15, "", "is too long"),
        (None, "2027-01-01T00:00Z", "is too long"),
        (None, "2026-07-01T13:00", "a time with its zone"),
        (None, "tomorrow", "a time with its zone"),
    ],
)
def test_ends_that_are_refused(minutes: int | None, end: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        end_of(minutes, end, NOW, WEEK)


def test_a_reason_is_a_must() -> None:
    assert reason_of(" load\n test ") == "load test"
    for nothing in ("", "  "):
        with pytest.raises(SettingsError, match="Say why"):
            reason_of(nothing)


def test_an_alert_that_does_not_exist_is_refused() -> None:
    refuse_unknown("HighLatency", ["HighLatency"])
    refuse_unknown("", ["HighLatency"])
    refuse_unknown("HighLatency", [])
    with pytest.raises(SettingsError, match=r"There is no alert HighLatancy; did you mean HighLatency\?"):
        refuse_unknown("HighLatancy", ["DatabaseDown", "HighLatency"])
    with pytest.raises(SettingsError, match=r"There is no alert X; docs/monitoring.md"):
        refuse_unknown("X", ["DatabaseDown"])


def test_the_same_silence_is_found_again() -> None:
    others = [replace(THERE, matchers=matchers_of("HighLatency", [])), replace(THERE, state="expired")]
    assert same(WISH, others) is None
    assert same(WISH, [*others, THERE, replace(THERE, identity="longest", ends=NOW + timedelta(days=1))]) == replace(
        THERE, identity="longest", ends=NOW + timedelta(days=1)
    )


@pytest.mark.parametrize(
    ("change", "enough"),
    [
        ({}, True),
        ({"ends": WISH.ends + timedelta(hours=1)}, True),
        ({"ends": WISH.ends - timedelta(seconds=30)}, True),
        ({"ends": WISH.ends - timedelta(minutes=2)}, False),
        ({"reason": "another"}, False),
    ],
)
def test_when_a_silence_suffices(change: dict[str, Any], enough: bool) -> None:
    assert suffices(WISH, replace(THERE, **change)) is enough


def test_a_changed_silence_keeps_its_start() -> None:
    earlier = replace(THERE, starts=NOW - timedelta(hours=1))
    assert WISH.body(NOW, None)["startsAt"] == "2026-07-01T12:00:00+00:00"
    assert "id" not in WISH.body(NOW, None)
    assert WISH.body(NOW, earlier)["startsAt"] == "2026-07-01T11:00:00+00:00"
    assert WISH.body(NOW, earlier)["id"] == "id"


def test_what_is_ended() -> None:
    over = replace(THERE, identity="over", state="expired")
    assert to_expire(["id", "over", "id"], [THERE, over]) == [THERE]
    with pytest.raises(SettingsError, match="There is no silence a, b"):
        to_expire(["a", "id", "b"], [THERE])
