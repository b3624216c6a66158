"""Tables of numbers in parquet files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ganzoo.data.columns import Chosen, as_classes, as_table, choose_columns, refuse_cell
from ganzoo.data.own import Samples, check_memory
from ganzoo.data.tensors import Array
from ganzoo.errors import UsageError, first_line
from ganzoo.system.extras import extra
from ganzoo.system.files import open_regular

MAGIC = b"PAR1"


def is_parquet(path: Path) -> bool:
    """Whether a file begins as parquet does, or has that name. Raises UsageError where it cannot be read."""
    with open_regular(path, "a table of numbers") as file:
        return file.read(len(MAGIC)) == MAGIC or path.suffix.lower() in (".parquet", ".pq")


def read_parquet(path: Path, label: str, columns: Sequence[str]) -> tuple[Chosen, Samples]:
    """Which columns there are, and what those that are meant hold; no others are read.

    Raises UsageError, with one sentence, for what is no table of numbers, or where pyarrow is missing.
    """
    pyarrow, parquet = (extra(module, str(path), "parquet") for module in ("pyarrow", "pyarrow.parquet"))
    with open_regular(path, "a parquet file") as file:
        try:
            table = parquet.ParquetFile(file)
            chosen = choose_columns(path, table.schema_arrow.names, columns, label)
            check_memory(str(path), table.metadata.num_rows, len(chosen.numbers))
            read = table.read([*chosen.chosen, *chosen.labels])
        except (pyarrow.ArrowException, OSError) as error:
            raise UsageError(f"{path} cannot be read as a parquet file: {first_line(error)}") from error
    return chosen, read_arrow(path, read, chosen)


def read_arrow(of: Path | str, table: Any, chosen: Chosen) -> Samples:
    """The chosen columns of a pyarrow.Table as samples. Raises UsageError for what are no numbers, or labels.

    Args:
        of: what is read, in words.
    """
    numbers = [_numbers(of, name, table.column(name)) for name in chosen.chosen]
    classes = None
    for name in chosen.labels:
        values = ["" if value is None else str(value) for value in table.column(name).to_pylist()]
        classes = as_classes(of, name, values, lambda i: f"row {i} (from 0)")
    return as_table(of, chosen, numbers, classes)


def _numbers(path: Path | str, name: str, column: Any) -> Array:
    """A column as float [N]. Raises UsageError, which names it and the row, for what is no number."""
    import pyarrow

    kind = column.type
    plain = pyarrow.types.is_integer(kind) or pyarrow.types.is_floating(kind)
    if not (plain or pyarrow.types.is_boolean(kind) or pyarrow.types.is_decimal(kind)):
        some = next((value for value in column.to_pylist() if value is not None), None)
        raise UsageError(
            f"{path} has values such as {str(some)[:40]!r}, {kind}, in column {name!r}: expected numbers; "
            f"choose others with --set data.columns=A,B, or --set data.label={name} for classes"
        )
    if column.null_count:
        row = next(i for i, value in enumerate(column.to_pylist()) if value is None)
        refuse_cell(path, name, "", f"row {row} (from 0)")
    array: Array = np.asarray(column.to_numpy())
    if array.dtype.kind not in "iuf":
        array = array.astype(np.float64)
    bad = np.flatnonzero(~np.isfinite(array))
    if len(bad):
        refuse_cell(path, name, str(array[bad[0]]), f"row {bad[0]} (from 0)")
    return array
