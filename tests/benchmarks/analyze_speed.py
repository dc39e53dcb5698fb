"""`gated_ray.analyze` against reading the same bytes once, and its memory."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

import gated_ray
from gated_ray.architectures.blocks import find_blocks
from gated_ray.sources.checkpoint import open_checkpoint
from tests.benchmarks.measure import Ratio, alternating
from tests.checkpoints.planted import plant_checkpoint, published_table

_MODEL = "Qwen/Qwen2.5-0.5B"
_REPEATS = 7


@contextmanager
def _planted() -> Iterator[Path]:
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / "planted"
        plant_checkpoint(folder, published_table(_MODEL), d_model=896, model_type="qwen2")
        yield folder


def _read_once(folder: Path, reuse: bool) -> int:
    """Read every tensor that the analysis needs with preadv, a layer at a time.

    Into memory that is new, as a reader hands it out, or (``reuse``) into one buffer over and over, which then stays in
    the processor's cache: no reader whose caller keeps the tensors can do that.
    """
    checkpoint = open_checkpoint(str(folder))
    records = [record for block in find_blocks(checkpoint) for record in block.records]
    held = [memoryview(torch.empty(max(r.bytes for r in records), dtype=torch.uint8).numpy())] if reuse else []
    files = {record.file.path: os.open(folder / record.file.path, os.O_RDONLY) for record in records}
    for record in records:
        if not reuse:
            held.append(memoryview(torch.empty(record.bytes, dtype=torch.uint8).numpy()))
        if os.preadv(files[record.file.path], [held[-1][: record.bytes]], record.begin) != record.bytes:
            raise OSError("short read")
    for descriptor in files.values():
        os.close(descriptor)
    return sum(record.bytes for record in records)


def _memory_above_imports(folder: Path) -> float:
    """Peak MB of a process that analyzes, above what it held after its imports."""
    program = (
        "import resource, sys, gated_ray\n"
        "held = int(open('/proc/self/statm').read().split()[1]) * resource.getpagesize()\n"
        "gated_ray.analyze(sys.argv[1], regions='none')\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - held)\n"
    )
    run = subprocess.run([sys.executable, "-c", program, str(folder)], check=True, capture_output=True, text=True)
    return float(run.stdout) / 1e6


def run() -> list[Ratio]:
    """The ratios of this benchmark."""
    with _planted() as folder:
        size = _read_once(folder, reuse=True)
        analyze, read, reread = alternating(
            _REPEATS,
            lambda: gated_ray.analyze(str(folder), regions="none"),
            lambda: _read_once(folder, reuse=False),
            lambda: _read_once(folder, reuse=True),
        )
        memory = _memory_above_imports(folder)
    gb = size / 1e9
    return [
        Ratio("analyze / read once", analyze / read, "x", 2.0, f"{analyze:.3f} s / {read:.3f} s for {gb:.2f} GB"),
        Ratio(
            "analyze / read into one cached buffer",
            analyze / reread,
            "x",
            None,
            f"{reread:.3f} s, {gb / reread:.1f} GB/s",
        ),
        Ratio("analyze, memory above imports", memory, "MB", 600.0, f"{gb:.2f} GB of weights"),
    ]
