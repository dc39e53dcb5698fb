"""Gated MLPs in a recorded forward pass: two products of one input with weights, one activated, multiplied, and projected.

No names are read: a gated multiplication is an elementwise product of two values, each of which comes through
elementwise operations alone from a matrix product of the same input with a parameter, and which goes through elementwise
operations (and perhaps a norm over neurons) into a third matrix product with a parameter.
"""

from dataclasses import dataclass

import torch

from tests.conformance.replay import Flow
from tests.conformance.tracing import Node

_MATMULS = {"mm": (0, 1), "bmm": (0, 1), "addmm": (1, 2), "baddbmm": (1, 2), "mv": (0, 1), "linear": (0, 1)}
_VIEWS = {
    "view", "_unsafe_view", "unsqueeze", "squeeze", "clone", "_to_copy", "alias", "detach", "_reshape_alias", "t",
    "transpose", "permute", "expand", "contiguous", "native_dropout",
}  # fmt: skip
_CUTS = {"split", "split_with_sizes", "slice", "select", "unbind", "chunk"}
_PICKS = {"index", "index_select", "select", "slice", "split", "split_with_sizes", "unbind"}
_REDUCTIONS = {"mean", "sum", "var", "std", "amax", "native_layer_norm", "_fused_rms_norm", "rms_norm"}


@dataclass(frozen=True)
class Projection:
    """Columns of one matrix product with a weight: the product, and how its columns were cut."""

    product: int
    cut: tuple[str, ...]


@dataclass(frozen=True)
class GatedProduct:
    """One gated MLP as it ran.

    Attributes:
        h: number of the value that the matrices read.
        gate, up: numbers of the values that enter the elementwise part.
        gate_active: number of the factor made from `gate`; up_factor of that made from `up`.
        post: number of the product.
        out: number of the projected output.
        nodes: indices of the nodes that make it: the products with weights and the multiplication.
        normed: whether a norm over the neurons lies between `post` and `out`.
        weights: numbers of the parameters of gate, up (several where an adapter is added) and down.
    """

    h: int
    gate: int
    up: int
    gate_active: int
    up_factor: int
    post: int
    out: int
    nodes: tuple[int, ...]
    normed: bool
    weights: tuple[tuple[int, ...], tuple[int, ...], int]


