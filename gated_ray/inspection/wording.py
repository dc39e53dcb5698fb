"""A kind of block in words."""

from collections.abc import Iterable, Sequence
from itertools import groupby, pairwise, takewhile

from gated_ray.inspection.descriptions import Description, Scale

_LAYOUTS = {"linear": "", "conv1d": "inputs x outputs", "rows": "every neuron a row"}
_NORMS = {"rms": "RMSNorm(x)", "layer": "LayerNorm(x), centred,", "none": "the raw residual stream"}
_FEWEST_IN_STEPS = 3


def layer_ranges(layers: Sequence[int]) -> str:
    """Numbers in order as ranges: ``0-2 4-6``; of a step above one as ``1,3..31``."""
    runs = [[number for _, number in run] for _, run in groupby(enumerate(layers), lambda pair: pair[1] - pair[0])]
    singles = [run[0] for run in runs if len(run) == 1]
    steps = {later - earlier for earlier, later in pairwise(singles)}
    if len(runs) == len(singles) >= _FEWEST_IN_STEPS and len(steps) == 1:
        return f"{singles[0]},{singles[1]}..{singles[-1]}"
    return " ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def sentences(description: Description) -> list[str]:
    """Which tensors and how stored, what the block reads, what a neuron computes, and what becomes of its output."""
    tensors = f"{_tensors(description)}, stored as {_stored(description)}"
    return [tensors, _reads(description), _neuron(description), *_writes(description)]


def _tensors(description: Description) -> str:
    names = [name for name in (description.gate, description.w_in, description.w_out) if name]
    fused = f"gate and up fused, {description.fused}" if description.fused else ""
    together = "all experts in one tensor" if description.experts_together else ""
    notes = ", ".join(note for note in (fused, together, _LAYOUTS[description.layout]) if note)
    return _braced(list(dict.fromkeys(names))) + (f" ({notes})" if notes else "")


def _braced(names: Sequence[str]) -> str:
    """Names that differ in one part: ``mlp.{gate_proj,up_proj,down_proj}.weight``."""
    parts = [name.split(".") for name in names]
    head = _alike(zip(*parts, strict=False))
    foot = min(_alike(zip(*map(reversed, parts), strict=False)), min(map(len, parts)) - head)
    differing = ",".join(".".join(each[head : len(each) - foot]) for each in parts)
    return ".".join([*parts[0][:head], f"{{{differing}}}", *parts[0][len(parts[0]) - foot :]])


def _alike(columns: Iterable[tuple[str, ...]]) -> int:
    return sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, columns))


def _stored(description: Description) -> str:
    dtypes = " and ".join(description.dtypes)
    return f"{description.format} ({dtypes})" if description.format else dtypes


def _reads(description: Description) -> str:
    reads = f"reads {_NORMS[description.norm]}"
    if description.pre_norm:
        reads += _times(description.pre_norm)
    elif description.norm != "none":
        reads += " without weights"
    if description.gate_multiplier != 1:
        reads += f"; gate times {description.gate_multiplier:g}"
    return reads + _biases(description, "norm")


def _neuron(description: Description) -> str:
    product = description.product if description.gate else "act(in)"
    if description.activation:
        how = f"neuron: {product.replace('act(', f'{description.activation}(')}"
    else:
        how = f"neuron: {product}; config.json does not name act"
    if description.inner_norm:
        how += f"; norm over the neurons{_times(description.inner_norm)}"
    return how + _biases(description, "gate", "in")


def _writes(description: Description) -> list[str]:
    """Nothing where the output is added as it is."""
    factors = "".join(map(_times, description.write))
    constant = f" * {description.multiplier:g}" if description.multiplier != 1 else ""
    what = factors + constant + _biases(description, "out")
    return [f"writes its output{what}"] if what else []


def _biases(description: Description, *roles: str) -> str:
    names = dict.fromkeys(_in_layer(bias.tensor) for bias in description.biases if bias.role in roles)
    return f"; {'biases' if len(names) > 1 else 'bias'} {', '.join(names)}" if names else ""


def _times(scale: Scale) -> str:
    shown = {"w": "{}", "1+w": "(1 + {})", "tanh": "tanh({})"}[scale.kind]
    return " * " + shown.format(_in_layer(scale.tensor))


def _in_layer(name: str) -> str:
    return name.partition(".N.")[2]
