"""The pages of views work in a browser: lines, hovering, keys, heads, layers, dialogs."""

import numpy as np
import pytest

from keras_attention.visualize import head_view, model_view, neuron_view
from tests.visualize.browser import run_in_page

QUERIES = ["the", "<script>alert(1)</script>", "שלום", "a&amp;b", "</main>"]
KEYS = ["der", "alte", "Mann", "."]
# Functions of the scripts that run in the pages.
TOOLS = """
    const all = (selector) => [...document.querySelectorAll(selector)];
    const count = () => all("svg line").length;
    const send = (element, type, options = {}) =>
      element.dispatchEvent(new PointerEvent(type, { bubbles: true, ...options }));
    const press = (key) => document.activeElement.dispatchEvent(
      new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
    // A window without focus, which a headless one may be, sends no events of focus.
    const sendFocus = (element, type) => {
      if (!document.hasFocus()) {
        element.dispatchEvent(new FocusEvent(type, { bubbles: true }));
      }
    };
    const [queries, keys] = all("ol").map((list) => [...list.children]);
"""


def make_weights(*shape):
    """Return random weights, whose softmax leaves some of them below every threshold."""
    scores = np.exp(3 * np.random.default_rng(0).normal(size=shape))
    return scores / scores.sum(-1, keepdims=True)


def count_lines(weights, threshold):
    """Return the number of weights that get a line, in the steps of the page."""
    steps = np.round(255 * weights)
    return int(np.sum((steps >= 255 * threshold) & (steps > 0)))


def test_head_view(tmp_path):
    weights = make_weights(2, 3, 5, 4)
    view = head_view(list(weights), QUERIES, KEYS, layer=1, threshold=0.1)
    script = """
        const start = count();
        send(queries[1], "pointerover");
        const query = count();
        const shades = keys.map((key) => key.dataset.weight);
        send(queries[1].parentElement, "pointerleave");
        const left = count();
        send(keys[2], "pointerover");
        const key = count();
        send(keys[2].parentElement, "pointerleave");
        queries[0].focus();
        press("ArrowDown");
        sendFocus(document.activeElement, "focusin");
        const focused = [document.activeElement === queries[1], count(), queries[1].tabIndex];
        press("Escape");
        sendFocus(queries[1], "focusout");
        const unfocused = count();
        all("button.head")[0].click();
        const withoutHead = count();
        const pressed = all("button.head").map((button) => button.ariaPressed);
        const menu = document.querySelector("select");
        menu.selectedIndex = 0;
        menu.dispatchEvent(new Event("change"));
        const otherLayer = count();
        const slider = document.querySelector("input");
        slider.value = 0.5;
        slider.dispatchEvent(new Event("input"));
        const largeWeights = count();
        all("button")[3].click();
        const allHeads = count();
        all("button")[4].click();
        const noHeads = count();
        const texts = all("bdi").map((token) => token.textContent);
        const rightToLeft = all("bdi:dir(rtl)").map((token) => token.textContent);
        const bytes = Array.from(weightBytes);
        return { start, query, shades, left, key, focused, unfocused, withoutHead, pressed,
          otherLayer, largeWeights, allHeads, noHeads, texts, rightToLeft, bytes,
          scrolls: document.querySelector(".token-lines").scrollHeight > 700 };
    """
    results = run_in_page(view.page, TOOLS + script, tmp_path)
    drawn = weights[1]
    assert results["start"] == results["left"] == count_lines(drawn, 0.1) > 0
    assert results["query"] == count_lines(drawn[:, 1], 0.1) < results["start"]
    assert results["key"] == count_lines(drawn[:, :, 2], 0.1) < results["start"]
    shades = [float(shade) for shade in results["shades"]]
    np.testing.assert_allclose(shades, drawn[:, 1].mean(0), atol=0.5 / 255 + 0.005)
    assert results["focused"] == [True, results["query"], 0]
    assert results["unfocused"] == results["start"]
    assert results["withoutHead"] == count_lines(drawn[1:], 0.1) < results["start"]
    assert results["pressed"] == ["false", "true", "true"]
    assert results["otherLayer"] == count_lines(weights[0, 1:], 0.1)
    assert results["largeWeights"] == count_lines(weights[0, 1:], 0.5) < results["otherLayer"]
    assert results["allHeads"] == count_lines(weights[0], 0.5)
    assert results["noHeads"] == 0
    assert results["texts"] == QUERIES + KEYS
    assert results["rightToLeft"] == ["שלום"]
    assert not results["scrolls"]
    bytes_ = np.reshape(results["bytes"], weights.shape)
    np.testing.assert_allclose(bytes_ / 255, weights, atol=0.5001 / 255)


