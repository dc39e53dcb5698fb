"""What kind of norm a function of the residual stream is, measured by probing it."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

TOLERANCE = 1e-9


@dataclass(frozen=True)
class Norm:
    """read(x) = gain * unit(x) + bias, as measured.

    Attributes:
        kind: ``rms``, ``layer`` or ``none``.
        eps: what is added to the mean square (or variance).
        gain: (d_model,) float64.
        bias: (d_model,) float64.
    """

    kind: str
    eps: float
    gain: torch.Tensor
    bias: torch.Tensor

    def unit(self, x: torch.Tensor) -> torch.Tensor:
        if self.kind == "none":
            return x
        x = x - x.mean(-1, keepdim=True) if self.kind == "layer" else x
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps)


def probe(read: Callable[[torch.Tensor], torch.Tensor], d_model: int) -> Norm | None:
    """The norm that `read` is, or None if it is no norm with a gain and a bias by channel."""
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(16, d_model, dtype=torch.float64, generator=generator)
    bias = ((read(x) + read(-x)) / 2).mean(0)

    def odd(values: torch.Tensor) -> torch.Tensor:
        return read(values) - bias

    kind = _kind(odd, x)
    eps = 0.0 if kind == "none" else _eps(odd, x - x.mean(-1, keepdim=True) if kind == "layer" else x)
    plain = Norm(kind, eps, torch.ones(d_model, dtype=torch.float64), torch.zeros(d_model, dtype=torch.float64))
    unit = plain.unit(x)
    gain = (odd(x) * unit).sum(0) / unit.square().sum(0)
    norm = Norm(kind, eps, gain, bias)
    for scale in (0.1, 1.0, 30.0):
        fresh = scale * torch.randn(16, d_model, dtype=torch.float64, generator=generator) + scale
        wanted, got = read(fresh), norm.gain * norm.unit(fresh) + norm.bias
        if not torch.allclose(got, wanted, rtol=0, atol=1e-8 * float(wanted.abs().max())):
            return None
    return norm


def _kind(odd: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> str:
    if torch.allclose(odd(3 * x), 3 * odd(x), rtol=TOLERANCE, atol=1e-12):
        return "none"
    return "layer" if torch.allclose(odd(x + 5), odd(x), rtol=1e-7, atol=1e-9) else "rms"


def _eps(odd: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> float:
    """From how much less a small input is enlarged than a large one.

    |odd(s x)|^2 is proportional to s^2 q / (s^2 q + eps), q the mean square of x; it is measured where eps is neither
    all of the denominator nor next to nothing of it.
    """
    whole = odd(1e6 * x).square().sum(-1)
    for scale in (1e-1, 1e-2, 1e-3, 1e-4):
        share = odd(scale * x).square().sum(-1) / whole
        if float(share.max()) < 0.99:
            break
    square = x.square().mean(-1) * scale**2
    return float((square * (1 - share) / share).mean())
