"use strict";

// How one neuron acts over a dataset, from the file it shares with its neighbours (see `activity_files` in Python).
{
  const NEURONS = 128;
  const RANKS = 3;
  const TOP = 5;
  const NONE = 0xffff;

  atlas.quadrants = ["gate+_in+", "gate+_in-", "gate-_in+", "gate-_in-"];
  atlas.quantities = ["post", "in", "gate", "act"];

  const cached = new WeakMap();

  function examplesOf(file) {
    if (!cached.has(file)) {
      const { words, windows, shown, top } = file.examples;
      const lengths = atlas.numbers(windows.length, Uint8Array);
      const starts = [0];
      for (const length of lengths) starts.push(starts.at(-1) + length);
      cached.set(file, {
        words,
        starts,
        documents: atlas.numbers(windows.document, Float64Array),
        positions: atlas.numbers(windows.position, Uint32Array),
        totals: atlas.numbers(windows.total, Uint32Array),
        peaks: atlas.numbers(windows.peak, Uint8Array),
        tokens: atlas.numbers(windows.tokens, Uint16Array),
        shown: shown.map((column) => atlas.numbers(column, Uint16Array)),
        top: top.map((column) => atlas.numbers(column, Uint16Array)),
      });
    }
    return cached.get(file);
  }

  /** A document with the text around the peak; `words` is empty where the text is not known. */
  function windowOf(examples, index) {
    const [start, end] = [examples.starts[index], examples.starts[index + 1]];
    return {
      document: examples.documents[index],
      position: examples.positions[index],
      total: examples.totals[index],
      peak: examples.peaks[index],
      words: Array.from(examples.tokens.subarray(start, end), (token) => examples.words[token]),
    };
  }

  /** Of a quadrant (0 to 3): the strongest documents, and the most frequent tokens at peaks. */
  function quadrantOf(examples, place, quadrant) {
    const group = place * atlas.quadrants.length + quadrant;
    const documents = [];
    for (let slot = group * RANKS; slot < (group + 1) * RANKS; slot += 1) {
      const window = examples.shown[0][slot];
      if (window !== NONE) documents.push({ value: examples.shown[1][slot], ...windowOf(examples, window) });
    }
    const tokens = [];
    for (let slot = group * TOP; slot < (group + 1) * TOP; slot += 1) {
      if (examples.top[0][slot] !== NONE)
        tokens.push({ word: examples.words[examples.top[0][slot]], count: examples.top[1][slot] });
    }
    return { documents, tokens };
  }

  /**
   * A neuron's statistics and examples.
   * @param {object} dataset of `model.activity`.
   * @param {string} name of the neuron file it is in.
   * @param {number} place within that file.
   */
  atlas.activity = async (dataset, name, place) => {
    const file = await atlas.load(`${dataset.folder}/${name}-${Math.floor(place / NEURONS)}`);
    const mine = place % NEURONS;
    const codes = file.statistics.map((column) => atlas.numbers(column, Uint16Array)[mine]);
    const [gatePositive, routed, ...quadrants] = codes;
    return {
      tokens: file.tokens[mine],
      nanTokens: file.nan_tokens[mine],
      gatePositive,
      routed,
      /** By quadrant: frequency, then the mean of each quantity. */
      statistics: atlas.quadrants.map((_, index) => quadrants.slice(index * 5, index * 5 + 5)),
      examples: file.examples ? atlas.quadrants.map((_, index) => quadrantOf(examplesOf(file), mine, index)) : null,
    };
  };
}
