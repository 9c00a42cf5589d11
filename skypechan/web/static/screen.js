/* The screen of a line's client: a picture, asked for as long as somebody looks, and a
   pointer and a keyboard for it. */

import { RefusedError, ask, picture } from "./gateway.js";

const PERIOD_MS = 1000;
const PAINTED_MS = 150; // until the client shows what a click or a key has changed
const LEFT = 1;
const MIDDLE = 2;
const RIGHT = 3;
const WHEEL_UP = 4;
const WHEEL_DOWN = 5;

const screens = new WeakMap();

/* Shows the box of a card if the line's screen may be had. */
export function showScreen(card, line) {
  const box = card.querySelector(".screen");
  box.hidden = !line.screen;
  if (line.screen && !screens.has(box)) screens.set(box, new Screen(box, line.name));
}

class Screen {
  #box;
  #canvas;
  #path;
  #tag = "";
  #timer = 0;
  #waiting = [];
  #isSending = false;

  constructor(box, line) {
    this.#box = box;
    this.#canvas = box.querySelector("canvas");
    this.#path = `/api/lines/${encodeURIComponent(line)}`;
    box.ontoggle = () => this.#lookIn(0);
    this.#attendPointer();
    this.#attendKeys();
  }

  #lookIn(delayMs) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#look(), delayMs);
  }

  async #look() {
    if (!this.#box.open || !this.#box.isConnected) return;
    const began = this.#timer;
    try {
      const seen = document.hidden ? null : await picture(`${this.#path}/screen`, this.#tag);
      if (seen) this.#show(seen);
      if (!this.#waiting.length) this.#tell("");
    } catch (error) {
      this.#tell(error.message, error);
    }
    if (this.#timer === began) this.#lookIn(PERIOD_MS);
  }

  #show({ tag, image }) {
    this.#tag = tag;
    this.#canvas.width = image.width;
    this.#canvas.height = image.height;
    this.#canvas.getContext("2d").drawImage(image, 0, 0);
  }

  #tell(sentence, error) {
    this.#box.querySelector("[data-field=trouble]").textContent = sentence;
    const token = document.getElementById("token");
    if (error instanceof RefusedError && !token.value) token.closest("details").open = true;
  }

  #attendPointer() {
    const canvas = this.#canvas;
    const form = this.#box.querySelector("[data-form=click]");
    const point = (event, button) => {
      event.preventDefault();
      const scale = canvas.width / canvas.clientWidth;
      const [x, y] = [event.offsetX, event.offsetY].map((at) => Math.floor(at * scale));
      if (x < 0 || y < 0 || x >= canvas.width || y >= canvas.height) return;
      form.x.value = x;
      form.y.value = y;
      this.#send("click", { x, y, button });
    };
    canvas.onclick = (event) => point(event, LEFT);
    canvas.oncontextmenu = (event) => point(event, RIGHT);
    canvas.onauxclick = (event) => event.button === 1 && point(event, MIDDLE);
    canvas.onwheel = (event) => point(event, event.deltaY < 0 ? WHEEL_UP : WHEEL_DOWN);
    form.onsubmit = (event) => {
      event.preventDefault();
      this.#send("click", { x: Number(form.x.value), y: Number(form.y.value), button: LEFT });
    };
  }

  #attendKeys() {
    const keys = this.#box.querySelectorAll("[data-key]");
    for (const button of keys) button.onclick = () => this.#send("press", { key: button.dataset.key });
    const form = this.#box.querySelector("[data-form=type]");
    form.onsubmit = (event) => {
      event.preventDefault();
      this.#send("type", { text: form.text.value });
      form.text.value = "";
    };
    this.#canvas.onkeydown = (event) => this.#key(event);
  }

  #key(event) {
    const isChord = event.ctrlKey || event.altKey || event.metaKey;
    if (event.isComposing || (isChord && !event.getModifierState("AltGraph"))) return;
    if (event.key === "Escape") this.#box.querySelector("summary").focus();
    else if ([...event.key].length === 1) this.#send("type", { text: event.key });
    else if (PRESSED.has(event.key)) this.#send("press", { key: event.key });
    else return;
    event.preventDefault();
  }

  /* One after the other: keys that overtake each other would be another word. */
  async #send(action, body) {
    const last = this.#waiting.at(-1);
    if (action === "type" && last?.action === "type") last.body.text += body.text;
    else this.#waiting.push({ action, body });
    if (this.#isSending) return;
    this.#isSending = true;
    while (this.#waiting.length) await this.#sendNext();
    this.#isSending = false;
    this.#lookIn(PAINTED_MS);
  }

  async #sendNext() {
    const { action, body } = this.#waiting.shift();
    try {
      await ask(`${this.#path}/${action}`, { method: "POST", body });
    } catch (error) {
      this.#waiting = []; // what follows was meant for what this would have done
      this.#tell(`Could not ${action}: ${error.message}`, error);
    }
  }
}

const PRESSED = new Set([
  "Enter", "Tab", "Backspace", "Delete", "Insert", "Home", "End", "PageUp", "PageDown",
  "ArrowLeft", "ArrowUp", "ArrowRight", "ArrowDown",
]);
