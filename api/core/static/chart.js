// Reads values off a balance over time: by pointer, touch and keyboard. What there is to read are the rows of
// the chart's table, in the order of the line's corners.
"use strict";
(() => {
  const PAGE = 10; // steps of Page Up and Page Down
  let reading = null; // the day that is being read: it stays while live updates draw the chart anew

  class BalanceChart extends HTMLElement {
    connectedCallback() {
      const svg = this.querySelector(".drawing");
      svg.addEventListener("pointermove", (event) => this.readAt(event));
      svg.addEventListener("pointerdown", (event) => this.readAt(event));
      svg.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") this.read(null); });
      svg.addEventListener("keydown", (event) => this.press(event));
      svg.addEventListener("focus", () => { if (!reading) this.read(this.steps().at(-1)); });
      // A chart that an update takes away loses the focus first: what was read stays for the one that takes its place.
      svg.addEventListener("blur", () => queueMicrotask(() => { if (this.isConnected) this.read(null); }));
      // An update may put new values into the chart that stands here.
      this.observer = new MutationObserver(() => this.draw());
      this.observer.observe(this, { childList: true, subtree: true, characterData: true, attributes: true });
      this.draw();
    }

    disconnectedCallback() {
      this.observer.disconnect();
    }

    steps() {
      const line = this.querySelector(".line");
      const { width, height } = line.ownerSVGElement.viewBox.baseVal;
      const corners = [...line.getAttribute("d").matchAll(/H([\d.]+)V([\d.]+)/g)];
      return [...this.querySelectorAll("tbody tr")].map(({ cells }, i) => ({
        x: (100 * corners[i][1]) / width, y: (100 * corners[i][2]) / height, day: cells[0].textContent, balance: cells[1].textContent,
      }));
    }

    draw() {
      const steps = this.steps();
      const found = steps.findIndex((step) => step.day === reading);
      const index = found < 0 ? steps.length - 1 : found;
      const { x, y, day, balance } = steps[index];
      const text = `${balance} points from ${day}`;
      const slider = { role: "slider", tabindex: 0, "aria-valuemin": 0, "aria-valuemax": steps.length - 1, "aria-valuenow": index, "aria-valuetext": text };
      set(this.querySelector(".drawing"), slider);
      set(this.querySelector(".cursor"), { x1: `${x}%`, x2: `${x}%` });
      set(this.querySelector(".marker"), { cx: found < 0 ? "100%" : `${x}%`, cy: `${y}%` });
      this.querySelector("output").textContent = found < 0 ? "" : text;
      this.classList.toggle("reading", found >= 0);
      this.observer.takeRecords(); // what was done here is no update
    }

    read(step) {
      reading = step && step.day;
      this.draw();
    }

    readAt(event) {
      const box = this.querySelector(".drawing").getBoundingClientRect();
      const x = (100 * (event.clientX - box.left)) / box.width;
      const steps = this.steps();
      this.read(steps.findLast((step) => step.x <= x) || steps[0]);
    }

    press(event) {
      const steps = this.steps();
      const last = steps.length - 1;
      const found = steps.findIndex((step) => step.day === reading);
      const at = found < 0 ? last : found;
      const to = {
        ArrowLeft: at - 1, ArrowDown: at - 1, ArrowRight: at + 1, ArrowUp: at + 1, PageDown: at - PAGE, PageUp: at + PAGE, Home: 0, End: last,
      }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      this.read(steps[Math.min(last, Math.max(0, to))]);
    }
  }

  function set(element, attributes) {
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  }

  customElements.define("balance-chart", BalanceChart);
})();
