// Words, numbers, dates and money in the reader's language. A catalogue is loaded whole, before the first page is drawn.
import { signal } from "@preact/signals";
import type en from "./words/en.json";
import type { Money } from "./types";

export type Words = Record<keyof typeof en, string>;
export type Key = keyof typeof en;
export type Lang = "en" | "de";
type Counted = { [K in Key]: K extends `${infer Base}.other` ? Base : never }[Key];

const catalogues: Record<Lang, () => Promise<{ default: Words }>> = {
  en: () => import("./words/en.json"),
  de: () => import("./words/de.json"),
};
let words = {} as Words;
/** Read while drawing, so that a switch of language draws everything again. */
export const lang = signal<Lang>("en");

function wanted(): Lang {
  try {
    const kept = localStorage.getItem("bodega.lang");
    if (kept === "en" || kept === "de") return kept;
  } catch {
    // Storage is switched off: the browser's language decides.
  }
  return navigator.languages.some((it) => it.startsWith("de")) && !navigator.language.startsWith("en") ? "de" : "en";
}
export async function setLang(to: Lang = wanted()) {
  words = (await catalogues[to]()).default;
  document.documentElement.lang = to;
  lang.value = to;
  try {
    localStorage.setItem("bodega.lang", to);
  } catch {
    // As above.
  }
}

type Values = Record<string, string | number>;
const fill = (text: string, values?: Values) =>
  values ? text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole)) : text;

export function t(key: Key, values?: Values): string {
  void lang.value;
  return fill(words[key] ?? key, values);
}
/** A sentence with a count: `key.one`, `key.other`; `{n}` is the formatted count. */
export function tn(key: Counted, count: number, values?: Values): string {
  const form = cached("plural", () => new Intl.PluralRules(lang.value)).select(count);
  const text = (words as Record<string, string>)[`${key}.${form}`] ?? (words as Record<string, string>)[`${key}.other`] ?? key;
  return fill(text, { n: number(count), ...values });
}
/** The word for one of the API's values; one that is newer than this page is shown as it is. */
export function word(group: string, value: string): string {
  void lang.value;
  return (words as Record<string, string>)[`${group}.${value}`] ?? value.replaceAll("_", " ");
}

const formats = new Map<string, unknown>();
function cached<T>(name: string, make: () => T): T {
  const key = `${lang.value} ${name}`;
  let it = formats.get(key) as T | undefined;
  if (!it) formats.set(key, (it = make()));
  return it;
}
const locale = () => (lang.value === "en" ? "en-GB" : "de-DE");

export const number = (value: number) => cached("n", () => new Intl.NumberFormat(locale())).format(value);
/** With its sign; a true minus, as wide as the plus. */
export const signed = (value: number) =>
  cached("±", () => new Intl.NumberFormat(locale(), { signDisplay: "exceptZero" }))
    .format(value)
    .replace("-", "−");
export function money(value: Money, sign: "auto" | "exceptZero" = "auto"): string {
  const format = cached(
    `m ${value.currency} ${sign}`,
    () => new Intl.NumberFormat(locale(), { style: "currency", currency: value.currency, signDisplay: sign }),
  );
  // The decimal text goes in as it is: by way of a float, large amounts would lose cents.
  return format.format(value.amount as unknown as number).replace("-", "−");
}
export const isZero = (value: Money) => !/[1-9]/.test(value.amount);
export const dateTime = (at: string) =>
  cached("dt", () => new Intl.DateTimeFormat(locale(), { dateStyle: "medium", timeStyle: "medium" })).format(new Date(at));
export const clock = (at: string | Date) =>
  cached("c", () => new Intl.DateTimeFormat(locale(), { hour: "2-digit", minute: "2-digit" })).format(new Date(at));
const day = (at: Date, year: boolean) =>
  cached(
    `d${year}`,
    () => new Intl.DateTimeFormat(locale(), { day: "numeric", month: "short", ...(year ? { year: "numeric" } : {}) }),
  ).format(at);
const relative = () => cached("r", () => new Intl.RelativeTimeFormat(locale(), { numeric: "auto", style: "short" }));

/** "3 min. ago" within the hour, the clock within the day, else the date. */
export function ago(at: string, from: number): string {
  const then = new Date(at);
  const seconds = Math.round((then.getTime() - from) / 1000);
  if (Math.abs(seconds) < 45) return seconds > 5 ? relative().format(seconds, "second") : t("time.now");
  if (Math.abs(seconds) < 3600) return relative().format(Math.round(seconds / 60), "minute");
  const today = new Date(from);
  if (then.toDateString() === today.toDateString()) return clock(then);
  const close = Math.abs(seconds) < 6 * 86_400;
  return close ? `${day(then, false)}, ${clock(then)}` : day(then, then.getFullYear() !== today.getFullYear());
}
