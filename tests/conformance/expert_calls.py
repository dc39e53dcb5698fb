"""How one expert of a live module is called alone with routing weight 1. Call signatures are adapted here, never arithmetic."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from tests.conformance.tracing import Call, Value

ExpertRun = Callable[[int, torch.Tensor], torch.Tensor]
"""(expert, h of (tokens, d_model)) -> (tokens, d_model)."""


def expert_run(call: Call) -> ExpertRun | None:
    """How to run one expert of the called module, or None if it holds no experts of a known signature."""
    values = [arg for arg in (*call.args, *call.kwargs.values()) if isinstance(arg, Value)]
    if _is_routed(values):
        return lambda expert, h: _routed(call.module, expert, h)
    by_name = _BY_CLASS.get(type(call.module).__name__)
    return (lambda expert, h: by_name(call.module, expert, h)) if by_name else None


def expert_count(module: nn.Module) -> int:
    stacked = [len(parameter) for parameter in module.parameters() if parameter.dim() == 3]
    return min(stacked) if stacked else int(module.num_experts)


def routes_inside(call: Call) -> bool:
    """Whether what the module gets is already multiplied by routing scores, or sorted by expert."""
    return type(call.module).__name__ in _PREPARED_INPUT


def norm_of_outputs(module: nn.Module) -> nn.Module | None:
    """A norm that the module applies to each expert's output, before the routing weights."""
    norm = getattr(module, "post_expert_norm", None)
    return norm if isinstance(norm, nn.Module) else None


def _is_routed(values: list[Value]) -> bool:
    """``(hidden_states, chosen experts, their weights)``."""
    if len(values) != 3:
        return False
    _, chosen, weights = (value.tensor for value in values)
    return (
        not chosen.is_floating_point()
        and weights.is_floating_point()
        and chosen.shape == weights.shape
        and chosen.dim() == 2
    )


def _routed(module: nn.Module, expert: int, h: torch.Tensor) -> torch.Tensor:
    other = (expert + 1) % expert_count(module)  # with weight 0: one module fails where every token has one expert only
    chosen = torch.tensor([[expert, other]]).repeat(len(h), 1)
    weights = torch.tensor([[1.0, 0.0]], dtype=h.dtype).repeat(len(h), 1)
    norm = norm_of_outputs(module)
    hook = norm.register_forward_hook(lambda _, args, output: args[0]) if norm else None
    try:
        output: torch.Tensor = module(h, chosen, weights)
    finally:
        if hook:
            hook.remove()
    return output.reshape(len(h), -1)


def _llama4(module: nn.Module, expert: int, h: torch.Tensor) -> torch.Tensor:
    slots = h.new_zeros(expert_count(module), *h.shape)
    slots[expert] = h
    output: torch.Tensor = module(slots.flatten(0, 1)).view_as(slots)[expert]
    return output


def _inkling_shared(module: nn.Module, expert: int, h: torch.Tensor) -> torch.Tensor:
    gammas = h.new_zeros(1, len(h), expert_count(module))
    gammas[..., expert] = 1
    output: torch.Tensor = module(h[None], gammas)[0]
    return output


def _jetmoe(module: nn.Module, expert: int, h: torch.Tensor) -> torch.Tensor:
    def choose(router: nn.Module, args: Any, output: Any) -> Any:
        order = torch.arange(len(h))
        sizes = [len(h) if index == expert else 0 for index in range(expert_count(module))]
        return order, order, h.new_ones(len(h)), sizes, output[-1]

    hook = module.router.register_forward_hook(choose)
    try:
        output = module(h[None])
    finally:
        hook.remove()
    result: torch.Tensor = output[0] if isinstance(output, torch.Tensor) else output[0][0]
    return result


_BY_CLASS = {"Llama4TextExperts": _llama4, "InklingSharedExperts": _inkling_shared, "JetMoeMoE": _jetmoe}
_PREPARED_INPUT = {"Llama4TextExperts"}
