/* The gateway, asked over its API. */

const PATIENCE_MS = 15000;
const SILENCE_MS = 45000; // a stream gives a sign of life every quarter of a minute

export class RefusedError extends Error {}

export const clock = { aheadMs: 0 };

function headers(extra = {}) {
  const word = document.getElementById("token").value;
  return word ? { ...extra, Authorization: `Bearer ${word}` } : extra;
}

async function refusal(response) {
  const answer = await response.json().catch(() => null);
  return new RefusedError(answer?.error ?? `status ${response.status}`);
}

export async function ask(path, { method = "GET", body } = {}) {
  const type = body === undefined ? {} : { "Content-Type": "application/json" };
  const response = await fetch(path, {
    method,
    headers: headers(type),
    body: body === undefined ? undefined : JSON.stringify(body),
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  const date = Date.parse(response.headers.get("Date"));
  if (!Number.isNaN(date)) clock.aheadMs = date - Date.now();
  if (!response.ok && response.status !== 503) throw await refusal(response);
  const answer = await response.json();
  if (answer?.error) throw new RefusedError(answer.error);
  return answer;
}

/* What is on a line's screen, or nothing where it is still what the tag stands for. */
export async function picture(path, tag) {
  const response = await fetch(path, {
    headers: headers(tag ? { "If-None-Match": tag } : {}),
    cache: "no-store",
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  if (response.status === 304) return null;
  if (!response.ok) throw await refusal(response);
  const image = await createImageBitmap(await response.blob());
  return { tag: response.headers.get("ETag"), image };
}

/* Gives each event to `take`, until the stream ends or breaks. A stream rather than an
   EventSource: that cannot carry the token. */
export async function follow(path, take) {
  const giveUp = new AbortController();
  const response = await fetch(path, { headers: headers(), signal: giveUp.signal });
  if (!response.ok) throw await refusal(response);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const silence = setTimeout(() => giveUp.abort(), SILENCE_MS);
    const { value, done } = await reader.read().finally(() => clearTimeout(silence));
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) takeBlock(block, take);
  }
}

function takeBlock(block, take) {
  const fields = new Map(block.split("\n").map((line) => line.split(/: (.*)/s)));
  if (fields.has("id")) take(JSON.parse(fields.get("data")));
}
