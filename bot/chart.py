"""The chart of `stats`: a program of its own that draws what it is told and ends.

JSON comes in, a PNG goes out. The drawing library takes ten times the memory of a bot at rest, so
it is loaded here and nowhere else.
"""

import json
import os
import sys
from collections.abc import Sequence
from typing import Any, BinaryIO

# Okabe and Ito's colours, which colour-blind people tell apart; on paper of its own, so that the
# picture is the same in light and dark clients.
_BLUE, _ORANGE, _GREEN = "#0072B2", "#E69F00", "#009E73"
_INK, _PALE, _PAPER = "#222222", "#d9d9d9", "#fbfbf9"
_INCHES, _DPI = (5.0, 6.6), 150  # 750 by 990 pixels: a telephone's width
_LABELS = 6  # dates under the first axis
_REASONS = 8  # bars; the rest is one more


def draw(facts: dict[str, Any], stream: BinaryIO) -> None:
    """Requests over time, the accounts below them, and why requests were refused."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    pyplot.rcParams.update(
        {
            "font.size": 9,
            "text.color": _INK,
            "axes.edgecolor": _PALE,
            "axes.labelcolor": _INK,
            "xtick.color": _INK,
            "ytick.color": _INK,
            "axes.spines.top": False,
            "axes.spines.right": False,
        }
    )
    reasons = _shortened(facts["reasons"])
    heights = [2.4, 1.3, max(0.8, 0.3 * len(reasons))]
    figure, (first, second, third) = pyplot.subplots(
        3,
        1,
        figsize=_INCHES,
        height_ratios=heights,
        layout=ConstrainedLayoutEngine(h_pad=0.09, w_pad=0.08),
        facecolor=_PAPER,
    )
    figure.suptitle(facts["title"], fontsize=11, fontweight="bold", x=0.02, ha="left")
    accepted = facts["accepted"]
    stacked = [("not refused", accepted, _BLUE), ("refused", facts["refused"], _ORANGE)]
    _over_time(first, "Requests", facts, stacked)
    first.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, frameon=False)
    _over_time(second, "Accounts opened", facts, [("accounts", facts["accounts"], _GREEN)])
    _why(third, reasons)
    figure.savefig(stream, format="png", dpi=_DPI, facecolor=_PAPER)


def _over_time(
    axes: Any, title: str, facts: dict[str, Any], stacked: Sequence[tuple[str, list[int], str]]
) -> None:
    """Bars one on the other, one place for each period."""
    from matplotlib.ticker import MaxNLocator

    _begin(axes, title)
    labels = facts["labels"]
    bottom = [0] * len(labels)
    for label, counts, colour in stacked:
        axes.bar(range(len(labels)), counts, bottom=bottom, color=colour, width=0.8, label=label)
        bottom = [low + count for low, count in zip(bottom, counts, strict=True)]
    # Counted from the end, so that today has its label.
    shown = [*range(len(labels))][::-1][:: -(-len(labels) // _LABELS)]
    axes.set_xticks(shown, [labels[at] for at in shown])
    axes.set_xlim(-0.7, max(len(labels), 7) - 0.3)
    axes.set_ylim(0, max([*bottom, 1]) * 1.08)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True, min_n_ticks=1))
    axes.grid(axis="y", color=_PALE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_ylabel(facts["unit"])


def _begin(axes: Any, title: str) -> None:
    axes.set_facecolor(_PAPER)
    axes.set_title(title, fontsize=9, fontweight="bold", loc="left")
    axes.tick_params(length=0)


def _why(axes: Any, reasons: Sequence[tuple[str, int]]) -> None:
    _begin(axes, "Requests refused, by reason")
    axes.spines["bottom"].set_visible(False)
    axes.set_xticks([])
    if not reasons:
        axes.spines["left"].set_visible(False)
        axes.set_yticks([])
        axes.text(0, 0.5, "No request was refused.", transform=axes.transAxes)
        return
    names = [name for name, _ in reasons]
    bars = axes.barh(names, [count for _, count in reasons], color=_ORANGE, height=0.7)
    axes.bar_label(bars, labels=[f"{count:,}" for _, count in reasons], padding=3)
    axes.invert_yaxis()
    axes.margins(x=0.12)


def _shortened(reasons: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    first, rest = [*reasons][:_REASONS], [*reasons][_REASONS:]
    return first + ([("other", sum(count for _, count in rest))] if rest else [])


if __name__ == "__main__":
    os.nice(10)  # whoever waits for a page or an answer goes first
    draw(json.load(sys.stdin), sys.stdout.buffer)
