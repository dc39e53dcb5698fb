"""The MLP blocks of a checkpoint, found by its family's rules and checked against its headers and config."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gated_ray.architectures.rules import Gain, Norm, Rule, families
from gated_ray.errors import CheckpointError, UnsupportedError
from gated_ray.sources.checkpoint import Checkpoint, float_dtype
from gated_ray.sources.headers import TensorRecord


@dataclass(frozen=True)
class Matrix:
    """One stored matrix of a block; its neurons are its rows, or its columns."""

    record: TensorRecord
    neurons_are_rows: bool

    @property
    def neurons(self) -> int:
        return self.record.shape[0 if self.neurons_are_rows else 1]

    @property
    def d_model(self) -> int:
        return self.record.shape[1 if self.neurons_are_rows else 0]


@dataclass(frozen=True)
class Block:
    """One MLP block of one layer: where its weights are and what its norms do.

    `gate` is None for a plain block. `pre_norm` is None for a norm without weights and where `norm` is ``none``.
    `activation` is as config.json names it, None where it does not.
    """

    layer: int
    component: str
    expert: int | None
    gate: Matrix | None
    w_in: Matrix
    w_out: Matrix
    norm: Norm
    gain: Gain
    pre_norm: TensorRecord | None
    post_norm: TensorRecord | None
    activation: str | None

    @property
    def gated(self) -> bool:
        return self.gate is not None

    @property
    def d_model(self) -> int:
        return self.w_in.d_model

    @property
    def neurons(self) -> int:
        return self.w_in.neurons

    @property
    def matrices(self) -> tuple[Matrix, ...]:
        return (self.w_in, self.w_out) if self.gate is None else (self.gate, self.w_in, self.w_out)

    @property
    def records(self) -> tuple[TensorRecord, ...]:
        """Every tensor that the block's numbers rest on: gate, in, out, then norms."""
        norms = tuple(record for record in (self.pre_norm, self.post_norm) if record is not None)
        return tuple(matrix.record for matrix in self.matrices) + norms

    @property
    def bytes(self) -> int:
        return sum(record.bytes for record in self.records)


def find_blocks(checkpoint: Checkpoint) -> list[Block]:
    """Every MLP block of a checkpoint, by component and layer.

    Raises:
        UnsupportedError: a model_type without rules, a quantized checkpoint, a dtype that is no plain float.
        CheckpointError: tensors missing, left over, or of shapes that disagree with each other or with config.json.
    """
    ref, config = checkpoint.reference.text, checkpoint.config
    _refuse_quantized(config, ref)
    model_type = config["model_type"]
    if model_type not in families():
        raise UnsupportedError(
            f"{ref}: model_type {model_type!r} is not supported; supported are {', '.join(sorted(families()))}"
        )
    rules = [rule for rule in families()[model_type] if _applies(rule, config, ref)]
    if not rules:
        keys = {key for rule in families()[model_type] for key in rule.when}
        said = ", ".join(f"{key}={config[key]!r}" for key in sorted(keys))
        raise UnsupportedError(f"{ref}: config.json says {said}, which is not supported for {model_type}")
    blocks: list[Block] = []
    for component in dict.fromkeys(rule.component for rule in rules):
        rule, prefix = _locate([rule for rule in rules if rule.component == component], checkpoint)
        blocks += _blocks_of_rule(rule, prefix, checkpoint)
    _refuse_companions(blocks, checkpoint)
    return blocks


def _refuse_quantized(config: Mapping[str, Any], ref: str) -> None:
    for key in ("quantization_config", "compression_config"):
        quantization = config.get(key)
        if quantization:
            method = quantization.get("quant_method", "unnamed") if isinstance(quantization, dict) else quantization
            raise UnsupportedError(
                f"{ref}: quantized with quant_method {method!r}, not supported; use the unquantized model"
            )


def _applies(rule: Rule, config: Mapping[str, Any], ref: str) -> bool:
    for key in rule.when:
        if key not in config:
            raise CheckpointError(f"{ref}: config.json lacks {key}, on which the meaning of its weights depends")
    return all(config[key] == value for key, value in rule.when.items())


def _locate(rules: list[Rule], checkpoint: Checkpoint) -> tuple[Rule, str]:
    """The one rule of a component, and its one prefix, whose tensors the checkpoint has."""
    ref = checkpoint.reference.text
    names = {prefix + rule.w_in.format(layer=0): (rule, prefix) for rule in rules for prefix in rule.prefixes}
    found = [name for name in names if name in checkpoint.tensors]
    if not found:
        raise CheckpointError(
            f"{ref}: no tensor {' or '.join(names)}, one of which a {checkpoint.config['model_type']} model has"
        )
    if len(found) > 1:
        raise CheckpointError(f"{ref}: layers under several names ({', '.join(found)}); which are meant?")
    return names[found[0]]


