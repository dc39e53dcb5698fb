"use strict";

// A model: its row of the overview, its layers, and the neurons of its blocks, which are loaded when they are asked for.
{
  const COSINES = ["gate_in", "gate_out", "in_out"];
  const NORMS = ["gate", "in", "out"];
  const NO_CLASS = 15;
  const FLIPPED = 128;

  /** The columns of a neuron file (see `neuron_files` in Python), decoded once. */
  const decoded = new WeakMap();

  function columns(file) {
    if (!decoded.has(file)) {
      const kinds = [Int16Array, Int16Array, Int16Array, Uint16Array, Uint16Array, Uint16Array, Uint8Array];
      decoded.set(
        file,
        kinds.map((kind, index) => atlas.numbers(file.columns[index], kind)),
      );
    }
    return decoded.get(file);
  }

  /** One block's part of a file. `offset` is where it begins there. */
  function blockOf(file, index) {
    const facts = file.blocks[index];
    const offset = facts.start - file.blocks[0].start;
    const mine = columns(file).map((column) => column.subarray(offset, offset + facts.neurons));
    return {
      ...facts,
      offset,
      cosines: Object.fromEntries(COSINES.map((name, column) => [name, mine[column]])),
      norms: Object.fromEntries(NORMS.map((name, column) => [name, mine[3 + column]])),
      classes: mine[6].map((look) => look & NO_CLASS),
      isFlipped: (neuron) => Boolean(mine[6][neuron] & FLIPPED),
    };
  }

  /** Where a model's files are: folders named as in the store, which begin with no dot whatever the model is called. */
  function folderOf(path) {
    const [model, revision, profile] = path.split("/");
    return `model=${model}/revision=${revision}/profile=${profile}`;
  }

  atlas.hasClass = (ioClass) => ioClass !== NO_CLASS;

  class Model {
    constructor(path, summary, file) {
      this.path = path;
      this.folder = folderOf(path);
      this.summary = summary;
      this.facts = file.facts;
      this.components = file.components;
      this.rows = file.rows;
      this.activity = file.activity;
    }

    rowsOf(component) {
      return this.rows.filter((row) => row.component === component);
    }

    /** The row of a layer and component, and of an expert where there are any; null where the model has none such. */
    place(layer, component, expert) {
      const row = this.rows.find((each) => each.layer === layer && each.component === component);
      if (!row) return null;
      const index = row.experts ? row.experts.indexOf(expert) : expert === null ? 0 : -1;
      if (index < 0) return null;
      const file = row.files.findLastIndex((start) => start <= index);
      return { row, index, file, name: `${row.layer}-${row.component}-${file}` };
    }

    /** The neurons of a block. */
    async block(layer, component, expert) {
      const place = this.place(layer, component, expert);
      const file = await atlas.load(`${this.folder}/neurons/${place.name}`);
      return { ...blockOf(file, place.index - place.row.files[place.file]), isGated: place.row.gated };
    }

    /** Load the neighbours of a layer, so that stepping there does not wait. */
    prefetch(layer, component, expert) {
      for (const neighbour of [layer - 1, layer + 1]) {
        const place = this.place(neighbour, component, expert);
        if (place) atlas.load(`${this.folder}/neurons/${place.name}`).catch(() => {});
      }
    }

    /** Neurons per class of every expert: {layers, experts, counts} of a component. */
    async experts(component) {
      const file = (await atlas.load(`${this.folder}/experts`))[component];
      return { ...file, counts: atlas.numbers(file.counts, Uint32Array) };
    }
  }

  const models = new Map();

  /** The model of a path of the overview; null where there is none such. */
  atlas.model = async (path) => {
    const { models: summaries } = await atlas.load("overview");
    const summary = summaries.find((each) => each.path === path);
    if (!summary) return null;
    if (!models.has(path)) models.set(path, new Model(path, summary, await atlas.load(`${folderOf(path)}/model`)));
    return models.get(path);
  };
}
