// How an order's stock reads in one badge: "short 2" says more than "partial".
import { number, t, word } from "../i18n";
import type { OrderSummary } from "../types";
import { Icon } from "./icons";
import { Badge, Status } from "./values";

export function StockBadge({ of }: { of: Pick<OrderSummary, "stock_status" | "short_quantity" | "status"> }) {
  if (of.status === "cancelled") return <Status group="order.status" of="cancelled" />;
  if (of.stock_status === "short") {
    return (
      <Badge tone="bad">
        {of.short_quantity > 0 ? t("order.shortBy", { n: number(of.short_quantity) }) : word("stock_status", "short")}
      </Badge>
    );
  }
  return <Status group="stock_status" of={of.stock_status} />;
}

/** Who bought: a buyer without a name is known by the address. */
export const who = (of: Pick<OrderSummary, "customer">) => of.customer?.name || of.customer?.email || null;

export const Flag = () => (
  <span class="flag" title={t("order.flagged")}>
    <Icon name="flag" size={14} />
    <span class="sr-only">{t("order.flagged")}</span>
  </span>
);
