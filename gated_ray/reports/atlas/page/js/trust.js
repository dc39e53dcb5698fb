"use strict";

/** Everything the page defines; its scripts are classic ones, because a page opened from a folder may load no modules. */
const atlas = { pages: {} };

// Browsers that know trusted types let no text become a script's address or markup but through these two policies.
{
  const dataFile = /^atlas\/data\/(?:[a-z]+=[\w.-]+\/|[a-z]+\/)*[\w-]+\.js$/;

  function requireDataFile(address) {
    if (!dataFile.test(address)) throw new TypeError(`not a data file of the atlas: ${address}`);
    return address;
  }

  /** The chart library empties elements by way of markup; it may do no more. */
  function requireNothing(markup) {
    if (markup !== "") throw new TypeError("the atlas makes no markup from text");
    return markup;
  }

  const types = window.trustedTypes ?? { createPolicy: (_, rules) => rules };
  const policy = types.createPolicy("atlas", { createScriptURL: requireDataFile });
  types.createPolicy("default", { createHTML: requireNothing });

  /** The address of a data file, for a script element. */
  atlas.scriptAddress = (address) => policy.createScriptURL(address);
}
