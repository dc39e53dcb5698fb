"use strict";

// Links: #/MODEL/REVISION/PROFILE/LAYER/COMPONENT/EXPERT/NEURON, cut off anywhere after PROFILE; EXPERT is - without experts.
{
  const whole = (text) => (/^\d+$/.test(text ?? "") ? Number(text) : null);

  /** What a link names: {path, layer, component, expert, neuron}; path is null for the overview, the others where not named. */
  atlas.parseRoute = (hash) => {
    const [model, revision, profile, layer, component, expert, neuron] = hash.replace(/^#\/?/, "").split("/");
    if (!model) return { path: null, neuron: null };
    return {
      path: [model, revision, profile].join("/"),
      layer: whole(layer),
      component: component || null,
      expert: whole(expert),
      neuron: whole(neuron),
    };
  };

  atlas.link = ({ path, layer, component, expert, neuron }) => {
    if (!path) return "#/";
    const parts = [path];
    if (component) {
      parts.push(layer, component);
      if (neuron !== null && neuron !== undefined) parts.push(expert ?? "-", neuron);
      else if (expert !== null && expert !== undefined) parts.push(expert);
    }
    return `#/${parts.join("/")}`;
  };

  atlas.go = (route) => {
    location.hash = atlas.link(route);
  };

  const PAUSE = 250;
  const own = new Set();
  let later = null;

  /** Put a step in the address without a place in the history; once for many quick steps, which browsers would refuse. */
  atlas.note = (route) => {
    clearTimeout(later);
    later = setTimeout(() => {
      const link = atlas.link(route);
      if (link === location.hash) return;
      own.add(link);
      location.replace(link);
    }, PAUSE);
  };

  /** Whether a change of address is a step that the page noted itself, and may have left behind by now. */
  atlas.isNoted = ({ newURL }) => own.delete(new URL(newURL).hash);

  /** Forget a step that was not yet put in the address: another page is open. */
  atlas.forgetNote = () => clearTimeout(later);
}
