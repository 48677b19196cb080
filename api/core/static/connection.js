// Keeps a page connected to the address of its updates: by a stream while it has one of the browser's few slots, else by one
// request every few seconds. It comes back by itself from whatever breaks, and ends where the viewer lost its access.
// docs/adr/0026-live-pages-share-and-come-back.md says why.
"use strict";

// A browser opens six connections to a site over HTTP/1.1, for all of its tabs together: two stay free for their requests.
const STREAM_SLOTS = 4;
const POLL_MS = 10000;
const SILENCE_MS = 15000;
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 60000;
const REFUSED = [401, 403, 404];

// `hears` is told {state: "streaming" | "polling" | "lost" | "paused"}, {update} and {ended: status}.
function keepConnected(address, hears) {
  let turn = 0; // what began in an earlier turn is of no effect any more
  let source = null;
  let giveSlotBack = null; // while there is a slot, which is kept over pauses
  let timer = 0;
  let heardAt = 0;
  let failures = 0;
  let streamsFrom = 0;

  function pause() {
    // Half of it by chance, so that pages which were cut off together do not come back together.
    return Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.max(0, failures - 1)) * (0.5 + Math.random() / 2);
  }

  function disconnect() {
    turn += 1;
    clearTimeout(timer);
    if (source) source.close();
    source = null;
    return turn;
  }

  function leave() {
    disconnect();
    if (giveSlotBack) giveSlotBack();
    giveSlotBack = null;
  }

  function later(ms) {
    disconnect();
    timer = setTimeout(connect, ms);
  }

  async function connect() {
    const mine = disconnect();
    if (Date.now() < streamsFrom) {
      ask(mine);
      return;
    }
    const slot = giveSlotBack || await freeSlot();
    if (mine !== turn) {
      if (slot && slot !== giveSlotBack) slot();
      return;
    }
    giveSlotBack = slot;
    if (slot) listen();
    else ask(mine);
  }

  function listen() {
    heardAt = Date.now();
    source = new EventSource(address);
    source.addEventListener("update", (event) => {
      heardAt = Date.now();
      failures = 0;
      hears({ state: "streaming", update: JSON.parse(event.data) });
    });
    source.addEventListener("beat", () => { heardAt = Date.now(); });
    source.addEventListener("end", (event) => end(JSON.parse(event.data).status));
    source.onerror = () => lost(source.readyState === EventSource.CLOSED);
  }

  function lost(wasRefused) {
    failures += 1;
    hears({ state: "lost" });
    // A refusal's status is known to a request only: the next step is one.
    streamsFrom = wasRefused ? Date.now() + pause() + FIRST_PAUSE_MS : 0;
    later(wasRefused ? Math.random() * FIRST_PAUSE_MS : pause());
  }

  async function ask(mine) {
    let answer = null;
    let update = null;
    try {
      answer = await fetch(`${address}?once=true`, { cache: "no-store", redirect: "manual", signal: AbortSignal.timeout(SILENCE_MS) });
      if (answer.ok) update = await answer.json();
    } catch {
      // Nobody answered, or not to the end.
    }
    if (mine !== turn) return;
    if (update) {
      hears({ state: "polling", update });
      later(Math.min(POLL_MS, Math.max(streamsFrom - Date.now(), FIRST_PAUSE_MS)) * (0.9 + Math.random() / 5));
    } else if (answer && REFUSED.includes(answer.status)) {
      end(answer.status);
    } else {
      failures += 1;
      hears({ state: "lost" });
      const asked = answer ? Number(answer.headers.get("Retry-After")) || 0 : 0;
      later(Math.max(pause(), asked * 1000 * (1 + Math.random() / 2)));
    }
  }

  function end(status) {
    leave();
    hears({ ended: status });
  }

  function meet() {
    if (document.visibilityState === "hidden") {
      leave();
      hears({ state: "paused" });
    } else {
      connect();
    }
  }

  // A connection that died without a word is noticed by the beats that stay away.
  setInterval(() => { if (source && Date.now() - heardAt > SILENCE_MS) lost(false); }, 1000);
  document.addEventListener("visibilitychange", meet);
  window.addEventListener("pagehide", leave);
  window.addEventListener("pageshow", (event) => { if (event.persisted) meet(); });
  meet();
}

// Returns what gives the slot back; null where other tabs have them all.
async function freeSlot() {
  // Without https, but on the machine itself, a browser has no locks: it cannot count, and closes the streams of hidden tabs only.
  if (!navigator.locks) return () => {};
  for (let number = 0; number < STREAM_SLOTS; number += 1) {
    const giveBack = await new Promise((resolve) => {
      navigator.locks.request(`live-${number}`, { ifAvailable: true }, (lock) => {
        // The lock is held until this promise is resolved: by what `resolve` is handed first.
        if (lock) return new Promise(resolve);
        resolve(null);
        return null;
      });
    });
    if (giveBack) return giveBack;
  }
  return null;
}
