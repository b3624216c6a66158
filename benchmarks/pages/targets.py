"""Whether a target was met, computed from the results: a line for each row that it is about."""

from __future__ import annotations

import re
from collections.abc import Sequence
from statistics import mean

from cards import Card, Missing, Target

from ganzoo.system.console import number
from ganzoo.table.read import Column, Group, columns_of
from ganzoo.table.statistics import LEVEL, distances, holm, welch


def best_of(groups: Sequence[Group], column: Column) -> Group | None:
    """The row with the best mean; of a score without a direction, the nearest to real data."""
    done = [group for group in groups if distances(group, column)]
    return min(done, key=lambda group: mean(distances(group, column)), default=None)


def best_here(card: Card, groups: Sequence[Group]) -> Group | None:
    """The best row of a card."""
    columns = columns_of(groups, [card.best_by] if card.best_by else card.metrics)
    return best_of(groups, columns[0]) if columns else None


def target_lines(card: Card, groups: Sequence[Group], missing: Sequence[Missing]) -> list[str]:
    """Each target of a card and how it came out."""
    lines = []
    for target in card.targets:
        chosen = [group for group in groups if _is_about(target, group)]
        columns = columns_of(chosen, [target.score]) if any(group.done for group in chosen) else []
        if not columns:
            of = f" {target.of}" if target.of else ""
            lines.append(f"**open**: `{target.score}`{of}: nothing is measured yet")
        elif target.beats:
            lines += _comparisons(target, columns[0], chosen, groups, missing)
        else:
            if target.judged == "best":
                best = best_of(chosen, columns_of(chosen, [card.best_by or target.score])[0])
                chosen = [best] if best else []
            lines += [_line(card, target, columns[0], group, missing) for group in chosen]
    return lines


def _is_about(target: Target, group: Group) -> bool:
    baseline = bool(target.beats and re.fullmatch(target.beats, group.options))
    wanted = ((target.model, group.model), (target.options, group.options))
    return not baseline and all(re.fullmatch(pattern or ".*", name) for pattern, name in wanted)


def _words(target: Target, column: Column) -> str:
    return f"`{column.score}`{f' {target.of}' if target.of else ''}"


def _line(card: Card, target: Target, column: Column, group: Group, missing: Sequence[Missing]) -> str:
    """Failed seeds miss it; seeds that are still to come leave it open."""
    bound, up, said = _bound(card, target, column, group)
    values, lost = group.scores(column.score), len(group.failed) + len(group.stopped)
    if target.on == "the mean":
        values = values and [mean(values)]
    good = [value >= bound if up else value <= bound for value in values]
    worst = number(min(values) if up else max(values)) if values else "none came to its end"
    waiting = _waiting(group, missing)
    if lost or not all(good):
        verdict = "missed"
    else:
        verdict = f"met so far, {waiting} seeds to come" if waiting else "met"
    if target.on == "the mean":
        found = f"its mean is {worst}{f', without {lost} seeds that failed' if lost else ''}"
    else:
        found = f"{sum(good)} of {len(good) + lost} seeds, the worst {worst}"
    which = " (the best row)" if target.judged == "best" else ""
    asked = f"{_words(target, column)} {'at least' if up else 'at most'} {said} on {target.on}"
    return f"**{verdict}**: {asked}. {group.name}{which}: {found}."


def _waiting(group: Group, missing: Sequence[Missing]) -> int:
    return sum(len(one.seeds) for one in missing if one.of(group))


def _bound(card: Card, target: Target, column: Column, group: Group) -> tuple[float, bool, str]:
    """The bound, whether it is one from below, and its words."""
    if target.at_least is not None:
        return target.at_least, True, f"{target.at_least:,g}"
    if target.at_most is not None:
        return target.at_most, False, f"{target.at_most:,g}"
    if target.at_most_real is not None:
        real = group.mean_real(column.score)
        if real is None:
            raise SystemExit(f"{card.name}: {column.score} has no value of real data to be a target")
        bound = target.at_most_real * real
        return bound, False, f"{number(bound)} ({target.at_most_real:g} times that of real data)"
    for row in (row for paper in card.published for row in paper.rows):
        if row.name == target.published:
            figure = row.scores[target.score]
            value = figure[0] if isinstance(figure, list) else figure
            return value, column.higher_is_better is not False, f"{value:,g} (that of {row.name})"
    raise SystemExit(f"{card.name}: the target of {target.score} has no bound")


def _comparisons(
    target: Target,
    column: Column,
    chosen: Sequence[Group],
    groups: Sequence[Group],
    missing: Sequence[Missing],
) -> list[str]:
    """Each row against the baseline of its model: Welch's test, corrected for their number after Holm."""
    pairs = [
        (group, base)
        for group in chosen
        for base in groups
        if (base.model, base.dataset) == (group.model, group.dataset)
        and re.fullmatch(target.beats, base.options)
        and distances(group, column)
        and distances(base, column)
    ]
    found = [welch(distances(one, column), distances(base, column)) for one, base in pairs]
    lines = []
    for (group, base), p in zip(pairs, holm([1.0 if p is None else p for p in found]), strict=True):
        here, there = mean(group.scores(column.score)), mean(base.scores(column.score))
        better = mean(distances(group, column)) < mean(distances(base, column))
        verdict = "met" if better and p < LEVEL else "missed"
        waiting = _waiting(group, missing) + _waiting(base, missing)
        soon = f" so far, {waiting} seeds to come" if waiting else ""
        lines.append(
            f"**{verdict}{soon}**: {_words(target, column)} significantly better than that of {base.name}. "
            f"{group.name}: {number(here)} instead of {number(there)}, p = {p:.2g} after Holm."
        )
    return lines
