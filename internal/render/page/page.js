"use strict";
// The page's address holds its state: #sort=p99&filter=text&open=3.
const table = document.getElementById("statements");
const filter = document.getElementById("filter");
const heads = [...table.tHead.rows[0].cells];
const rows = [...table.tBodies];
const cell = (body, i) => body.rows[0].cells[i].dataset.v;
let sort = "", up = false;

function arrange() {
  const i = heads.findIndex(h => h.dataset.key === sort);
  const text = i >= 0 && heads[i].classList.contains("text");
  const order = (a, b) => i < 0 ? 0 : text ? cell(b, i).localeCompare(cell(a, i)) : cell(b, i) - cell(a, i);
  rows.sort((a, b) => (up ? -order(a, b) : order(a, b)) || a.dataset.at - b.dataset.at);
  rows.forEach(body => table.append(body));
  heads.forEach((h, k) => { h.classList.toggle("down", k === i && !up); h.classList.toggle("up", k === i && up); });
}

function choose() {
  const wanted = filter.value.toLowerCase();
  let shown = 0;
  for (const body of rows) {
    const fits = body.textContent.toLowerCase().includes(wanted);
    body.classList.toggle("out", !fits);
    shown += fits;
  }
  document.getElementById("shown").textContent = shown + " of " + rows.length;
}

function read() {
  const state = new URLSearchParams(location.hash.slice(1));
  const key = state.get("sort") || "";
  up = key.startsWith("-");
  sort = up ? key.slice(1) : key;
  filter.value = state.get("filter") || "";
  arrange();
  choose();
  const open = document.getElementById("q" + state.get("open"));
  if (open) {
    open.classList.remove("closed");
    open.scrollIntoView();
  }
}

function write() {
  const state = new URLSearchParams();
  if (sort) state.set("sort", (up ? "-" : "") + sort);
  if (filter.value) state.set("filter", filter.value);
  history.replaceState(null, "", "#" + state);
}

heads.forEach(h => h.addEventListener("click", () => {
  const text = h.classList.contains("text");
  up = sort === h.dataset.key ? !up : text;
  sort = h.dataset.key;
  arrange();
  write();
}));
rows.forEach(body => {
  body.classList.add("closed");
  body.rows[0].addEventListener("click", () => body.classList.toggle("closed"));
});
filter.addEventListener("input", () => { choose(); write(); });
addEventListener("hashchange", read);
read();
