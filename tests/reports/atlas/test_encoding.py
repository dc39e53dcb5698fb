"""What is shown is right to its last digit: every encoding against exact decimals."""

import base64
import json
from decimal import ROUND_HALF_EVEN, Context, Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gated_ray.reports.atlas.encoding import NO_COSINE, data_script, in_base64, ten_thousandths, three_digits

_EXACT = Context(prec=80)


def decoded(code: int) -> Decimal | None:
    """What the page makes of a code of `three_digits`."""
    if code == 0:
        return None
    if code == 1:
        return Decimal(0)
    place, sign = (code - 2 - 32_400, -1) if code - 2 >= 32_400 else (code - 2, 1)
    return sign * Decimal(100 + place % 900).scaleb(-18 + place // 900 - 2)


@settings(deadline=None)
@given(st.lists(st.floats(-1, 1, width=32), min_size=1))
def test_cosines_are_rounded_once_to_four_decimals(values: list[float]) -> None:
    codes = ten_thousandths(np.array(values, dtype=np.float32))
    wanted = [int((Decimal(value) * 10_000).quantize(Decimal(1), ROUND_HALF_EVEN)) for value in values]
    assert codes.tolist() == wanted


@settings(deadline=None)
@given(st.lists(st.floats(1e-18, 9.99e17, width=64), min_size=1), st.sampled_from([-1, 1]))
def test_other_numbers_are_rounded_to_three_significant_digits(values: list[float], sign: int) -> None:
    for code, value in zip(three_digits(sign * np.array(values)).tolist(), values, strict=True):
        exact = Decimal(value)
        shown = decoded(code)
        unit = Decimal(1).scaleb(exact.adjusted() - 2)
        assert shown is not None
        assert shown * sign > 0
        # Half a unit, but for the float64 product that finds the digits.
        assert abs(shown * sign - exact) <= unit / 2 * (1 + Decimal("1e-12"))
        assert len(shown.normalize(_EXACT).as_tuple().digits) <= 3


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (999.4, "999"),
        (999.6, "1000"),
        (0.99951, "1.00"),
        (9.995e-5, "0.0000999"),
        (1.0, "1"),
        (-0.001, "-0.001"),
        (1e17, "100000000000000000"),
        (3e38, "999000000000000000"),
        (1e-30, "0"),
        (0.0, "0"),
        (-0.0, "0"),
    ],
)
def test_edges_of_three_digits(value: float, shown: str) -> None:
    if value == 9.995e-5:  # a float64 just below the tie or above it: whichever it is
        shown = str(Decimal(value).quantize(Decimal("1e-7"), ROUND_HALF_EVEN))
    assert decoded(int(three_digits(np.array([value]))[0])) == Decimal(shown)


def test_what_is_no_number_is_missing() -> None:
    assert three_digits(np.array([np.nan, np.inf, -np.inf])).tolist() == [0, 0, 0]
    assert ten_thousandths(np.array([np.nan, 0.5], dtype=np.float32)).tolist() == [NO_COSINE, 5000]


def test_arrays_are_little_endian_whatever_they_were() -> None:
    assert base64.b64decode(in_base64(np.array([1, 258], dtype=">u2"))) == b"\x01\x00\x02\x01"


def test_a_data_script_hands_over_what_it_was_given() -> None:
    document = {"a": [1, 2.5, None], "b": "</script>\u2028"}
    script = data_script("x/y", document)
    assert script.startswith('atlas.receive("x/y",')
    arguments = script.removeprefix("atlas.receive(").removesuffix(");\n")
    assert json.loads(f"[{arguments}]") == ["x/y", document]
    with pytest.raises(ValueError, match="Out of range"):
        data_script("x", {"a": float("nan")})
