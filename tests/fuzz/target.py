"""What every checkpoint must come to, however it is spoiled: read, or refused in one line that names it."""

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from random import Random

from gated_ray.architectures.finding import find_architecture
from gated_ray.errors import GatedRayError
from gated_ray.sources.checkpoint import open_checkpoint
from tests.fuzz.spoiling import Files, spoiled

MOST_SECONDS = 2.0
"""Of the processor."""
MOST_MEMORY = 200e6
LONGEST = 2000
"""Characters of a message."""

_LARGEST_FILE = 1 << 42


@dataclass(frozen=True)
class Outcome:
    """What one checkpoint came to.

    Attributes:
        kind: class of the error, or ``read``.
        message: without the checkpoint; empty where it was read.
        seconds: of the processor that it took; other processes must not count.
    """

    kind: str
    message: str
    seconds: float

    @property
    def shape(self) -> str:
        """The message without what differs from case to case."""
        quoted = re.sub(r"'(\\.|[^'\\])*'|\"(\\.|[^\"\\])*\"|\([^()]*\)|\[[^\[\]]*\]|\{[^{}]*\}", "…", self.message)
        dotted = re.sub(r"\S*\w\.\w\S*", "NAME", quoted)
        return re.sub(r"-?\d+(\.\d+)?(e[+-]?\d+)?|nan|inf", "N", dotted)[:160]


def judge(random: Random, folder: Path) -> Outcome:
    """Write one spoiled checkpoint into the folder, and read it.

    Raises:
        AssertionError: a message of several lines, of another checkpoint, or too long; or it took too long.
        Exception: whatever is no `GatedRayError`.
    """
    _write(spoiled(random), folder)
    ref = str(folder)
    started = time.process_time()
    message, kind = "", "read"
    try:
        found = find_architecture(open_checkpoint(ref))
        sum(block.bytes for block in found.blocks)
    except GatedRayError as error:
        message, kind = str(error), type(error).__name__
    seconds = time.process_time() - started
    assert seconds < MOST_SECONDS, f"{seconds:.1f} s"
    if kind != "read":
        assert ref in message, message
        assert message.isprintable(), message
        assert len(message) <= LONGEST, message
    return Outcome(kind, message.replace(ref, "MODEL"), seconds)


def resident(name: str = "VmRSS") -> float:
    """Bytes of memory of this process: ``VmRSS`` now, ``VmHWM`` at most so far."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(name))) * 1024.0


def _write(files: Files, folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    for name, (content, size) in files.items():
        (folder / name).write_bytes(content)
        if size != len(content):
            os.truncate(folder / name, min(size, max(_LARGEST_FILE, len(content))))
