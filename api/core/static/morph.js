// Makes an element's content that of new HTML and leaves what is the same in its place: focus, selection, scroll positions and opened
// details stay where the reader has them.
"use strict";

function morph(element, html) {
  const template = document.createElement("template");
  template.innerHTML = html;
  const hadFocus = element.contains(document.activeElement);
  morphChildren(element, template.content);
  if (hadFocus && !element.contains(document.activeElement)) {
    // What had the focus is gone: the reader stays in its surroundings.
    element.tabIndex = -1;
    element.focus({ preventScroll: true });
  }
}

function morphChildren(before, after) {
  const nodes = [...after.childNodes];
  let old = before.firstChild;
  nodes.forEach((next, index) => {
    const found = counterpart(old, next);
    if (found || mayBecome(old, next, nodes.slice(index + 1))) {
      while (found && old !== found) old = removed(old);
      morphNode(old, next);
      old = old.nextSibling;
    } else {
      before.insertBefore(next, old);
    }
  });
  while (old) old = removed(old);
}

// The element from `old` on that is what `next` shows: of the same key, or else the same altogether. One text is like another.
function counterpart(old, next) {
  if (next.nodeType !== Node.ELEMENT_NODE) return null;
  const key = keyOf(next);
  for (let node = old; node; node = node.nextSibling) {
    if (key ? node.nodeName === next.nodeName && keyOf(node) === key : node.isEqualNode(next)) return node;
  }
  return null;
}

// Whether `old` is of the same kind, and nothing that comes later is what it shows.
function mayBecome(old, next, later) {
  if (!old || old.nodeName !== next.nodeName) return false;
  if (old.nodeType !== Node.ELEMENT_NODE) return true;
  return !keyOf(old) && !keyOf(next) && !later.some((node) => node.isEqualNode(old));
}

// A row is told by the link in it: the link that has the focus leads where it led before, whatever comes above it.
function keyOf(node) {
  if (node.nodeType !== Node.ELEMENT_NODE) return "";
  if (node.id) return node.id;
  const link = node.matches("tr, li") ? node.querySelector("a[href]") : null;
  return link ? link.getAttribute("href") : "";
}

function morphNode(old, next) {
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.nodeValue !== next.nodeValue) old.nodeValue = next.nodeValue;
    return;
  }
  for (const { name } of [...old.attributes]) {
    // Whether details are open is the reader's.
    if (!next.hasAttribute(name) && !(name === "open" && old.nodeName === "DETAILS")) old.removeAttribute(name);
  }
  for (const { name, value } of next.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  morphChildren(old, next);
}

function removed(node) {
  const following = node.nextSibling;
  node.remove();
  return following;
}
