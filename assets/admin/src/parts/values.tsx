// Single values the same way everywhere: money, quantities, times, states, ids.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { ago, dateTime, money, number, signed, t, word } from "../i18n";
import { now } from "../state";
import type { Money as MoneyValue } from "../types";
import { Icon } from "./icons";

export type Tone = "good" | "warn" | "bad" | "info" | "quiet";

export const Money = ({ of }: { of: MoneyValue }) => <span class="num">{money(of)}</span>;

/** A count; nothing is a quiet dash where zero is the usual case. */
export const Quantity = ({ of, dash }: { of: number; dash?: boolean }) =>
  dash && of === 0 ? <span class="num faint">–</span> : <span class="num">{number(of)}</span>;

export const Delta = ({ of }: { of: number }) => <span class={`num ${of < 0 ? "minus" : "plus"}`}>{signed(of)}</span>;

export function Time({ at, none = "–" }: { at: string | null | undefined; none?: string }) {
  if (!at) return <span class="faint">{none}</span>;
  // Drawn again when the shared clock ticks, but by the time of this drawing: else what just came would lie ahead.
  void now.value;
  return (
    <time dateTime={at} title={dateTime(at)}>
      {ago(at, Date.now())}
    </time>
  );
}

export const Badge = ({ tone, children }: { tone: Tone; children: ComponentChildren }) => <span class={`badge ${tone}`}>{children}</span>;

const tones: Record<string, Tone> = {
  reserved: "good",
  short: "bad",
  unmapped: "warn",
  none: "quiet",
  paid: "good",
  authorized: "info",
  pending: "warn",
  partially_paid: "warn",
  partially_refunded: "warn",
  refunded: "quiet",
  voided: "quiet",
  captured: "good",
  failed: "bad",
  open: "info",
  cancelled: "quiet",
  released: "quiet",
  consumed: "good",
  expired: "quiet",
  active: "good",
  draft: "quiet",
  archived: "quiet",
  disabled: "quiet",
  ready: "info",
  running: "info",
  waiting: "warn",
  done: "good",
  dead: "bad",
  discarded: "quiet",
  retry: "warn",
  parked: "warn",
  later: "quiet",
  lost: "bad",
  received: "info",
  quarantined: "bad",
  ignored: "quiet",
  new: "quiet",
  live: "good",
  rejected: "bad",
  mapped: "good",
};
/** The badge for one of the API's state words, e.g. group `job.state`. */
export const Status = ({ group, of }: { group: string; of: string }) => <Badge tone={tones[of] ?? "quiet"}>{word(group, of)}</Badge>;

export function CopyText({ text, children }: { text: string; children?: ComponentChildren }) {
  const [done, setDone] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setDone(true);
      setTimeout(() => setDone(false), 1500);
    } catch {
      // Plain http has no clipboard: the text is selectable.
    }
  };
  return (
    <span class="copy">
      <code>{children ?? text}</code>
      <button type="button" class="icon-button small" aria-label={t(done ? "copy.done" : "copy.do", { text })} onClick={copy}>
        <Icon name={done ? "check" : "copy"} size={14} />
      </button>
    </span>
  );
}

/** Label and value pairs of a record. */
export function Facts({ of }: { of: [label: string, value: ComponentChildren][] }) {
  return (
    <dl class="facts">
      {of.map(([label, value]) => (
        <div key={label}>
          <dt>{label}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
