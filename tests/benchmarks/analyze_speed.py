"""`gated_ray.analyze` against reading the same bytes once, and its memory."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import gated_ray
from gated_ray.architectures.finding import find_blocks
from gated_ray.sources.checkpoint import open_checkpoint
from tests.benchmarks.measure import Ratio, alternating, memory_above_imports
from tests.checkpoints.planted import plant_checkpoint, published_table

_MODEL = "Qwen/Qwen2.5-0.5B"
_REPEATS = 7

_IMPORTS = "import gated_ray"
_WORK = "gated_ray.analyze(sys.argv[1], regions='none')"


@contextmanager
def _planted() -> Iterator[Path]:
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / "planted"
        plant_checkpoint(folder, published_table(_MODEL), d_model=896, model_type="qwen2")
        yield folder


def _read_once(folder: Path, kept: bool) -> int:
    """Read every tensor that the analysis needs with preadv, once, from a warm page cache; the bytes read.

    Each into a bytearray of its own, all of them kept, as by a program that then has the weights; or all into one buffer
    over and over, which stays in the processor's cache and in the end holds the last tensor only.
    """
    checkpoint = open_checkpoint(str(folder))
    slices = [part for block in find_blocks(checkpoint) for part in block.slices]
    files = {part.record.file: os.open(folder / part.record.file.path, os.O_RDONLY) for part in slices}
    buffer = bytearray(0 if kept else max(part.bytes for part in slices))
    held = []
    for part in slices:
        place = bytearray(part.bytes) if kept else memoryview(buffer)[: part.bytes]
        if os.preadv(files[part.record.file], [place], part.begin) != part.bytes:
            raise OSError("short read")
        held.append(place)
    for descriptor in files.values():
        os.close(descriptor)
    return sum(part.bytes for part in slices)


def run() -> list[Ratio]:
    """The ratios of this benchmark."""
    with _planted() as folder:
        size = _read_once(folder, kept=False)
        analyze, read, reread = alternating(
            _REPEATS,
            lambda: gated_ray.analyze(str(folder), regions="none"),
            lambda: _read_once(folder, kept=True),
            lambda: _read_once(folder, kept=False),
        )
        memory = memory_above_imports(_IMPORTS, _WORK, str(folder))
    gb = size / 1e9
    return [
        Ratio("analyze / read once", analyze / read, "x", 2.0, f"{analyze:.3f} s / {read:.3f} s for {gb:.2f} GB"),
        Ratio(
            "analyze / read into one buffer over and over",
            analyze / reread,
            "x",
            None,
            f"{reread:.3f} s, {gb / reread:.1f} GB/s",
        ),
        Ratio("analyze, memory above imports", memory, "MB", 600.0, f"{gb:.2f} GB of weights"),
    ]
