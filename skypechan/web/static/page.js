/* Asks the API each second and follows its events. Names, reasons and messages are
   written by strangers: they only ever become text, never markup. */

import { RefusedError, ask, clock, follow } from "./gateway.js";
import { showScreen } from "./screen.js";

const PERIOD_MS = 1000;
const AGAIN_MS = 2000;
const FLOOR_DBFS = -100;
const SHOWN_RECORDS = 50;
const SHOWN_MESSAGES = 50;
const SHOWN_ENTRIES = 200;
const DAY_AND_TIME = { dateStyle: "short", timeStyle: "medium" };
const GOOD = new Set(["ready", "up", "established", "ANSWER"]);
const BAD = new Set(["refused", "signed_out", "stopped", "CHANUNAVAIL", "CONGESTION"]);

const byId = (id) => document.getElementById(id);
const words = (name) => name.replaceAll("_", " ");
const named = (call) => call.caller_name || call.caller || "unknown";
const nowMs = () => Date.now() + clock.aheadMs;
const dayAndTime = (moment) => new Date(moment).toLocaleString([], DAY_AND_TIME);
const signed = (number) => `${number > 0 ? "+" : ""}${number}`;

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

/* What is done. */

function notify(sentence) {
  const notice = byId("notice");
  setText(notice, sentence);
  notice.hidden = !sentence;
}

/* A button that is disabled would lose the focus, so it only says that it is. */
async function act(button, what, path, options) {
  if (button.ariaDisabled === "true") return false;
  button.ariaDisabled = "true";
  try {
    await ask(path, options);
    notify("");
    return true;
  } catch (error) {
    if (error instanceof RefusedError && !byId("token").value) byId("token-box").open = true;
    notify(`Could not ${what}: ${error.message}`);
    return false;
  } finally {
    button.ariaDisabled = "false";
  }
}

const post = (body = {}) => ({ method: "POST", body });
const linePath = (line, action) => `/api/lines/${encodeURIComponent(line)}/${action}`;
const callPath = (call, action = "") => `/api/calls/${encodeURIComponent(call)}${action}`;

function onPress(node, name, press) {
  const button = node.querySelector(name ? `[data-act="${name}"]` : "button");
  button.onclick = () => press(button);
  return button;
}

function onSubmit(form, send) {
  form.onsubmit = (event) => {
    event.preventDefault();
    send(form.querySelector("button"), Object.fromEntries(new FormData(form)));
  };
}

/* What is shown. */

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
    whom: line.name,
    state: words(line.state),
    since: duration(Date.parse(line.since), nowMs()),
    reason: line.reason,
    isolation: isolation(line),
    account: line.account,
    total: `${line.calls_total} ${line.calls_total === 1 ? "call" : "calls"}`,
    gains: `gain ${signed(line.playback_db)} dB to it, ${signed(line.capture_db)} dB from it`,
  });
  paint(card.querySelector(".state"), line.state);
  const walls = card.querySelector('[data-field="isolation"]');
  walls.classList.toggle("bad", Boolean(line.isolation_reason));
  for (const name of ["pause", "resume", "restart"]) {
    const what = `${name} ${line.name}`;
    onPress(card, name, (button) => act(button, what, linePath(line.name, name), post()));
  }
  showGains(card, line);
  showScreen(card, line);
}

/* How the client is kept apart, and why no better, where the gateway starts it. */
function isolation(line) {
  const level = line.isolation && `client's isolation: ${line.isolation}`;
  return line.isolation_reason ? `${level}, ${line.isolation_reason}` : level;
}

/* What is being typed is not overwritten. */
function showGains(card, line) {
  const form = card.querySelector("form");
  if (!form.contains(document.activeElement)) {
    form.playback_db.value = line.playback_db;
    form.capture_db.value = line.capture_db;
  }
  onSubmit(form, (button, given) => {
    const body = { playback_db: Number(given.playback_db), capture_db: Number(given.capture_db) };
    act(button, "set the gains", linePath(line.name, "gain"), post(body));
  });
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
  paint(card.querySelector(".state"), held ? "held" : call.state);
  for (const step of card.querySelectorAll("[data-step]")) {
    const name = step.dataset.step;
    step.classList.toggle("done", Boolean(call[name]));
    fill(step, { [name]: call[name] ? sinceBegan(name, began, call[name]) : "" });
  }
  for (const row of card.querySelectorAll("[data-way]")) {
    showMedia(row, row.dataset.way, call.media?.[row.dataset.way]);
  }
  for (const name of ["hold", "resume"]) {
    const path = callPath(call.call, `/${name}`);
    const button = onPress(card, name, () => act(button, name, path, post()));
    button.hidden = call.state !== "established";
  }
  const end = { method: "DELETE" };
  onPress(card, "hangup", (button) => act(button, "hang up", callPath(call.call), end));
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
  const told = [
    isSilent ? "silence" : `${level.toFixed(1)} dBFS`,
    `delay ${(figures.delay_ms ?? 0).toFixed(0)} ms`,
    `drift ${signed(Math.round(figures.drift_ppm ?? 0))} ppm`,
    `gaps ${figures.gaps}`,
    `late ${figures.late}`,
    `dropped ${figures.dropped}`,
  ];
  fill(row, { [way]: told.join(", ") });
}