def test_model_view_opens_a_head(tmp_path):
    weights = make_weights(2, 3, 5, 4)
    script = """
        const buttons = all("button.matrix");
        const canvas = buttons[4].firstElementChild;
        const image = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
        const red = Array.from(image.data).filter((_, index) => index % 4 === 0);
        const dialog = document.querySelector("dialog");
        const closed = dialog.open;
        buttons[4].click();
        const opened = [dialog.open, dialog.querySelector("h1").textContent, count()];
        dialog.querySelector("button").click();
        return { size: [canvas.width, canvas.height], red, labels: buttons.map((b) => b.ariaLabel),
          closed, opened, closedAgain: dialog.open };
    """
    view = model_view({"encoder": weights[0], "decoder": weights[1]}, QUERIES, KEYS)
    results = run_in_page(view.page, TOOLS + script, tmp_path)
    assert results["size"] == [4, 5]
    red = np.reshape(results["red"], (5, 4))
    steps = np.round(255 * weights[1, 1])
    np.testing.assert_allclose(red, 255 - 247 * np.sqrt(steps / 255), atol=1)
    names = [f"{layer}, head {head}" for layer in ("encoder", "decoder") for head in range(3)]
    assert results["labels"] == names
    opened = [True, "decoder, head 1", count_lines(weights[1, 1], 0.01)]
    assert [results["closed"], results["opened"]] == [False, opened]
    assert results["closedAgain"] is False


def test_neuron_view_computes_the_scores_and_weights(tmp_path):
    rng = np.random.default_rng(1)
    query, key = rng.normal(size=(2, 4, 3, 8)), 5 * rng.normal(size=(2, 2, 3, 8))
    mask = np.tril(np.ones((3, 3), bool))
    view = neuron_view(list(query), list(key), ["a", "b", "c"], mask=mask, layer=1, head=3, token=1)
    script = """
        const read = () => all(".number").map((cell) => cell.textContent).slice(2);
        const start = read();
        send(queries[2], "pointerover");
        send(queries[2].parentElement, "pointerleave");
        const hovered = read();
        const menu = all("select")[1];
        menu.selectedIndex = 0;
        menu.dispatchEvent(new Event("change"));
        return { start, hovered, otherHead: read(), tokens: all("bdi").map((t) => t.textContent) };
    """
    results = run_in_page(view.page, TOOLS + script, tmp_path)
    for name, head, token in (("start", 3, 1), ("hovered", 3, 2), ("otherHead", 0, 2)):
        scores = key[1, head // 2] @ query[1, head, token] / np.sqrt(8)
        weights = np.where(mask[token], np.exp(scores - scores.max()), 0)
        cells = np.reshape(results[name], (3, 2))
        expected = [f"{s:.2f}" if m else "masked" for s, m in zip(scores, mask[token], strict=True)]
        rounded = [cell if cell == "masked" else f"{float(cell):.2f}" for cell in cells[:, 0]]
        for left, right in zip(rounded, expected, strict=True):
            assert left == right or abs(float(left) - float(right)) < 0.011
        np.testing.assert_allclose(cells[:, 1].astype(float), weights / weights.sum(), atol=1e-3)
    assert results["tokens"] == ["a", "b", "c", "query: c", "a", "b", "c"]


@pytest.mark.parametrize("count", [64, 65])
def test_more_than_64_tokens_scroll(count, tmp_path):
    tokens = [f"word{n}" for n in range(count)]
    script = """
        const frame = document.querySelector(".token-lines");
        return [frame.scrollHeight > frame.clientHeight, count()];
    """
    view = head_view(np.eye(count), tokens)
    assert run_in_page(view.page, TOOLS + script, tmp_path) == [count > 64, count]
