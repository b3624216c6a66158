"""Published figures below the best row here, and what of their protocol is the same and what is not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cards import Card, Figures, Published
from targets import best_here

from ganzoo.table.layout import Block, quantity
from ganzoo.table.read import Group


def papers(card: Card, blocks: Sequence[Block], groups: Sequence[Group]) -> str:
    """The table, and a line for each paper."""
    if not card.published:
        return ""
    ours = _ours(card, blocks, groups, scores_of(card.published))
    said = [
        f"- {paper.paper}, [arXiv {paper.arxiv}](https://arxiv.org/abs/{paper.arxiv}), {paper.where}"
        f"{'; not checked against the paper itself' * paper.unchecked}. "
        f"**The same here:** {paper.same.strip()} **Not the same:** {paper.differs.strip()}"
        for paper in card.published
    ]
    return "\n".join(["Beside what was published:", "", *published_lines(card.published, ours), "", *said])


def scores_of(papers: Sequence[Published]) -> list[str]:
    """The scores in any of their rows."""
    return list(dict.fromkeys(score for paper in papers for row in paper.rows for score in row.scores))


def published_lines(papers: Sequence[Published], first: Sequence[str] = ()) -> list[str]:
    """A line for each published row; `first`: lines above them."""
    scores = scores_of(papers)
    titles = [score.replace("_", "\\_") for score in scores]
    head = f"| model | {' | '.join(titles)} | steps | real images |"
    rows = [head, "|---|" + "---:|" * (len(scores) + 2), *first]
    for paper in papers:
        of = f" ({paper.paper})" if len(papers) > 1 else ""
        rows += [_published(row, row.name + of, scores) for row in paper.rows]
    return rows


def _ours(card: Card, blocks: Sequence[Block], groups: Sequence[Group], names: Iterable[str]) -> list[str]:
    """The best row here and real data, in the columns that papers have too."""
    best = best_here(card, groups)
    if best is None:
        return []
    (block,) = (block for block in blocks if block.dataset == best.dataset)
    lines = block.lines()
    place = next(i for i, group in enumerate(block.groups) if group is best)
    own = [column.score for column in block.columns]

    def cells(line: int) -> list[str]:
        return [lines[line][2 + own.index(name)].text if name in own else "-" for name in names]

    costs = [quantity(best.done[0]["steps"]), quantity(best.done[0]["images"])]
    return [
        f"| **{best.name}, here** | {' | '.join([*cells(place), *costs])} |",
        f"| real data, here | {' | '.join([*cells(-1), '', ''])} |",
    ]


def _published(row: Figures, name: str, scores: Sequence[str]) -> str:
    cells = []
    for score in scores:
        value = row.scores.get(score)
        pair = value if isinstance(value, list) else [value]
        cells.append(" ± ".join("-" if one is None else f"{one:,g}" for one in pair))
    costs = ["-" if cost is None else quantity(cost) for cost in (row.steps, row.images)]
    return f"| {name} | {' | '.join([*cells, *costs])} |"
