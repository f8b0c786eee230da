// The command palette: screens, records and acts in one box, by the same permission rule as the navigation.
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { get, params, post } from "../api";
import { lang, setLang, t, word } from "../i18n";
import { allowed, routes } from "../routes";
import { can, density, go, open, setDensity, setTheme, theme } from "../state";
import type { OrderSummary, Page, ProductSummary, Variant } from "../types";
import { Icon, type IconName } from "./icons";
import { who } from "./order";
import { signOut } from "./shell";

interface Item {
  id: string;
  icon: IconName;
  text: string;
  more?: string;
  keys?: string;
  run: () => void;
}

function commands(): Item[] {
  const screens = routes
    .filter((it) => it.nav && allowed(it))
    .map((it): Item => ({ id: it.path, icon: it.nav!.icon, text: t(it.title), keys: `g ${it.nav!.key}`, run: () => go(it.path) }));
  const acts: Item[] = [
    {
      id: "theme",
      icon: theme.value === "dark" ? "sun" : "moon",
      text: t(theme.value === "dark" ? "act.light" : "act.dark"),
      run: () => setTheme(theme.value === "dark" ? "light" : "dark"),
    },
    {
      id: "density",
      icon: "rows",
      text: t(density.value === "compact" ? "act.comfortable" : "act.compact"),
      run: () => setDensity(density.value === "compact" ? "comfortable" : "compact"),
    },
    {
      id: "lang",
      icon: "system",
      text: t(lang.value === "en" ? "act.german" : "act.english"),
      run: () => void setLang(lang.value === "en" ? "de" : "en"),
    },
    { id: "help", icon: "menu", text: t("help.title"), keys: "?", run: () => (open.value = "help") },
    { id: "out", icon: "out", text: t("act.signOut"), run: () => void signOut() },
  ];
  if (can("job.write")) {
    acts.unshift({
      id: "retry",
      icon: "jobs",
      text: t("dead.retryAll"),
      run: () => void post("/jobs/dead-letters/retry").then(() => go("/admin/jobs")),
    });
  }
  return [...screens, ...acts];
}

async function records(q: string, signal: AbortSignal): Promise<Item[]> {
  const ask = async <T,>(permission: string, path: string, item: (row: T) => Item): Promise<Item[]> => {
    if (!can(permission)) return [];
    try {
      return (await get<Page<T>>(path + params({ q, limit: 5 }), signal)).data.slice(0, 5).map(item);
    } catch {
      return [];
    }
  };
  const found = await Promise.all([
    ask<OrderSummary>("order.read", "/orders", (it) => ({
      id: it.id,
      icon: "orders",
      text: `${t("order.title", { number: it.number })}`,
      more: [who(it), word("stock_status", it.stock_status)].filter(Boolean).join(" · "),
      run: () => go(`/admin/orders/${it.id}`),
    })),
    ask<Variant>("inventory.read", "/variants", (it) => ({
      id: it.id,
      icon: "stock",
      text: it.sku,
      more: `${it.product_title} ${it.title}`,
      run: () => go(`/admin/stock/${it.id}`),
    })),
    ask<ProductSummary>("product.read", "/products", (it) => ({
      id: it.id,
      icon: "products",
      text: it.title,
      more: it.vendor ?? "",
      run: () => go(`/admin/products/${it.id}`),
    })),
  ]);
  return found.flat();
}

export function Palette() {
  const [text, setText] = useState("");
  const [found, setFound] = useState<Item[]>([]);
  const [at, setAt] = useState(0);
  const dialog = useRef<HTMLDialogElement>(null);
  const close = () => (open.value = "none");
  // In the layout phase: the next key that is typed must already land in the box.
  useLayoutEffect(() => {
    const box = dialog.current;
    box?.showModal();
    // Closing gives the focus back to where it was; taking an open dialog away does not. A command that navigates moves it on.
    return () => box?.close();
  }, []);
  useEffect(() => {
    const q = text.trim();
    if (q.length < 2) {
      setFound([]);
      return;
    }
    const abort = new AbortController();
    const timer = setTimeout(() => void records(q, abort.signal).then((it) => !abort.signal.aborted && setFound(it)), 120);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [text]);
  const needle = text.trim().toLowerCase();
  const items = [...commands().filter((it) => it.text.toLowerCase().includes(needle)), ...found];
  const chosen = Math.min(at, items.length - 1);
  const run = (item: Item | undefined) => {
    if (!item) return;
    close();
    item.run();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const move = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (move) {
      event.preventDefault();
      const next = (chosen + move + items.length) % items.length;
      setAt(next);
      document.getElementById(`palette-${next}`)?.scrollIntoView({ block: "nearest" });
    } else if (event.key === "Enter") {
      event.preventDefault();
      run(items[chosen]);
    }
  };
  return (
    <dialog
      ref={dialog}
      class="palette"
      aria-label={t("palette.title")}
      onCancel={(event) => {
        event.preventDefault();
        close();
      }}
      onClick={(event) => event.target === dialog.current && close()}
    >
      <div class="palette-box">
        <div class="palette-input">
          <Icon name="search" />
          <input
            role="combobox"
            aria-expanded="true"
            aria-controls="palette-list"
            aria-activedescendant={chosen >= 0 ? `palette-${chosen}` : undefined}
            aria-label={t("palette.title")}
            placeholder={t("palette.hint")}
            value={text}
            onInput={(event) => {
              setText(event.currentTarget.value);
              setAt(0);
            }}
            onKeyDown={onKeyDown}
          />
          <kbd>Esc</kbd>
        </div>
        <ul id="palette-list" role="listbox" aria-label={t("palette.title")}>
          {items.map((it, index) => (
            <li
              key={it.id}
              id={`palette-${index}`}
              role="option"
              aria-selected={index === chosen}
              onMouseMove={() => setAt(index)}
              onClick={() => run(it)}
            >
              <Icon name={it.icon} />
              <span>{it.text}</span>
              {it.more && <span class="faint">{it.more}</span>}
              {it.keys && <kbd>{it.keys}</kbd>}
            </li>
          ))}
        </ul>
        {items.length === 0 && <p class="palette-none">{t("palette.none", { text })}</p>}
      </div>
    </dialog>
  );
}
