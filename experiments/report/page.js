"use strict";
(() => {
  const collator = new Intl.Collator("en", { numeric: true });

  /* A column of numbers sorts by number, any other by text; cells without a number come last. */
  function key(row, place, numeric) {
    const cell = row.cells[place];
    if (!numeric) return cell.textContent;
    return cell.dataset.value ? Number(cell.dataset.value) : null;
  }

  function compare(a, b, sign) {
    if (a === null || b === null) return (a === null) - (b === null);
    return sign * (typeof a === "number" ? a - b : collator.compare(a, b));
  }

  for (const table of document.querySelectorAll("table.numbers")) {
    const body = table.tBodies[0];
    const given = [...body.rows];
    const heads = [...table.tHead.querySelectorAll("th[data-sort]")];
    heads.forEach((head, place) => {
      const numeric = given.some((row) => row.cells[place].dataset.value);
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      button.title = "Sort: ascending, descending, as given";
      head.append(button);
      button.addEventListener("click", () => {
        const next = { ascending: "descending", descending: null }[head.getAttribute("aria-sort")];
        const order = next === undefined ? "ascending" : next;
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        if (order === null) {
          body.append(...given);
          return;
        }
        head.setAttribute("aria-sort", order);
        const sign = order === "ascending" ? 1 : -1;
        const keyed = given.map((row) => [key(row, place, numeric), row]);
        keyed.sort((a, b) => compare(a[0], b[0], sign));
        body.append(...keyed.map((pair) => pair[1]));
      });
    });
  }

  const root = document.documentElement;
  const prefers = window.matchMedia("(prefers-color-scheme: dark)");
  const theme = document.getElementById("theme");
  const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : prefers.matches);
  const name = () => { theme.textContent = dark() ? "Light page" : "Dark page"; };
  theme.hidden = false;
  name();
  prefers.addEventListener("change", name);
  theme.addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    name();
  });

  let closed = [];
  window.addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open])")];
    closed.forEach((details) => { details.open = true; });
  });
  window.addEventListener("afterprint", () => {
    closed.forEach((details) => { details.open = false; });
  });
})();
