"""One's own tables of numbers, from .csv files."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import ClassVar

import numpy as np

from ganzoo.data.columns import Chosen, as_classes, as_numbers, as_table, choose_columns, is_number
from ganzoo.data.own import OwnArrays, Samples, check_memory
from ganzoo.data.parquet import is_parquet, read_parquet
from ganzoo.data.tensors import Array
from ganzoo.errors import UsageError
from ganzoo.system.console import notice
from ganzoo.system.files import open_regular
from ganzoo.system.paths import typed_path

SEPARATORS = "\t;,"  # of two that cut as well it is the first: commas may be in numbers
NAMES = {"\t": "tabs", ";": "semicolons", ",": "commas"}
LOOKED_AT = 20  # lines, to tell the separator and whether the first one has names
AT_A_TIME = 10_000  # lines
LONGEST_LINE = 2**24  # characters

Line = tuple[int, list[str]]  # its number in the file, from 1, and its cells


class Csv(OwnArrays):
    """Your own numbers in a table: csv:FILE, one row per sample, a column for each of its numbers.

    Commas, semicolons or tabs are between the columns; the first line may have their names, else they are
    called 0, 1, 2 and so on. Numbers are vectors, seen by networks with mean 0 and standard deviation 1 in
    each column. A tenth of the rows, chosen by hash, is the test split. A parquet file is taken as one.

    Args:
        path: the file.
        label: a column of text or whole numbers, which are classes; nothing where it is left out.
        columns: those that samples consist of, a,b,c; all but the label where it is left out.

    Raises:
        UsageError: no such file or column, a cell that is no number, or too few rows.
    """

    paths: ClassVar[str] = "FILE"

    def __init__(self, path: str | Path, label: str = "", columns: tuple[str, ...] = ()) -> None:
        file = typed_path(path)
        if is_parquet(file):
            chosen, samples = read_parquet(file, label, columns)
        else:
            chosen, samples = read_csv(file, label, columns)
        super().__init__(f"csv:{path}", samples)
        notice(f"{self.name}: {self.found(samples, chosen.chosen)}")


class Parquet(OwnArrays):
    """Your own numbers in a parquet file: parquet:FILE, one row per sample, as csv:FILE; it needs pyarrow.

    Args:
        path: the file.
        label: a column of text or whole numbers, which are classes; nothing where it is left out.
        columns: those that samples consist of, a,b,c; all but the label where it is left out.

    Raises:
        UsageError: no such file or column, values that are no numbers, too few rows, or no pyarrow.
    """

    paths: ClassVar[str] = "FILE"

    def __init__(self, path: str | Path, label: str = "", columns: tuple[str, ...] = ()) -> None:
        chosen, samples = read_parquet(typed_path(path), label, columns)
        super().__init__(f"parquet:{path}", samples)
        notice(f"{self.name}: {self.found(samples, chosen.chosen)}")


def read_csv(path: Path, label: str, columns: Sequence[str]) -> tuple[Chosen, Samples]:
    """Which columns there are, and what they hold. Raises UsageError, with one sentence, for all else."""
    with (
        open_regular(path, "a .csv file") as file,
        io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as text,
    ):
        try:
            return _read(path, text, label, columns)
        except UnicodeDecodeError as error:
            raise UsageError(f"{path} is no text in UTF-8: expected a .csv file in that encoding") from error
        except csv.Error as error:
            raise UsageError(f"{path} cannot be read as a .csv file: {error}") from error


def _read(path: Path, text: io.TextIOWrapper, label: str, columns: Sequence[str]) -> tuple[Chosen, Samples]:
    size = os.fstat(text.fileno()).st_size
    head = [line for line in islice(_lines(path, text), LOOKED_AT) if line.strip()]
    if not head:
        raise UsageError(f"{path} is empty: expected rows of numbers")
    separator = _separator(head)
    text.seek(0)
    lines = _rows(csv.reader(_lines(path, text), delimiter=separator))
    first = list(islice(lines, LOOKED_AT))
    named = _has_names([cells for _, cells in first])
    names = first[0][1] if named else [str(i) for i in range(len(first[0][1]))]
    chosen = choose_columns(path, [name.strip() for name in names], columns, label)
    if named:
        first = first[1:]
    parts: list[list[Array]] = []
    labels: list[str] = []
    numbers: list[int] = []
    rest = chain(first, lines)
    while block := list(islice(rest, AT_A_TIME)):
        _check_width(path, block, len(names), separator)
        if not parts and len(block) == AT_A_TIME:  # then it is known how many there will be, nearly
            mean = sum(len(cell) + 1 for _, cells in block for cell in cells) / len(block)
            check_memory(str(path), round(size / mean), len(chosen.numbers))
        lines_of = [number for number, _ in block]

        def where(i: int, own: Sequence[int] = lines_of) -> str:
            return f"line {own[i]}"

        parts.append(
            [as_numbers(path, chosen.names[i], [line[i] for _, line in block], where) for i in chosen.numbers]
        )
        if chosen.label is not None:
            labels += [cells[chosen.label] for _, cells in block]
            numbers += lines_of
    if not parts:
        raise UsageError(f"{path} has names of columns and no rows: at least 2 are needed")
    classes = (
        as_classes(path, label, labels, lambda i: f"line {numbers[i]}") if chosen.label is not None else None
    )
    return chosen, as_table(
        path, chosen, [np.concatenate(part) for part in zip(*parts, strict=True)], classes
    )


def _lines(path: Path, text: io.TextIOWrapper) -> Iterator[str]:
    while line := text.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE:
            raise UsageError(f"{path} has a line of more than {LONGEST_LINE:,} characters: expected a table")
        yield line


def _rows(reader: Iterator[list[str]]) -> Iterator[Line]:
    """Those that are not empty."""
    for cells in reader:
        if any(cell.strip() for cell in cells):
            yield reader.line_num, cells  # type: ignore[attr-defined]  # which typeshed hides


def _separator(head: Sequence[str]) -> str:
    """The one that cuts most of the first lines into as many cells; a comma where none cuts them."""

    def cut(separator: str) -> int:
        widths = [len(cells) for cells in csv.reader(head, delimiter=separator)]
        usual = max(set(widths), key=widths.count)
        return widths.count(usual) if usual > 1 else 0

    return max(SEPARATORS, key=cut) if any(map(cut, SEPARATORS)) else ","


def _has_names(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row is names: it has text where the rows below it have numbers."""
    number = partial(is_number, comma=True)  # which is told of where it is read
    below = rows[1:]
    if not below:
        return not any(number(cell) for cell in rows[0])
    return any(
        not number(cell) and sum(i < len(row) and number(row[i]) for row in below) * 2 > len(below)
        for i, cell in enumerate(rows[0])
    )


def _check_width(path: Path, block: Sequence[Line], width: int, separator: str) -> None:
    for number, cells in block:
        if len(cells) != width:
            raise UsageError(
                f"{path} has {len(cells)} column{'s' * (len(cells) != 1)} in line {number}, where {width} "
                f"are expected, with {NAMES[separator]} between them"
            )
