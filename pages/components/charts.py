"""The charts of the Compare page, in plotly: figures in, a picture out, readable in both themes."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pages.components.words import percent
from sslcore.metrics import Report
from sslcore.quality.intervals import Interval, alike
from sslcore.shapes import BoolArray, FloatArray
from sslcore.task_metrics import SHARES, TITLES
from sslcore.workbench.compare import ModelReport, RunPoint
from sslcore.workbench.learning_curve import CurveResult
from sslcore.workbench.palette import OKABE_ITO
from sslcore.workbench.task_reports import TaskFigures

if TYPE_CHECKING:
    import plotly.graph_objects as go

CLEAR = "rgba(0,0,0,0)"
GREY = "rgba(128,134,145,0.55)"
LINES = ("#2E86D1", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6BB1", "#F0E442")
MODEL_WIDTH = 230
"""Pixels of a table's column with a model's name, clipped to what fits."""
LINE = 16
"""Pixels that a line of a name beside a chart takes."""
SHAPES = ("circle", "diamond", "square", "triangle-up", "x", "star", "pentagon", "cross")
CONFIG = {"displaylogo": False, "displayModeBar": False}  # it would lie on the legend; double click resets


def accuracy_chart(found: Sequence[ModelReport]) -> go.Figure:
    """Accuracy of each model with its 90 % interval; rough ones are hollow."""
    rows = [
        (
            entry.candidate.title,
            entry.rough,
            {"accuracy": entry.report.accuracy, "balanced accuracy": entry.report.balanced_accuracy},
        )
        for entry in found
        if entry.report is not None
    ]
    return _dots(rows, "accuracy")


def figures_chart(found: Sequence[TaskFigures], names: Sequence[str]) -> go.Figure:
    """The figure that ranks models of sets or numbers, of sets with a second one; rough ones are hollow."""
    shown = [name for name in names[:2] if name in SHARES] or names[:1]
    rows = [
        (held.title, held.rough, {TITLES[name]: held.figures[name] for name in shown if name in held.figures})
        for held in found
        if held.figures
    ]
    return _dots(rows, names[0])


def _dots(rows: Sequence[tuple[str, bool, Mapping[str, Interval]]], measure: str) -> go.Figure:
    """One line a model, one shape a figure: title, whether it is rough, figures by what they are called."""
    lines = max((folded(title).count("<br>") + 1 for title, _, _ in rows), default=1)
    below = 0 if measure in SHARES else 30  # the axis says what it measures
    picture = _figure(height=90 + below + (12 + LINE * lines) * max(len(rows), 1))
    names = list(dict.fromkeys(name for _, _, figures in rows for name in figures))
    for title, rough, figures in reversed(rows):
        for name, interval in figures.items():
            place = names.index(name)
            picture.add_scatter(
                x=[interval.value],
                y=[folded(title)],
                error_x=_bars([interval]),
                mode="markers",
                cliponaxis=False,
                name=name,
                legendgroup=name,
                showlegend=title == rows[0][0],
                offsetgroup=name,
                orientation="h",
                marker={
                    "symbol": SHAPES[place] + ("-open" if rough else ""),
                    "size": 10,
                    "color": LINES[place],
                    "line": {"width": 2, "color": LINES[place]},
                },
                hovertemplate=f"{name} {told_as(measure, interval)}<extra></extra>",
            )
    picture.update_layout(scattermode="group", scattergap=0.6)
    picture.update_layout(margin={"r": 28})  # the last number below the axis, and a mark at its end
    held = [interval for _, _, figures in rows for interval in figures.values()]
    if measure in SHARES:
        low = min((interval.low for interval in held), default=0.0)
        picture.update_xaxes(tickformat=".0%", range=[max(0.0, low - 0.03), 1.01])
    else:  # an error: to be read from nothing on
        title = f"{TITLES[measure][:1].lower()}{TITLES[measure][1:]}, in the numbers' unit (less is better)"
        picture.update_xaxes(
            title=title, range=[0, 1.05 * max((interval.high for interval in held), default=1.0)]
        )
    return picture


def beside_chart(given_J: FloatArray, said_J: FloatArray, audit_J: BoolArray) -> go.Figure:
    """Numbers that a model says over those that were given; on the diagonal it is right.

    Args:
        given_J: Numbers that were given; ``said_J`` what the model says of these items.
        said_J: See ``given_J``.
        audit_J: Which are audit answers; the others, labels left out in turn, are hollow.
    """
    both = [float(value) for value in (*given_J, *said_J)]
    low, high = min(both), max(both)
    space = 0.05 * (high - low) or 1.0
    picture = _figure(height=360)
    picture.add_scatter(
        x=[low, high],
        y=[low, high],
        mode="lines",
        line={"color": GREY, "dash": "dot"},
        hoverinfo="skip",
        showlegend=False,
    )
    for name, shown_J, symbol in (
        ("label left out in turn", ~audit_J, "circle-open"),
        ("audit answer", audit_J, "circle"),
    ):
        if shown_J.any():
            picture.add_scatter(
                x=given_J[shown_J],
                y=said_J[shown_J],
                mode="markers",
                name=name,
                marker={"size": 8, "symbol": symbol, "color": LINES[0], "opacity": 0.75},
                hovertemplate=f"given %{{x:.4g}}<br>said %{{y:.4g}}<extra>{name}</extra>",
                showlegend=not audit_J.all(),
            )
    picture.update_xaxes(title="given", range=[low - space, high + space])
    picture.update_yaxes(title="said", range=[low - space, high + space])
    return picture


def confusion_chart(names: Sequence[str], found: Report, *, dark: bool) -> go.Figure:
    """Rows: what it is; columns: what the model says; colour: share of the row, so rare classes show."""
    count_CC = found.confusion_CC
    share_CC = count_CC / count_CC.sum(axis=1, keepdims=True).clip(1)
    label = [short(name, 22) for name in _distinct(names)]
    picture = _figure(height=130 + 26 * max(len(names), 5))
    picture.add_heatmap(
        z=share_CC,
        x=label,
        y=label,
        customdata=count_CC,
        text=[[str(n) if n else "" for n in row] for row in count_CC],
        texttemplate="%{text}" if len(names) <= 20 else "",
        # pale cells let the page shine through, which plotly's own choice of text colour does not know
        textfont={"color": "#E8EBEF"} if dark else None,
        zmin=0,
        zmax=1,
        colorscale=[[0, "rgba(11,99,206,0.04)"], [1, "rgba(11,99,206,0.95)"]],
        colorbar={"tickformat": ".0%", "outlinewidth": 0},
        showscale=len(names) > 20,
        xgap=1,
        ygap=1,
        hovertemplate="is %{y}<br>taken for %{x}<br>%{customdata} items, %{z:.0%} of its row<extra></extra>",
    )
    picture.update_layout(width=min(1000, 240 + 58 * max(len(names), 4)))
    picture.update_yaxes(autorange="reversed", title="is", showgrid=False, type="category")
    picture.update_xaxes(title="taken for", showgrid=False, type="category", tickangle=-35)
    return picture


def reliability_chart(found: Sequence[tuple[str, Report]]) -> go.Figure:
    """How often a model is right where it says it is so sure; on the diagonal it tells the truth."""
    picture = _figure(height=360)
    picture.add_scatter(
        x=[0, 1],
        y=[0, 1],
        mode="lines",
        line={"color": GREY, "dash": "dot"},
        name="as sure as right",
        hoverinfo="skip",
    )
    for i, (title, held) in enumerate(found):
        bins = held.reliability
        picture.add_scatter(
            x=[b.confidence for b in bins],
            y=[b.accuracy for b in bins],
            error_y={
                "array": [b.high - b.accuracy for b in bins],
                "arrayminus": [b.accuracy - b.low for b in bins],
                "thickness": 1,
                "width": 0,
            },
            mode="lines+markers",
            marker={"symbol": SHAPES[i % len(SHAPES)], "size": 8, "color": LINES[i % len(LINES)]},
            line={"color": LINES[i % len(LINES)], "width": 1.5},
            name=f"{short(title)} (ECE {held.ece:.3f})",
            customdata=[b.count for b in bins],
            hovertemplate="sure %{x:.0%}, right %{y:.0%} of %{customdata} items<extra></extra>",
        )
    picture.update_xaxes(title="confidence", tickformat=".0%", range=[0, 1.02])
    picture.update_yaxes(title="accuracy", tickformat=".0%", range=[0, 1.03])
    return picture


def curve_chart(curve: CurveResult | None, runs: Sequence[RunPoint]) -> go.Figure:
    """Accuracy by number of labels: lines for the instant loop and its head, points for runs."""
    picture = _figure(height=360)
    if curve is not None:
        lines = (
            ("instant loop", "instant", LINES[0], "solid", True),
            ("supervised head alone", "head", LINES[1], "solid", True),
            ("instant loop, against key", "key_instant", LINES[0], "dot", False),
            ("supervised head, against key", "key_head", LINES[1], "dot", False),
        )
        for title, field, colour, dash, measured in lines:
            points = [(p.labels, getattr(p, field)) for p in curve.points if getattr(p, field) is not None]
            if not points:
                continue
            picture.add_scatter(
                x=[n for n, _ in points],
                y=[v.value if measured else v for _, v in points],
                error_y=_bars([v for _, v in points]) if measured else None,
                mode="lines+markers" if measured else "lines",
                name=title,
                line={"color": colour, "dash": dash, "width": 2},
                marker={"size": 7, "symbol": "circle" if field == "instant" else "diamond"},
                hovertemplate="%{x} labels: %{y:.1%}<extra>" + title + "</extra>",
            )
    for i, run in enumerate(runs):
        assert run.report.report is not None
        interval = run.report.report.accuracy
        picture.add_scatter(
            x=[run.labels],
            y=[interval.value],
            error_y=_bars([interval]),
            mode="markers",
            name=short(run.title),
            marker={
                "symbol": SHAPES[(i + 2) % len(SHAPES)],
                "size": 11,
                "color": LINES[(i + 2) % len(LINES)],
            },
            hovertemplate=f"%{{x}} labels: {told(interval)}<extra></extra>",
        )
    picture.update_xaxes(title="labels to train on", rangemode="tozero")
    picture.update_yaxes(title="accuracy", tickformat=".0%")
    return picture


def told(interval: Interval) -> str:
    """A figure with its range, as a person reads it.

    >>> told(Interval(0.9, 0.75, 0.97))
    '90.0 % (75–97)'
    """
    if interval.value != interval.value:
        return "–"
    return f"{percent(interval.value)} ({100 * interval.low:.0f}–{100 * interval.high:.0f})"


def told_as(name: str, interval: Interval | None) -> str:
    """A figure by its name: shares as percentages, others as numbers; a dash where there is none.

    >>> told_as("mae", Interval(0.5, 0.4, 0.61)), told_as("micro_f1", None)
    ('0.500 (0.400 to 0.610)', '–')
    """
    if interval is None or interval.value != interval.value:
        return "–"
    if name in SHARES:
        return told(interval)
    value, low, high = alike(interval.value, interval.low, interval.high)
    return f"{value} ({low} to {high})"


def short(text: str, most: int = 34) -> str:
    """A title that fits beside a chart; plotly reads HTML in it, so its signs are escaped.

    >>> short("<b>" + "a" * 40)
    '&lt;b&gt;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…'
    """
    text = " ".join(text.split())
    text = text if len(text) <= most else text[: most - 1] + "…"
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def clipped(text: str, most: int = 28) -> str:
    """A title for a table's cell, which cuts what is too long without a sign; the chart has it in full.

    >>> clipped("Run 6"), clipped("Supervised head alone on pixels")
    ('Run 6', 'Supervised head alone on pi…')
    """
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def folded(text: str, width: int = 26) -> str:
    """A title in full, on as many lines as it needs beside a chart.

    >>> folded("Instant: committee on efficientnet_lite0")
    'Instant: committee on<br>efficientnet_lite0'
    """
    return "<br>".join(short(line, 60) for line in textwrap.wrap(" ".join(text.split()), width)[:4])


def _distinct(names: Sequence[str]) -> list[str]:
    """Names that stay apart once they are cut."""
    seen: dict[str, int] = {}
    found = []
    for name in names:
        seen[name[:20]] = seen.get(name[:20], 0) + 1
        again = seen[name[:20]]
        found.append(name if again == 1 else f"{name[:16]} ({again})")
    return found


def _bars(intervals: Sequence[Interval]) -> dict[str, Any]:
    return {
        "type": "data",
        "array": [i.high - i.value for i in intervals],
        "arrayminus": [i.value - i.low for i in intervals],
        "thickness": 1.5,
        "width": 3,
    }


def _figure(*, height: int) -> go.Figure:
    import plotly.graph_objects as go  # not at import: a page that shows no chart need not wait for it

    picture = go.Figure()
    picture.update_layout(
        height=height,
        paper_bgcolor=CLEAR,
        plot_bgcolor=CLEAR,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        legend={"orientation": "h", "y": 1.0, "yanchor": "bottom", "x": 0},
        colorway=list(OKABE_ITO),
        hoverlabel={"align": "left"},
    )
    picture.update_xaxes(gridcolor=GREY, zeroline=False, automargin=True)
    picture.update_yaxes(gridcolor=GREY, zeroline=False, automargin=True)
    return picture
