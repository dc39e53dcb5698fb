"use strict";

// Numbers as texts. What data files hold has as many digits as is shown, so that nothing here rounds it again.
{
  const NO_COSINE = -32768;
  const MANTISSAS = 900;
  const NEGATIVE = 32400;
  const LEAST_EXPONENT = -18;
  const NONE = "–";

  const minus = (text) => text.replace("-", "−");

  atlas.count = (number) => number.toLocaleString("en-US");

  /** "1 model", "12 models". */
  atlas.counted = (number, noun) => `${atlas.count(number)} ${noun}${number === 1 ? "" : "s"}`;

  /** A share of a whole as percent; what is more than nothing is never shown as nothing. */
  atlas.percent = (part, whole) => {
    if (!whole) return NONE;
    const percent = (100 * part) / whole;
    return part > 0 && percent < 0.05 ? "< 0.1" : percent.toFixed(1);
  };

  /** A cosine in ten-thousandths, with four decimals. */
  atlas.cosine = (steps) => (steps === NO_COSINE || steps === null ? NONE : minus((steps / 1e4).toFixed(4)));

  atlas.hasCosine = (steps) => steps !== NO_COSINE;

  /** Any number; null is none. */
  atlas.decimals = (number, decimals) => (number === null ? NONE : minus(number.toFixed(decimals)));

  /** A code of three significant digits (`encoding.three_digits` in Python), times a power of ten. */
  atlas.threeDigits = (code, power = 0) => {
    if (code === 0) return NONE;
    if (code === 1) return "0";
    const place = (code - 2) % NEGATIVE;
    const sign = code - 2 >= NEGATIVE ? "−" : "";
    const digits = String(100 + (place % MANTISSAS));
    const exponent = LEAST_EXPONENT + Math.floor(place / MANTISSAS) + power;
    if (exponent > 5 || exponent < -4) return `${sign}${digits[0]}.${digits.slice(1)}e${minus(String(exponent))}`;
    if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${digits}`;
    if (exponent < 2) return `${sign}${digits.slice(0, exponent + 1)}.${digits.slice(exponent + 1)}`;
    return sign + atlas.count(Number(digits) * 10 ** (exponent - 2));
  };

  atlas.isKnown = (code) => code !== 0;

  /** A relative size from a code, for order and bars: larger for larger numbers, 0 for zero. */
  atlas.rankOf = (code) => (code - 2 >= NEGATIVE ? -(code - 2 - NEGATIVE) - 1 : code - 1);
}
