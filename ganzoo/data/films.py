"""Frames to a film: WebP and GIF, which repeat for ever, and MP4 where the program ffmpeg is."""

from __future__ import annotations

import io
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from ganzoo.data.captions import fitted, font
from ganzoo.errors import UsageError, WorkError
from ganzoo.system.files import write_whole

ENDINGS = (".webp", ".gif", ".mp4")
WIDEST = 720  # pixels of a frame
LONGEST, SHORTEST, WHOLE = 600, 40, 8_000  # milliseconds: of a frame, and of all
HELD = 2_000  # milliseconds that the last one is shown
STRIP = 26  # pixels below a picture, for how far it is
FPS = 25  # of MP4, whose frames are all as long
QUALITY = 82
INK, DONE, TO_DO = (32, 33, 36), (25, 103, 210), (218, 220, 224)


def check_film(out: Path) -> None:
    """Raises UsageError for a name of no film, or where there is nothing that makes it."""
    if out.suffix.lower() not in ENDINGS:
        raise UsageError(f"--out {out}: a film has a name that ends in .webp, .gif or .mp4")
    if out.suffix.lower() == ".mp4" and shutil.which("ffmpeg") is None:
        raise UsageError(
            f"--out {out}: MP4 is made by the program ffmpeg, which is not installed here: install it, or "
            "give a name that ends in .webp or .gif"
        )


def write_film(
    path: Path, frames: Sequence[Image.Image], milliseconds: int | None = None, held: int = HELD
) -> None:
    """Frames of any sizes, on one canvas.

    Args:
        milliseconds: of each frame; what makes the film not too long where left out.
        held: how much longer the last one is shown.
    """
    each = milliseconds or max(SHORTEST, min(LONGEST, WHOLE // len(frames)))
    shown = _alike(frames)
    times = [each] * (len(shown) - 1) + [each + held]
    ending = path.suffix.lower()
    if ending == ".mp4":
        write_whole(path, _mp4(shown, times))
        return
    file = io.BytesIO()
    same = {"save_all": True, "append_images": shown[1:], "duration": times, "loop": 0}
    if ending == ".gif":
        # One palette for all, or it flickers; that of the last frame, which has most to show.
        palette = shown[-1].quantize(255)
        first, *rest = (frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in shown)
        first.save(file, "GIF", **{**same, "append_images": rest}, optimize=True)
    else:
        shown[0].save(file, "WEBP", **same, quality=QUALITY, method=4)
    write_whole(path, file.getvalue())


def with_strip(frame: Image.Image, text: str, done: float) -> Image.Image:
    """A frame above a line that says how far it is, `done` from 0 to 1."""
    page = Image.new("RGB", (frame.width, frame.height + STRIP), "white")
    page.paste(frame)
    draw, of = ImageDraw.Draw(page), font(12)
    shown = fitted(text, frame.width / 2, of)
    middle = frame.height + STRIP // 2 - 3
    draw.text((10, middle), shown, INK, of, anchor="lm")
    left, right = 10 + int(of.getlength("step 000,000 of 000,000")) + 12, frame.width - 10
    if right - left > 40:
        draw.rectangle((left, middle - 2, right, middle + 1), TO_DO)
        draw.rectangle((left, middle - 2, left + int((right - left) * min(1.0, done)), middle + 1), DONE)
    return page


def _alike(frames: Sequence[Image.Image]) -> list[Image.Image]:
    """Frames of one size, the largest, with even sides that are not too long."""
    wide, high = (max(frame.size[side] for frame in frames) for side in (0, 1))
    scale = min(1.0, WIDEST / wide)
    size = (2 * max(1, round(wide * scale / 2)), 2 * max(1, round(high * scale / 2)))
    made = []
    for frame in frames:
        page = frame.convert("RGB")
        if page.size != (wide, high):
            page = Image.new("RGB", (wide, high), "white")
            page.paste(frame)
        made.append(page if page.size == size else page.resize(size, Image.Resampling.LANCZOS))
    return made


def _mp4(frames: Sequence[Image.Image], times: Sequence[int]) -> bytes:
    width, height = frames[0].size
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder, "film.mp4")
        words = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(FPS), "-i", "-"]
        words += ["-pix_fmt", "yuv420p", "-crf", "20", "-movflags", "+faststart", str(made)]
        content = b"".join(
            frame.tobytes() * max(1, round(FPS * milliseconds / 1000))
            for frame, milliseconds in zip(frames, times, strict=True)
        )
        try:
            told = subprocess.run(["ffmpeg", "-v", "error", "-y", *words], input=content, capture_output=True)
        except OSError as error:
            raise WorkError(f"ffmpeg cannot be started: {error.strerror or error}") from error
        if told.returncode or not made.exists():
            why = told.stderr.decode(errors="replace").strip() or f"it ended with {told.returncode}"
            raise WorkError(f"ffmpeg made no film: {why.splitlines()[0]}")
        return made.read_bytes()
