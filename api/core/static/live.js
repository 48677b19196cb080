// Keeps an overview's page as the server sees it. The server sends what differs: numbers as text, sections and log entries as HTML.
"use strict";
(() => {
  const overview = document.getElementById("overview");
  const live = document.getElementById("live");
  const list = document.getElementById("entries");
  const states = { live: "Live", connecting: "Connecting…", reconnecting: "Reconnecting…" };
  const MOST_ENTRIES = 200;

  function show(state) {
    if (live.dataset.state === state) return;
    live.dataset.state = state;
    live.querySelector(".text").textContent = states[state];
  }

  function flash(element) {
    element.classList.remove("changed");
    void element.offsetWidth; // restarts the animation
    element.classList.add("changed");
  }

  function setNumbers(numbers, first) {
    for (const [name, text] of Object.entries(numbers || {})) {
      for (const element of document.querySelectorAll(`[data-number="${name}"]`)) {
        if (element.textContent === text) continue;
        element.textContent = text;
        if (!first) flash(element);
      }
    }
  }

  function setSections(sections) {
    for (const [name, html] of Object.entries(sections || {})) {
      const element = document.querySelector(`[data-section="${name}"]`);
      if (!element) continue;
      const open = [...element.querySelectorAll("details")].map((details) => details.open);
      element.innerHTML = html;
      element.querySelectorAll("details").forEach((details, i) => { details.open = Boolean(open[i]); });
    }
    if (sections && sections.chart) readChart();
  }

  function asElement(html) {
    const template = document.createElement("template");
    template.innerHTML = html;
    return template.content.firstElementChild;
  }

  function addEntries(entries, update) {
    if (!entries || !entries.length || list.dataset.paged === "yes") return;
    const shown = new Set([...list.children].map((element) => Number(element.dataset.id)));
    const overlaps = entries.some((entry) => shown.has(entry.id));
    if (shown.size && (update.gap || (update.all && !overlaps))) {
      // More came than one update carries: the list would have a hole, so it is read again as a whole.
      location.reload();
      return;
    }
    for (const entry of [...entries].reverse()) {
      if (shown.has(entry.id)) continue;
      const element = asElement(entry.html);
      const next = [...list.children].find((other) => Number(other.dataset.id) < entry.id);
      list.insertBefore(element, next || null);
      if (!update.all || shown.size) flash(element);
    }
    const empty = document.getElementById("no-entries");
    if (empty) empty.remove();
    trim();
  }

  function trim() {
    const older = document.getElementById("older");
    while (list.children.length > MOST_ENTRIES) list.lastElementChild.remove();
    if (older && list.lastElementChild) older.href = older.href.replace(/before=\d+/, `before=${list.lastElementChild.dataset.id}`);
  }

  function readChart() {
    const figure = overview.querySelector("figure.chart");
    if (!figure) return;
    const steps = JSON.parse(figure.dataset.steps);
    const svg = figure.querySelector("svg");
    const cursor = svg.querySelector(".cursor");
    const output = figure.querySelector("output");
    svg.addEventListener("pointermove", (event) => {
      const box = svg.getBoundingClientRect();
      const x = ((event.clientX - box.left) / box.width) * 1000;
      const step = [...steps].reverse().find((one) => one[2] <= x) || steps[0];
      const day = new Date(`${step[0]}T12:00:00Z`).toLocaleDateString("en-US", { month: "short", day: "numeric", year: "numeric", timeZone: "UTC" });
      output.textContent = `${step[1].toLocaleString("en-US").replace("-", "−")} points from ${day}`;
      cursor.setAttribute("x1", step[2]);
      cursor.setAttribute("x2", step[2]);
      figure.classList.add("reading");
    });
    svg.addEventListener("pointerleave", () => { figure.classList.remove("reading"); output.textContent = ""; });
  }

  let source = null;
  let heard = 0;

  function connect() {
    if (source) source.close();
    source = new EventSource(overview.dataset.events);
    source.addEventListener("update", (event) => {
      heard = Date.now();
      const update = JSON.parse(event.data);
      setNumbers(update.numbers, false);
      setSections(update.sections);
      addEntries(update.entries, update);
      show(update.live ? "live" : "reconnecting");
    });
    source.addEventListener("beat", () => { heard = Date.now(); });
    source.onerror = () => {
      show("reconnecting");
      // The browser tries again by itself unless the server refused; a refusal means that the session may have ended.
      if (source.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 3000);
    };
  }

  // A connection that died without a word is noticed by the beats that stay away.
  setInterval(() => {
    if (heard && Date.now() - heard > 15000) {
      show("reconnecting");
      heard = Date.now();
      connect();
    }
  }, 1000);

  readChart();
  connect();
})();
