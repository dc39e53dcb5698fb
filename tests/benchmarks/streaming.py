"""Weights over HTTP from nginx on loopback, against curl of the same bytes: the range engine alone, and `gated_ray.analyze`.

The engine reads as a worker does, two blocks at a time, in a new process each time, the model four times over: the first
touch of memory, which curl does not keep, must not count for more than in a sweep. Each work is taken in turns with its floor, and
the least of the repeats counts.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Literal

import pyarrow as pa
import torch

import gated_ray
from gated_ray.architectures.blocks import Block
from gated_ray.architectures.finding import find_blocks
from gated_ray.sources.buffers import buffers_for
from gated_ray.sources.checkpoint import Checkpoint, open_checkpoint, open_origin, read_tensors
from tests.benchmarks.measure import Ratio
from tests.benchmarks.usage import Prepared, Usage, own_environment, usage_of
from tests.checkpoints.planted import plant_checkpoint, published_table
from tests.servers.apart import hub_apart
from tests.servers.hub_repos import read_revision
from tests.servers.nginx import Nginx, hub_before, nginx, path_of

_MODEL = "Qwen/Qwen2.5-0.5B"
_NAME = "planted/half-billion"
_REPEATS = 7
_BLOCKS_AT_ONCE = 2
_PASSES = 4

_OPEN = """
from gated_ray.sources.checkpoint import open_checkpoint
from tests.benchmarks.streaming import read_blocks
checkpoint = open_checkpoint(sys.argv[1])
"""
_READ = "read_blocks(checkpoint)"
_IMPORTS = "import gated_ray"
_ANALYZE = "gated_ray.analyze(sys.argv[1], regions='none')"
_SAVE = """
import gated_ray, pyarrow.feather
def save():
    pyarrow.feather.write_feather(gated_ray.analyze(sys.argv[1], regions='none').neurons, sys.argv[2])
