"""A checkpoint as a live `transformers` model: its class by config.json, its weights as the byte plane reads them, no file left.

Classes are named as attributes of `transformers`, which imports them when they are first asked for: it takes seconds, and a driver
never runs a model.
"""

import json
import re
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeGuard

import torch
import transformers
from transformers.utils import logging as transformers_logging

from gated_ray.architectures.finding import Architecture
from gated_ray.errors import CheckpointError, UnsupportedError
from gated_ray.measurement import LoadedBlock
from gated_ray.sources.checkpoint import Checkpoint, open_origin, read_tensors
from gated_ray.sources.slices import TensorSlice

_SAID = 3
"""Names of tensors in a message."""


@dataclass(frozen=True)
class LiveModel:
    """A model in memory, in eval mode, and what is stored of its MLP blocks.

    Attributes:
        model: without its language-model head.
        blocks: every block with its stored tensors, on the CPU.
        vocabulary: rows of the embedding: token ids must be below.
        context: most tokens of a document that the config allows, None where it sets no limit.
        unused: tensors of the blocks' layers that the model's class has no place for: it leaves out what they do.
    """

    model: "transformers.PreTrainedModel"
    blocks: tuple[LoadedBlock, ...]
    vocabulary: int
    context: int | None
    unused: tuple[str, ...]


def load_model(
    checkpoint: Checkpoint, architecture: Architecture, dtype: torch.dtype, device: torch.device, gpus: int = 1
) -> LiveModel:
    """Read every tensor and make the model that config.json names. Code from the model's repository is never run.

    Args:
        checkpoint: opened.
        architecture: found in it.
        dtype: to run in.
        device: to run on.
        gpus: spread over so many, where more than one.

    Raises:
        UnsupportedError: a model that statistics cannot be made of; the message says why.
        CheckpointError: tensors are missing.
        TransientError: the network gave up.
    """
    ref = checkpoint.reference.text
    check_runnable(checkpoint, architecture)
    with _quiet():
        config = _config(checkpoint)
        origin = open_origin(checkpoint.location)
        read = read_tensors(origin, [TensorSlice(each) for each in checkpoint.tensors.values()])
        tensors = {part.record.name: tensor for part, tensor in read.items()}
        model, unexpected = _with_weights(config, tensors, dtype, gpus, ref)
    model.train(False).requires_grad_(False)
    if gpus <= 1:
        torch.nn.Module.to(model, device)
    blocks = tuple(
        LoadedBlock(block, {part: _cut(tensors[part.record.name], part) for part in block.slices}, {})
        for block in architecture.blocks
    )
    layers = tuple({_layer(block.w_in.name) for block in architecture.blocks})
    unused = tuple(sorted(name for name in unexpected if (layer := _layer(name)) and _ends_with(layers, layer)))
    return LiveModel(model, blocks, _vocabulary(model, ref), context_of(checkpoint.config), unused)


def check_runnable(checkpoint: Checkpoint, architecture: Architecture) -> None:
    """What config and headers tell of whether statistics can be made.

    Raises:
        UnsupportedError: they cannot.
    """
    ref = checkpoint.reference.text
    if any(not block.gated for block in architecture.blocks):
        raise UnsupportedError(f"{ref}: has plain MLPs; activation statistics are of gated neurons")
    if formats := sorted({block.format for block in architecture.blocks if block.format}):
        raise UnsupportedError(
            f"{ref}: its weights are quantized ({', '.join(formats)}); activation statistics need a checkpoint in plain floats"
        )
    if any(block.inner_norm is not None for block in architecture.blocks):
        raise UnsupportedError(f"{ref}: a norm over the neurons stands between act(gate) * in and w_out; not supported")
    if checkpoint.config.get("is_encoder_decoder"):
        raise UnsupportedError(f"{ref}: is an encoder-decoder; activation statistics read one stream of text")


def context_of(config: Mapping[str, Any]) -> int | None:
    """The most tokens that config.json allows a document to have; None where it sets no limit."""
    for each in (config.get("text_config"), config):
        if isinstance(each, Mapping):
            for key in ("max_position_embeddings", "n_positions", "max_seq_len", "max_sequence_length", "n_ctx"):
                found = each.get(key)
                if isinstance(found, int) and not isinstance(found, bool) and found > 0:
                    return found
    return None


def vocabulary_of(config: Mapping[str, Any]) -> int | None:
    """Rows of the embedding by config.json; None where it does not say."""
    for each in (config.get("text_config"), config):
        found = each.get("vocab_size") if isinstance(each, Mapping) else None
        if isinstance(found, int) and not isinstance(found, bool) and found > 0:
            return found
    return None


