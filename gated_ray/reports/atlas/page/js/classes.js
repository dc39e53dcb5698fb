"use strict";

// The IO classes by their place in the palette: words, colours and looks.
{
  let palette = null;

  /** Given once, with the overview. */
  atlas.usePalette = (given) => {
    palette = given;
  };

  atlas.classes = {
    /** Places of the classes that a gated or plain block has, in the order in which they are shown. */
    of: (gated) => palette[gated ? "gated" : "plain"],
    words: (index) => palette.classes[index].words[atlas.vocabulary()],
    letters: (index) => palette.classes[index].letters[atlas.vocabulary()],
    name: (index) => palette.classes[index].name,
    colour: (index) => palette.classes[index].colour,
    isAtypical: (index) => palette.classes[index].atypical,
    /** The words of a class by its name in the data. */
    called: (name) => palette.classes.find((each) => each.name === name).words[atlas.vocabulary()],
    indexOf: (name) => palette.classes.findIndex((each) => each.name === name),
  };

  /** A class's colour, hatched where it is atypical, as in the bars. */
  atlas.swatch = (index) => {
    const { colour, atypical } = palette.classes[index];
    const hatch = `repeating-linear-gradient(135deg, ${colour} 0 3px, #fff 3px 4px)`;
    return atlas.element("span", {
      class: "swatch",
      "aria-hidden": "true",
      style: { background: atypical ? hatch : colour },
    });
  };

  /** Colours of cos(w_gate, w_in) from 0 to 1. */
  atlas.scale = () => palette.scale[atlas.isDark() ? "dark" : "light"];

  /** The figures' line colours; their black is the text's colour, so that it is seen on a dark page. */
  atlas.lineColour = (index) => {
    const colour = palette.lines[index % palette.lines.length];
    return colour === "#000000" ? atlas.ink().text : colour;
  };

  /** Line dashes: one for each round of the colours. */
  atlas.lineDash = (index) => ["solid", [6, 2], [2, 2], [6, 2, 2, 2]][Math.floor(index / palette.lines.length) % 4];
}
