"use strict";

// Data files are scripts that call atlas.receive: a page opened from a folder may fetch nothing else.
{
  const MOST_KEPT = 48;
  const waiting = new Map();
  const kept = new Map();

  function request(key) {
    return new Promise((resolve, reject) => {
      const script = document.createElement("script");
      const fail = (what) => {
        kept.delete(key);
        reject(new Error(`This atlas ${what} its file atlas/data/${key}.js. Run jobs.report again.`));
      };
      waiting.set(key, resolve);
      script.onload = () => {
        script.remove();
        if (waiting.delete(key)) fail("cannot read");
      };
      script.onerror = () => {
        script.remove();
        waiting.delete(key);
        fail("lacks");
      };
      script.src = atlas.scriptAddress(`atlas/data/${key}.js`);
      document.head.append(script);
    });
  }

  /** Called by data files. */
  atlas.receive = (key, content) => {
    waiting.get(key)?.(content);
    waiting.delete(key);
  };

  /** What a data file holds; those used last are kept. */
  atlas.load = (key) => {
    const content = kept.get(key) ?? request(key);
    kept.delete(key);
    kept.set(key, content);
    if (kept.size > MOST_KEPT) kept.delete(kept.keys().next().value);
    return content;
  };

  /** Numbers from base64 of little-endian bytes. */
  atlas.numbers = (base64, Kind) => {
    const characters = atob(base64);
    const bytes = new Uint8Array(characters.length);
    for (let index = 0; index < bytes.length; index += 1) bytes[index] = characters.charCodeAt(index);
    return new Kind(bytes.buffer);
  };
}
