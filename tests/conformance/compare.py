"""Holds a block that gated-ray found in the files against the live block that the tracing found."""

import dataclasses
from collections.abc import Mapping, Sequence

import torch

from tests.conformance.formulas import evaluate
from tests.conformance.live_blocks import LiveBlock

SAME = 1e-9
"""Largest difference, relative to the largest value, of two float64 computations of the same thing."""

COSINE_ERROR = 3e-6


@dataclasses.dataclass(kw_only=True)
class Found:
    """A block as found from the files. Vectors are rows, (neurons, d_model) float64.

    Attributes:
        layer, kind, expert: as in LiveBlock; `expert` None where there are none.
        w_gate, w_in, w_out: as stored.
        folded_gate, folded_in: with the gain of the norm before, and centred where it centres.
        residual_out: w_out with what lies between block and stream; centred where the norm before centres.
        neuron_gain: (neurons,) of a norm over the neurons before w_out (ones if it has no gain); None without such a norm.
        b_gate, b_in: (neurons,), None without; b_out: (d_model,), None without.
        activation: name in transformers' ACT2FN.
        product: formula of `gate` and `in`, such as ``act(gate) * in``; see formulas.py.
        settings: the numbers that the formula names.
        gate_multiplier: what the gate's pre-activation is multiplied by.
        multiplier: what the output is multiplied by, in the block or after it.
    """

    layer: int
    kind: str
    expert: int | None
    w_gate: torch.Tensor
    w_in: torch.Tensor
    w_out: torch.Tensor
    folded_gate: torch.Tensor
    folded_in: torch.Tensor
    residual_out: torch.Tensor
    neuron_gain: torch.Tensor | None = None
    b_gate: torch.Tensor | None = None
    b_in: torch.Tensor | None = None
    b_out: torch.Tensor | None = None
    activation: str = "silu"
    product: str = "act(gate) * in"
    settings: Mapping[str, float] = dataclasses.field(default_factory=dict)
    gate_multiplier: float = 1.0
    multiplier: float = 1.0


def check_block(live: LiveBlock, found: Found) -> None:
    """That the found vectors are the live block's, and that their folding is what its norms do.

    Raises:
        AssertionError: which of the checks failed, and by how much.
    """
    name = f"{live.path}{'' if live.expert is None else f' expert {live.expert}'}"
    _check_shapes(live, found, name)
    _check_product(live, found, name)
    _check_output(live, found, name)
    if live.foldable:
        _check_folding(live, found, name)
    _check_residual_out(live, found, name)


def unchecked(live: LiveBlock) -> list[str]:
    """What cannot be checked of this block, and why: empty for nearly every model."""
    return ([] if live.foldable else ["folding: the norm before is no gain by channel"]) + live.notes


def match_blocks(live: Sequence[LiveBlock], found: Sequence[Found]) -> dict[int, int]:
    """Index of the found block for each live one, by output: exactly one of the same layer and kind, and all are used.

    Raises:
        AssertionError: a block on either side without its one counterpart.
    """
    pairs: dict[int, int] = {}
    for index, block in enumerate(live):
        same = [
            other
            for other, candidate in enumerate(found)
            if (candidate.layer, candidate.kind) == (block.layer, block.kind) and reproduces(block, candidate)
        ]
        where = f"{block.path} (layer {block.layer}, {block.kind}, expert {block.expert})"
        assert len(same) == 1, f"{where}: {len(same)} found blocks reproduce it"
        pairs[index] = same[0]
    twice = len(pairs) - len(set(pairs.values()))
    assert not twice, f"{twice} found blocks stand for two live blocks"
    unused = [
        f"layer {found[i].layer} {found[i].kind} {found[i].expert}"
        for i in set(range(len(found))) - set(pairs.values())
    ]
    assert not unused, f"no live block is {', '.join(sorted(unused))}"
    return pairs


def reproduces(live: LiveBlock, found: Found) -> bool:
    """Whether the found vectors give the live block's output."""
    try:
        _check_shapes(live, found, "")
        _check_output(live, found, "")
    except AssertionError:
        return False
    return True


def check_cosines(found: Found, columns: Mapping[str, Sequence[float]]) -> None:
    """That the cosines of profile ``residual`` are those of the float64 vectors, within 3e-6, in canonical sign.

    Args:
        columns: cos_gate_in, cos_gate_out, cos_in_out and sign of each neuron.

    Raises:
        AssertionError: which column is off, and by how much.
    """
    gate, w_in, out = (torch.nn.functional.normalize(each, dim=-1) for each in _folded(found))
    raw = {
        "cos_gate_in": (gate * w_in).sum(-1),
        "cos_gate_out": (gate * out).sum(-1),
        "cos_in_out": (w_in * out).sum(-1),
    }
    sign = torch.as_tensor(columns["sign"], dtype=torch.float64)
    assert bool((sign.abs() == 1).all()), "a sign is neither 1 nor -1"
    wrong = (sign * raw["cos_gate_in"] < -COSINE_ERROR).nonzero().flatten().tolist()
    assert not wrong, f"sign: neurons {wrong[:5]} are flipped the wrong way"
    for column, value in raw.items():
        expected = value if column == "cos_in_out" else sign * value
        error = float((torch.as_tensor(columns[column], dtype=torch.float64) - expected).abs().max())
        assert error <= COSINE_ERROR, f"{column} is off by {error:.2g}"


