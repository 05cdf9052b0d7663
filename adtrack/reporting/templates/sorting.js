"use strict";
// The first click on a heading sorts numbers from high to low and words from A to Z. Cells without a number come last.
addEventListener("DOMContentLoaded", () => {
  const number = text => {
    const found = text.replace("−", "-").match(/^[-+]?[0-9.]+(e[-+]?[0-9]+)?/);
    return found ? parseFloat(found[0]) : NaN;
  };
  const compare = (a, b, numeric, sign) => {
    if (!numeric) return sign * a.localeCompare(b, "en", { numeric: true });
    const [x, y] = [number(a), number(b)];
    return isNaN(x) || isNaN(y) ? isNaN(x) - isNaN(y) : sign * (x - y);
  };
  document.querySelectorAll("table.sortable th").forEach(heading => {
    const numeric = heading.classList.contains("number");
    heading.querySelector("button").addEventListener("click", () => {
      const table = heading.closest("table"), place = [...heading.parentNode.children].indexOf(heading);
      const first = numeric ? "descending" : "ascending", other = numeric ? "ascending" : "descending";
      const order = heading.getAttribute("aria-sort") === first ? other : first;
      heading.parentNode.querySelectorAll("th").forEach(each => each.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", order);
      const rows = [...table.tBodies[0].rows], sign = order === "ascending" ? 1 : -1;
      const text = row => row.cells[place].textContent.trim();
      table.tBodies[0].append(...rows.sort((a, b) => compare(text(a), text(b), numeric, sign)));
    });
  });
});
