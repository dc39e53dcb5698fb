"use strict";

/** A model: its classes by layer, its experts, and the neurons of one layer (and expert). */
{
  /** The place that a route names, or the nearest there is. */
  function placeOf(model, route) {
    const named = model.components.find((each) => each.name === route.component);
    const component = (named ?? model.components[0]).name;
    const rows = model.rowsOf(component);
    const row = rows.find((each) => each.layer === route.layer) ?? rows[0];
    const expert = row.experts ? (row.experts.includes(route.expert) ? route.expert : row.experts[0]) : null;
    return { component, layer: row.layer, expert };
  }

  /** Whether there is what a route names. */
  function has(model, { layer, component, expert }) {
    if (component === null) return true;
    const row = model.rowsOf(component).find((each) => each.layer === layer);
    return Boolean(row) && (expert === null || Boolean(row.experts?.includes(expert)));
  }

  const isSame = (one, other) =>
    one.component === other.component && one.layer === other.layer && one.expert === other.expert;

  const inWords = ({ layer, expert }) => (expert === null ? `layer ${layer}` : `layer ${layer}, expert ${expert}`);

  class ModelPage {
    constructor(model, route, host) {
      this.model = model;
      this.host = host;
      this.at = placeOf(model, route);
      this.body = atlas.element("div", {});
      this.buildHead();
      host.append(this.body, atlas.element("h2", {}, "About this model"), atlas.modelFacts(model));
      this.buildComponent();
    }

    get route() {
      return { path: this.model.path, ...this.at };
    }

    buildHead() {
      const { model, host } = this;
      const { summary } = model;
      const revision = atlas.foreign(summary.asked ?? atlas.shortRevision(summary.revision));
      const counts = `${atlas.counted(summary.layers, "layer")}, ${atlas.counted(summary.neurons, "neuron")}. Revision `;
      host.append(
        atlas.element(
          "nav",
          { class: "trail", "aria-label": "Where you are" },
          atlas.element("a", { href: "#/" }, "all models"),
        ),
        atlas.element("h1", { tabindex: "-1" }, atlas.foreign(summary.name)),
        atlas.element("p", { class: "lead" }, counts, revision, ", profile ", atlas.foreign(summary.profile), "."),
        ...atlas.lackingNotes(model),
      );
      if (model.components.length === 1) return;
      const options = model.components.map((each) => [each.name, each.words]);
      const choice = atlas.select("Component", options, this.at.component, (component) => this.go({ component }));
      this.componentChoice = choice.querySelector("select");
      host.append(atlas.element("div", { class: "controls" }, choice));
    }

    /** All that belongs to one component. */
    buildComponent() {
      const rows = this.model.rowsOf(this.at.component);
      const isGated = rows.some((row) => row.gated);
      const open = (neuron) => atlas.go({ ...this.route, neuron });
      const barsHost = atlas.element("div", {
        class: "chart bars",
        role: "img",
        "aria-label": `Share of every class by layer, ${atlas.counted(rows.length, "layer")}. The same as a table below.`,
      });
      this.counts = atlas.disclosure("These numbers as a table", () =>
        atlas.countsTable(rows, atlas.classes.of(isGated)),
      );
      this.mapHost = atlas.element("div", {});
      this.heading = atlas.element("h2", {});
      this.stepper = atlas.stepper(rows, {
        layer: (layer) => this.go({ layer }),
        expert: (expert) => this.go({ expert }),
        neuron: open,
      });
      this.panel = atlas.layerPanel(isGated, {
        open,
        linkTo: (neuron) => atlas.link({ ...this.route, neuron }),
        refiltered: () => this.bars.draw(),
      });
      this.body.replaceChildren(
        atlas.element("h2", {}, "Classes by layer", atlas.explain("classes", "classes")),
        barsHost,
        this.counts.element,
        this.mapHost,
        this.heading,
        this.stepper.element,
        this.panel.element,
      );
      this.bars = atlas.classBars(barsHost, rows, atlas.hiddenClasses(), (layer) => this.go({ layer }));
      this.map = null;
      if (rows.some((row) => row.experts)) this.buildMap(rows).catch(atlas.showError);
      this.show().catch(atlas.showError);
    }

    async buildMap(rows) {
      const host = this.mapHost;
      const data = await this.model.experts(this.at.component);
      if (!host.isConnected) return;
      this.map = atlas.expertPanel(host, data, rows, (layer, expert) => this.go({ layer, expert }));
      this.map.show(this.at.layer, this.at.expert);
    }

    /** Another layer, component or expert: at once, and in the address soon after. */
    go(changes) {
      const before = this.at;
      this.at = placeOf(this.model, { ...this.at, ...changes });
      atlas.note(this.route);
      if (this.at.component === before.component) {
        this.show().catch(atlas.showError);
        return;
      }
      this.componentChoice.value = this.at.component;
      atlas.disposeCharts();
      this.buildComponent();
    }

    /** Load and show the block at hand. */
    async show() {
      const { at } = this;
      this.heading.replaceChildren(`Neurons of ${inWords(at)}`, atlas.explain("neuron", "cosines"));
      this.stepper.show(at);
      this.bars.show(at.layer);
      this.map?.show(at.layer, at.expert);
      const block = await this.model.block(at.layer, at.component, at.expert);
      if (this.at !== at || !this.host.isConnected) return;
      this.stepper.neuron.show(block.neurons);
      this.panel.show(block);
      this.host.dataset.shown = `${at.layer} ${at.component} ${at.expert ?? "-"}`;
      atlas.announce(`${inWords(at)}: ${atlas.counted(block.neurons, "neuron")}`);
      this.model.prefetch(at.layer, at.component, at.expert);
    }

    /** Another address of this model; whether it is one. */
    update(route) {
      if (route.path !== this.model.path || route.neuron !== null || !has(this.model, route)) return false;
      const wanted = placeOf(this.model, route);
      if (!isSame(wanted, this.at)) this.go(wanted);
      return true;
    }

    /** Other words or colours. */
    redraw() {
      this.counts.refresh();
      this.map?.redraw();
      this.panel.redraw();
    }
  }

  atlas.pages.model = async (route, host) => {
    const model = await atlas.model(route.path);
    if (!model || !has(model, route)) return null;
    const page = new ModelPage(model, route, host);
    return {
      title: model.summary.name,
      update: (next) => page.update(next),
      redraw: () => page.redraw(),
      step: (by) => page.stepper.step(by),
      find: () => page.stepper.neuron.focus(),
      up: { path: null },
    };
  };
}
