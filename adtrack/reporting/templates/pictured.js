// Whoever points at a point sees its image. A click keeps the image, and a click on a kept one takes it away.
addEventListener("DOMContentLoaded", () => {
  const $ = id => document.getElementById(id);
  const images = JSON.parse($("images").textContent);
  const figure = document.querySelector(".plotly-graph-div");
  const card = image => {
    const found = document.createElement("figure"), picture = document.createElement("img");
    picture.src = `data:image/jpeg;base64,${image.jpeg}`;
    picture.alt = "";
    const words = document.createElement("figcaption");
    words.textContent = image.words;
    found.append(picture, words);
    return found;
  };
  const of = event => images[event.points[0].curveNumber][event.points[0].pointNumber];
  const kept = new Map();
  const drop = image => { kept.get(image).remove(); kept.delete(image); };
  const keep = image => {
    const button = document.createElement("button");
    button.append(card(image));
    button.addEventListener("click", () => drop(image));
    kept.set(image, $("kept").appendChild(button));
  };
  figure.on("plotly_hover", event => $("shown").replaceChildren(card(of(event))));
  figure.on("plotly_click", event => kept.has(of(event)) ? drop(of(event)) : keep(of(event)));
});
