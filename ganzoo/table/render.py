"""Blocks of a table on a screen, on a page, and for programs."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from ganzoo.system.console import Grid, Part, Terminal, plain
from ganzoo.table.layout import COSTS, Block, Text, commands, general_notes
from ganzoo.table.read import commands_of

FIXED = 2  # columns that stand in every part of a table that is too wide: model and options
OPTIONS_WIDTH = 30
GAP = 2  # between columns
FORMULA = tuple("=+-@\uff1d\uff0b\uff0d\uff20")  # how a cell begins that a spreadsheet computes


def print_rich(blocks: Sequence[Block], console: Terminal) -> None:
    """Each block as a table, in parts one below the other where the console is too narrow for all columns."""
    for block in blocks:
        console.say((block.dataset, "bold"), " ", (block.measured(), "dim"))
        titles, lines = block.titles(), block.lines()
        for part in _parts(titles, lines, console.width):
            console.print(_table(part, titles, lines))
            console.print()
        for i, note in enumerate(block.notes(), start=1):
            console.say(f"[{i}] {note}")
        if block.notes():
            console.print()
    for note in general_notes(blocks):
        console.say((note, "dim"))


def _parts(
    titles: Sequence[tuple[str, ...]], lines: Sequence[Sequence[Text]], width: int
) -> Iterator[list[int]]:
    """Columns that fit beside each other, each time after the fixed ones."""
    texts = [[*title, *(_shown(line[i]) for line in lines)] for i, title in enumerate(titles)]
    sizes = [max(len(plain(text)) for text in column) for column in texts]
    sizes[1] = min(sizes[1], OPTIONS_WIDTH)
    fixed = list(range(FIXED))
    least = sum(sizes[i] + GAP for i in fixed)
    part, used = [*fixed], least
    for i in range(FIXED, len(titles)):
        if len(part) > FIXED and used + sizes[i] > width:
            yield part
            part, used = [*fixed], least
        part.append(i)
        used += sizes[i] + GAP
    yield part


def _table(part: list[int], titles: Sequence[tuple[str, ...]], lines: Sequence[Sequence[Text]]) -> Grid:
    table = Grid()
    for i in part:
        table.column(
            *titles[i], right=i >= FIXED, no_wrap=i != 1, max_width=OPTIONS_WIDTH if i == 1 else None
        )
    for line in lines:
        if any(line[i].text for i in part[FIXED:]):  # real data have no costs
            table.row(*(_part(line[i]) for i in part))
    return table


def _shown(cell: Text) -> str:
    return cell.text + f" [{cell.note}]" * bool(cell.note)


def _part(cell: Text) -> Part:
    return _shown(cell), "bold" if cell.best else ""


def markdown(blocks: Sequence[Block]) -> str:
    """A page: tables, footnotes, and the commands behind each row."""
    parts = []
    for block in blocks:
        parts.append(f"**{_safe(block.dataset)}**\n\n{markdown_table(block)}")
    return "\n\n".join([*parts, markdown_notes(blocks), markdown_commands(blocks)]) + "\n"


def markdown_notes(blocks: Sequence[Block]) -> str:
    """What is said once below all tables, as a list."""
    return "\n".join(f"- {_safe(note)}" for note in general_notes(blocks))


def markdown_commands(blocks: Sequence[Block]) -> str:
    """The commands behind each row, folded."""
    lines = [plain(line) for block in blocks for line in commands(block)]
    # No Markdown in here, and no empty line: all readers of Markdown take it as it stands.
    shown = html.escape("\n".join(lines), quote=False)
    return f"<details>\n<summary>The commands behind each row</summary>\n<pre>\n{shown}\n</pre>\n</details>"


def markdown_table(block: Block, leave_out: Collection[str] = ()) -> str:
    """One block and its footnotes, without the costs of these names."""
    costs = len(block.titles()) - len(COSTS)
    shown = [i for i in range(len(block.titles())) if i < costs or list(COSTS)[i - costs] not in leave_out]
    titles = ["<br>".join(_safe(line) for line in block.titles()[i]) for i in shown]
    rule = ["---" if i < FIXED else "---:" for i in shown]
    rows = [titles, rule, *([_md(line[i]) for i in shown] for line in block.lines())]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    notes = [f"({i}) {_safe(note)}" for i, note in enumerate(block.notes(), start=1)]
    n = [f"{_safe(block.measured())}; real data: of as many samples."] if block.measured() else []
    return "\n\n".join([table, *n, *(["  \n".join(notes)] if notes else [])])


def _md(cell: Text) -> str:
    text = f"**{_safe(cell.text)}**" if cell.best else _safe(cell.text)
    return text + f" ({cell.note})" * bool(cell.note)


def _safe(text: str) -> str:
    """Text as Markdown that shows it: no line break, cell, link, style or element begins in it."""
    return "".join(f"\\{c}" if c in "\\|*_`#[]~" else c for c in html.escape(plain(text), quote=False))


def as_rows(blocks: Sequence[Block]) -> list[dict[str, Any]]:
    """One JSON object per row of the table, numbers in full."""
    return [_row(block, i) for block in blocks for i in range(len(block.groups))]


def _row(block: Block, i: int) -> dict[str, Any]:
    group = block.groups[i]
    scores = {}
    for column in block.columns:
        score = block.scores[column.score].get(group.name)
        if score is not None:
            scores[column.score] = {
                "mean": score.mean,
                "std": score.std,
                "n": score.n,
                "real": group.mean_real(column.score),
                "best": score.best,
                "note": score.note,
            }
    first = group.rows[0]
    return {
        "dataset": group.dataset,
        "model": group.model,
        "options": group.options,
        "seeds": len(group.done),
        "failed": len(group.failed),
        "stopped": len(group.stopped),
        "n_fake": _one({row["protocol"]["n_fake"] for row in group.done}),
        "scores": scores,
        "seen": dict(group.seen()),
        **{name: _whole(block.cost(group, name)) for name in COSTS},
        "commands": commands_of(first),
    }


def _one(values: set[int]) -> int | str | None:
    """The only one there is, or all of them as text."""
    return ", ".join(map(str, sorted(values))) if len(values) > 1 else next(iter(values), None)


def _whole(value: float | None) -> float | None:
    return int(value) if value is not None and value.is_integer() else value


def as_csv(blocks: Sequence[Block]) -> str:
    """The same with a column per number.

    A text that a spreadsheet would compute begins with an apostrophe, which spreadsheets take for "text".
    """
    rows = as_rows(blocks)
    names = list(dict.fromkeys(score for row in rows for score in row["scores"]))
    names_of = ["dataset", "model", "options", "seeds", "failed", "stopped", "n_fake"]
    parts = ("mean", "std", "real")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    head = [f"{name} {part}" for name in names for part in parts]
    writer.writerow([*names_of, *map(_field, head), "seen", *COSTS, "run", "eval"])
    for row in rows:
        scores = [row["scores"].get(name, {}).get(part) for name in names for part in parts]
        costs = [row[name] for name in COSTS]
        words = "; ".join(f"{short} {n}" for short, n in row["seen"].items())
        cells = [*(row[key] for key in names_of), *scores, words, *costs, *row["commands"].values()]
        writer.writerow(map(_field, cells))
    return text.getvalue()


def _field(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = plain(value)
    return f"'{text}" if text.lstrip().startswith(FORMULA) else text
