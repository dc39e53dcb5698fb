"""How a model is run over documents: one interface, and the way that keeps the whole model on the device."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import torch

from gated_ray.activations.capture import Capture, Captured, Sink
from gated_ray.activations.loading import LiveModel
from gated_ray.activations.segments import NO_TOKEN
from gated_ray.activations.wiring import wires_of
from gated_ray.architectures.blocks import Block, BlockPlace
from gated_ray.errors import GatedRayError, UnsupportedError

_ROUNDING = {torch.float32: 1e-3, torch.bfloat16: 0.06, torch.float16: 0.01}
"""Of the largest value: layers add up what the order of sums makes of it."""


class Runner(Protocol):
    """Runs a model."""

    @property
    def blocks(self) -> Sequence[Block]:
        """Those that are captured."""

    @property
    def vocabulary(self) -> int:
        """Token ids must be below."""

    @property
    def context(self) -> int | None:
        """Most tokens of a document, None for no limit."""

    @property
    def pads(self) -> bool:
        """Whether documents of different lengths may share a batch."""

    @property
    def turns(self) -> Sequence[int]:
        """Lengths beyond which documents share no batch with shorter ones, ascending."""

    def run(self, documents: Sequence[Sequence[int]], sink: Sink, *, with_post: bool = False) -> None:
        """Run one batch and hand over what every block computed.

        Args:
            documents: token ids; of equal lengths unless `pads`.
            sink: called block by block.
            with_post: whether what the model makes of g and u is wanted too.

        Raises:
            UnsupportedError: the model does not run in a way that statistics can be taken from.
        """


@dataclass
class WholeModel:
    """The model lies on its device as a whole (or over several). Documents are padded at the right.

    A causal model reads real tokens alike whatever stands to their right, with the fastest attention and no mask; others are
    given a mask; where that does not do either, documents of one length go together. Which, `choose_padding` finds by trying.
    But with LongRoPE the longest document says how the whole batch is read, which no short ones tell.
    """

    live: LiveModel
    capture: Capture
    device: torch.device
    ref: str
    masks: bool = False
    _pads: bool = False

    @property
    def pads(self) -> bool:
        return self._pads

    @property
    def blocks(self) -> Sequence[Block]:
        return [loaded.block for loaded in self.live.blocks]

    @property
    def vocabulary(self) -> int:
        return self.live.vocabulary

    @property
    def context(self) -> int | None:
        return self.live.context

    @cached_property
    def turns(self) -> Sequence[int]:
        return longrope_turns(self.live.model.config.to_dict())

    def run(self, documents: Sequence[Sequence[int]], sink: Sink, *, with_post: bool = False) -> None:
        lengths = [len(document) for document in documents]
        ids = torch.zeros(len(documents), max(lengths), dtype=torch.int64)
        position = torch.full(ids.shape, NO_TOKEN, dtype=torch.int64)
        for row, document in enumerate(documents):
            ids[row, : len(document)] = torch.tensor(document)
            position[row, : len(document)] = torch.arange(len(document))
        ids, position = ids.to(self.device), position.to(self.device)
        given: dict[str, Any] = {"input_ids": ids}
        if self.masks and min(lengths) < max(lengths):
            given["attention_mask"] = (position != NO_TOKEN).long()
        with torch.inference_mode(), self.capture.running(position, lengths, sink, with_post=with_post):
            self._forward(given)

    def _forward(self, given: dict[str, Any]) -> None:
        try:
            self.live.model(**given, use_cache=False)
        except (GatedRayError, torch.OutOfMemoryError, MemoryError):
            raise
        except (TypeError, ValueError, AttributeError, KeyError, IndexError, NotImplementedError) as error:
            said = " ".join(str(error).split())[:200]
            raise UnsupportedError(
                f"{self.ref}: {type(self.live.model).__name__} does not run on text alone: {said}"
            ) from error


def whole_model(live: LiveModel, device: torch.device, ref: str) -> WholeModel:
    """The model, with padding as it takes it.

    Raises:
        UnsupportedError: it cannot be captured.
    """
    runner = WholeModel(live, Capture(wires_of(live, ref), ref), device, ref)
    choose_padding(runner)
    return runner


def choose_padding(runner: WholeModel) -> None:
    """Set how a model is padded: the first way in which a document's numbers are those that it has alone.

    Raises:
        UnsupportedError: there is none, not even among documents of one length.
    """
    short, long = _document(5, runner.vocabulary), _document(9, runner.vocabulary)
    alone = _values(runner, [short])

    def holds(other: Sequence[int]) -> bool:
        together = _values(runner, [other, short])
        return all(_close(alone[place], together.get(place), runner.live.model.dtype) for place in alone)

    for masks in (False, True):
        runner._pads, runner.masks = True, masks
        with suppress(UnsupportedError):
            if holds(long):
                return
    runner._pads = runner.masks = False
    if not holds(long[: len(short)]):
        raise UnsupportedError(
            f"{runner.ref}: what {type(runner.live.model).__name__} computes for a document depends on the others of its batch; "
            "activation statistics are not defined for it"
        )


def longrope_turns(config: Mapping[str, Any]) -> list[int]:
    """Lengths beyond which a model with LongRoPE (Phi-3, say) takes its other frequencies, for all documents of a batch."""
    found: set[int] = set()
    if config.get("rope_type") == "longrope":
        found.add(int(config["original_max_position_embeddings"]))
    for value in config.values():
        found |= set(longrope_turns(value)) if isinstance(value, Mapping) else set()
    return sorted(found)


def _document(length: int, vocabulary: int) -> list[int]:
    generator = torch.Generator().manual_seed(length)
    return torch.randint(vocabulary, (length,), generator=generator).tolist()


def _values(runner: WholeModel, documents: Sequence[Sequence[int]]) -> dict[BlockPlace, torch.Tensor]:
    """g of the last document's tokens, by block."""
    found: dict[BlockPlace, torch.Tensor] = {}

    def sink(captured: Captured) -> None:
        if int(captured.documents[-1]) == len(documents) - 1:
            real = captured.position[-1] != NO_TOKEN
            found[captured.block.place] = captured.g[-1][real].float().cpu()

    runner.run(documents, sink)
    return found


def _close(one: torch.Tensor, other: torch.Tensor | None, dtype: torch.dtype) -> bool:
    """Whether these differ by no more than other shapes of a batch make of rounding; what is not finite is so in both."""
    if other is None or one.shape != other.shape or not one.isfinite().equal(other.isfinite()):
        return False
    one, other = (each.nan_to_num(0.0, 0.0, 0.0) for each in (one, other))
    return bool((one - other).abs().max() <= _ROUNDING[dtype] * one.abs().max())
