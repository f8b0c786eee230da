// What happened to a record, newest first: who, what, when.
import type { TimelineEntry } from "../types";
import { t, word } from "../i18n";
import { Time } from "./values";

const tone = (type: string) =>
  /short|reject|fail|dead|flag|cancel|quarantin/.test(type)
    ? "bad"
    : /push|feed|google/.test(type)
      ? "info"
      : /reserv|paid|done|created|received/.test(type)
        ? "good"
        : "quiet";

export function Timeline({ entries }: { entries: TimelineEntry[] }) {
  return (
    <ol class="timeline" aria-label={t("timeline.title")}>
      {[...entries]
        .sort((a, b) => b.seq - a.seq)
        .map((it) => (
          <li key={it.seq} class={tone(it.type)}>
            <p>{it.summary}</p>
            <p class="faint">
              <Time at={it.at} /> · {it.actor.kind === "system" ? t("actor.system") : it.actor.name}{" "}
              {it.actor.kind === "token" && `(${word("actor", "token")})`}
            </p>
          </li>
        ))}
    </ol>
  );
}
