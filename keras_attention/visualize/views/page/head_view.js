"use strict";

// The head view: a menu of layers, a button for each head, a threshold, and the lines.
const state = { layer: data.layer, heads: new Set(data.shownHeads), threshold: data.threshold };
const controls = addElement(view, "div", { class: "controls" });

addMenu(controls, "Layer", data.layers, state.layer, (layer) => {
  state.layer = layer;
  update();
});

const headGroup = addElement(controls, "div", { role: "group", "aria-label": "Heads" }, "Heads ");
const headButtons = Array.from({ length: data.heads }, (_, head) => {
  const button = addElement(headGroup, "button", { type: "button", class: "head" }, head);
  button.style.setProperty("--color", getHeadStyle(head).color);
  button.style.setProperty("--dashes", ["solid", "dashed", "dotted"][Math.floor(head / 7) % 3]);
  button.addEventListener("click", () => {
    if (!state.heads.delete(head)) {
      state.heads.add(head);
    }
    update();
  });
  return button;
});
const allButton = addElement(headGroup, "button", { type: "button" }, "all");
allButton.addEventListener("click", () => {
  state.heads = new Set(headButtons.keys());
  update();
});
const noneButton = addElement(headGroup, "button", { type: "button" }, "none");
noneButton.addEventListener("click", () => {
  state.heads.clear();
  update();
});

const field = addElement(controls, "label", {}, "Weights from ");
const range = { type: "range", min: 0, max: 1, step: 0.01, name: "threshold" };
const slider = addElement(field, "input", { ...range, value: state.threshold });
const output = addElement(field, "output");
slider.addEventListener("input", () => {
  state.threshold = Number(slider.value);
  update();
});

const hint = "Hover over a token, or move with the arrow keys, to see only its lines.";
addElement(view, "p", { class: "hint" }, hint);
const lines = new TokenLines(view);

function update() {
  headButtons.forEach((button, head) => {
    button.setAttribute("aria-pressed", state.heads.has(head));
  });
  output.textContent = state.threshold.toFixed(2);
  const heads = [...state.heads].sort((a, b) => a - b);
  lines.show(state.layer, heads, state.threshold);
}

update();
