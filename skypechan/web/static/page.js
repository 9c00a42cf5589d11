"use strict";

/* Asks the API each second and shows the answer. Names and reasons are written by
   strangers: they only ever become text, never markup. */

const PERIOD_MS = 1000;
const PATIENCE_MS = 4000;
const FLOOR_DBFS = -100;
const SHOWN_RECORDS = 50;
const RECORD_TIME = { dateStyle: "short", timeStyle: "medium" };
const GOOD = new Set(["ready", "up", "established", "ANSWER"]);
const BAD = new Set(["refused", "signed_out", "stopped", "CHANUNAVAIL", "CONGESTION"]);

class RefusedError extends Error {}

const byId = (id) => document.getElementById(id);
let serverAheadMs = 0;

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function fill(node, texts) {
  for (const [field, text] of Object.entries(texts)) {
    setText(node.querySelector(`[data-field="${field}"]`), text ?? "");
  }
}

function paint(node, state) {
  node.classList.toggle("good", GOOD.has(state));
  node.classList.toggle("bad", BAD.has(state));
}

/* Keeps one child per key, so that focus and a screen reader stay where they are;
   focus in a child that goes away moves to the list. */
function sync(listId, templateId, items, keyOf, update) {
  const list = byId(listId);
  const keys = new Set(items.map(keyOf));
  for (const child of [...list.children]) {
    if (keys.has(child.dataset.key)) continue;
    if (child.contains(document.activeElement)) list.focus();
    child.remove();
  }
  const known = new Map([...list.children].map((child) => [child.dataset.key, child]));
  items.forEach((item, place) => {
    const key = keyOf(item);
    const child = known.get(key) ?? clone(templateId, key);
    known.delete(key);
    update(child, item);
    if (list.children[place] !== child) list.insertBefore(child, list.children[place]);
  });
  while (list.children.length > items.length) list.lastElementChild.remove();
}

function clone(templateId, key) {
  const child = byId(templateId).content.firstElementChild.cloneNode(true);
  child.dataset.key = key;
  return child;
}

function duration(fromMs, toMs) {
  const seconds = Math.max(0, Math.floor((toMs - fromMs) / 1000));
  const two = (number) => String(number % 60).padStart(2, "0");
  const days = Math.floor(seconds / 86400);
  if (days) return `${days} d ${Math.floor(seconds / 3600) % 24} h`;
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(seconds / 3600);
  return hours ? `${hours}:${two(minutes)}:${two(seconds)}` : `${minutes}:${two(seconds)}`;
}

function nowMs() {
  return Date.now() + serverAheadMs;
}

const words = (name) => name.replaceAll("_", " ");
const named = (call) => call.caller_name || call.caller || "unknown";

function showReadiness(sentence, isGood, reasons) {
  const state = byId("ready");
  setText(state, sentence);
  state.classList.toggle("good", isGood);
  state.classList.toggle("bad", !isGood);
  sync("reasons", "reason", reasons, (text) => text, setText);
}

function showLine(card, line) {
  fill(card, {
    name: line.name,
    state: words(line.state),
    since: duration(Date.parse(line.since), nowMs()),
    reason: line.reason,
    account: line.account,
    total: `${line.calls_total} ${line.calls_total === 1 ? "call" : "calls"}`,
  });
  paint(card.querySelector(".state"), line.state);
}

function showCall(card, call) {
  const began = Date.parse(call.placed);
  const held = call.held_by.length ? `, held by ${call.held_by.join(" and ")}` : "";
  fill(card, {
    from: named(call),
    to: call.address,
    whom: named(call),
    state: words(call.state) + held,
    lasts: duration(Date.parse(call.answered ?? call.placed), nowMs()),
    line: call.line,
  });
  paint(card.querySelector(".state"), call.state);
  for (const step of card.querySelectorAll("[data-step]")) {
    const name = step.dataset.step;
    step.classList.toggle("done", Boolean(call[name]));
    fill(step, { [name]: call[name] ? sinceBegan(name, began, call[name]) : "" });
  }
  for (const row of card.querySelectorAll("[data-way]")) {
    showMedia(row, row.dataset.way, call.media?.[row.dataset.way]);
  }
  card.querySelector("button").onclick = () => hangUp(card, call.call);
}

