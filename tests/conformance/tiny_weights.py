"""Random weights that make every factor of the residual stream's arithmetic visible: no gain, scale or bias at its default."""

import torch
from torch import nn

_MATRIX_SCALE = 32**-0.5
_BIAS_SCALE = 0.3
_DYNAMICS = ("A_log", "dt_bias", "dt_proj", "recurrent_param", "D", "A")
"""Parameters of state-space layers, whose defaults keep the recurrence stable."""


@torch.no_grad()
def randomise(model: nn.Module, generator: torch.Generator) -> None:
    """Matrices normal with std 32^-0.5; gains moved by -0.7 to 1.5 from their default; biases normal * 0.3; scales 0.3 to 1.8.

    The gain of a norm may be stored as w or as 1 + w: the default is what is moved, so both end between 0.3 and 2.5.
    Persistent float buffers (whole-layer scalars, a router's correction bias) are moved as parameters are; running statistics stay.
    A table of experts by token (deepseek_v4's tid2eid) gets distinct experts at random.
    """
    seen: set[int] = set()
    for prefix, module in model.named_modules():
        for name, tensor in _own_tensors(module):
            if name == "tid2eid":
                experts = torch.rand(tensor.shape[0], module.weight.shape[0], generator=generator).argsort(-1)
                tensor.copy_(experts[:, : tensor.shape[1]])
            if id(tensor) in seen or not tensor.is_floating_point():
                continue
            seen.add(id(tensor))
            path = f"{prefix}.{name}"
            if any(part in _DYNAMICS for part in path.split(".")):
                continue
            _fill(tensor, path, is_norm=_is_norm(module, prefix), generator=generator)


def _own_tensors(module: nn.Module) -> list[tuple[str, torch.Tensor]]:
    buffers = [
        (name, buffer)
        for name, buffer in module.named_buffers(recurse=False)
        if name not in module._non_persistent_buffers_set and not name.startswith("running_")
    ]
    return [*module.named_parameters(recurse=False), *buffers]


def _is_norm(module: nn.Module, prefix: str) -> bool:
    own_name = prefix.rpartition(".")[2].lower()
    return "norm" in type(module).__name__.lower() or (own_name.endswith("norm") and not isinstance(module, nn.Linear))


def _fill(tensor: torch.Tensor, path: str, *, is_norm: bool, generator: torch.Generator) -> None:
    name = path.rpartition(".")[2]
    if name.endswith("bias"):
        tensor.copy_(torch.randn(tensor.shape, generator=generator) * _BIAS_SCALE)
    elif is_norm and tensor.numel() == max(tensor.shape, default=1):
        tensor += torch.empty(tensor.shape).uniform_(-0.7, 1.5, generator=generator)
    elif tensor.numel() == max(tensor.shape, default=1):
        tensor.copy_(torch.empty(tensor.shape).uniform_(0.3, 1.8, generator=generator))
    else:
        tensor.copy_(torch.randn(tensor.shape, generator=generator) * _MATRIX_SCALE)
