"use strict";

// The model view: a table of small matrices, of which a click opens one as tokens and lines.
const THRESHOLD = 0.01;
const hint = "Rows are queries, columns are keys. Click on a head to see its tokens.";
addElement(view, "p", { class: "hint" }, hint);
const table = addElement(view, "table", { class: "model" });
const header = addElement(table, "tr");
addElement(header, "td");
for (let head = 0; head < data.heads; head++) {
  addElement(header, "th", { scope: "col" }, `head ${head}`);
}
data.layers.forEach((name, layer) => {
  const row = addElement(table, "tr");
  addElement(row, "th", { scope: "row" }, name);
  for (let head = 0; head < data.heads; head++) {
    const button = addElement(addElement(row, "td"), "button", {
      type: "button",
      class: "matrix",
      "aria-label": `${name}, head ${head}`,
    });
    drawMatrix(button, getMatrix(layer, head));
    button.addEventListener("click", () => openHead(layer, head));
  }
});

// The dialog closes by its button or the Escape key, and focus returns to the table.
const dialog = addElement(view, "dialog");
const heading = addElement(dialog, "h1");
const form = addElement(dialog, "form", { method: "dialog" });
addElement(form, "button", {}, "close");
const lines = new TokenLines(dialog);

function openHead(layer, head) {
  heading.textContent = `${data.layers[layer]}, head ${head}`;
  lines.show(layer, [head], THRESHOLD);
  dialog.showModal();
}

// Append a canvas of one pixel for each weight: white is 0, and dark blue is 1.
function drawMatrix(parent, bytes) {
  const [rows, columns] = [data.queries.length, data.keys.length];
  const canvas = addElement(parent, "canvas", { width: columns, height: rows });
  canvas.style.aspectRatio = `${columns} / ${rows}`;
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  bytes.forEach((byte, index) => {
    const darkness = Math.sqrt(byte / 255);
    const pixel = [255 - 247 * darkness, 255 - 207 * darkness, 255 - 148 * darkness, 255];
    image.data.set(pixel, 4 * index);
  });
  context.putImageData(image, 0, 0);
}
