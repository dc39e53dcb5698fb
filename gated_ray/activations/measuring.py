"""Statistics of all blocks of a model over some documents."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch

from gated_ray.activations.batches import batches
from gated_ray.activations.capture import Captured
from gated_ray.activations.formulas import Formula
from gated_ray.activations.running import Runner
from gated_ray.activations.segments import Kernel, segment_kernel
from gated_ray.activations.statistics import NeuronStatistics
from gated_ray.architectures.blocks import BlockPlace
from gated_ray.errors import CheckpointError, InputError

_CPU_MESSAGE = "can't allocate memory"
"""What torch's allocator says where a CPU's memory is used up."""


@dataclass
class Measurer:
    """Takes statistics of one model, documents after documents.

    Args:
        runner: of the model.
        formulas: by block.
        top: documents that each ranking keeps.
        most_tokens: of a batch, padding included; halved, for good, where memory does not suffice.
        fused: whether to compile the statistics.
        say: told, in a line, of what the user should know.
        ref: the model, for messages.
    """

    runner: Runner
    formulas: Mapping[BlockPlace, Formula]
    top: int
    most_tokens: int
    fused: bool
    say: Callable[[str], None]
    ref: str
    _kernels: dict[int, Kernel] = field(default_factory=dict)
    """By the formula's identity: blocks share them."""

    def measure(
        self, documents: Sequence[Sequence[int]], first: int, told: Callable[[int], None] = lambda _: None
    ) -> dict[BlockPlace, NeuronStatistics]:
        """Statistics of documents, before the canonical sign; a block that no token reached has none of its own.

        Args:
            documents: token ids, none longer than the model's context.
            first: row of the first of them in the token dataset; the others follow.
            told: told after each batch how many tokens are done; fewer than before where batches had to be halved.

        Raises:
            InputError: a token id that the embedding does not have.
            CheckpointError: memory does not suffice for one document.
            UnsupportedError: the model does not run in a way that statistics can be taken from.
        """
        check_ids(documents, first, self.runner.vocabulary, self.ref)
        while True:
            try:
                return self._measure(documents, first, told)
            except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
                if not _is_out_of_memory(error):
                    raise
                largest = max(map(len, documents))
                if self.most_tokens <= largest:
                    raise CheckpointError(
                        f"{self.ref}: out of memory with one document of {largest:,} tokens; use a device with more memory, "
                        "cluster.gpus_per_worker=2 or more, or a smaller data.max_length"
                    ) from error
                self.most_tokens = max(largest, self.most_tokens // 2)
            # What the failed batch left in some blocks cannot be told from the rest: everything is measured again.
            _free_memory()
            self.say(f"{self.ref}: out of memory; going on with batches of {self.most_tokens:,} tokens")

    def _measure(
        self, documents: Sequence[Sequence[int]], first: int, told: Callable[[int], None]
    ) -> dict[BlockPlace, NeuronStatistics]:
        found: dict[BlockPlace, NeuronStatistics] = {}
        lengths, done = [len(document) for document in documents], 0
        for batch in batches(lengths, self.most_tokens, pads=self.runner.pads, turns=self.runner.turns):
            rows = first + torch.tensor(batch, dtype=torch.int64)

            def take(captured: Captured, rows: torch.Tensor = rows) -> None:
                self._take(captured, rows, found)

            self.runner.run([documents[number] for number in batch], take)
            done += sum(lengths[number] for number in batch)
            told(done)
        return found

    def _take(self, captured: Captured, rows: torch.Tensor, found: dict[BlockPlace, NeuronStatistics]) -> None:
        place, device = captured.block.place, captured.g.device
        if place not in found:
            found[place] = NeuronStatistics.empty(captured.block.neurons, self.top, device)
        segments = self._kernel(self.formulas[place])(captured.g, captured.u, captured.position)
        found[place].add(segments, rows.to(device)[captured.documents], captured.tokens)

    def _kernel(self, formula: Formula) -> Kernel:
        if id(formula) not in self._kernels:
            self._kernels[id(formula)] = segment_kernel(formula, fused=self.fused)
        return self._kernels[id(formula)]


def check_ids(documents: Sequence[Sequence[int]], first: int, vocabulary: int, ref: str) -> None:
    """Raise InputError for a token id that the embedding does not have."""
    for row, document in enumerate(documents, start=first):
        if document and not 0 <= min(document) <= max(document) < vocabulary:
            place, wrong = next((at, each) for at, each in enumerate(document) if not 0 <= each < vocabulary)
            raise InputError(
                f"{ref}: token id {wrong} (document {row}, position {place}) is not in its embedding of {vocabulary:,} tokens; "
                "the ids are of another tokenizer"
            )


def _is_out_of_memory(error: BaseException) -> bool:
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or _CPU_MESSAGE in str(error)


def _free_memory() -> None:
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
