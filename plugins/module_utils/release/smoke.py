# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Asks a release for its health, from inside the cluster and from outside, until it is surely there."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import urllib3

from ..text.json_object import decoded

# A load balancer that still knows an old pod shows it within this many requests, or soon after.
IN_A_ROW = 3
PAUSE_SECONDS = 1.0
REQUEST_SECONDS = 5.0

Answer = tuple[int, Mapping[str, Any]]


@dataclass(frozen=True)
class Place:
    """Where to ask: `words` for people, `ask` gives the status (0: nothing answered) and the JSON (empty: it is none).

    is_health: the answer is a health report; of any other path nothing but the status is looked at.
    """

    words: str
    ask: Callable[[], Answer]
    is_health: bool = True


@dataclass(frozen=True)
class Verdict:
    passed: bool
    sentence: str
    attempts: int


def outside(url: str) -> Answer:
    """One GET from here."""
    try:
        response = urllib3.request("GET", url, timeout=REQUEST_SECONDS, retries=False)
    except (urllib3.exceptions.HTTPError, ValueError):
        return 0, {}
    return response.status, decoded(response.data)


def check(
    place: Place,
    version: str,
    seconds: float,
    say: Callable[[str], None],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    beat: Callable[[], None] = lambda: None,
) -> Verdict:
    """Passed after IN_A_ROW healthy answers of the version (any, when empty) one after the other; failed after `seconds`.

    say: gets a line whenever what is wrong is something else than before.
    """
    began, good, attempts, said = clock(), 0, 0, ""
    while True:
        beat()
        problem = problem_of(place.ask(), version) if place.is_health else refusal_of(place.ask())
        attempts += 1
        good = 0 if problem else good + 1
        if problem not in ("", said):
            said = problem
            say(f"{clock() - began:4.0f} s  {place.words} {problem}")
        if good == IN_A_ROW:
            return Verdict(True, f"{place.words} {_praise(place, version)}", attempts)
        if clock() - began >= seconds:
            return Verdict(
                False, f"{place.words} {problem or 'is not steadily healthy'} after {seconds:.0f} s.", attempts
            )
        if problem:
            sleep(PAUSE_SECONDS)


def problem_of(answer: Answer, version: str) -> str:
    """What is wrong with an answer; empty when nothing is."""
    status, body = answer
    if not status:
        return "gives no answer"
    if status != 200:
        return f"answers {status}{_down(body)}"
    if not body:
        return "answers 200, but not with its health"
    if version and body.get("version") != version:
        return f"serves version {body.get('version')}, not {version}"
    return ""


def refusal_of(answer: Answer) -> str:
    """What is wrong with the answer of a path; empty when nothing is."""
    status, _body = answer
    if not status:
        return "gives no answer"
    return f"answers {status}" if status >= 400 else ""


def _praise(place: Place, version: str) -> str:
    if not place.is_health:
        return "answers"
    return f"is healthy{f' with version {version}' if version else ''}"


def _down(body: Mapping[str, Any]) -> str:
    down = [
        f"{name} is down: {part.get('error', 'no reason given')}"
        for name in ("database", "redis")
        if isinstance(part := body.get(name), dict) and part.get("status") != "up"
    ]
    return f" ({'; '.join(down)})" if down else ""
