// Shows an overview's page as the server sees it. The server sends what differs: numbers as text, sections and log entries as HTML.
// connection.js brings the updates, morph.js puts a section's new HTML in place.
"use strict";
(() => {
  const overview = document.getElementById("overview");
  const live = document.getElementById("live");
  const list = document.getElementById("entries");
  const balance = document.getElementById("balance");
  const texts = {
    connecting: "Connecting…", live: "Live", behind: "Catching up", unknown: "Age of the points not known", polling: "Updated every 10 s",
    reconnecting: "Reconnecting…", paused: "Paused", ended: "No access any more",
  };
  const MOST_ENTRIES = 200;
  const UNSAID_MS = 2000;
  const SAID_EVERY_MS = 15000;

  // What is known of the page: how it is connected, whether the site hears of changes, and since when the points are behind.
  let connection = "connecting";
  let hearsChanges = true;
  let behindSince = null; // 0: current; null: not known
  let found = { state: "", since: 0 };
  let balanceSaidAt = 0;
  let balanceSaid = balance.textContent;

  function state() {
    if (connection === "lost" || (connection === "streaming" && !hearsChanges)) return "reconnecting";
    if (connection !== "streaming" && connection !== "polling") return connection;
    if (behindSince === null) return "unknown";
    if (behindSince) return "behind";
    return connection === "polling" ? "polling" : "live";
  }

  function duration(seconds) {
    if (seconds < 120) return `${seconds} s`;
    if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
    return seconds < 172800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} days`;
  }

  // The state is a status that screen readers say: what is over within moments is not said, and neither is each second.
  function show() {
    const now = state();
    if (now !== found.state) found = { state: now, since: Date.now() };
    const mayPass = ["reconnecting", "polling"].includes(now);
    if (live.dataset.state !== now && (!mayPass || Date.now() - found.since >= UNSAID_MS)) {
      live.dataset.state = now;
      live.querySelector(".text").textContent = texts[now];
    }
    const behind = live.dataset.state === "behind" && behindSince;
    const detail = behind ? `, ${duration(Math.round((Date.now() - behindSince) / 1000))} behind` : "";
    const element = live.querySelector(".detail");
    if (element.textContent !== detail) element.textContent = detail;
  }

  // A balance may change many times a second: its newest value is said every few seconds.
  function sayBalance() {
    if (balance.textContent === balanceSaid || Date.now() - balanceSaidAt < SAID_EVERY_MS) return;
    balanceSaid = balance.textContent;
    balanceSaidAt = Date.now();
    document.getElementById("said").textContent = `Balance ${balanceSaid} points`;
  }

  function note(update) {
    if ("live" in update) hearsChanges = update.live;
    if ("behind" in update) behindSince = update.behind && Date.now() - update.behind * 1000;
  }

  function flash(element) {
    element.classList.remove("changed");
    void element.offsetWidth; // restarts the animation
    element.classList.add("changed");
  }

  function setNumbers(numbers) {
    for (const [name, text] of Object.entries(numbers || {})) {
      for (const element of document.querySelectorAll(`[data-number="${name}"]`)) {
        if (element.textContent === text) continue;
        // The text itself changes, so that a selection around it stays.
        if (element.firstChild) element.firstChild.nodeValue = text;
        else element.textContent = text;
        flash(element);
      }
    }
  }

  function setSections(sections) {
    for (const [name, html] of Object.entries(sections || {})) {
      const element = document.querySelector(`[data-section="${name}"]`);
      if (element) morph(element, html);
    }
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
      // More came than one update carries: the list would have a hole, so it begins anew with the newest.
      list.replaceChildren();
      shown.clear();
      showOlder();
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

  function showOlder() {
    document.getElementById("older").parentElement.hidden = false;
  }

  function trim() {
    const older = document.getElementById("older");
    while (list.children.length > MOST_ENTRIES && !list.lastElementChild.contains(document.activeElement)) {
      list.lastElementChild.remove();
      showOlder();
    }
    older.href = older.href.replace(/before=\d+/, `before=${list.lastElementChild.dataset.id}`);
  }

  // What the reader looks at stays where it is, whatever comes above it: what has the focus, or else what is in the middle of the window.
  function inPlace(change) {
    const inView = (element) => element.getBoundingClientRect().bottom > 0 && element.getBoundingClientRect().top < innerHeight;
    const focused = overview.contains(document.activeElement) && inView(document.activeElement) ? document.activeElement : null;
    const middle = document.elementFromPoint(innerWidth / 2, innerHeight / 2);
    const anchor = scrollY > 0 ? focused || (middle && middle.closest("li, tr, p, figure")) : null;
    const top = anchor && anchor.getBoundingClientRect().top;
    change();
    if (anchor && anchor.isConnected) scrollBy({ top: anchor.getBoundingClientRect().top - top, behavior: "instant" });
  }

  function hear({ state: told, update, ended }) {
    if (told) connection = told;
    if (ended) connection = "ended";
    if (update) {
      note(update);
      inPlace(() => {
        setNumbers(update.numbers);
        setSections(update.sections);
        addEntries(update.entries, update);
      });
    }
    show();
    // The site says what has become of the access: it shows the sign-in, or that there is no access.
    if (ended) location.reload();
  }

  // A browser's own anchor may be in the other column.
  document.documentElement.style.overflowAnchor = "none";
  setInterval(() => { show(); sayBalance(); }, 1000);
  show();
  keepConnected(overview.dataset.events, hear);
})();
