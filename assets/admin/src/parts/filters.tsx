// Filters live in the address: a copied link shows the same list.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { t } from "../i18n";
import { path, query, setQuery } from "../state";
import { Icon } from "./icons";

export const Filters = ({ children }: { children: ComponentChildren }) => (
  <div class="filters" role="search">
    {children}
  </div>
);

/** Searches while typing, a moment after the last key. */
export function SearchBox({ label, name = "q" }: { label: string; name?: string }) {
  const kept = query.value.get(name) ?? "";
  const [text, setText] = useState(kept);
  const timer = useRef(0);
  useEffect(() => {
    if (!timer.current) setText(kept);
  }, [kept]);
  useEffect(() => () => clearTimeout(timer.current), []);
  const input = (value: string) => {
    setText(value);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => {
      timer.current = 0;
      setQuery({ [name]: value.trim() });
    }, 200);
  };
  return (
    <label class="search-box">
      <span class="sr-only">{label}</span>
      <Icon name="search" size={16} />
      <input type="search" data-search placeholder={label} value={text} onInput={(event) => input(event.currentTarget.value)} />
    </label>
  );
}

export function Choice({ label, name, options }: { label: string; name: string; options: [value: string, text: string][] }) {
  return (
    <label class="choice">
      <span class="sr-only">{label}</span>
      <select
        class={query.value.get(name) ? "set" : ""}
        value={query.value.get(name) ?? ""}
        onChange={(event) => setQuery({ [name]: event.currentTarget.value })}
      >
        <option value="">{label}</option>
        {options.map(([value, text]) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

export interface View {
  text: string;
  set: Record<string, string>;
}
/** Named views: each is a link to a set of filters, current when exactly these are set. `own` are the names that views decide about,
 * `chosen` says which is current where further filters of the same names refine it. */
export function Views({ label, own, views, chosen }: { label: string; own: string[]; views: View[]; chosen?: number | undefined }) {
  return (
    <nav class="views" aria-label={label}>
      {views.map((view, at) => {
        const next = new URLSearchParams(query.value);
        for (const name of own) next.delete(name);
        for (const [name, value] of Object.entries(view.set)) next.set(name, value);
        const current =
          chosen !== undefined ? at === chosen : own.every((name) => (query.value.get(name) ?? "") === (view.set[name] ?? ""));
        const text = next.toString();
        return (
          <a key={view.text} href={path.value + (text ? `?${text}` : "")} data-replace aria-current={current ? "page" : undefined}>
            {view.text}
          </a>
        );
      })}
    </nav>
  );
}

/** Takes all filters away; shown in empty lists that are empty because of them. */
export const ClearFilters = () => (
  <a class="button" href={path.value}>
    {t("filters.clear")}
  </a>
);
export const filtered = (...names: string[]) => names.some((name) => query.value.get(name));
