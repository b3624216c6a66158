"""Samples as files for other programs: arrays, tables of vectors, sounds."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from ganzoo.data.kinds import kind_of
from ganzoo.errors import UsageError
from ganzoo.system.console import notice, plain
from ganzoo.system.files import write_whole

if TYPE_CHECKING:
    from ganzoo.running.sampler import Sampler

RATE = 16_000  # values per second of a sound, where nobody has said
EARS = 2
FORMULA = tuple("=+-@")  # how a cell begins that a spreadsheet computes


def write_arrays(path: Path, arrays: Mapping[str, Any]) -> list[Path]:
    """A .npz file of arrays by their names."""
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    write_whole(path, file.getvalue())
    return [path]


def write_table(path: Path, run: Sampler, samples: Tensor, y: Tensor | None) -> list[Path]:
    """Vectors as a .csv file with a row each, and their class in the column `label`; `csv:` reads it.

    Raises UsageError for samples that are no vectors.
    """
    if samples.dim() != 2:
        raise UsageError(f"--out {path}: a table has a row of numbers for each sample, and {_others(run)}")
    head = [f"x{i}" for i in range(samples.shape[1])]
    columns = [_shortest(column) for column in samples.T]
    if y is not None and y.dim() == 1 and not y.is_floating_point():
        names = run.card.class_names
        head.append("label")
        columns.append([_cell(names[label] if names else f"c{label}") for label in y.tolist()])
    elif y is not None and y.dim() == 2:
        head += [f"y{i}" for i in range(y.shape[1])]
        columns += [_shortest(column) for column in y.T]
    writer = csv.writer(text := io.StringIO(), lineterminator="\n")
    writer.writerow(head)
    writer.writerows(zip(*columns, strict=True))
    write_whole(path, text.getvalue().encode())
    return [path]


def write_sounds(path: Path, run: Sampler, samples: Tensor) -> list[Path]:
    """Series of one channel or two as .wav files of 32-bit floats: NAME.wav, or NAME-1.wav, ... of several.

    Raises UsageError for samples that are no sounds.
    """
    if kind_of(run.known) != "series" or samples.shape[1] > EARS:
        raise UsageError(f"--out {path}: a sound is a series of one channel or two, and {_others(run)}")
    from scipy.io import wavfile

    rate = getattr(run.known, "data_options", {}).get("rate") or 0
    if not isinstance(rate, int) or rate < 1:
        rate = RATE
        notice(f"as no --set data.rate is recorded, the sounds have {RATE:,} values per second")
    loud = float((samples.abs() > 1).float().mean())
    if loud:
        notice(f"{loud:.1%} of the values are beyond -1 and 1, where players cut them off")
    digits = len(str(len(samples)))
    paths = []
    for i, sound in enumerate(samples.numpy(), start=1):
        one = path if len(samples) == 1 else path.with_name(f"{path.stem}-{i:0{digits}}{path.suffix}")
        wavfile.write(file := io.BytesIO(), rate, np.ascontiguousarray(sound.T, dtype=np.float32))
        write_whole(one, file.getvalue())
        paths.append(one)
    return paths


def _shortest(numbers: Tensor) -> list[str]:
    """As few digits as give the same float32 again."""
    return [str(number) for number in numbers.float().numpy()]


def _cell(text: str) -> str:
    text = plain(text)
    return f"'{text}" if text.lstrip().startswith(FORMULA) else text


def _others(run: Sampler) -> str:
    return f"this run makes {kind_of(run.known)} of shape {tuple(run.known.sample_shape)}"
