"""English technical documentation to run the small trained model on: this project's own pages, a paragraph a document."""

import json
from pathlib import Path

_DOCS = Path(__file__).parents[2] / "docs"
_PAGES = ("architectures.md", "cluster.md", "reading.md", "watch.md")
_LEAST_CHARACTERS = 80


def write_texts(file: Path) -> Path:
    """JSON lines."""
    paragraphs = [
        paragraph
        for page in _PAGES
        for paragraph in (_DOCS / page).read_text(encoding="utf-8").split("\n\n")
        if len(paragraph) > _LEAST_CHARACTERS
    ]
    file.write_text("".join(f"{json.dumps({'text': each})}\n" for each in paragraphs), encoding="utf-8")
    return file
