"""Which proxy the environment asks for."""

from gated_ray.network import proxy_for

__all__ = ["proxy_for"]
