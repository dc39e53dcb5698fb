"use strict";

// One neuron in numbers and words.
{
  const COSINES = [
    ["gate_in", "cos(w_gate, w_in)"],
    ["gate_out", "cos(w_gate, w_out)"],
    ["in_out", "cos(w_in, w_out)"],
  ];
  const NORMS = [
    ["gate", "norm of w_gate"],
    ["in", "norm of w_in"],
    ["out", "norm of w_out"],
  ];

  /** The share of known values that are smaller, equal ones counting half. */
  function percentile(values, neuron, isKnown, rank) {
    const mine = rank(values[neuron]);
    let [smaller, equal, known] = [0, 0, 0];
    for (const value of values) {
      if (!isKnown(value)) continue;
      const other = rank(value);
      known += 1;
      if (other < mine) smaller += 1;
      else if (other === mine) equal += 1;
    }
    return { share: (smaller + equal / 2) / known, known };
  }

  function placeCell(values, neuron, isKnown, rank) {
    if (!isKnown(values[neuron])) return "–";
    const { share } = percentile(values, neuron, isKnown, rank);
    const bar = atlas.element(
      "span",
      { class: "percentile", "aria-hidden": "true" },
      atlas.element("span", { style: { left: `${100 * share}%` } }),
    );
    return [bar, atlas.element("span", { class: "share-smaller" }, atlas.percent(share, 1))];
  }

  /** Whether a cosine (in ten-thousandths) lies outside the ends of a band. */
  function outside(steps, ends, isAbsolute) {
    if (!ends || ends[1] === null || !atlas.hasCosine(steps)) return "–";
    const value = isAbsolute ? Math.abs(steps / 1e4) : steps / 1e4;
    const [low, high] = [isAbsolute ? "0" : atlas.decimals(ends[0], 3), atlas.decimals(ends[1], 3)];
    const isOutside = value > ends[1] || (!isAbsolute && value < ends[0]);
    return [
      atlas.element("strong", {}, isOutside ? "outside" : "within"),
      atlas.element("span", { class: "ends" }, `${low} to ${high}`),
    ];
  }

  /** All its numbers, with their place among `whole` (its layer, or its expert) and whether they are more than chance. */
  atlas.neuronNumbers = (block, neuron, whole) => {
    const columns = block.isGated ? [COSINES, NORMS] : [COSINES.slice(2), NORMS.slice(1)];
    const heads = [
      { head: "number" },
      { head: "value", number: true },
      { head: `place among ${whole}, % smaller`, number: true },
      { head: "theory band" },
      { head: "mismatched band" },
    ];
    const cosines = columns[0].map(([name, words]) => {
      const values = block.cosines[name];
      const isAbsolute = name === "gate_in";
      return [
        words,
        atlas.cosine(values[neuron]),
        placeCell(values, neuron, atlas.hasCosine, (steps) => steps),
        outside(values[neuron], block.theory, isAbsolute),
        outside(values[neuron], block.mismatched[name], isAbsolute),
      ];
    });
    const norms = columns[1].map(([name, words]) => [
      words,
      atlas.threeDigits(block.norms[name][neuron]),
      placeCell(block.norms[name], neuron, atlas.isKnown, atlas.rankOf),
      "",
      "",
    ]);
    return atlas.scroller("Numbers of the neuron", atlas.table("Numbers of the neuron", heads, [...cosines, ...norms]));
  };

  /** Its class and what that means. */
  atlas.neuronClass = (block, neuron, whole) => {
    const ioClass = block.classes[neuron];
    if (!atlas.hasClass(ioClass))
      return atlas.element(
        "p",
        { class: "class" },
        "No class: a vector of this neuron is zero or not finite, so that a cosine is missing.",
      );
    const same = block.classes.reduce((sum, other) => sum + (other === ioClass), 0);
    const sign = block.isFlipped(neuron) ? " w_in and w_out are shown flipped (canonical sign)." : "";
    const stated = atlas.element(
      "p",
      { class: "class" },
      atlas.swatch(ioClass),
      " ",
      atlas.element("strong", {}, atlas.classes.words(ioClass)),
      atlas.explain("classes", "classes"),
      ` like ${atlas.percent(same, block.neurons)} % of the ${atlas.counted(block.neurons, "neuron")} of ${whole}.${sign}`,
    );
    return [stated, atlas.element("p", { class: "lead" }, atlas.meaningOf(atlas.classes.name(ioClass), block.isGated))];
  };
}
