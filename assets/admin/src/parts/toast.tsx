// Short news at the edge of the screen, read out, gone after eight seconds unless somebody is at it.
import { useEffect, useRef } from "preact/hooks";
import { t } from "../i18n";
import { closeToast, type Toast, toasts } from "../state";
import { Icon } from "./icons";
import { CopyText } from "./values";

function One({ it }: { it: Toast }) {
  const held = useRef(false);
  useEffect(() => {
    let left = it.tone === "bad" ? 14 : 8;
    const timer = setInterval(() => {
      if (!held.current && --left <= 0) closeToast(it.id);
    }, 1000);
    return () => clearInterval(timer);
  }, [it.id]);
  const hold = (value: boolean) => () => (held.current = value);
  return (
    <div class={`toast ${it.tone}`} onMouseEnter={hold(true)} onMouseLeave={hold(false)} onFocusIn={hold(true)} onFocusOut={hold(false)}>
      <Icon name={it.tone === "good" ? "check" : "dead"} />
      <div>
        <p>{it.text}</p>
        {it.requestId && <CopyText text={it.requestId} />}
      </div>
      {it.undo && (
        <button
          type="button"
          class="button small"
          onClick={() => {
            closeToast(it.id);
            it.undo?.();
          }}
        >
          {t("toast.undo")}
        </button>
      )}
      <button type="button" class="icon-button small" aria-label={t("toast.close")} onClick={() => closeToast(it.id)}>
        <Icon name="close" size={14} />
      </button>
    </div>
  );
}

export const Toasts = () => (
  <div class="toasts" role="status" aria-live="polite">
    {toasts.value.map((it) => (
      <One key={it.id} it={it} />
    ))}
  </div>
);
