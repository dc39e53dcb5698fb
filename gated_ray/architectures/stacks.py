"""The stacks of layers in a checkpoint, by the names of its tensors."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gated_ray.architectures.rules import Form
from gated_ray.architectures.stored import StoredTensor

_LAYER = re.compile(r"(?P<stack>.*?)\.(?P<layer>\d{1,5})\.(?P<rest>.+)", re.DOTALL)
_EXPERT = re.compile(r"(?P<experts>.*experts?)\.(?P<expert>\d{1,5})\.")

_OTHER = re.compile(
    r"att(n|ention)|mamba|ssm|mixer|conv|rnn|recurrent|temporal|router|norm|hyper|(^|[._])hc_|altup|laurel|per_layer|embed|indexer"
    r"|EncDec|deltanet|engram",
    re.IGNORECASE,
)

Layer = Mapping[str, StoredTensor]
"""Tensors of one layer by what follows the layer's number in their names."""


def stacks_of(tensors: Mapping[str, StoredTensor]) -> dict[str, dict[int, dict[str, StoredTensor]]]:
    """Tensors by stack (what precedes the first number in the name), layer and the rest of the name."""
    stacks: defaultdict[str, defaultdict[int, dict[str, StoredTensor]]] = defaultdict(lambda: defaultdict(dict))
    for name, tensor in tensors.items():
        if match := _LAYER.fullmatch(name):
            stacks[match["stack"]][int(match["layer"])][match["rest"]] = tensor
    return {stack: dict(layers) for stack, layers in stacks.items()}


def stack_of(name: str) -> str | None:
    """The stack of layers that a tensor is of, None for one outside all layers."""
    match = _LAYER.fullmatch(name)
    return match["stack"] if match else None


@dataclass(frozen=True)
class Module:
    """One module of a layer that holds the tensors of a block, or of all experts of a layer.

    Attributes:
        path: what precedes the tensors' own names, ending with a dot, relative to the layer; may be empty.
        form: how they are named.
        experts: `path` up to the expert's number, where there is one; else the path.
        expert: the number.
    """

    path: str
    form: Form
    experts: str
    expert: int | None

    @property
    def index(self) -> str:
        """The last number in the path, where a layer has several modules of a kind; else empty."""
        numbers: list[str] = re.findall(r"\.(\d+)(?=\.)", self.path)
        return numbers[-1] if numbers else ""

    def named(self, template: str) -> str:
        """A rule's name, with ``{module}`` and ``{index}`` filled in; relative to the layer."""
        return template.replace("{module}", self.path.removesuffix(".")).replace("{index}", self.index)

    @property
    def holder(self) -> str:
        """The module that holds the block and what routes to it, ending with a dot."""
        parent = re.sub(r"[^.]*(expert|shared_mlp)[^.]*(\.mlp)?\.$", "", self.experts)
        return parent if parent and self.experts != parent else self.experts

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its tensors, relative to the layer."""
        return tuple(self.path + name for name in self.form.names)


def modules_of(layer: Layer, forms: list[Form]) -> Iterator[Module]:
    """The modules of a layer that have all tensors of a form."""
    by_end: dict[str, list[Form]] = {}
    for form in forms:
        by_end.setdefault(form.w_in.rpartition(".")[2], []).append(form)
    for rest in layer:
        for form in by_end.get(rest.rpartition(".")[2], ()):
            path = rest.removesuffix(form.w_in)
            is_module = path != rest and (not path or path.endswith(".")) and not of_another_kind(path)
            is_whole = is_module and all(path + name in layer for name in form.names)
            if is_whole and len(layer[rest].shape) == form.dimensions:
                yield _module(path, form)


def _module(path: str, form: Form) -> Module:
    match = _EXPERT.fullmatch(path)
    return Module(path, form, match["experts"] + ".", int(match["expert"])) if match else Module(path, form, path, None)


def of_another_kind(name: str) -> bool:
    """Whether the name is one of attention, of a state space, of a router, of a norm ..."""
    return _OTHER.search(name) is not None


def traces_of(layer: Layer, forms: list[Form]) -> Iterator[tuple[str, Form, tuple[str, ...], tuple[str, ...]]]:
    """Modules that have some tensors of a form: path, form, names present, names missing."""
    for form in forms:
        for path in sorted({rest[: -len(name)] for rest in layer for name in form.names if rest.endswith("." + name)}):
            if not of_another_kind(path):
                names = [path + name for name in form.names]
                present = tuple(name for name in names if name in layer)
                yield path, form, present, tuple(name for name in names if name not in layer)
