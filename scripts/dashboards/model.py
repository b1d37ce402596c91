"""What a dashboard is made of. Plain data: `build` makes Grafana's JSON of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Language = Literal["promql", "logql"]
# graph: lines over time; stat: a number now; ranking: bars, the longest first; logs: lines of text.
Kind = Literal["graph", "stat", "ranking", "logs"]
GREEN, ORANGE, RED, BLUE = "green", "orange", "red", "blue"


@dataclass(frozen=True)
class Query:
    """An expression and the name of its series.

    A unit of its own puts the series on the right axis. C(bars) draws them as bars of one C(step) each. C(sparse) says why it has
    no data on the embedded cluster, whatever is done there; a test holds all queries against that, both ways.
    """

    expr: str
    legend: str
    unit: str = ""
    bars: bool = False
    step: str = ""
    sparse: str = ""


@dataclass(frozen=True)
class Limits:
    """Where a value turns orange and red. With C(falling) it does so below and not above."""

    warning: float | None = None
    critical: float | None = None
    falling: bool = False


@dataclass(frozen=True)
class State:
    """A number that stands for a word."""

    value: int
    text: str
    color: str


UP = (State(0, "down", RED), State(1, "up", GREEN))


@dataclass(frozen=True)
class Link:
    title: str
    url: str


@dataclass(frozen=True)
class Panel:
    """One question that the dashboard answers. C(width) is in columns of 24, C(height) in rows of 30 pixels."""

    title: str
    description: str
    queries: tuple[Query, ...]
    unit: str
    kind: Kind = "graph"
    language: Language = "promql"
    width: int = 12
    height: int = 8
    decimals: int | None = None
    stack: bool = False
    minimum: float | None = 0
    maximum: float | None = None
    limits: Limits = Limits()
    states: tuple[State, ...] = ()
    links: tuple[Link, ...] = ()


@dataclass(frozen=True)
class Row:
    """Panels below a heading; without a title they stand at the top."""

    panels: tuple[Panel, ...]
    title: str = ""


@dataclass(frozen=True)
class Choice:
    """A variable whose values are listed here: names with regular expressions."""

    name: str
    label: str
    values: dict[str, str]


@dataclass(frozen=True)
class Values:
    """A variable whose values are those of a label of Loki's streams."""

    name: str
    label: str
    stream: str = ""
    several: bool = False


@dataclass(frozen=True)
class Text:
    """A variable that is typed."""

    name: str
    label: str


@dataclass(frozen=True)
class Dashboard:
    """C(file) is its name below roles/monitoring/files/dashboards, C(page) a page of docs/."""

    file: str
    uid: str
    title: str
    description: str
    page: str
    hours: int
    rows: tuple[Row, ...]
    language: Language = "promql"
    variables: tuple[Choice | Values | Text, ...] = field(default=())

    @property
    def panels(self) -> tuple[Panel, ...]:
        return tuple(panel for row in self.rows for panel in row.panels)
