"""What is wrong with a training, by its log: a function for each thing that can be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from operator import gt

from ganzoo.diagnosis import thresholds as at
from ganzoo.diagnosis.finding import Finding
from ganzoo.diagnosis.log import Log, Point, Row, last, since
from ganzoo.diagnosis.oscillation import later, rhythm, swing
from ganzoo.plan.config import Config

Judgement = Callable[[Log], Finding | None]


def diagnose(rows: Sequence[Row], config: Config) -> list[Finding]:
    """All that the log of a run shows, the worst first; with switches to try.

    A pure function: of a log of an older version, which has losses alone, it says what these tell.
    """
    found = look(rows, config)
    if not found:
        return []
    from ganzoo.diagnosis.advice import advise  # which builds models

    return [
        Finding(one.name, one.since, one.short, one.sentence, advise(config, *REMEDIES[one.name]))
        for one in found
    ]


def look(rows: Sequence[Row], config: Config) -> list[Finding]:
    """The same without advice, for which models are built: quick."""
    log = Log(rows, config)
    return [found for judgement in JUDGEMENTS.values() if (found := judgement(log)) is not None]


def unjudged(rows: Sequence[Row], config: Config) -> list[str]:
    """The names of what nothing in this log tells of, or of what too little was measured yet."""
    log = Log(rows, config)
    return [name for name, signal in MEASURED_BY.items() if len(log.signal(signal)) < at.ROWS]


def diverged(log: Log) -> Finding | None:
    """A number is not finite; the row that says so says where it came from."""
    for row in log.rows:
        if "fault" in row:
            return Finding("diverged", row["step"], "not finite", f"numbers are not finite: {row['fault']}")
    return None


def d_won(log: Log) -> Finding | None:
    """D is right about everything, so that G learns nothing from it (Arjovsky & Bottou 2017)."""
    first = since(log.margin, lambda share: share < at.WON, at.LOSS_ROWS)
    if first is not None:
        real, fake = (last(log.column(name)) for name in ("d_real", "d_fake"))
        unit = "" if log.loss is not None and log.loss.probabilistic else " (logits)"
        return Finding(
            "d-won", first, "D has won",
            f"D has won: it tells all samples apart, with D(real) {real:.2f} and D(fake) {fake:.2f}{unit}, "
            f"and G's gradient says little of how to do better",
        )  # fmt: skip
    if any(spec.name == "unit-grad-norm" for spec in log.config.recipe.stabilizers):
        return None  # which gives the gradient another norm
    gradient = log.signal("grad_g")
    largest = max((norm for _, norm in gradient), default=0.0)
    first = since(gradient, lambda norm: norm < at.GONE * largest)
    tiny = since(gradient, lambda norm: norm < at.TINY)
    first = tiny if first is None else first
    if first is None:
        return None
    return Finding(
        "d-won", first, "G's gradient is gone",
        f"G's gradient is gone: its norm is {last(gradient):.1e}, and was up to {largest:.1e}",
    )  # fmt: skip


def collapse(log: Log) -> Finding | None:
    """Samples of different z are alike, or of few kinds (Goodfellow 2016, section 5.1)."""
    ways = (
        ("diversity", at.ALIKE, "its samples differ by {0:.0%} of what real ones do"),
        ("diversity_in_class", at.ALIKE, "its samples of one class differ by {0:.0%} of what real ones do"),
        ("reach", at.FEW_REACHED, "it reaches {0:.0%} of the kinds of samples that real ones do"),
    )
    for name, least, what in ways:
        points = log.signal(name)
        if name == "reach" and points and last(log.signal("diversity")) > at.FLOWN:
            continue  # they differ, and lie far from all data: that is another trouble
        first = since(points, partial(gt, least))
        if first is None:
            continue
        # An untrained G makes samples that are alike too, and stays so where D has won.
        never_left = points[-1][0] - first >= at.INFANCY and d_won(log) is None
        if never_left or _fell(points, first, least):
            return Finding("collapse", first, "collapsed", f"G has collapsed: {what.format(last(points))}")
    return None


def _fell(points: Sequence[Point], first: int, least: float) -> bool:
    """Whether a value was well above what it is too low for, before it was."""
    return any(value > 2 * least for step, value in points if step < first)


def oscillation(log: Log) -> Finding | None:
    """The players chase each other round instead of coming nearer (Mescheder et al. 2018)."""
    for name in ("mean_1", "mean_2"):
        points = later(log.signal(name)) if log.signal(name) else []
        if len(points) >= at.SWINGS:
            size, turns = swing(points)
            if size > at.SWING and turns >= at.TURNS:
                return Finding(
                    "oscillation", points[0][0], "oscillates",
                    f"samples swing to and fro: their mean strays by {size:.1f} standard deviations of the "
                    f"data, and came back {turns} times",
                )  # fmt: skip
    points = later(log.column("d_loss")) if log.column("d_loss") else []
    if len(points) >= at.WAVE_ROWS and _wave(points) and _wave(later(log.column("g_loss"))):
        return Finding(
            "oscillation", points[0][0], "oscillates",
            f"the losses swing in waves: D's by {swing(points)[0]:.2g} about {last(points, len(points)):.2g}",
        )  # fmt: skip
    return None


def _wave(points: Sequence[Point]) -> bool:
    size, turns = swing(points)
    return (
        size > at.WAVE_SIZE * abs(last(points, len(points)))
        and turns >= at.TURNS
        and rhythm(points) > at.RHYTHM
    )


def dead(log: Log) -> Finding | None:
    """Units that answer the same to everything, through which no gradient comes (Maas et al. 2013)."""
    for net in ("g", "d"):
        points = log.signal(f"dead_{net}")
        first = since(points, lambda share: share > at.DEAD)
        if first is not None:
            return Finding(
                "dead", first, "dead units",
                f"{last(points):.0%} of the units of one layer of {net.upper()} are dead: they never change",
            )  # fmt: skip
    return None


def average(log: Log) -> Finding | None:
    """The averaged generator, which is sampled and measured, is not what G is (Karras et al. 2018)."""
    points = log.signal("ema_distance")
    first = since(points, lambda distance: distance > at.AVERAGE_APART)
    if first is None:
        return None
    return Finding(
        "average", first, "average far off",
        f"the averaged generator, which is sampled, is far from G: of the same z their samples differ by "
        f"{last(points):.0%} of what real samples do",
    )  # fmt: skip


def overfitting(log: Log) -> Finding | None:
    """D knows its training data by heart (Karras et al. 2020, section 2)."""
    told = log.signal("d_told_train")
    first = since(told, lambda chance: chance > at.TOLD_TRAIN)
    if first is None:
        return None
    return Finding(
        "overfitting", first, "D overfits",
        f"D knows its training data by heart: it prefers a training sample to a held-out one "
        f"{last(told):.0%} of the time, where 50% is right",
    )  # fmt: skip


def memorizing(log: Log) -> Finding | None:
    """Samples are copies of training data (Meehan et al. 2020)."""
    points = log.signal("nn_ratio")
    varied = dict(log.signal("diversity"))
    first = since(points, lambda ratio: ratio < at.NEARER)
    if (
        first is None or last(list(varied.items())) < at.ALIKE
    ):  # one sample over and over is near to something
        return None
    return Finding(
        "memorizing", first, "memorizes",
        f"samples are copies: they lie at {last(points):.0%} of the distance from training data at which "
        f"held-out samples lie",
    )  # fmt: skip


JUDGEMENTS: dict[str, Judgement] = {
    "diverged": diverged,
    "d-won": d_won,
    "collapse": collapse,
    "oscillation": oscillation,
    "dead": dead,
    "average": average,
    "overfitting": overfitting,
    "memorizing": memorizing,
}

MEASURED_BY = {
    "collapse": "diversity",
    "dead": "dead_g",
    "average": "ema_distance",
    "overfitting": "d_told_train",
    "memorizing": "nn_ratio",
}

REMEDIES: dict[str, tuple[str, ...]] = {
    "diverged": ("lr lower", "clip-grad-norm:max=1", "r1:gamma=1"),
    "d-won": (
        "n-dis 1", "lr-d as lr-g", "r1:gamma=1", "instance-noise:std=0.1", "label-smoothing:amount=0.1",
        "skip-d:below=0.3", "diffaugment", "lr-d lower",
    ),
    "collapse": (
        "lr-g as lr-d", "minibatch-std", "loss non-saturating", "packing:m=2", "unrolled:k=5",
        "loss relativistic", "lr-g lower",
    ),
    "oscillation": ("no momentum", "r1:gamma=1", "lr lower", "more of d"),
    "dead": ("lr lower", "norm in g", "layer norm in d", "clip-grad-norm:max=1"),
    "average": ("shorter average",),
    "overfitting": ("diffaugment", "instance-noise:std=0.1", "r1:gamma=1", "lr-d lower"),
    "memorizing": ("diffaugment", "instance-noise:std=0.1", "r1:gamma=1"),
}  # fmt: skip