function sinceBegan(step, began, at) {
  if (step === "placed") return new Date(at).toLocaleTimeString();
  return `+${((Date.parse(at) - began) / 1000).toFixed(1)} s`;
}

function showMedia(row, way, figures) {
  row.hidden = !figures;
  if (!figures) return;
  const level = figures.level.level_dbfs;
  const isSilent = level === null || level <= FLOOR_DBFS;
  row.querySelector("meter").value = isSilent ? FLOOR_DBFS : level;
  fill(row, {
    [way]: `${isSilent ? "silence" : `${level} dBFS`}, gaps ${figures.gaps}, dropped ${figures.dropped}`,
  });
}

function showRecord(row, record) {
  const talked = record.answered
    ? duration(Date.parse(record.answered), Date.parse(record.ended))
    : "–";
  fill(row, {
    ended: record.ended ? new Date(record.ended).toLocaleString([], RECORD_TIME) : "",
    from: named(record),
    to: record.address,
    status: record.status,
    talked,
    reason: record.reason,
  });
  paint(row.querySelector(".state"), record.status);
}

function notify(sentence) {
  const notice = byId("notice");
  setText(notice, sentence);
  notice.hidden = !sentence;
}

async function ask(path, options = {}) {
  const word = byId("token").value;
  const response = await fetch(path, {
    ...options,
    headers: word ? { Authorization: `Bearer ${word}` } : {},
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  const date = Date.parse(response.headers.get("Date"));
  if (!Number.isNaN(date)) serverAheadMs = date - Date.now();
  const answer = await response.json();
  if (answer?.error) throw new RefusedError(answer.error);
  return answer;
}

/* A button that is disabled would lose the focus, so it only says that it is. */
async function hangUp(card, call) {
  const button = card.querySelector("button");
  if (button.ariaDisabled === "true") return;
  button.ariaDisabled = "true";
  try {
    await ask(`/api/calls/${encodeURIComponent(call)}`, { method: "DELETE" });
    notify("");
  } catch (error) {
    button.ariaDisabled = "false";
    if (error instanceof RefusedError) byId("token-box").open = true;
    notify(`Could not hang up: ${error.message}`);
  }
}

let shownRecords = [];

/* Old records do not change: only what is new is asked for. */
async function newRecords() {
  const last = shownRecords.at(-1)?.call ?? "";
  const query = new URLSearchParams({ limit: SHOWN_RECORDS, after: last });
  return ask(`/api/records?${query}`);
}

async function refresh() {
  const [status, records] = await Promise.all([ask("/api/status"), newRecords()]);
  showReadiness(status.ready ? "Ready for calls" : "Not ready", status.ready, status.reasons);
  sync("lines", "line", status.lines, (line) => line.name, showLine);
  sync("calls", "call", status.calls, (call) => call.call, showCall);
  byId("no-calls").hidden = status.calls.length > 0;
  if (records.length === 0) return;
  shownRecords = [...shownRecords, ...records].slice(-SHOWN_RECORDS);
  sync("records", "record", [...shownRecords].reverse(), (record) => record.call, showRecord);
  byId("no-records").hidden = true;
}

let isShown = true;

function showLoss(error) {
  const isRefused = error instanceof RefusedError;
  showReadiness(isRefused ? "Not allowed" : "No answer", false, []);
  const sentence = "The gateway does not answer; below is what it said last.";
  notify(isRefused ? error.message : sentence);
  if (isRefused) byId("token-box").open = true;
}

async function live() {
  if (!document.hidden) {
    try {
      await refresh();
      if (!isShown) notify("");
      isShown = true;
    } catch (error) {
      isShown = false;
      showLoss(error);
    }
  }
  setTimeout(live, PERIOD_MS);
}

live();
