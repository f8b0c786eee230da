// The live stream: one connection per visible tab, resumed by the last event id, so that nothing is missed and nothing is polled.
import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { session } from "./state";
import type { LiveEvent } from "./types";

export type Line = "on" | "connecting" | "off";
export const line = signal<Line>("connecting");

type Listener = (event: LiveEvent | null) => void;
const listeners = new Set<Listener>();
let lastId = "";
let current: AbortController | null = null;

function deliver(event: LiveEvent | null) {
  for (const it of listeners) it(event);
}

function block(text: string) {
  let data = "";
  for (const row of text.split(/\r\n|\n|\r/)) {
    const colon = row.indexOf(":");
    if (colon <= 0) continue;
    const field = row.slice(0, colon);
    const value = row.slice(colon + 1).replace(/^ /, "");
    if (field === "id") lastId = value;
    if (field === "data") data += (data && "\n") + value;
  }
  if (!data) return;
  try {
    deliver(JSON.parse(data) as LiveEvent);
  } catch {
    // Not ours to read; the next one may be.
  }
}

async function listen(abort: AbortController) {
  // fetch and not EventSource: that one gives up for good on a 503 and cannot be told where to resume.
  const headers: Record<string, string> = { Accept: "text/event-stream" };
  if (lastId) headers["Last-Event-ID"] = lastId;
  const response = await fetch("/api/v1/events", { headers, signal: abort.signal, cache: "no-store" });
  if (!response.ok || !response.body) throw new Error(String(response.status));
  line.value = "on";
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let kept = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    kept += value;
    const parts = kept.split(/\r\n\r\n|\n\n|\r\r/);
    kept = parts.pop() ?? "";
    for (const it of parts) block(it);
  }
}

async function run(abort: AbortController) {
  let wait = 500;
  let again = false;
  while (!abort.signal.aborted) {
    try {
      // What was missed while the line was down may be more than the server replays: every page reads once more.
      if (again) deliver(null);
      await listen(abort);
      wait = 500;
    } catch {
      if (abort.signal.aborted) return;
      wait = Math.min(wait * 2, 15_000);
    }
    if (abort.signal.aborted) return;
    line.value = wait > 1000 ? "off" : "connecting";
    again = true;
    await new Promise((done) => setTimeout(done, wait));
  }
}

function start() {
  if (current || document.hidden || !session.value) return;
  current = new AbortController();
  void run(current);
}
function stop() {
  current?.abort();
  current = null;
}

/** Follows the session and the tab's visibility: browsers allow few connections per host, a hidden tab needs none. */
export function keepLive() {
  session.subscribe((it) => (it ? start() : stop()));
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) stop();
    else {
      start();
      deliver(null);
    }
  });
}

/** Calls back, at most every 300 ms, when something of the named kinds (`order`, `job`, …) changed, or one certain record. */
export function useLive(topics: readonly string[], changed: () => void, id?: string) {
  const callback = useRef(changed);
  callback.current = changed;
  const key = topics.join(" ");
  useEffect(() => {
    if (!key) return;
    const wanted = key.split(" ");
    let timer = 0;
    const listener: Listener = (event) => {
      const ours = !event || event.entity_id === id || wanted.some((it) => event.entity === it || event.type.startsWith(`${it}.`));
      if (!ours || timer) return;
      timer = setTimeout(() => {
        timer = 0;
        callback.current();
      }, 300);
    };
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
      clearTimeout(timer);
    };
  }, [key, id]);
}