function showRecord(row, record) {
  const talked = record.answered
    ? duration(Date.parse(record.answered), Date.parse(record.ended))
    : "–";
  fill(row, {
    ended: record.ended ? dayAndTime(record.ended) : "",
    from: named(record),
    to: record.address,
    status: record.status,
    talked,
    reason: record.reason,
  });
  paint(row.querySelector(".state"), record.status);
}

function showRequest(row, request) {
  const { line, who, text } = request;
  fill(row, { who, whom: who, line, text, asked: dayAndTime(request.asked) });
  for (const name of ["accept", "refuse"]) {
    const path = linePath(line, name);
    onPress(row, name, async (button) => {
      if (await act(button, `${name} ${who}`, path, post({ who }))) isStale.people = true;
    });
  }
}

function showMessage(row, message) {
  const { line, sender, text } = message;
  const isNamed = message.sender_name && message.sender_name !== sender;
  fill(row, {
    from: isNamed ? `${message.sender_name} (${sender})` : sender,
    whom: sender,
    line,
    text,
    received: dayAndTime(message.received),
  });
  onPress(row, "", () => answerTo(line, sender));
}

function answerTo(line, address) {
  const form = byId("message-form");
  byId("message-box").open = true;
  form.line.value = line;
  form.address.value = address;
  form.text.focus();
}

function showEntry(row, entry) {
  fill(row, {
    time: new Date(entry.time).toLocaleTimeString(),
    kind: words(entry.kind),
    about: [entry.line, entry.call.slice(0, 8)].filter(Boolean).join(" "),
    text: entry.text,
  });
  row.classList.toggle("bad", entry.kind === "log");
}

/* What is known: all of it at first, then what an event says is another. */

const isStale = { records: true, people: true };
let isFollowing = false;
let records = [];
let entries = [];

async function refreshRecords() {
  const last = records.at(-1)?.call ?? "";
  const query = new URLSearchParams({ limit: SHOWN_RECORDS, after: last });
  const news = await ask(`/api/records?${query}`);
  records = [...records, ...news].slice(-SHOWN_RECORDS);
  sync("records", "record", [...records].reverse(), (record) => record.call, showRecord);
  byId("no-records").hidden = records.length > 0;
}

async function refreshPeople() {
  const query = new URLSearchParams({ limit: SHOWN_MESSAGES });
  const [messages, requests] = await Promise.all([
    ask(`/api/messages?${query}`),
    ask("/api/contact-requests"),
  ]);
  const messageKey = (message) => `${message.line} ${message.received} ${message.sender}`;
  const requestKey = (request) => `${request.line} ${request.who}`;
  sync("messages", "message", messages.reverse(), messageKey, showMessage);
  sync("requests", "request", requests, requestKey, showRequest);
  byId("no-messages").hidden = messages.length > 0;
  byId("no-requests").hidden = requests.length > 0;
}

async function refresh() {
  const status = await ask("/api/status");
  showReadiness(status.ready ? "Ready for calls" : "Not ready", status.ready, status.reasons);
  sync("lines", "line", status.lines, (line) => line.name, showLine);
  sync("calls", "call", status.calls, (call) => call.call, showCall);
  byId("no-calls").hidden = status.calls.length > 0;
  for (const [name, fetchNew] of [["records", refreshRecords], ["people", refreshPeople]]) {
    if (!isStale[name]) continue;
    isStale[name] = !isFollowing; // before asking: what comes meanwhile is not missed
    await fetchNew();
  }
}

let isShown = true;

function showLoss(error) {
  const isRefused = error instanceof RefusedError;
  showReadiness(isRefused ? "Not allowed" : "No answer", false, []);
  const sentence = "The gateway does not answer; below is what it said last.";
  notify(isRefused ? error.message : sentence);
  if (isRefused) byId("token-box").open = true;
  isStale.records = isStale.people = true;
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

function takeEntry(entry) {
  entries = [entry, ...entries].slice(0, SHOWN_ENTRIES);
  sync("log", "entry", entries, (one) => String(one.number), showEntry);
  byId("no-log").hidden = true;
  if (entry.kind === "record") isStale.records = true;
  if (["message", "contact_request", "operator"].includes(entry.kind)) isStale.people = true;
}

async function listen() {
  const newest = entries[0]?.number;
  const query = newest === undefined ? `last=${SHOWN_ENTRIES}` : `after=${newest}`;
  try {
    isFollowing = true;
    await follow(`/api/events?${query}`, takeEntry);
  } catch {
    // Whether the gateway answers at all is told by the other questions.
  }
  isFollowing = false;
  isStale.records = isStale.people = true;
  setTimeout(listen, AGAIN_MS);
}

onSubmit(byId("call-form"), async (button, given) => {
  if (!given.to) delete given.to;
  await act(button, `call ${given.address}`, "/api/calls", post(given));
});
onSubmit(byId("message-form"), async (button, { line, address, text }) => {
  const body = post({ address, text });
  if (await act(button, `write to ${address}`, linePath(line, "message"), body)) {
    byId("message-form").text.value = "";
  }
});

live();
listen();
