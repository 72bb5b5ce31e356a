"use strict";

// The data of the page, written as JSON by Python. Arrays of numbers are base64 text.
const data = JSON.parse(document.getElementById("data").textContent);
const view = document.getElementById("view");

function decodeBytes(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

// Append a new HTML element to `parent`, and return it.
function addElement(parent, name, attributes = {}, text = "") {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    element.setAttribute(key, value);
  }
  element.textContent = text;
  parent.append(element);
  return element;
}

// Append a labeled menu to `parent`; `choose(index)` is called when an option is chosen.
function addMenu(parent, label, options, selected, choose) {
  const field = addElement(parent, "label", {}, label + " ");
  const menu = addElement(field, "select", { name: label.toLowerCase() });
  options.forEach((text, index) => addElement(menu, "option", { value: index }, text));
  menu.selectedIndex = selected;
  menu.addEventListener("change", () => choose(menu.selectedIndex));
  return menu;
}

// Append a list of tokens, of which one at a time is selected: by the pointer, or by focus, which
// the arrow keys move. Only one token of a list is a tab stop. Return its items.
function addTokens(parent, label, tokens, select) {
  const list = addElement(parent, "ol", { class: "tokens", "aria-label": label });
  const items = tokens.map((token, index) => {
    const item = addElement(list, "li", { tabindex: index === 0 ? 0 : -1, title: token });
    addElement(item, "bdi", {}, token); // isolates the direction of right-to-left text
    return item;
  });
  const getIndex = (event) => items.indexOf(event.target.closest("li"));
  let hovered = -1;
  let focused = -1;
  const update = () => select(hovered >= 0 ? hovered : focused);
  list.addEventListener("pointerover", (event) => {
    hovered = getIndex(event);
    update();
  });
  list.addEventListener("pointerleave", () => {
    hovered = -1;
    update();
  });
  list.addEventListener("focusin", (event) => {
    focused = getIndex(event);
    items.forEach((item, index) => item.setAttribute("tabindex", index === focused ? 0 : -1));
    update();
  });
  list.addEventListener("focusout", () => {
    focused = -1;
    update();
  });
  list.addEventListener("keydown", (event) => {
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (step !== undefined) {
      event.preventDefault(); // the page would scroll
      items[Math.min(Math.max(getIndex(event) + step, 0), items.length - 1)].focus();
    } else if (event.key === "Escape") {
      document.activeElement.blur();
    }
  });
  return items;
}
