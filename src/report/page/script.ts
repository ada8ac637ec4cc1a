/** What the page does in the browser: slider, search, zoom. Plain JavaScript, because it is not ours to compile there. */
export const PAGE_SCRIPT = `
"use strict";
(() => {
  const svg = document.getElementById("topology");
  const stage = document.getElementById("stage");
  const all = (selector) => [...svg.querySelectorAll(selector)];

  const slider = document.getElementById("when");
  const label = document.getElementById("when-label");
  const before = all(".guest.before"), after = all(".guest.after"), moves = all(".move"), bars = all(".fill[data-before]");
  const show = (share) => {
    for (const cell of before) cell.style.opacity = 1 - share;
    for (const cell of after) cell.style.opacity = share;
    for (const arrow of moves) arrow.style.opacity = 0.25 + 2 * share * (1 - share);
    for (const bar of bars) bar.setAttribute("width", +bar.dataset.before + (bar.dataset.after - bar.dataset.before) * share);
    if (label) label.textContent = share === 0 ? "before" : share === 1 ? "after" : Math.round(share * 100) + " %";
  };
  if (slider) {
    slider.addEventListener("input", () => show(slider.value / 100));
    show(slider.value / 100);
  }

  const search = document.getElementById("search");
  const found = document.getElementById("found");
  const guests = all(".guest");
  search.addEventListener("input", () => {
    const words = search.value.toLowerCase().split(/\\s+/).filter(Boolean);
    let count = 0, first;
    for (const guest of guests) {
      const hit = words.length > 0 && words.every((word) => guest.dataset.find.includes(word));
      guest.classList.toggle("hit", hit);
      if (hit) { count += 1; first ??= guest; }
    }
    svg.classList.toggle("searching", words.length > 0);
    found.textContent = words.length === 0 ? "" : count + " found";
    if (first) first.scrollIntoView({ block: "nearest", inline: "nearest" });
  });

  const width = svg.viewBox.baseVal.width, height = svg.viewBox.baseVal.height;
  let zoom = 1;
  const scale = (next) => {
    zoom = Math.min(8, Math.max(0.1, next));
    svg.setAttribute("width", width * zoom);
    svg.setAttribute("height", height * zoom);
  };
  const fit = () => scale(Math.min(1, (stage.clientWidth - 4) / width));
  document.getElementById("in").addEventListener("click", () => scale(zoom * 1.25));
  document.getElementById("out").addEventListener("click", () => scale(zoom / 1.25));
  document.getElementById("fit").addEventListener("click", fit);
  stage.addEventListener("wheel", (event) => {
    if (!event.ctrlKey) return;
    event.preventDefault();
    scale(zoom * (event.deltaY < 0 ? 1.1 : 1 / 1.1));
  }, { passive: false });
  fit();
})();
`;