def _config(checkpoint: Checkpoint) -> Any:
    ref = checkpoint.reference.text
    with tempfile.TemporaryDirectory(prefix="gated-ray-config-") as folder:
        (Path(folder) / "config.json").write_text(json.dumps(checkpoint.config), encoding="utf-8")
        try:
            return transformers.AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        except Exception as error:  # whatever a config makes the library raise
            own = " (its code is on the Hub, and never run)" if checkpoint.config.get("auto_map") else ""
            raise UnsupportedError(
                f"{ref}: transformers {transformers.__version__} has no model class for model_type "
                f"{checkpoint.config.get('model_type')!r}{own}"
            ) from error


def _with_weights(
    config: Any, tensors: Mapping[str, torch.Tensor], dtype: torch.dtype, gpus: int, ref: str
) -> tuple["transformers.PreTrainedModel", Collection[str]]:
    """The base model with all its weights: made as such, or as part of the class that config.json names.

    And the tensors that it has no place for. transformers knows the names of some checkpoints only for the latter.
    """
    placing: dict[str, Any] = {"device_map": "auto"} if gpus > 1 else {}
    # Not the class's own: that of Qwen2.5-Omni asks the Hub for a pickle besides.
    load: Any = transformers.PreTrainedModel.from_pretrained.__func__  # type: ignore[attr-defined]
    refusal: Exception | None = None
    for model_class in _model_classes(config, ref):
        try:
            made: Any = load(
                model_class,
                None,
                config=config,
                state_dict=dict(tensors),
                dtype=dtype,
                output_loading_info=True,
                **placing,
            )
        except (ValueError, RuntimeError, KeyError, AttributeError, ImportError, OSError) as error:
            refusal = refusal or UnsupportedError(
                f"{ref}: transformers {transformers.__version__} cannot load it: {_said(error)}"
            )
            continue
        model, report = made
        missing = sorted(report["missing_keys"]) + sorted(str(each) for each in report["mismatched_keys"])
        if not missing:
            base: transformers.PreTrainedModel = model.base_model
            return base, report["unexpected_keys"]
        refusal = refusal or CheckpointError(
            f"{ref}: {model_class.__name__} of transformers {transformers.__version__} finds no weights for {_list(missing)}"
        )
    if refusal is None:
        raise AssertionError("there is always a class to try")
    raise refusal


def _model_classes(config: Any, ref: str) -> list[type["transformers.PreTrainedModel"]]:
    known: Any = transformers.AutoModel._model_mapping
    named = [getattr(transformers, str(name), None) for name in config.architectures or ()]
    found = [each for each in (known.get(type(config), None), *named) if _is_model(each)]
    if not found:
        raise UnsupportedError(
            f"{ref}: transformers {transformers.__version__} has no base model for model_type {config.model_type!r}"
        )
    return list(dict.fromkeys(found))


def _is_model(found: Any) -> TypeGuard[type["transformers.PreTrainedModel"]]:
    return isinstance(found, type) and issubclass(found, transformers.PreTrainedModel)


def _vocabulary(model: Any, ref: str) -> int:
    try:
        return int(model.get_input_embeddings().weight.shape[0])
    except (AttributeError, NotImplementedError) as error:
        raise UnsupportedError(f"{ref}: {type(model).__name__} has no embedding of token ids") from error


def _cut(tensor: torch.Tensor, part: TensorSlice) -> torch.Tensor:
    if part.first is None or part.count is None:
        return tensor
    return tensor[part.first : part.first + part.count]


def _layer(name: str) -> str:
    """The tensor's name up to its first number; empty without one."""
    found = re.match(r"(?:.*?\.)?\d+\.", name)
    return found[0] if found else ""


def _ends_with(layers: Collection[str], layer: str) -> bool:
    """Whether it is one of them; base models leave out the first part of a name."""
    return any(f".{each}".endswith(f".{layer}") for each in layers)


def _said(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def _list(names: list[str]) -> str:
    more = f" and {len(names) - _SAID} more" if len(names) > _SAID else ""
    return ", ".join(names[:_SAID]) + more


@contextmanager
def _quiet() -> Iterator[None]:
    """No bars and reports of transformers: what matters of them becomes an error."""
    verbosity = transformers_logging.get_verbosity()
    bars = transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        transformers_logging.set_verbosity(verbosity)
        if bars:
            transformers_logging.enable_progress_bar()  # type: ignore[no-untyped-call]
