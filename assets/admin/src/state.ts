// What the whole app shares: place, session, preferences, toasts. Signals, so that only what reads them is drawn again.
import { signal } from "@preact/signals";
import type { Session } from "./types";

export const path = signal(location.pathname);
export const query = signal(new URLSearchParams(location.search));
export const session = signal<Session | null>(null);

/** Where the browser lets us, a preference outlives the tab. */
function stored<T extends string>(key: string, allowed: readonly T[], fallback: T) {
  const name = `bodega.${key}`;
  let first = fallback;
  try {
    const kept = localStorage.getItem(name) as T | null;
    if (kept && allowed.includes(kept)) first = kept;
  } catch {
    // Storage is switched off: the fallback holds for this tab.
  }
  const it = signal<T>(first);
  const set = (value: T) => {
    it.value = value;
    try {
      localStorage.setItem(name, value);
    } catch {
      // As above.
    }
  };
  return [it, set] as const;
}
export const [theme, setTheme] = stored("theme", ["system", "light", "dark"] as const, "system");
export const [density, setDensity] = stored("density", ["comfortable", "compact"] as const, "comfortable");
export const [shortcuts, setShortcuts] = stored("shortcuts", ["on", "off"] as const, "on");

/** The clock that relative times are drawn by. */
export const now = signal(Date.now());
setInterval(() => (now.value = Date.now()), 20_000);

export const can = (permission: string | undefined) => !permission || !!session.value?.permissions.includes(permission);

function arrive(url: URL) {
  query.value = url.searchParams;
  path.value = url.pathname;
}
/** Goes to an address of the admin without loading the page again. */
export function go(to: string, replace = false) {
  const url = new URL(to, location.href);
  if (replace) history.replaceState(null, "", url);
  else history.pushState(null, "", url);
  const moved = url.pathname !== path.value;
  arrive(url);
  if (moved) scrollTo(0, 0);
}
addEventListener("popstate", () => arrive(new URL(location.href)));

/** Changes filters in the address: null and "" take one away. A filter is no step of its own in the history. */
export function setQuery(patch: Record<string, string | null>) {
  const next = new URLSearchParams(query.value);
  for (const [key, value] of Object.entries(patch)) {
    if (value) next.set(key, value);
    else next.delete(key);
  }
  const text = next.toString();
  go(path.value + (text ? `?${text}` : ""), true);
}

export interface Toast {
  id: number;
  text: string;
  tone: "good" | "bad";
  requestId?: string | undefined;
  undo?: (() => void) | undefined;
}
export const toasts = signal<Toast[]>([]);
let lastToast = 0;
export function toast(text: string, more: Omit<Partial<Toast>, "id" | "text"> = {}) {
  toasts.value = [...toasts.value.slice(-2), { tone: "good", ...more, id: ++lastToast, text }];
}
export const closeToast = (id: number) => (toasts.value = toasts.value.filter((it) => it.id !== id));

/** Which of the app's own windows stands open. */
export const open = signal<"none" | "palette" | "help" | "menu">("none");
