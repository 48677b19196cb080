// Reads the consumer lag again every second. Says so when the answers stay away.
"use strict";
(() => {
  const lag = document.getElementById("lag");
  const live = document.getElementById("live");

  function show(state, text) {
    live.dataset.state = state;
    const element = live.querySelector(".text");
    if (element.textContent !== text) element.textContent = text;
  }

  async function read() {
    try {
      const answer = await fetch(lag.dataset.address, { cache: "no-store", redirect: "manual", signal: AbortSignal.timeout(5000) });
      if (answer.status === 401 || answer.type === "opaqueredirect") {
        location.reload();
        return;
      }
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      lag.innerHTML = await answer.text();
      const stale = lag.querySelector("[data-stale]");
      show(stale ? "stale" : "live", stale ? "No measurement" : "Live");
    } catch {
      show("reconnecting", "Reconnecting…");
    }
    setTimeout(read, 1000);
  }

  read();
})();
