"""Progress where nobody looks at a terminal: a line now and then."""

from typing import TextIO

LINE_SECONDS = 10
"""Between lines where the output is no terminal, so that logs stay readable."""


class Lines:
    """Turns a bar that redraws itself into one line an update, for logs."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        if line := text.strip():
            self._stream.write(f"{line}\n")

    def flush(self) -> None:
        self._stream.flush()
