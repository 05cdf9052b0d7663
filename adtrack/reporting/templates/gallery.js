"use strict";
// Each image is a block of JSON, which no browser runs. Its small picture is taken out of the block when it comes into
// view. All this runs once the page is read, however much of it there is: a page whose writing was stopped shows what
// it has.
addEventListener("DOMContentLoaded", () => {
  const $ = id => document.getElementById(id);
  const parsed = element => { try { return JSON.parse(element.textContent); } catch { return null; } };
  const facts = parsed($("facts"));
  const items = [...document.querySelectorAll("script.item")].flatMap(element => {
    const found = parsed(element);
    if (!found) return [];
    const kind = found.error ? "failed" : found.anomalous ? "anomalous" : "good";
    return [{ name: found.name, error: found.error, score: found.score, kind, element, heatmap: found.heatmap }];
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

  const heatmaps = items.some(item => item.heatmap);
  $("heatmaps").hidden = !heatmaps;
  $("alone").hidden = heatmaps || !items.some(item => !item.error);
  $("grid").classList.toggle("single", !heatmaps);

  const missing = facts.total - items.length, scored = items.length - count("failed");
  const failures = count("failed") ? `. ${count("failed")} could not be scored.` : ".";
  $("summary").textContent = facts.only
    ? `Shown are ${facts.only} of ${counted(facts.total)}, scored by ${facts.model}` +
      ` (anomalous: score ≥ ${brief(facts.threshold)})` + failures
    : `${facts.model} calls ${count("anomalous")} of ${counted(scored)} anomalous (score ≥ ${brief(facts.threshold)})` +
      failures +
      (missing > 0 ? ` No score so far: ${missing} of ${facts.total} (scoring was stopped or is still running).` : "");

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
      make(box, "img", { src: source(parsed(item.element).picture), alt: item.heatmap ? "The image and its heatmap" : "The image", decoding: "async" });
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
    large.querySelector(".panes").classList.toggle("two", item.heatmap);
    large.querySelector(".right").hidden = !item.heatmap;
    const panes = [[".left", found.image], ...(item.heatmap ? [[".right", found.overlay]] : [])];
    for (const [pane, address] of panes) {
      const box = large.querySelector(pane);
      box.style.width = `min(${item.heatmap ? 46 : 92}vw, 48rem, ${78 / scale}vh)`;
      box.style.aspectRatio = `${found.width} / ${found.height}`;
      box.style.backgroundImage = `url(${source(found.picture)})`;  // until the file is there, or instead of it
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
