"""Statistics of a checkpoint over documents, in this process: what a worker and a publication do, without Ray and a store."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch

from gated_ray.activations.checking import formulas_of
from gated_ray.activations.loading import load_model
from gated_ray.activations.measuring import Measurer
from gated_ray.activations.partial import part_tables, parts_of
from gated_ray.activations.running import WholeModel, whole_model
from gated_ray.activations.signs import canonical_signs
from gated_ray.activations.tables import merged_tables
from gated_ray.architectures.finding import find_architecture
from gated_ray.sources.checkpoint import open_checkpoint

CPU = torch.device("cpu")


class Taker:
    """A loaded model.

    Args:
        ref: of the checkpoint.
        top: documents that each ranking keeps.
        fused: whether the statistics are compiled.
        dtype, device: to run in and on.
    """

    def __init__(
        self,
        ref: str | Path,
        *,
        top: int = 16,
        fused: bool = False,
        dtype: torch.dtype = torch.float32,
        device: torch.device = CPU,
    ) -> None:
        checkpoint = open_checkpoint(str(ref))
        architecture = find_architecture(checkpoint)
        live = load_model(checkpoint, architecture, dtype, device)
        self.runner: WholeModel = whole_model(live, device, str(ref))
        self.formulas = formulas_of(self.runner, str(ref))
        self.signs = canonical_signs(live.blocks, "paper", CPU)
        self.parts = parts_of(architecture.blocks, top)
        self.top = top
        self.said: list[str] = []
        self._fused = fused
        self._ref = str(ref)

    def measurer(self, most_tokens: int = 4096, **other: Any) -> Measurer:
        given = {"runner": self.runner, "formulas": self.formulas, "top": self.top, "fused": self._fused}
        return Measurer(**given | {"most_tokens": most_tokens, "say": self.said.append, "ref": self._ref} | other)

    def shard(self, documents: Sequence[Sequence[int]], first: int = 0, most_tokens: int = 4096) -> dict[str, pa.Table]:
        """Partial statistics of some documents, by part."""
        found = self.measurer(most_tokens).measure(documents, first)
        return dict(part_tables(self.parts, found, self.signs, self.top))

    def tables(
        self, documents: Sequence[Sequence[int]], cuts: Sequence[int] = (), most_tokens: int = 4096
    ) -> tuple[pa.Table, pa.Table]:
        """Activations and examples over the documents, cut into shards before these rows."""
        ends = [*cuts, len(documents)]
        shards = [
            self.shard(documents[begin:end], begin, most_tokens) for begin, end in zip([0, *cuts], ends, strict=True)
        ]
        tokens = sum(map(len, documents))
        merged = [merged_tables((shard[part] for shard in shards), self.top, tokens) for part in self.parts]
        activations, examples = zip(*merged, strict=True)
        return pa.concat_tables(activations).combine_chunks(), pa.concat_tables(examples).combine_chunks()
