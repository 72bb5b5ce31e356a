"use strict";

// The colors of Okabe and Ito without yellow; `colors.py` has the same ones. Dashes tell apart the
// heads that have the same color.
const HEAD_COLORS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"];
const HEAD_DASHES = ["none", "6 3", "2 3"];

function getHeadStyle(head) {
  const count = HEAD_COLORS.length;
  return {
    color: HEAD_COLORS[head % count],
    dashes: HEAD_DASHES[Math.floor(head / count) % HEAD_DASHES.length],
  };
}

// The weights of all layers and heads, one byte for each weight, in steps of 1/255.
const weightBytes = data.weights === undefined ? null : decodeBytes(data.weights);

function getMatrix(layer, head) {
  const size = data.queries.length * data.keys.length;
  const start = (layer * data.heads + head) * size;
  return weightBytes.subarray(start, start + size);
}

// Tokens of queries on the left, tokens of keys on the right, and lines between them.
class TokenLines {
  constructor(parent) {
    const frame = addElement(parent, "div", { class: "token-lines" });
    const addSide = (label, tokens) => {
      const side = label === "Queries" ? "query" : "key";
      return addTokens(frame, label, tokens, (index) => this.select(side, index));
    };
    this.queries = addSide("Queries", data.queries);
    this.canvas = frame.appendChild(document.createElementNS("http://www.w3.org/2000/svg", "svg"));
    this.keys = addSide("Keys", data.keys);
    // One unit of height is one row of tokens.
    const rows = Math.max(data.queries.length, data.keys.length);
    this.canvas.setAttribute("viewBox", `0 0 1 ${rows}`);
    this.canvas.setAttribute("preserveAspectRatio", "none");
    this.canvas.setAttribute("aria-hidden", "true");
    this.canvas.style.height = `calc(${rows} * var(--row))`;
    this.layer = 0;
    this.heads = [];
    this.threshold = 0;
    this.selected = { side: "query", index: -1 };
  }

  show(layer, heads, threshold) {
    this.layer = layer;
    this.heads = heads;
    this.threshold = threshold;
    this.draw();
  }

  select(side, index) {
    this.selected = { side, index };
    this.draw();
  }

  isDrawn(query, key) {
    const { side, index } = this.selected;
    return index < 0 || index === (side === "query" ? query : key);
  }

  draw() {
    const lines = document.createDocumentFragment();
    this.heads.forEach((head, slot) => {
      const matrix = getMatrix(this.layer, head);
      // The lines of the heads are side by side within the middle half of a row.
      const offset = 0.5 + 0.5 * ((slot + 0.5) / this.heads.length - 0.5);
      for (let query = 0; query < data.queries.length; query++) {
        for (let key = 0; key < data.keys.length; key++) {
          const byte = matrix[query * data.keys.length + key];
          if (byte > 0 && byte >= 255 * this.threshold && this.isDrawn(query, key)) {
            lines.append(makeLine(query + offset, key + offset, byte / 255, head));
          }
        }
      }
    });
    this.canvas.replaceChildren(lines);
    this.shade();
  }

  // Shade the tokens on the other side of the selected one by their mean weight over the heads.
  shade() {
    const { side, index } = this.selected;
    const sides = [
      ["query", this.queries],
      ["key", this.keys],
    ];
    for (const [name, items] of sides) {
      items.forEach((item, other) => {
        item.classList.toggle("selected", side === name && index === other);
        const [query, key] = name === "query" ? [other, index] : [index, other];
        const isShaded = index >= 0 && side !== name;
        showWeight(item, isShaded ? this.averageHeads(query, key) : null);
      });
    }
  }

  averageHeads(query, key) {
    const position = query * data.keys.length + key;
    const sum = this.heads.reduce(
      (total, head) => total + getMatrix(this.layer, head)[position] / 255,
      0,
    );
    return sum / Math.max(this.heads.length, 1);
  }
}

function makeLine(start, end, weight, head) {
  const { color, dashes } = getHeadStyle(head);
  const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
  const attributes = { x1: 0, y1: start, x2: 1, y2: end, stroke: color };
  attributes["stroke-opacity"] = weight.toFixed(3);
  attributes["stroke-dasharray"] = dashes;
  for (const [key, value] of Object.entries(attributes)) {
    line.setAttribute(key, value);
  }
  return line;
}

// Write a weight beside a token and shade the token by it; null removes both.
function showWeight(item, weight) {
  if (weight === null) {
    item.removeAttribute("data-weight");
    item.style.removeProperty("--weight");
  } else {
    item.setAttribute("data-weight", weight.toFixed(2));
    item.style.setProperty("--weight", weight);
  }
}
