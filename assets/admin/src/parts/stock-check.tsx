// Whether stock is what its movements and reservations say: the last comparison, what it found, and a new one on demand.
import { useState } from "preact/hooks";
import { ApiError, post } from "../api";
import type { One } from "../data";
import { number, t, tn } from "../i18n";
import { can, toast } from "../state";
import type { Page, Reconciliation } from "../types";
import { Card, ErrorBox, Skeleton } from "./page";
import { Badge, Time } from "./values";

/** Differences that are shown; a broken disk has hundreds. */
const SHOWN = 5;

export function StockCheck({ checks }: { checks: One<Page<Reconciliation>> }) {
  const [busy, setBusy] = useState(false);
  const last = checks.data?.data[0];
  const compare = async () => {
    setBusy(true);
    try {
      await post<Reconciliation>("/inventory/reconciliations");
      await checks.reload();
    } catch (fault) {
      if (!(fault instanceof ApiError)) throw fault;
      toast(fault.message, { tone: "bad", requestId: fault.requestId });
    } finally {
      setBusy(false);
    }
  };
  const ask = can("inventory.write") && (
    <button type="button" class="button small" disabled={busy} onClick={() => void compare()}>
      {t(busy ? "form.busy" : "check.now")}
    </button>
  );
  return (
    <Card title={t("check.title")} aside={ask} flush>
      {checks.error && <ErrorBox error={checks.error} retry={() => void checks.reload()} />}
      {!checks.data && !checks.error && <Skeleton rows={1} />}
      {checks.data && (
        <ul class="lines">
          <li>
            <span>{last ? tn("check.levels", last.levels) : t("check.never")}</span>
            {last && (
              <span class="faint">
                <Time at={last.at} />
              </span>
            )}
            {last && <Badge tone={last.drifted ? "bad" : "good"}>{last.drifted ? tn("check.drift", last.drifted) : t("check.equal")}</Badge>}
          </li>
          {last?.differences.slice(0, SHOWN).map((it) => (
            <li key={it.variant_id + it.warehouse_code}>
              <a href={`/admin/stock/${it.variant_id}`}>
                {it.sku} · {it.warehouse_code}
              </a>
              <span class="faint">{it.explanation}</span>
            </li>
          ))}
          {last && last.differences.length > SHOWN && <li class="faint">{t("check.more", { n: number(last.differences.length - SHOWN) })}</li>}
        </ul>
      )}
    </Card>
  );
}
