"use strict";

// The points of a scatter: which neurons of a block are drawn, in which colour, and which is nearest to the pointer.
{
  /** Neurons that have all three cosines and are of no hidden class. */
  atlas.shownNeurons = (block, hidden) => {
    const { gate_in, gate_out, in_out } = block.cosines;
    const shown = [];
    for (let neuron = 0; neuron < block.neurons; neuron += 1) {
      const has =
        atlas.hasCosine(in_out[neuron]) && atlas.hasCosine(gate_out[neuron]) && atlas.hasCosine(gate_in[neuron]);
      if (has && !hidden.has(block.classes[neuron])) shown.push(neuron);
    }
    return shown;
  };

  /** For each colour the points x, y, x, y ... of its neurons: cos(w_gate, w_out) across, cos(w_in, w_out) up. */
  atlas.colouredPoints = (block, shown, colours) => {
    const { gate_in, gate_out, in_out } = block.cosines;
    const colourOf = (neuron) => Math.min(colours - 1, Math.floor((Math.abs(gate_in[neuron]) / 1e4) * colours));
    const sizes = new Uint32Array(colours);
    for (const neuron of shown) sizes[colourOf(neuron)] += 1;
    const points = Array.from(sizes, (size) => new Float32Array(2 * size));
    const ends = new Uint32Array(colours);
    for (const neuron of shown) {
      const colour = colourOf(neuron);
      points[colour][ends[colour]] = gate_out[neuron] / 1e4;
      points[colour][ends[colour] + 1] = in_out[neuron] / 1e4;
      ends[colour] += 2;
    }
    return points;
  };

  /**
   * The shown neuron that is drawn nearest to a place, or null.
   * @param {[number, number]} at cosines.
   * @param {[number, number]} reach in cosines: how far across and up a neuron may be.
   */
  atlas.nearestNeuron = (block, shown, at, reach) => {
    const { gate_out, in_out } = block.cosines;
    let [best, distance] = [null, 1];
    for (const neuron of shown) {
      const here = Math.hypot((gate_out[neuron] / 1e4 - at[0]) / reach[0], (in_out[neuron] / 1e4 - at[1]) / reach[1]);
      if (here < distance) [best, distance] = [neuron, here];
    }
    return best;
  };

  /** A neuron in words, for pointers and people who hear the page. */
  atlas.neuronWords = (block, neuron) => {
    const { gate_in, gate_out, in_out } = block.cosines;
    const ioClass = block.classes[neuron];
    const lines = [`neuron ${neuron}`, atlas.hasClass(ioClass) ? atlas.classes.words(ioClass) : "no class"];
    if (atlas.hasCosine(gate_out[neuron])) {
      lines.push(`cos(w_gate, w_out) ${atlas.cosine(gate_out[neuron])}`);
    }
    lines.push(`cos(w_in, w_out) ${atlas.cosine(in_out[neuron])}`);
    if (atlas.hasCosine(gate_in[neuron])) lines.push(`cos(w_gate, w_in) ${atlas.cosine(gate_in[neuron])}`);
    return lines;
  };
}
