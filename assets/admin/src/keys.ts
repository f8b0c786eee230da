// Keys for people who keep their hands on them. Single keys never fire in fields or dialogs and can be switched off (WCAG 2.1.4).
import { allowed, routes } from "./routes";
import { go, open, shortcuts } from "./state";

let pending = 0;

function typing(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName));
}
function step(by: 1 | -1) {
  const links = [...document.querySelectorAll<HTMLElement>("main .row-link")];
  const at = links.indexOf(document.activeElement as HTMLElement);
  const next = links[at < 0 ? (by > 0 ? 0 : links.length - 1) : Math.min(links.length - 1, Math.max(0, at + by))];
  next?.focus();
  next?.closest("tr")?.scrollIntoView({ block: "nearest" });
}

export function onKey(event: KeyboardEvent) {
  if (event.defaultPrevented) return;
  const command = event.metaKey || event.ctrlKey;
  if (command && !event.altKey && event.key.toLowerCase() === "k") {
    event.preventDefault();
    open.value = open.value === "palette" ? "none" : "palette";
    return;
  }
  if (command || event.altKey || shortcuts.value === "off" || typing(event.target) || document.querySelector("dialog[open]")) return;
  const wasPending = Date.now() - pending < 1200;
  pending = 0;
  if (wasPending) {
    const route = routes.find((it) => it.nav?.key === event.key && allowed(it));
    if (route) {
      event.preventDefault();
      go(route.path);
    }
    return;
  }
  const acts: Record<string, () => void> = {
    g: () => (pending = Date.now()),
    j: () => step(1),
    k: () => step(-1),
    "?": () => (open.value = "help"),
    "/": () => {
      const box = document.querySelector<HTMLInputElement>("main [data-search]");
      if (box) box.select();
      else open.value = "palette";
      box?.focus();
    },
  };
  const act = acts[event.key];
  if (act) {
    event.preventDefault();
    act();
  }
}

/** After an act took its own row away: keep the keyboard in the list, not at the top of the page. */
export function keepFocus() {
  requestAnimationFrame(() => {
    if (document.activeElement !== document.body) return;
    (document.querySelector<HTMLElement>("main .row-link") ?? document.querySelector<HTMLElement>("main h1"))?.focus();
  });
}
