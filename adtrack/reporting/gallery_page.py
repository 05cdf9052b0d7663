"""The parts of a gallery page that are the same in every one: its style, its words and what it does."""

from adtrack.reporting.palette import PALETTE

STYLE = f"""
:root {{ color-scheme: light dark; --ink: #1d2430; --soft: #5b6573; --ground: #fff; --line: #d9dee5; --panel: #f5f7f9;
  --good: {PALETTE[0]}; --anomalous: {PALETTE[1]}; --words: #a84300; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --ink: #e4e8ee; --soft: #9aa5b4; --ground: #14181e; --line: #323a45; --panel: #1c222a; --good: {PALETTE[5]};
    --anomalous: #f08a3c; --words: #f4a566; }}
}}
* {{ box-sizing: border-box; }}
body {{ margin: 0; padding: 1.5rem 2rem; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }}
h1 {{ font-size: 1.4rem; margin: 0 0 .2rem; overflow-wrap: anywhere; }}
p {{ margin: 0 0 1rem; color: var(--soft); overflow-wrap: anywhere; }}
svg {{ display: block; width: 100%; max-width: 46rem; height: auto; margin-bottom: 1rem; overflow: visible; }}
svg text {{ fill: var(--soft); font: 12px system-ui, sans-serif; }}
svg .anomalous {{ fill: var(--anomalous); }}
svg .good {{ fill: var(--good); }}
svg .rule {{ stroke: var(--ink); stroke-dasharray: 4 3; }}
svg .base {{ stroke: var(--line); }}
svg .now {{ fill: var(--ink); font-weight: 600; }}
nav {{ position: sticky; top: 0; z-index: 1; display: flex; flex-wrap: wrap; gap: .5rem; align-items: center;
  padding: .6rem 0; background: var(--ground); border-bottom: 1px solid var(--line); }}
button, select, input {{ font: inherit; color: var(--ink); background: var(--panel); border: 1px solid var(--line);
  border-radius: 5px; padding: .2rem .7rem; }}
nav button {{ cursor: pointer; }}
nav button[aria-pressed=true] {{ background: var(--ink); color: var(--ground); }}
nav input {{ flex: 0 1 14rem; min-width: 6rem; }}
#grid {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(17rem, 1fr)); gap: 1rem; padding: 1rem 0; }}
#grid > button {{ display: block; padding: 0; border: 0; border-radius: 6px; overflow: hidden; text-align: left;
  cursor: zoom-in; border-top: 4px solid var(--good); }}
#grid > button.anomalous {{ border-color: var(--anomalous); }}
#grid > div.failed {{ border-top: 4px dashed var(--soft); border-radius: 6px; background: var(--panel); }}
#grid > button:focus-visible {{ outline: 3px solid var(--good); }}
#grid img {{ display: block; width: 100%; aspect-ratio: 2; object-fit: contain; }}
.words {{ padding: .4rem .7rem .6rem; font-size: .87rem; overflow-wrap: anywhere; }}
.words b {{ display: block; font-variant-numeric: tabular-nums; }}
.anomalous .words b, b.anomalous {{ color: var(--words); }}
.words span {{ color: var(--soft); }}
#grid > hr {{ grid-column: 1 / -1; width: 100%; height: 1.5rem; margin: .5rem 0; border: 0;
  border-top: 2px dashed var(--ink); }}
#grid > hr::after {{ content: attr(data-words); color: var(--soft); font-size: .87rem; }}
dialog {{ width: min(96vw, 100rem); max-height: 96vh; border: 1px solid var(--line); border-radius: 8px; padding: 1rem;
  background: var(--ground); color: var(--ink); }}
dialog::backdrop {{ background: #000a; }}
dialog form {{ display: flex; gap: .5rem; align-items: center; margin-bottom: .7rem; }}
dialog form .words {{ flex: 1; padding: 0; }}
.panes {{ display: flex; flex-wrap: wrap; gap: .7rem; justify-content: center; }}
.pane {{ position: relative; background-size: 200% 100%; max-height: 80vh; flex: 0 1 auto; }}
.pane.left {{ background-position: left; }}
.pane.right {{ background-position: right; }}
.pane img {{ position: absolute; inset: 0; width: 100%; height: 100%; image-orientation: none; }}
"""

