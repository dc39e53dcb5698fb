"""Numbers as the page holds them: in the decimal digits that it shows, so that what is shown is right to the last of them.

Cosines are ten-thousandths in 16 bits. Other numbers are three significant digits, a sign and a power of ten in 16 bits.
"""

import base64
import json
from typing import Any

import numpy as np
import numpy.typing as npt

NO_COSINE = -32768
"""Stands for a null cosine."""

DIGITS = 3
"""Significant digits of numbers that are no cosines."""

_STEPS = 10_000
_MANTISSAS = 900  # 100 to 999
_LEAST_EXPONENT, _EXPONENTS = -18, 36
"""Powers of ten of the first digit: 1e-18 to 9.99e17."""
_MISSING, _ZERO, _FIRST = 0, 1, 2
_NEGATIVE = _MANTISSAS * _EXPONENTS


def ten_thousandths(cosines: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.int16]:
    """Cosines to four decimals, ties to even; `NO_COSINE` for NaN.

    Exact for float32: the product with 10,000 has 38 bits at most.
    """
    steps = np.rint(cosines.astype(np.float64) * _STEPS)
    return np.where(np.isnan(steps), NO_COSINE, np.nan_to_num(steps)).astype("<i2")


def three_digits(numbers: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.uint16]:
    """Numbers to three significant digits, as codes.

    0 is missing (NaN, infinite), 1 is zero (and what is smaller than 1e-18), 2 + k and 2 + 32400 + k are positive and
    negative: 100 + k % 900 are the digits, and -18 + k // 900 is the power of ten of the first of them. What is larger than
    9.99e17 has that code.
    """
    values = numbers.astype(np.float64)
    sizes = np.abs(np.where(np.isfinite(values), values, 0.0))
    sizes = np.where(sizes < 10.0**_LEAST_EXPONENT, 0.0, sizes)
    exponents = np.floor(np.log10(np.where(sizes > 0, sizes, 1.0)))
    digits = np.rint(_scaled(sizes, exponents))
    # The logarithm of a number just below a power of ten may be that power's, and 999.5 is rounded to the next power.
    exponents += (digits >= 1000).astype(int) - (digits < 100).astype(int)
    digits = np.clip(np.rint(_scaled(sizes, exponents)), 100, 999)
    places = np.minimum((exponents - _LEAST_EXPONENT) * _MANTISSAS + digits - 100, _NEGATIVE - 1)
    codes = np.where(sizes > 0, _FIRST + places + np.where(values < 0, _NEGATIVE, 0), _ZERO)
    return np.where(np.isfinite(values), codes, _MISSING).astype("<u2")


def in_base64(array: npt.NDArray[Any]) -> str:
    """The array's bytes as base64, little-endian as every browser's typed arrays are."""
    return base64.b64encode(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()).decode("ascii")


def data_script(key: str, document: Any) -> str:
    """A script that hands ``document`` to the page under ``key``: pages opened from a folder may load nothing else.

    ASCII only and without ``<``, so that nothing in it can end a script or a line, whatever the texts in it are.

    Raises:
        ValueError: a number in it is not finite.
    """
    texts = (
        json.dumps(each, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c") for each in (key, document)
    )
    return f"atlas.receive({','.join(texts)});\n"


def _scaled(sizes: npt.NDArray[np.float64], exponents: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The numbers with their first digit in the hundreds. Only positive powers, which are exact up to 1e22."""
    powers = exponents - (DIGITS - 1)
    return sizes * 10.0 ** np.maximum(-powers, 0) / 10.0 ** np.maximum(powers, 0)
