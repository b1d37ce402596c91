"""Colors, words and links of a panel's values as the SDK's builders."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import dashboard as models

from .model import GREEN, ORANGE, RED, Limits, Link, State


def has_limits(limits: Limits) -> bool:
    return limits.warning is not None or limits.critical is not None


def thresholds(limits: Limits) -> dashboard.ThresholdsConfig:
    """A step's color begins at its value, and the first one has none."""
    marks = [(limits.warning, ORANGE), (limits.critical, RED)]
    rising: list[tuple[float | None, str]] = [(None, GREEN)]
    rising += [(value, color) for value, color in marks if value is not None]
    if limits.falling:
        values = [value for value, _color in rising[1:]][::-1]
        colors = [color for _value, color in rising[::-1]]
        rising = list(zip([None, *values], colors, strict=True))
    steps = [models.Threshold(value=value, color=color) for value, color in rising]
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)


def states(words: tuple[State, ...]) -> models.ValueMap:
    results = {
        str(state.value): models.ValueMappingResult(text=state.text, color=state.color, index=index)
        for index, state in enumerate(words)
    }
    return models.ValueMap(options=results)


def link(spec: Link) -> dashboard.DashboardLink:
    return dashboard.DashboardLink(spec.title).url(spec.url).type(models.DashboardLinkType.LINK)