BODY = """<p id="summary"></p>
<noscript><p>This page sorts and shows its images by a script, which this browser does not run.</p></noscript>
<p>Left the image, right its heatmap: bright is unlike the good parts, dim grey lies outside the network's view.
Click to enlarge.</p>
<svg id="histogram" viewBox="0 0 740 190" role="img" aria-label="Histogram of the scores"></svg>
<nav>
<button data-kind="">All</button>
<button data-kind="anomalous">Anomalous</button>
<button data-kind="good">Good</button>
<button data-kind="failed">Failed</button>
<select id="order" aria-label="Order">
<option value="score">Most anomalous first</option>
<option value="near">Closest to the threshold first</option>
<option value="name">By name</option>
</select>
<input id="search" type="search" placeholder="Name contains" aria-label="Name contains">
</nav>
<main id="grid"></main>
<div id="end"></div>
<dialog id="large">
<form method="dialog"><div class="words"><b></b><span></span></div>
<button type="button" id="back" aria-label="Previous">←</button>
<button type="button" id="on" aria-label="Next">→</button>
<button>Close</button></form>
<div class="panes"><div class="pane left"></div><div class="pane right"></div></div>
</dialog>
"""

# Each image is a block of JSON, which no browser runs; its pictures are taken out of it when they come into view.
# It runs once the page is read, however much of it there is: a page whose writing was stopped shows what it has.
SCRIPT = """
"use strict";
addEventListener("DOMContentLoaded", () => {
  const $ = id => document.getElementById(id);
  const parsed = element => { try { return JSON.parse(element.textContent); } catch { return null; } };
  const facts = parsed($("facts"));
  const items = [...document.querySelectorAll("script.item")].flatMap(element => {
    const found = parsed(element);
    if (!found) return [];
    const kind = found.error ? "failed" : found.anomalous ? "anomalous" : "good";
    return [{ name: found.name, error: found.error, score: found.score, kind, element }];
  });
  const count = kind => items.filter(item => !kind || item.kind === kind).length;
  const brief = number => {
    const digits = number.toPrecision(4);
    return digits.includes("e") ? String(Number(digits)) : digits;
  };
  const counted = images => `${images} ${images === 1 ? "image" : "images"}`;
  const make = (parent, tag, values = {}, text = "") => {
    const element = parent.appendChild(document.createElement(tag));
    for (const [key, value] of Object.entries(values)) element.setAttribute(key, value);
    element.textContent = text;
    return element;
  };

  const missing = facts.total - items.length, scored = items.length - count("failed");
  $("summary").textContent =
    `${facts.model}: ${count("anomalous")} of ${scored} images are anomalous (score ≥ ${brief(facts.threshold)})` +
    (count("failed") ? `; ${count("failed")} could not be scored.` : ".") +
    (missing > 0 ? ` ${missing} of ${facts.total} are not scored: it was stopped, or it still runs.` : "");

  const draw = () => {
    const scores = items.filter(item => !item.error).map(item => item.score);
    if (!scores.length) return $("histogram").remove();
    const low = scores.reduce((a, b) => Math.min(a, b), facts.threshold);
    const high = scores.reduce((a, b) => Math.max(a, b), facts.threshold);
    const width = (high - low) / 40 || 1, bin = score => Math.floor((score - facts.threshold) / width);
    const first = bin(low), bins = Array(bin(high) - first + 1).fill(0);  // the threshold is an edge: no bin has both
    for (const score of scores) bins[bin(score) - first]++;
    const most = Math.max(...bins), step = 720 / bins.length, base = 150;
    const shape = (tag, values, text = "") => {
      const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
      for (const [key, value] of Object.entries(values)) element.setAttribute(key, value);
      element.textContent = text;
      return $("histogram").appendChild(element);
    };
    const edge = place => facts.threshold + (first + place) * width;
    bins.forEach((images, place) => {
      if (!images) return;
      const height = Math.max(2, 118 * images / most);
      const bar = shape("rect", { x: 10 + place * step, y: base - height, width: Math.max(1, step - 1.5), height,
        class: first + place >= 0 ? "anomalous" : "good" });
      const words = document.createElementNS("http://www.w3.org/2000/svg", "title");
      words.textContent = `${counted(images)} from ${brief(edge(place))} to ${brief(edge(place + 1))}`;
      bar.appendChild(words);
    });
    shape("line", { x1: 10, x2: 730, y1: base, y2: base, class: "base" });
    const rule = 10 - first * step;
    shape("line", { x1: rule, x2: rule, y1: 22, y2: base + 4, class: "rule" });
    const side = rule < 130 ? "start" : rule > 610 ? "end" : "middle";
    shape("text", { x: rule, y: 15, "text-anchor": side, class: "now" }, `threshold ${brief(facts.threshold)}`);
    shape("text", { x: 10, y: base + 17 }, brief(edge(0)));
    shape("text", { x: 730, y: base + 17, "text-anchor": "end" }, brief(edge(bins.length)));
    shape("text", { x: 370, y: base + 34, "text-anchor": "middle" }, `score; the tallest bar is ${counted(most)}`);
  };

  const orders = {
    score: (a, b) => b.score - a.score,
    near: (a, b) => Math.abs(a.score - facts.threshold) - Math.abs(b.score - facts.threshold),
    name: (a, b) => a.name.localeCompare(b.name, "en", { numeric: true }),
  };
  let shown = [], drawn = 0, kind = "", open = 0;
  const choose = () => {
    const wanted = $("search").value.toLowerCase(), order = $("order").value;
    shown = items.filter(item => (!kind || item.kind === kind) && item.name.toLowerCase().includes(wanted));
    shown.sort((a, b) => !!a.error - !!b.error || (a.error ? orders.name(a, b) : orders[order](a, b)));
    for (const button of document.querySelectorAll("nav button"))
      button.setAttribute("aria-pressed", button.dataset.kind === kind);
    $("grid").replaceChildren();
    drawn = 0;
    more();
  };
  const source = picture => `data:image/jpeg;base64,${picture}`;
  const label = item => item.error ? "not scored" : `${brief(item.score)} ${item.kind}`;
  const words = (parent, item) => {
    const box = make(parent, "div", { class: "words" });
    make(box, "b", {}, label(item));
    make(box, "span", {}, item.error ? `${item.name}: ${item.error}` : item.name);
  };
  const card = (item, place) => {
    const below = place && shown[place - 1].kind === "anomalous" && item.kind === "good";
    if (below && $("order").value === "score")
      make($("grid"), "hr", { "data-words": `Below the threshold ${brief(facts.threshold)}: good` });
    const box = make($("grid"), item.error ? "div" : "button", { class: item.kind });
    if (!item.error) {
      make(box, "img", { src: source(parsed(item.element).pair), alt: "The image and its heatmap", decoding: "async" });
      box.addEventListener("click", () => enlarge(place));
    }
    words(box, item);
  };
  const near = new IntersectionObserver(seen => seen.at(-1).isIntersecting && more(), { rootMargin: "1500px" });
  const more = () => {
    for (const end = Math.min(drawn + 60, shown.length); drawn < end; drawn++) card(shown[drawn], drawn);
    near.unobserve($("end"));  // watched anew it is reported anew: on a large screen the end may still be in view
    if (drawn < shown.length) near.observe($("end"));
  };

  const enlarge = place => {
    const item = shown[place];
    if (!item || item.error) return;
    open = place;
    const found = parsed(item.element);
    const large = $("large"), scale = found.height / found.width;
    large.querySelector("b").textContent = label(item);
    large.querySelector("b").className = item.kind;
    large.querySelector("span").textContent = item.name;
    for (const [pane, address] of [[".left", found.image], [".right", found.overlay]]) {
      const box = large.querySelector(pane);
      box.style.width = `min(46vw, 48rem, ${78 / scale}vh)`;
      box.style.aspectRatio = `${found.width} / ${found.height}`;
      box.style.backgroundImage = `url(${source(found.pair)})`;  // until the file is there, or instead of it
      box.replaceChildren();
      if (!address) continue;
      make(box, "img", { src: address, alt: "" }).addEventListener("error", event => event.target.remove());
    }
    if (!large.open) large.showModal();
  };
  $("back").addEventListener("click", () => enlarge(open - 1));
  $("on").addEventListener("click", () => enlarge(open + 1));
  $("large").addEventListener("keydown", event => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step) enlarge(open + step);
  });
  $("large").addEventListener("click", event => event.target === $("large") && $("large").close());
  for (const button of document.querySelectorAll("nav button")) {
    button.textContent += ` ${count(button.dataset.kind)}`;
    button.addEventListener("click", () => { kind = button.dataset.kind; choose(); });
  }
  $("order").addEventListener("change", choose);
  $("search").addEventListener("input", choose);
  draw();
  choose();
});
"""