def _folded(found: Found) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return found.folded_gate, found.folded_in, found.residual_out


def _check_shapes(live: LiveBlock, found: Found, name: str) -> None:
    shape = (live.neurons, live.d_model)
    for field in ("w_gate", "w_in", "w_out", "folded_gate", "folded_in", "residual_out"):
        tensor: torch.Tensor = getattr(found, field)
        assert tensor.dtype == torch.float64, f"{name}: {field} is {tensor.dtype}"
        assert tuple(tensor.shape) == shape, f"{name}: {field} has shape {tuple(tensor.shape)}, the live block {shape}"
    normed = found.neuron_gain is not None
    assert normed == live.inner_norm, f"{name}: a norm over neurons is {'not ' if normed else ''}there"


def _check_product(live: LiveBlock, found: Found, name: str) -> None:
    for scale in (0.1, 1.0, 30.0):
        gate, up = _random(2, 8, live.neurons, scale=scale)
        got = evaluate(found.product, found.activation, found.gate_multiplier * gate, up, found.settings)
        _same(got, live.product(gate, up), f"{name}: {found.product} with act = {found.activation}")


def _check_output(live: LiveBlock, found: Found, name: str) -> None:
    for scale in (0.1, 1.0, 10.0):
        (h,) = _random(1, 16, live.d_model, scale=scale)
        _same_output(
            live, found, _posts(found, h @ found.w_gate.T, h @ found.w_in.T), live.run(h), f"{name}: output for h"
        )


def _check_folding(live: LiveBlock, found: Found, name: str) -> None:
    for field, stored in (("folded_gate", found.w_gate), ("folded_in", found.w_in)):
        expected = stored * live.read_gain
        expected = expected - expected.mean(-1, keepdim=True) if live.centred else expected
        _same(getattr(found, field), expected, f"{name}: {field} against the measured gain of the norm")
    for scale in (0.1, 1.0, 10.0):
        (x,) = _random(1, 16, live.d_model, scale=scale)
        unit = live.unit(x)
        gate = unit @ found.folded_gate.T + found.w_gate @ live.norm_bias
        up = unit @ found.folded_in.T + found.w_in @ live.norm_bias
        _same_output(
            live, found, _posts(found, gate, up), live.run(live.read(x)), f"{name}: output for x through the norm"
        )


def _check_residual_out(live: LiveBlock, found: Found, name: str) -> None:
    """What a neuron writes, and what random sums of neurons write, has the direction of residual_out.

    The gain of a norm over neurons may be in residual_out or not: it changes lengths, no cosine.
    """
    ways = [found.w_out] if found.neuron_gain is None else [found.w_out, found.neuron_gain[:, None] * found.w_out]
    (mix,) = _random(1, 16, live.neurons)
    failures = []
    for w_out in ways:
        try:
            _same_direction(found.residual_out, _written(live, w_out), f"{name}: residual_out of single neurons")
            _same_direction(mix @ found.residual_out, _written(live, mix @ w_out), f"{name}: sums of residual_out")
        except AssertionError as error:
            failures.append(str(error))
    assert len(failures) < len(ways), "; ".join(dict.fromkeys(failures))


def _written(live: LiveBlock, y: torch.Tensor) -> torch.Tensor:
    y = live.write(y)
    return y - y.mean(-1, keepdim=True) if live.foldable and live.centred else y


def _posts(found: Found, gate: torch.Tensor, up: torch.Tensor) -> torch.Tensor:
    gate = gate if found.b_gate is None else gate + found.b_gate
    up = up if found.b_in is None else up + found.b_in
    return evaluate(found.product, found.activation, found.gate_multiplier * gate, up, found.settings)


def _same_output(live: LiveBlock, found: Found, posts: torch.Tensor, output: torch.Tensor, what: str) -> None:
    if found.neuron_gain is not None:
        _same_direction((posts * found.neuron_gain) @ found.w_out, output, what)
        return
    got = posts @ found.w_out
    got = got if found.b_out is None else got + found.b_out
    off = min(_difference(factor * got, output) for factor in {1.0, found.multiplier})
    assert off <= SAME, f"{what} differs by {off:.2g} of its size"


def _same(got: torch.Tensor, expected: torch.Tensor, what: str) -> None:
    off = _difference(got, expected)
    assert off <= SAME, f"{what} differs by {off:.2g} of its size"


def _same_direction(got: torch.Tensor, expected: torch.Tensor, what: str) -> None:
    assert got.shape == expected.shape, f"{what} has shape {tuple(got.shape)}, the live one {tuple(expected.shape)}"
    off = _difference(torch.nn.functional.normalize(got, dim=-1), torch.nn.functional.normalize(expected, dim=-1))
    assert off <= SAME, f"{what} differ in direction by {off:.2g}"


def _difference(got: torch.Tensor, expected: torch.Tensor) -> float:
    """Largest difference, relative to the largest value; infinite where shapes differ or something is not finite."""
    if got.shape != expected.shape or not bool(torch.isfinite(got).all()):
        return float("inf")
    return float((got - expected).abs().max() / expected.abs().max().clamp_min(1e-300))


def _random(count: int, rows: int, width: int, *, scale: float = 1.0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(4)
    return [scale * torch.randn(rows, width, dtype=torch.float64, generator=generator) for _ in range(count)]
