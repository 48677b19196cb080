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

  // Focus and scroll positions stay where the reader has them.
  function replace(html) {
    const focused = lag.contains(document.activeElement) && document.activeElement.id;
    const scrolled = [...lag.querySelectorAll(".scroll")].map((region) => [region.id, region.scrollLeft]);
    lag.innerHTML = html;
    for (const [id, left] of scrolled) document.getElementById(id)?.scrollTo(left, 0);
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  }

  async function read() {
    try {
      const answer = await fetch(lag.dataset.address, { cache: "no-store", redirect: "manual", signal: AbortSignal.timeout(5000) });
      if (answer.status === 401 || answer.type === "opaqueredirect") {
        location.reload();
        return;
      }
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      replace(await answer.text());
      const stale = lag.querySelector("[data-stale]");
      show(stale ? "stale" : "live", stale ? "No measurement" : "Live");
    } catch {
      show("reconnecting", "Reconnecting…");
    }
    setTimeout(read, 1000);
  }

  read();
})();
