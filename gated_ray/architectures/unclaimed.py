"""Tensors that look like an MLP's and belong to no block: an error, never a silent gap."""

import math
import re
from collections.abc import Collection, Sequence

from gated_ray.architectures.assembly import norm_names
from gated_ray.architectures.biases import bias_names, bias_of_norm
from gated_ray.architectures.blocks import Block
from gated_ray.architectures.rules import Rule
from gated_ray.architectures.stacks import Layer, Module, of_another_kind
from gated_ray.errors import UnsupportedError

_MLP = re.compile(
    r"(^|[._])(mlps?|ffn|ff|feed_?forward|moe|experts?|gate|up|down|gate_up|up_gate|fc\d*|c_fc\w*|w[123]|w13|wi(_\d)?|dense_h_to_4h|dense_4h_to_h"
    r"|intermediate|ff_proj|ff_out|DenseReluDense)(_proj)?([._]|$)",
    re.IGNORECASE,
)
"""Names that MLPs have, and other modules too."""

_STRONG = re.compile(r"(^|[._])(mlps?|ffn?|feed_?forward|moe)([._]|$)", re.IGNORECASE)
"""Names that only MLPs and what stands before and after them have, whatever else the name says."""

_ATTENTION = re.compile(
    r"((self|cross|linear|gated)_)?((self_)?(attn|att|attention)|mamba|conv|short_conv|temporal_block)\."
)
"""Modules of a layer whose tensors are never an MLP's."""

_AFTER_ATTENTION = re.compile(r"post_attention_(layer)?norm\.(weight|bias)")
"""In some models the norm before the MLP, in others one that follows attention."""

_FACTOR = re.compile(r"^(?!.*norm).*(scale|gamma|lambda|alpha)|^(final|post)_(layer)?norm\d?\.", re.IGNORECASE)
"""Names of what multiplies a stream or the output of a block; norms that do are told by where they stand."""

_NORMS_OF_ATTENTION = ("input_layernorm.weight", "input_layernorm.bias", "post_attention_layernorm.weight")
_DIGITS = re.compile(r"(?<![^.])\d+(?![^.])")


def mlp_like(layer: Layer) -> list[str]:
    """Names, with N for numbers, and shapes of a layer's tensors that look like an MLP's."""
    found = {
        f"{_DIGITS.sub('N', rest)} {tuple(tensor.shape)}"
        for rest, tensor in layer.items()
        if len(tensor.shape) >= 2 and _MLP.search(rest) and not of_another_kind(rest)
    }
    return sorted(found)


def summary_of(layer: Layer) -> str:
    """A few of a layer's tensors, for messages."""
    names = sorted({_DIGITS.sub("N", rest) for rest in layer})
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def refuse_unclaimed(
    layer: Layer, modules: Sequence[Module], blocks: Sequence[Block], rules: Sequence[Rule], by_names: bool, where: str
) -> None:
    """Raise UnsupportedError for a tensor of a layer with blocks that nothing accounts for.

    Everything inside a module that holds blocks must be understood: a scale, a mask or an adapter beside a weight changes
    its meaning. Elsewhere in the layer, what has an MLP's name or a block's shape must not be left over, nor a norm that
    the rule would have to know of; of a model type that is not listed, nothing but attention.
    """
    if not modules:
        if left := mlp_like(layer):
            raise UnsupportedError(f"{where}: no block has {', '.join(left[:4])}")
        return
    norms = {name for rule in rules for module in modules for name in norm_names(rule, module)}
    known = {name for module in modules for name in module.names} | norms
    known |= {bias_of_norm(module.named(rule.pre_norm)) for rule in rules for module in modules}
    known |= {module.path + name for module in modules for name in bias_names(module.form).values()}
    beside = [re.compile(pattern) for rule in rules for pattern in rule.beside]
    holders = tuple(sorted({module.holder for module in modules if module.holder}))
    d_model = blocks[0].d_model
    shapes = {shape for block in blocks for matrix in block.matrices for shape in (matrix.shape, matrix.shape[::-1])}
    for rest, tensor in layer.items():
        if rest in known:
            continue
        holder = next((holder for holder in holders if rest.startswith(holder)), "")
        if any(pattern.fullmatch(rest.removeprefix(holder)) for pattern in beside):
            continue
        what = f"{where}: tensor {rest} {tuple(tensor.shape)}"
        if holder:
            raise UnsupportedError(f"{what} is not understood (quantized? an adapter? a scale?)")
        if _ATTENTION.match(rest):
            continue
        if _STRONG.search(rest) or (len(tensor.shape) >= 2 and _like(rest, tuple(tensor.shape[-2:]), shapes)):
            raise UnsupportedError(f"{what} looks like an MLP's and belongs to no block")
        if _AFTER_ATTENTION.fullmatch(rest) and not _leaves_to_attention(norms, blocks):
            raise UnsupportedError(f"{what} is a norm that models of this type do not have there")
        if _FACTOR.search(rest) and math.prod(tensor.shape) in (1, d_model):
            raise UnsupportedError(f"{what} may scale what the block reads or writes and is not understood")
        if by_names and rest not in _NORMS_OF_ATTENTION:
            raise UnsupportedError(f"{what} is not understood, and the model type is not listed")


def _like(rest: str, shape: tuple[int, ...], shapes: set[tuple[int, int]]) -> bool:
    return not of_another_kind(rest) and (_MLP.search(rest) is not None or shape in shapes)


def _leaves_to_attention(norms: Collection[str], blocks: Sequence[Block]) -> bool:
    """Whether a norm named after attention can be attention's own: the block has a norm that is named after itself."""
    return any(_STRONG.search(name) for name in norms) or all(block.norm == "none" for block in blocks)
