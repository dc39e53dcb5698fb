"""Comparisons as Markdown, and transitions as CSV."""

import numpy as np

from gated_ray.reports.class_names import class_letters, class_name, class_words, letters_legend
from gated_ray.reports.comparison.published import PublishedComparison
from gated_ray.reports.comparison.sides import Side
from gated_ray.reports.comparison.transitions import NO_CLASS, STATES, Transitions, moved
from gated_ray.reports.layer_rows import component_words, components_of
from gated_ray.reports.tabular import csv_text, markdown_table

_MOST_MOVES = 4
_UNKNOWN_PREPARATION = ("google-bert/", "google-t5/")
"""Published models of which it is not known how their weights were prepared (METHOD section 2)."""


def published_page(found: list[tuple[Side, PublishedComparison]], passed_over: list[str], vocabulary: str) -> str:
    """A section for each model that differs, then one line a model.

    Args:
        found: what was compared.
        passed_over: names of models of which nothing was published.
        vocabulary: ``io`` or ``rw`` (see `class_names`).
    """
    lines = ["# Class tables against the published ones", ""]
    for side, comparison in found:
        if comparison.cells:
            lines += [f"## {side}", "", *_cells(comparison, vocabulary), ""]
    lines += [
        "## Verdict",
        "",
        *(f"- {side}: {comparison.verdict}{_remark(side, comparison)}" for side, comparison in found),
    ]
    if passed_over:
        lines.append(f"- not compared, because nothing was published: {', '.join(passed_over)}")
    return "\n".join(lines) + "\n"


def transitions_page(before: Side, after: Side, found: Transitions, vocabulary: str) -> str:
    """The table of all layers, a line for each layer, and the verdict."""
    lines = [
        f"# Classes of {before} against {after}",
        "",
        f"Neurons by their class in {before} (rows) and in {after} (columns).",
        "",
        *_matrix(found, vocabulary),
        "",
        f"{letters_legend([name for name in found.states if name != NO_CLASS], vocabulary)}.",
        "",
        "## By layer",
        "",
        *_by_layer(found, vocabulary),
        "",
        "## Verdict",
        "",
        f"- {transitions_verdict(before, after, found)}",
    ]
    return "\n".join(lines) + "\n"


def transitions_verdict(before: Side, after: Side, found: Transitions) -> str:
    """In one line."""
    total = found.total
    neurons, gone = int(total.sum()), moved(total)
    if not gone:
        return f"{before} and {after}: equal, all {neurons:,} neurons have the same class"
    return f"{before} and {after}: {gone:,} of {neurons:,} neurons ({_percent(gone, neurons)}) have another class"


def transitions_csv(found: Transitions, vocabulary: str) -> str:
    """One line a layer, component, class before and class after with neurons; those without neurons are left out."""
    rows = [
        [row.layer, row.component, class_name(STATES[i], vocabulary), class_name(STATES[j], vocabulary), counts[i, j]]
        for row, counts in found.layers
        for i, j in zip(*np.nonzero(counts), strict=True)
    ]
    return csv_text([["layer", "component", "from_class", "to_class", "neurons"], *rows])


def _remark(side: Side, comparison: PublishedComparison) -> str:
    """What may explain a difference."""
    if comparison.equal:
        return ""
    if side.weights == "residual":
        return " (the published tables were made from weights prepared as paper, these are residual)"
    unknown = comparison.published.startswith(_UNKNOWN_PREPARATION)
    return " (how the weights of this model were prepared for the published table is not known)" if unknown else ""


def _cells(comparison: PublishedComparison, vocabulary: str) -> list[str]:
    head = ["layer", "class", "published", "store", "difference"]
    body = [
        [
            str(cell.layer),
            class_words(cell.io_class, vocabulary),
            f"{cell.published:,}",
            f"{cell.found:,}",
            f"{cell.found - cell.published:+,}",
        ]
        for cell in comparison.cells
    ]
    return markdown_table(head, body, words=["class"])


def _matrix(found: Transitions, vocabulary: str) -> list[str]:
    states = found.states
    places = [STATES.index(name) for name in states]
    letters = [_letters(name, vocabulary) for name in states]
    total = found.total
    body = [
        [letter, *(f"{total[i, j]:,}" for j in places), f"{total[i].sum():,}", f"{total[i].sum() - total[i, i]:,}"]
        for letter, i in zip(letters, places, strict=True)
    ]
    foot = ["neurons", *(f"{total[:, j].sum():,}" for j in places), f"{total.sum():,}", f"{moved(total):,}"]
    return markdown_table(["from \\ to", *letters, "neurons", "moved"], body, [foot], words=["from \\ to"])


def _by_layer(found: Transitions, vocabulary: str) -> list[str]:
    several = len(components_of([row for row, _ in found.layers])) > 1
    body = []
    for row, counts in found.layers:
        component = [component_words(row.component)] if several else []
        neurons, gone = int(counts.sum()), moved(counts)
        cells = [str(row.layer), *component, f"{neurons:,}", f"{gone:,}", _percent(gone, neurons)]
        body.append([*cells, _moves(counts, vocabulary)])
    head = ["layer", *(["component"] if several else []), "neurons", "moved", "share", "most frequent"]
    return markdown_table(head, body, words=["component", "most frequent"])


def _moves(counts: np.ndarray, vocabulary: str) -> str:
    """The most frequent transitions between different classes: ``O to cE 12, cE to O 3``."""
    off = counts - np.diag(np.diag(counts))
    pairs = sorted(zip(*np.nonzero(off), strict=True), key=lambda pair: (-off[pair], pair))[:_MOST_MOVES]
    return ", ".join(
        f"{_letters(STATES[i], vocabulary)} to {_letters(STATES[j], vocabulary)} {off[i, j]:,}" for i, j in pairs
    )


def _letters(state: str, vocabulary: str) -> str:
    return "none" if state == NO_CLASS else class_letters(state, vocabulary)


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2g} %" if whole else ""
