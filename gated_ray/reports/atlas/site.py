"""The folder of a site: data files under ``atlas/data/``, and the page that shows them."""

from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from gated_ray.reports.atlas.encoding import data_script

_DATA = "atlas/data"
_PAGE = "index.html"


class Site:
    """Writes a site into a folder, and takes away what an earlier one left there and this one lacks."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._written: set[Path] = set()
        self.bytes = 0

    @property
    def files(self) -> int:
        return len(self._written)

    @property
    def page(self) -> Path:
        return self._out / _PAGE

    def write(self, key: str, document: Any) -> None:
        """A data file; ``key`` is its path below ``atlas/data/`` without ``.js``."""
        self._put(self._out / _DATA / f"{key}.js", data_script(key, document).encode("ascii"))

    def finish(self) -> None:
        """Write the page, and remove data files that were not written."""
        with as_file(files("gated_ray.reports.atlas") / "page") as page:
            for source in sorted(path for path in page.rglob("*") if path.is_file()):
                name = source.relative_to(page)
                self._put(self._out / (name if str(name) == _PAGE else Path("atlas") / name), source.read_bytes())
        for path in sorted((self._out / _DATA).rglob("*"), reverse=True):  # what a folder holds, then the folder
            if path.is_dir() and not any(path.iterdir()):
                path.rmdir()
            elif path.suffix == ".js" and path not in self._written:
                path.unlink()

    def _put(self, path: Path, content: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self._written.add(path)
        self.bytes += len(content)
