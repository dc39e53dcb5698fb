"""What is to be done for one model's activation statistics: all shards of its tokens, and which the store already holds."""

import threading
from importlib.metadata import version
from math import prod
from typing import Any

import torch

from gated_ray.activations.licences import license_of
from gated_ray.activations.loading import check_runnable, context_of, vocabulary_of
from gated_ray.activations.partial import parts_of
from gated_ray.activations.statistics import NeuronStatistics
from gated_ray.activations.token_copies import copied_tokens
from gated_ray.activations.token_datasets import token_dataset
from gated_ray.activations.tokenizers import load_tokenizer
from gated_ray.architectures.finding import Architecture, find_architecture
from gated_ray.cluster.identity import model_identity
from gated_ray.cluster.plan import ModelPlan
from gated_ray.cluster.shards import ModelToRun, PublishingStatistics, ShardWork
from gated_ray.cluster.work import IN_FLIGHT
from gated_ray.errors import InputError
from gated_ray.settings import STATISTICS_VERSION, ActivationsSettings
from gated_ray.sources.checkpoint import Checkpoint, open_checkpoint
from gated_ray.store.keys import Partition, ShardKey
from gated_ray.store.objects import Objects
from gated_ray.store.profiles import claim_statistics
from gated_ray.store.publication import published
from gated_ray.store.records import STATISTICS
from gated_ray.store.token_commit import identity_digest
from gated_ray.store.tokens import TokenDataset
from gated_ray.store.units import committed_units

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}

_one_at_a_time = threading.Lock()
"""Tokens are made once, though models with one tokenizer are planned side by side."""


def plan_statistics(reference: str, settings: ActivationsSettings, objects: Objects) -> ModelPlan:
    """Resolve a reference, find its blocks and its tokens (made where they are missing), and subtract what the store holds.

    Raises:
        GatedRayError: the model or the tokens cannot be read, or the store cannot.
    """
    checkpoint = open_checkpoint(reference, settings.models.endpoint_url)
    architecture = find_architecture(checkpoint, settings.architectures.extra)
    check_runnable(checkpoint, architecture)
    with _one_at_a_time:
        tokens = _tokens(checkpoint, settings, objects)
        claim_statistics(objects, tokens.name, settings.profile.name, settings.statistics, write=not settings.dry_run)
    partition = Partition(checkpoint.name, checkpoint.revision(), settings.profile.name, tokens.name)
    blocks, top = architecture.blocks, settings.statistics.top
    identity = model_identity(settings.profile, blocks) | {
        STATISTICS: {
            **settings.statistics.identity(),
            "formulas": sorted({f"{block.product} | {block.activation} | {block.gate_multiplier}" for block in blocks}),
            "tokenizer": tokens.tokenizer_digest,
            "tokens": identity_digest(tokens.identity),
        }
    }
    parts = parts_of(blocks, top)
    model = ModelToRun.pack(checkpoint, architecture, f"{partition.path} {settings.statistics.dtype}")
    parameters = sum(prod(tensor.shape) for tensor in checkpoint.tensors.values())
    most_tokens = max(shard.tokens for shard in tokens.shards)
    resident = _resident(checkpoint, architecture, parameters, most_tokens, settings)
    all_work = tuple(
        ShardWork(
            partition=partition,
            key=ShardKey(number),
            tokens=shard,
            model=model,
            model_rank=float(parameters) * tokens.tokens,
            resident=resident,
            statistics=settings.statistics,
            parts=parts,
            identity=identity,
        )
        for number, shard in enumerate(tokens.shards)
    )
    row = _row(checkpoint, architecture, tokens, settings)
    publishing = PublishingStatistics(
        partition, tuple(work.key for work in all_work), row, identity, parts=tuple(parts), top=top
    )
    is_published = published(objects, partition, identity) is not None
    done = set() if is_published else set(committed_units(objects, partition, identity))
    remaining = () if is_published else tuple(work for work in all_work if work.key.id not in done)
    neurons = sum(block.neurons for block in blocks)
    return ModelPlan(reference, publishing, all_work, remaining, len(blocks), neurons, is_published)


def _tokens(checkpoint: Checkpoint, settings: ActivationsSettings, objects: Objects) -> TokenDataset:
    data, ref = settings.data, checkpoint.reference.text
    if data.token_ids is not None:
        return token_dataset(objects, data, None)
    tokenizer = load_tokenizer(checkpoint)
    vocabulary = vocabulary_of(checkpoint.config)
    if vocabulary is not None and tokenizer.plain_size > vocabulary:
        raise InputError(
            f"{ref}: its tokenizer has {tokenizer.plain_size:,} tokens, but its embedding (vocab_size) {vocabulary:,}; it is the "
            "tokenizer of another model"
        )
    if data.tokens is not None:
        return copied_tokens(objects, data, tokenizer.digest)
    return token_dataset(objects, data, tokenizer)


def _resident(
    checkpoint: Checkpoint, architecture: Architecture, parameters: int, most_tokens: int, settings: ActivationsSettings
) -> int:
    """Bytes: the weights as they are stored and as they run, two shards with their statistics, and a batch in a few layers.

    One shard is committed while the next is measured.
    """
    stored = sum(tensor.bytes for tensor in checkpoint.tensors.values())
    running = parameters * DTYPES[settings.statistics.dtype].itemsize
    neurons = sum(block.neurons for block in architecture.blocks)
    widest = max(block.neurons + block.d_model for block in architecture.blocks)
    batch = _COPIES_OF_A_BATCH * widest * (settings.statistics.batch_tokens or CPU_BATCH_TOKENS) * 4
    shard = neurons * NeuronStatistics.bytes_a_neuron(settings.statistics.top) + most_tokens * _BYTES_A_TOKEN
    return stored + running + IN_FLIGHT * shard + batch


CPU_BATCH_TOKENS = 4096
GPU_BATCH_TOKENS = 16384
_COPIES_OF_A_BATCH = 8
_BYTES_A_TOKEN = 64
"""Of a shard in memory: Python's numbers, and what the file holds."""


def _row(
    checkpoint: Checkpoint, architecture: Architecture, tokens: TokenDataset, settings: ActivationsSettings
) -> dict[str, Any]:
    """What is known of a model's row of `ACTIVATION_MODELS` before it runs."""
    said = checkpoint.config.get("model_type")
    made_from = tokens.identity
    return {
        "tokenizer_digest": tokens.tokenizer_digest,
        "location": checkpoint.location.address,
        "requested_revision": checkpoint.reference.revision,
        "model_type": said if isinstance(said, str) else None,
        "blocks": len(architecture.blocks),
        "context": context_of(checkpoint.config),
        "dtype": settings.statistics.dtype,
        "top": settings.statistics.top,
        "weights": settings.profile.weights,
        "text": tokens.source["place"],
        "text_revision": tokens.source["revision"],
        "license": license_of(checkpoint),
        "max_length": made_from.get("max_length"),
        "seed": made_from.get("seed"),
        "statistics_version": STATISTICS_VERSION,
        "gated_ray_version": version("gated-ray"),
        "torch_version": torch.__version__,
        "transformers_version": version("transformers"),
    }