def _blocks_of_rule(rule: Rule, prefix: str, checkpoint: Checkpoint) -> list[Block]:
    layers = _config_value(checkpoint.config, rule.layers)
    if not isinstance(layers, int) or isinstance(layers, bool) or layers < 1:
        raise CheckpointError(
            f"{checkpoint.reference.text}: config.json has no layer count under {' or '.join(rule.layers)}"
        )
    _check_layer_count(rule, prefix, layers, checkpoint)
    blocks = [_block(rule, prefix, layer, checkpoint) for layer in range(layers)]
    for block in blocks:
        _check_shapes(block, rule, checkpoint)
    return blocks


def _check_layer_count(rule: Rule, prefix: str, layers: int, checkpoint: Checkpoint) -> None:
    pattern = re.compile(re.escape(prefix + rule.w_in).replace(re.escape("{layer}"), r"(\d+)"))
    found = {int(match[1]) for name in checkpoint.tensors if (match := pattern.fullmatch(name))}
    if max(found) >= layers:
        raise CheckpointError(
            f"{checkpoint.reference.text}: config.json says {layers} layers, but there are tensors of layer {max(found)}"
        )


def _block(rule: Rule, prefix: str, layer: int, checkpoint: Checkpoint) -> Block:
    def record(template: str) -> TensorRecord:
        name = prefix + template.format(layer=layer)
        if name not in checkpoint.tensors:
            raise CheckpointError(f"{checkpoint.reference.text}: layer {layer} lacks tensor {name}")
        found = checkpoint.tensors[name]
        try:
            float_dtype(found)
        except UnsupportedError as error:
            raise UnsupportedError(f"{checkpoint.reference.text}: {error}") from None
        return found

    def matrix(template: str, reads: bool) -> Matrix:
        found = record(template)
        if len(found.shape) != 2 or 0 in found.shape:
            raise CheckpointError(f"{checkpoint.reference.text}: {found.name} has shape {found.shape}; not a matrix")
        return Matrix(found, neurons_are_rows=reads == (rule.layout == "linear"))

    return Block(
        layer=layer,
        component=rule.component,
        expert=None,
        gate=matrix(rule.gate, reads=True) if rule.gate else None,
        w_in=matrix(rule.w_in, reads=True),
        w_out=matrix(rule.w_out, reads=False),
        norm=rule.norm,
        gain=rule.gain,
        pre_norm=record(rule.pre_norm) if rule.pre_norm else None,
        post_norm=record(rule.post_norm) if rule.post_norm else None,
        activation=_config_value(checkpoint.config, rule.activation) or rule.activation_name or None,
    )


def _check_shapes(block: Block, rule: Rule, checkpoint: Checkpoint) -> None:
    ref = checkpoint.reference.text
    expected = (block.neurons, block.d_model)
    for matrix in block.matrices:
        if (matrix.neurons, matrix.d_model) != expected:
            raise CheckpointError(
                f"{ref}: {matrix.record.name} has shape {matrix.record.shape}, which disagrees with "
                f"{block.w_in.record.name} of shape {block.w_in.record.shape}"
            )
    for norm in (block.pre_norm, block.post_norm):
        if norm is not None and norm.shape != (block.d_model,):
            raise CheckpointError(f"{ref}: {norm.name} has shape {norm.shape}, but d_model is {block.d_model}")
    for keys, value in ((rule.d_model, block.d_model), (rule.d_mlp, block.neurons)):
        said = _config_value(checkpoint.config, keys)
        if said is not None and said != value:
            raise CheckpointError(
                f"{ref}: config.json says {keys[0]}={said}, but {block.w_in.record.name} has shape {block.w_in.record.shape}"
            )


def _refuse_companions(blocks: list[Block], checkpoint: Checkpoint) -> None:
    """Scales, masks or adapters beside a weight change its meaning: refuse rather than read the bare weight."""
    names = [matrix.record.name for block in blocks for matrix in block.matrices]
    stems = {name.removesuffix("weight") for name in names}
    known = {stem + suffix for stem in stems for suffix in ("weight", "bias")}
    for name in checkpoint.tensors:
        stem = next((name[: dot + 1] for dot in _dots(name) if name[: dot + 1] in stems), None)
        if stem and name not in known:
            raise UnsupportedError(
                f"{checkpoint.reference.text}: tensor {name} beside {stem}weight is not understood (quantized? an adapter?)"
            )


def _dots(name: str) -> list[int]:
    return [index for index, character in enumerate(name) if character == "."]


def _config_value(config: Mapping[str, Any], keys: tuple[str, ...]) -> Any:
    return next((config[key] for key in keys if config.get(key) is not None), None)
