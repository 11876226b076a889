"""Charts as small PNG pictures inside markdown, legible on light and dark pages.

Drawn from aggregates, on a transparent ground, in colours that stand out from white and from
Dagster's dark page alike. Matplotlib takes half a second to import, so only drawing imports it.
"""

import base64
import io
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import dagster as dg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#7d8590"
BLUE = "#3d8bd4"
GREEN = "#2f9e5b"
RED = "#d9604a"

_INCHES = (7.2, 3.0)
_DOTS_PER_INCH = 110


def drawn(draw: Callable[[], dg.MarkdownMetadataValue]) -> dg.MarkdownMetadataValue:
    """What ``draw`` draws, or why it could not: a picture never costs a run."""
    try:
        return draw()
    except Exception as error:  # noqa: BLE001 the rows have landed, and must be told of
        return dg.MetadataValue.md(f"No chart: {type(error).__name__}: {error}")


def picture(figure: "Figure", text: str) -> dg.MarkdownMetadataValue:
    """A finished figure as markdown; ``text`` says the same to whoever sees no picture."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", transparent=True, metadata={"Software": None})
    encoded = base64.b64encode(buffer.getvalue()).decode("ascii")
    return dg.MetadataValue.md(f"![{text}](data:image/png;base64,{encoded})")


def segment_growth(rows: Sequence[tuple[datetime, int, int, int]]) -> dg.MarkdownMetadataValue:
    """Members of a segment by window, with what entered and left.

    Args:
        rows: start of the window, members, entered, departed; oldest first.
    """
    first, last = rows[0], rows[-1]
    return _line_over_bars(
        [start for start, *_ in rows],
        ("members of the segment", [row[1] for row in rows]),
        ("entered and left", [row[2] for row in rows], [row[3] for row in rows]),
        f"{first[1]:,} members in the first of {len(rows)} windows, {last[1]:,} now",
    )


def consent_over_time(
    rows: Sequence[tuple[datetime, int, int, int]],
) -> dg.MarkdownMetadataValue:
    """People who agree, by window, with the decisions for and against.

    Args:
        rows: start of the window, decisions for, decisions against, people who agree after it.
    """
    return _line_over_bars(
        [start for start, *_ in rows],
        ("people who agree", [row[3] for row in rows]),
        ("decisions for and against", [row[1] for row in rows], [row[2] for row in rows]),
        f"{rows[-1][3]:,} people agree after the last of {len(rows)} windows",
    )


def identity_sizes(rows: Sequence[tuple[str, int, int]]) -> dg.MarkdownMetadataValue:
    """How many identities have how many contacts, on a logarithmic scale.

    Args:
        rows: the range of sizes, identities, their contacts; smallest first.
    """
    with _style():
        figure, (axes,) = _panels("identities by number of contacts (logarithmic)")
        sizes = [size for size, *_ in rows]
        bars = axes.barh(sizes, [row[1] for row in rows], color=BLUE, log=True)
        axes.bar_label(bars, [f"{row[1]:,}" for row in rows], padding=4, color=INK)
        axes.set_xlim(left=0.5, right=max(row[1] for row in rows) * 4)
        axes.invert_yaxis()
        axes.xaxis.set_visible(False)  # the bars carry their numbers
        axes.spines["bottom"].set_visible(False)
        told = ", ".join(f"{row[1]:,} with {row[0]}" for row in rows)
        return picture(figure, f"identities by number of contacts: {told}")


def _style() -> AbstractContextManager[Any]:
    import matplotlib as mpl

    colours: dict[Any, Any] = dict.fromkeys(
        ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK
    )
    return mpl.rc_context({**colours, "font.size": 10, "axes.titlesize": 10})


def _line_over_bars(
    starts: Sequence[datetime],
    line: tuple[str, Sequence[int]],
    bars: tuple[str, Sequence[int], Sequence[int]],
    text: str,
) -> dg.MarkdownMetadataValue:
    """A line above bars over the same time: a stock, and what came and went."""
    (what, stock), (flow, came, went) = line, bars
    moments: Any = starts  # matplotlib takes them, and its types do not say so
    with _style():
        figure, (above, below) = _panels(what, flow)
        above.plot(moments, stock, color=BLUE, marker="o", markersize=3)
        above.set_ylim(*_around(stock))
        width = _bar_width(starts)
        below.bar(moments, came, width=width, color=GREEN)
        below.bar(moments, [-number for number in went], width=width, color=RED)
        below.axhline(0, color=INK, linewidth=0.8)
        below.set_ylim(-1.1 * max(1, *went), 1.1 * max(1, *came))
        _ticks(above, below)
        return picture(figure, text)


def _panels(*titles: str) -> "tuple[Figure, list[Axes]]":
    """A figure with one panel above the other, over the same x axis."""
    from matplotlib.figure import Figure

    # Without pyplot, whose figures belong to the process and not to a thread.
    figure = Figure(figsize=_INCHES, dpi=_DOTS_PER_INCH, layout="constrained")
    ratios = (3, 2) if len(titles) > 1 else (1,)
    panels = list(
        figure.subplots(len(titles), sharex=True, squeeze=False, height_ratios=ratios).flat
    )
    for axes, title in zip(panels, titles, strict=True):
        axes.set_title(title, loc="left")
        axes.spines[["top", "right"]].set_visible(False)
    return figure, panels


def _ticks(*panels: "Axes") -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    for axes in panels:
        axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    locator: Any = AutoDateLocator(minticks=2, maxticks=8)  # type: ignore[no-untyped-call]
    panels[-1].xaxis.set_major_locator(locator)
    panels[-1].xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]


def _bar_width(starts: Sequence[datetime]) -> Any:
    """Most of the shortest step between two windows."""
    steps = [after - before for before, after in pairwise(starts)]
    return min(steps) * 0.6 if steps else 0.2


def _around(values: Sequence[int]) -> tuple[float, float]:
    """Limits that keep a line off the edges, and apart when it does not move."""
    margin = max(1.0, (max(values) - min(values)) * 0.15)
    return max(0.0, min(values) - margin), max(values) + margin
