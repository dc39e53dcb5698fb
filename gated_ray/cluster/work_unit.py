"""What the size of work is counted in: bytes of stored weights, or tokens."""

from dataclasses import dataclass

_GIGABYTE = 1e9


@dataclass(frozen=True)
class WorkUnit:
    """How sizes and speeds are named.

    Attributes:
        noun: in events and metrics.
        symbol: on a bar.
        speed: name of the speed in events and metrics.
        speed_scale: what a speed a second is divided by.
    """

    noun: str
    symbol: str
    speed: str
    speed_scale: float

    def amount(self, size: int) -> str:
        """A size in words."""
        return f"{size / _GIGABYTE:.3f} GB" if self.noun == "bytes" else f"{size:,} {self.noun}"


WEIGHTS = WorkUnit("bytes", "B", "gigabytes_per_second", _GIGABYTE)
TOKENS = WorkUnit("tokens", "tok", "tokens_per_second", 1.0)
