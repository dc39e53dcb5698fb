"""Whether a live model makes its neurons as the recorded formula says: tried on a few tokens, in the model's own dtype."""

from collections.abc import Mapping

import torch

from gated_ray.activations.capture import Captured
from gated_ray.activations.formulas import Formula, formula_of
from gated_ray.activations.running import Runner
from gated_ray.activations.segments import NO_TOKEN
from gated_ray.architectures.blocks import Block, BlockPlace
from gated_ray.errors import UnsupportedError

_LENGTHS = (12, 12)
_ULPS = 16
"""How far from what the model computes, in the spacing of its dtype at that value, and at a thousandth of the largest."""
_FLOOR = 1e-3


def formulas_of(runner: Runner, ref: str) -> dict[BlockPlace, Formula]:
    """The formula of every block, tried where the tokens of a small batch reach it.

    Raises:
        UnsupportedError: a formula that cannot be used, or the model computes something else.
    """
    made: dict[tuple[str, str | None], Formula] = {}
    for block in runner.blocks:
        kind = (block.product, block.activation)
        try:
            made[kind] = made.get(kind) or formula_of(*kind)
        except UnsupportedError as error:
            raise UnsupportedError(f"{ref}: {_name(block)}: {error}") from error
    formulas = {block.place: made[block.product, block.activation] for block in runner.blocks}
    runner.run(_documents(runner), lambda captured: _check(captured, formulas, ref), with_post=True)
    return formulas


def _documents(runner: Runner) -> list[list[int]]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randint(runner.vocabulary, (length,), generator=generator).tolist() for length in _LENGTHS]


def _check(captured: Captured, formulas: Mapping[BlockPlace, Formula], ref: str) -> None:
    formula, post = formulas[captured.block.place], captured.post
    if post is None or post.shape != captured.g.shape:
        raise UnsupportedError(
            f"{ref}: {_name(captured.block)}: what the model gives to w_out is not one value a neuron"
        )
    ours = formula.gate_factor(captured.g) * formula.in_factor(captured.u)
    real = (captured.position != NO_TOKEN)[:, :, None] & (post.isfinite() | ours.isfinite())  # weights may be NaN
    ours, theirs = ours[real].double(), post[real].double()
    largest = theirs.abs().max() if len(theirs) else theirs.new_zeros(())
    most = _ULPS * torch.finfo(captured.g.dtype).eps * theirs.abs().clamp(min=_FLOOR * float(largest))
    if not bool(((ours - theirs).abs() <= most).all()):
        raise UnsupportedError(
            f"{ref}: {_name(captured.block)}: the model does not compute {formula.text} (act: {captured.block.activation}) "
            "between gate, in and w_out; nothing is known of what it does"
        )


def _name(block: Block) -> str:
    return f"layer {block.layer} ({block.component})"
