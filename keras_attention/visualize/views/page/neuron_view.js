"use strict";

// The neuron view: for the selected query, a table of key vectors, of the products of their neurons
// with the query's, of scores and of weights.
const vectors = { query: readVectors("query"), key: readVectors("key") };
const mask = decodeBytes(data.mask);
const state = { layer: data.layer, head: data.head, token: data.token };

const controls = addElement(view, "div", { class: "controls" });
addMenu(controls, "Layer", data.layers, state.layer, (layer) => {
  state.layer = layer;
  update();
});
const heads = Array.from({ length: data.heads }, (_, head) => `head ${head}`);
addMenu(controls, "Head", heads, state.head, (head) => {
  state.head = head;
  update();
});
const hint = "Hover over a query, or move with the arrow keys, to see how it weighs the keys.";
addElement(view, "p", { class: "hint" }, hint);

const frame = addElement(view, "div", { class: "neurons" });
const queryItems = addTokens(frame, "Queries", data.queries, (token) => {
  if (token >= 0) {
    state.token = token; // the last query stays selected
    update();
  }
});
const table = addElement(frame, "table");
const header = addElement(table, "tr");
for (const title of ["key", "k", "q × k", `sum / √${data.width}`, "softmax"]) {
  addElement(header, "th", { scope: "col" }, title);
}
const queryRow = addRow("");
const keyRows = data.keys.map((token) => addRow(token));

function addRow(token) {
  const row = addElement(table, "tr");
  const name = addElement(addElement(row, "th", { scope: "row" }), "bdi", {}, token);
  const addCells = () =>
    addElement(addElement(row, "td"), "canvas", { class: "cells", width: data.width, height: 1 });
  const [vector, products] = [addCells(), addCells()];
  const score = addElement(row, "td", { class: "number" });
  const weight = addElement(row, "td", { class: "number bar" });
  return { name, vector, products, score, weight };
}

// Return the function (layer, head, index) -> vector of the queries or keys.
function readVectors(side) {
  const numbers = new Int16Array(decodeBytes(data[side + "Vectors"]).buffer);
  const count = side === "query" ? data.queries.length : data.keys.length;
  return (layer, head, index) => {
    const start = ((layer * data.heads + head) * count + index) * data.width;
    const step = data[side + "Steps"][layer][head];
    return Array.from(numbers.subarray(start, start + data.width), (number) => number * step);
  };
}

function update() {
  const { layer, head, token } = state;
  queryItems.forEach((item, index) => item.classList.toggle("selected", index === token));
  const allQueries = data.queries.map((_, index) => vectors.query(layer, head, index));
  const keys = data.keys.map((_, index) => vectors.key(layer, head, index));
  const query = allQueries[token];
  const products = keys.map((key) => key.map((number, neuron) => number * query[neuron]));
  const scores = products.map((row) => row.reduce((a, b) => a + b, 0) / Math.sqrt(data.width));
  const visible = keys.map((_, index) => mask[token * keys.length + index] === 1);
  const weights = computeSoftmax(scores, visible);
  const largest = getLargest([...allQueries, ...keys]);
  const largestProduct = getLargest(products);
  queryRow.name.textContent = `query: ${data.queries[token]}`;
  drawCells(queryRow.vector, query, largest);
  keyRows.forEach((row, index) => {
    drawCells(row.vector, keys[index], largest);
    drawCells(row.products, products[index], largestProduct);
    row.score.textContent = visible[index] ? scores[index].toFixed(3) : "masked";
    row.weight.textContent = weights[index].toFixed(3);
    row.weight.style.setProperty("--weight", weights[index]);
  });
}

// The weights of masked keys are 0, also if all keys are masked.
function computeSoftmax(scores, visible) {
  const largest = Math.max(...scores.filter((_, index) => visible[index]));
  const powers = scores.map((score, index) => (visible[index] ? Math.exp(score - largest) : 0));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => (sum > 0 ? power / sum : 0));
}

function getLargest(rows) {
  return Math.max(...rows.map((row) => Math.max(...row.map(Math.abs)))) || 1;
}

// Draw a number in each pixel: orange is -largest, white is 0, and blue is +largest.
function drawCells(canvas, numbers, largest) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(numbers.length, 1);
  numbers.forEach((number, index) => {
    const color = number < 0 ? [213, 94, 0] : [0, 114, 178];
    const strength = Math.abs(number) / largest;
    const pixel = color.map((channel) => 255 - strength * (255 - channel));
    image.data.set([...pixel, 255], 4 * index);
  });
  context.putImageData(image, 0, 0);
}

update();