class PatternFinder:
    """Walks a trace once, keeping for every value the projections it is an elementwise function of."""

    def __init__(self, flow: Flow) -> None:
        self.flow, self.trace = flow, flow.trace
        self._of: dict[int, frozenset[Projection]] = {}
        self._entry: dict[Projection, int] = {}
        self._read: dict[int, tuple[int, tuple[int, ...]]] = {}
        """Of a projection: what it projects, and the parameters of its matrices."""

    def find(self) -> list[GatedProduct]:
        found = []
        for node in self.trace.nodes:
            if any(number in self.flow.dependent for number in node.inputs):
                self._note(node)
                pair = self._pair(node)
                if pair is not None and (product := self._gated(node, *pair)) is not None:
                    found.append(product)
        return found

    def weight_of(self, number: int) -> int | None:
        """The parameter that a value is a view, a slice or a pick of; None if it is something else."""
        while maker := self.trace.maker.get(number):
            if maker[0].name not in _VIEWS | _PICKS:
                return None
            number = maker[0].inputs[0]
        tensor = self.trace.tensor(number)
        return number if isinstance(tensor, torch.nn.Parameter) else None

    def weight_product(self, node: Node) -> tuple[int, int] | None:
        """(value read, parameter) of a matrix product with a weight."""
        if node.name not in _MATMULS:
            return None
        sides = [node.args[position].number for position in _MATMULS[node.name]]
        for read, weight in (sides, sides[::-1]):
            root = self.weight_of(weight)
            if root is not None and self.weight_of(read) is None and read in self.flow.dependent:
                return read, root
        return None

    def _note(self, node: Node) -> None:
        product = self.weight_product(node)
        if product is not None:
            read, weight = product
            origin, weights = self._read.get(read, (read, ()))
            self._new_projection(node.outputs[0], origin, (*weights, weight))
            return
        moving = [number for number in dict.fromkeys(node.inputs) if number in self.flow.dependent]
        if node.name == "cat":
            moving = [number for number in moving if self.trace.tensor(number).numel()][:1]
        if not moving or not all(number in self._of for number in moving):
            return
        joint = frozenset().union(*(self._of[number] for number in moving))
        if node.name == "add" and len(joint) == 2 and all(number in self._read for number in moving):
            self._note_sum(node.outputs[0], moving)
        elif node.name in _CUTS and len(joint) == 1 and not _whole(node, self.trace.tensor(node.outputs[0])):
            self._note_cut(node, *joint)
        elif node.name in _VIEWS | _CUTS | _REDUCTIONS | {"cat"} or torch.Tag.pointwise in node.func.tags:
            self._of.update(dict.fromkeys(node.outputs, joint))
            if node.name in {"view", "_unsafe_view"} and moving[0] in self._read:
                self._read[node.outputs[0]] = self._read[moving[0]]

    def _new_projection(self, number: int, origin: int, weights: tuple[int, ...]) -> None:
        projection = Projection(number, ())
        self._of[number], self._entry[projection] = frozenset([projection]), number
        self._read[number] = (origin, weights)

    def _note_sum(self, number: int, terms: list[int]) -> None:
        """The sum of two products of one input (a matrix and its adapter) is one projection of it."""
        (one, first), (two, second) = (self._read[term] for term in terms)
        if self.flow.same_content(one) == self.flow.same_content(two):
            self._new_projection(number, one, first + second)

    def _note_cut(self, node: Node, before: Projection) -> None:
        for position, number in enumerate(node.outputs):
            after = Projection(before.product, (*before.cut, f"{node.func}{_plain(node)}[{position}]"))
            self._of[number] = frozenset([after])
            self._entry.setdefault(after, number)

    def _pair(self, node: Node) -> tuple[int, int] | None:
        if node.name != "mul" or node.func._overloadname != "Tensor":
            return None
        sides = [arg.number for arg in node.args[:2] if hasattr(arg, "number") and arg.number in self._of]
        if len(sides) != 2 or any(len(self._of[number]) != 1 for number in sides):
            return None
        left, right = sides
        if self.trace.tensor(left).shape != self.trace.tensor(right).shape or self._of[left] == self._of[right]:
            return None
        return left, right

    def _gated(self, node: Node, left: int, right: int) -> GatedProduct | None:
        (one,), (two,) = self._of[left], self._of[right]
        reads = [self._read[projection.product] for projection in (one, two)]
        if len({self.flow.same_content(read) for read, _ in reads}) != 1:
            return None
        down = self._projected(node.outputs[0])
        if down is None:
            return None
        out, normed, weight = down
        sides = [(self._entry[one], left, reads[0][1]), (self._entry[two], right, reads[1][1])]
        nonlinear = [not self._is_linear(entry, factor) for entry, factor, _ in sides]
        if sum(nonlinear) != 1:
            return None
        gate, up = sides if nonlinear[0] else sides[::-1]
        makers = [self.trace.maker[number][0].index for number in (one.product, two.product, node.outputs[0], out)]
        return GatedProduct(
            h=self.flow.same_content(reads[0][0]),
            gate=gate[0],
            up=up[0],
            gate_active=gate[1],
            up_factor=up[1],
            post=node.outputs[0],
            out=out,
            nodes=tuple(makers),
            normed=normed,
            weights=(gate[2], up[2], weight),
        )

    def _projected(self, post: int) -> tuple[int, bool, int] | None:
        todo, seen, normed = [post], {post}, False
        while todo:
            for node in self.flow.users.get(todo.pop(0), ()):
                product = self.weight_product(node)
                if product is not None:
                    return (node.outputs[0], normed, product[1]) if product[0] in seen else None
                rows = node.name in _CUTS and self._width(node.outputs[0]) == self._width(post)
                if node.name in _VIEWS | _REDUCTIONS or rows or torch.Tag.pointwise in node.func.tags:
                    normed |= node.name in _REDUCTIONS
                    new = [number for number in node.outputs if number not in seen]
                    seen.update(new)
                    todo += new
        return None

    def _width(self, number: int) -> int:
        return self.trace.tensor(number).shape[-1]

    def _is_linear(self, entry: int, factor: int) -> bool:
        """Whether the factor is an affine function of the projection, near zero (a clamp acts far from it)."""
        shape = self.trace.tensor(entry).shape
        z = 0.2 * torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) - 0.1
        at = [self.flow.replay(factor, {entry: point}) for point in (-z, torch.zeros_like(z), z)]
        return torch.allclose(at[0] + at[2], 2 * at[1], rtol=0, atol=1e-9)


def _plain(node: Node) -> tuple[object, ...]:
    return tuple(arg for arg in node.args[1:] if isinstance(arg, int | list))


def _whole(node: Node, output: torch.Tensor) -> bool:
    source = node.args[0].tensor
    return output.shape == source.shape and node.name == "slice"
