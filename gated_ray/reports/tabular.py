"""Tables as text: CSV for machines, pipes for Markdown, booktabs for LaTeX."""

import csv
import io
from collections.abc import Collection, Iterable, Sequence

_LATEX_SPECIAL = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        **{character: f"\\{character}" for character in "&%$#_{}"},
    }
)

Cells = Sequence[str]


def csv_text(rows: Iterable[Iterable[object]]) -> str:
    """Rows as CSV, one a line, on every system with the same bytes."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def markdown_table(
    head: Cells, body: Iterable[Cells], foot: Iterable[Cells] = (), words: Collection[str] = ()
) -> list[str]:
    """The lines of a pipe table; the foot in bold, numbers to the right, the columns whose head is in `words` to the left."""
    return [
        _pipes(head),
        _pipes([":---" if name in words else "---:" for name in head]),
        *(_pipes(cells) for cells in body),
        *(_pipes([f"**{cell}**" if cell else "" for cell in cells]) for cells in foot),
    ]


def latex_table(
    head: Cells,
    body: Iterable[Cells],
    foot: Sequence[Cells] = (),
    *,
    caption: str,
    words: Collection[str] = (),
    column_gap: int = 6,
) -> list[str]:
    r"""The lines of a ``table`` float around a booktabs ``tabular``; needs ``\usepackage{booktabs}``.

    Args:
        head, body, foot: bare texts, escaped here. The foot stands below a rule of its own.
        caption: above the table, escaped here.
        words: heads of the columns that are set to the left.
        column_gap: half the space between columns, in points.
    """
    return [
        r"\begin{table}",
        r"  \centering",
        r"  \scriptsize",
        f"  \\setlength{{\\tabcolsep}}{{{column_gap}pt}}",
        f"  \\caption{{{_latex(caption)}}}",
        r"  \smallskip",
        f"  \\begin{{tabular}}{{@{{}}{''.join('l' if name in words else 'r' for name in head)}@{{}}}}",
        r"    \toprule",
        _latex_row(head),
        r"    \midrule",
        *(_latex_row(cells) for cells in body),
        *([r"    \midrule", *(_latex_row(cells) for cells in foot)] if foot else []),
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
    ]


def _pipes(cells: Cells) -> str:
    escaped = [cell.replace("|", r"\|") for cell in cells]
    return f"| {' | '.join(escaped)} |"


def _latex_row(cells: Cells) -> str:
    return f"    {' & '.join(_latex(cell) for cell in cells)} \\\\"


def _latex(text: str) -> str:
    return text.translate(_LATEX_SPECIAL)