"""

Wire = Literal["plain", "tls"]


def read_blocks(checkpoint: Checkpoint) -> None:
    """Read all that the analysis of a model needs, block by block, `_PASSES` times, and keep none of it."""
    origin, allocate = open_origin(checkpoint.location), buffers_for(torch.device("cpu"))
    blocks = find_blocks(checkpoint) * _PASSES

    def read(block: Block) -> None:
        read_tensors(origin, block.slices, allocate)

    with ThreadPoolExecutor(_BLOCKS_AT_ONCE) as pool:
        for done in [pool.submit(read, block) for block in blocks]:
            done.result()


@dataclass(frozen=True)
class _Setting:
    """The checkpoint in its folder, behind nginx, and as byte ranges.

    Attributes:
        file: where nginx has its one weight file.
        ranges: first and last byte of all that the analysis needs.
        hubs: endpoints by what their links lead to.
        scratch: an empty folder on disk; `memory`: one in memory.
    """

    folder: Path
    server: Nginx
    file: str
    ranges: Sequence[tuple[int, int]]
    hubs: dict[Wire, str]
    scratch: Path
    memory: Path

    @property
    def needed(self) -> int:
        """Bytes."""
        return sum(last + 1 - first for first, last in self.ranges)

    def environment(self, wire: Wire) -> dict[str, str]:
        trusted = {"SSL_CERT_FILE": str(self.server.certificate)}
        return own_environment(self.scratch, HF_ENDPOINT=self.hubs[wire], **trusted)

    def read(self, wire: Wire) -> Usage:
        """Our engine, in a process of its own."""
        with Prepared(_OPEN, _READ, [_NAME], self.environment(wire)) as process:
            return process.run()

    def curl(self, wire: Wire, output: str = "/dev/null", passes: int = 1) -> Usage:
        """One curl for all ranges, so many times over, on one connection."""
        origin = self.server.plain if wire == "plain" else self.server.tls
        each = f'url = "{origin}{self.file}"\noutput = "{output}"\ncacert = "{self.server.certificate}"\nsilent\nfail\n'
        requests = [f'{each}range = "{first}-{last}"\n' for first, last in self.ranges]
        config = self.scratch / "curl.txt"
        config.write_text("next\n".join(requests * passes))
        return usage_of(["curl", "--disable", "--config", str(config)], own_environment(self.scratch))


@contextmanager
def _setting() -> Iterator[_Setting]:
    with TemporaryDirectory() as scratch_name, TemporaryDirectory(dir="/dev/shm") as memory:
        scratch = Path(scratch_name)
        folder = scratch / "planted"
        plant_checkpoint(folder, published_table(_MODEL), d_model=896, model_type="qwen2")
        (weights,) = (file for file in read_revision(folder, None).files.values() if file.lfs)
        with (
            nginx({path_of(weights): weights.path}) as server,
            hub_apart(hub_before, server.plain, _NAME, str(folder)) as plain,
            hub_apart(hub_before, server.tls, _NAME, str(folder)) as tls,
        ):
            hubs: dict[Wire, str] = {"plain": plain.endpoint, "tls": tls.endpoint}
            yield _Setting(folder, server, path_of(weights), _ranges(folder), hubs, scratch, Path(memory))


def _ranges(folder: Path) -> list[tuple[int, int]]:
    """What is needed of the one weight file; what lies side by side in one range."""
    slices = {part for block in find_blocks(open_checkpoint(str(folder))) for part in block.slices}
    ranges: list[tuple[int, int]] = []
    for part in sorted(slices, key=lambda part: part.begin):
        if ranges and ranges[-1][1] + 1 == part.begin:
            ranges[-1] = ranges[-1][0], part.end - 1
        else:
            ranges.append((part.begin, part.end - 1))
    return ranges


def _check(setting: _Setting) -> None:
    """What is measured over the wire is what is measured of the folder; else speed means nothing.

    Raises:
        RuntimeError: it is not.
    """
    here = gated_ray.analyze(str(setting.folder), regions="none").neurons
    wires: tuple[Wire, ...] = ("plain", "tls")
    for wire in wires:
        path = setting.scratch / f"{wire}.arrow"
        with Prepared(_SAVE, "save()", [_NAME, str(path)], setting.environment(wire)) as process:
            process.run()
        there = pa.ipc.open_file(path).read_all()
        columns = [name for name in here.column_names if name not in ("model_name", "model_revision")]
        if not there.select(columns).equals(here.select(columns)):
            raise RuntimeError(f"{wire}: other numbers than from the folder")


def _engine(setting: _Setting, wire: Wire) -> list[Ratio]:
    ours, curls, sent = [], [], []
    for _ in range(_REPEATS):
        before = setting.server.bytes_sent()
        ours.append(setting.read(wire))
        sent.append(setting.server.bytes_sent() - before)
        curls.append(setting.curl(wire, passes=_PASSES))
    gb = _PASSES * setting.needed / 1e9
    mine, floor = (min(each.seconds for each in uses) for uses in (ours, curls))
    cpu, least = (min(each.cpu for each in uses) / gb for uses in (ours, curls))
    pairs = median(curl.seconds / our.seconds for our, curl in zip(ours, curls, strict=True))
    cpu_pairs = median((our.cpu - curl.cpu) / gb for our, curl in zip(ours, curls, strict=True))
    speeds = f"{gb / mine:.2f} / {gb / floor:.2f} GB/s; median of pairs {pairs:.2f}"
    cpus = f"{cpu:.2f} / {least:.2f} CPU-s/GB"
    ratios = [Ratio(f"throughput / curl, {wire}", floor / mine, "x", None, speeds)]
    if wire == "plain":
        ratios[0] = Ratio(f"throughput / curl, {wire}", floor / mine, "x", 0.8, speeds, at_least=True)
        more = f"{cpus}; median of pairs {cpu_pairs:.2f}"
        ratios.append(Ratio("CPU a GB more than curl, plain", cpu - least, "s", 0.8, more))
    else:
        ratios.append(Ratio("CPU / curl, tls", cpu / least, "x", 1.2, cpus))
    share = max(sent) / (_PASSES * setting.needed)
    return [*ratios, Ratio(f"bytes sent / bytes needed, {wire}", share, "x", 1.02, f"{gb:.3f} GB needed")]


def _analyze(setting: _Setting) -> list[Ratio]:
    there, here, curls, kept = [], [], [], []
    output = str(setting.memory / "curl")
    with (
        Prepared(_IMPORTS, _ANALYZE, [_NAME], setting.environment("plain")) as remote,
        Prepared(_IMPORTS, _ANALYZE, [str(setting.folder)], setting.environment("plain")) as local,
    ):
        for _ in range(_REPEATS):
            there.append(remote.run())
            curls.append(setting.curl("plain"))
            here.append(local.run())
            kept.append(setting.curl("plain", output))
    seconds, floor, folder, memory = (min(each.seconds for each in uses) for uses in (there, curls, here, kept))
    pairs = median(our.seconds / curl.seconds for our, curl in zip(there, curls, strict=True))
    kept_pairs = median(our.seconds / curl.seconds for our, curl in zip(there, kept, strict=True))
    return [
        Ratio(
            "analyze over HTTP / curl that keeps the bytes",
            seconds / memory,
            "x",
            1.3,
            f"{seconds:.3f} / {memory:.3f} s; into /dev/shm; the first {there[0].seconds:.3f} s; median of pairs {kept_pairs:.2f}",
        ),
        Ratio(
            "analyze over HTTP / curl to /dev/null",
            seconds / floor,
            "x",
            None,
            f"{floor:.3f} s; median of pairs {pairs:.2f}",
        ),
        Ratio("analyze over HTTP / from the folder", seconds / folder, "x", None, f"{folder:.3f} s from the folder"),
    ]


def run() -> list[Ratio]:
    """The ratios of this benchmark."""
    with _setting() as setting:
        _check(setting)
        return [*_engine(setting, "plain"), *_engine(setting, "tls"), *_analyze(setting)]
