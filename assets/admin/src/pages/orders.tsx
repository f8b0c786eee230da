// Orders: what came in, from whom, whether the stock is there.
import { filters, params } from "../api";
import { useList, useOne } from "../data";
import { t, word } from "../i18n";
import { Choice, ClearFilters, filtered, Filters, SearchBox, Views } from "../parts/filters";
import { List } from "../parts/list";
import { Flag, StockBadge, who } from "../parts/order";
import { Card, Empty, Page } from "../parts/page";
import type { Column } from "../parts/table";
import { Money, Quantity, Status, Time } from "../parts/values";
import { can } from "../state";
import type { Channel, OrderSummary, Page as ApiPage } from "../types";

const names = ["q", "status", "stock_status", "channel_id", "flagged"];

export default function Orders() {
  const list = useList<OrderSummary>(`/orders${params(filters(...names))}`, (it) => it.id, ["order", "inventory"]);
  const channels = useOne<ApiPage<Channel>>(can("channel.read") ? "/channels?limit=100" : null);
  const channel = (id: string | null) => (id ? (channels.data?.data.find((it) => it.id === id)?.name ?? id) : t("order.direct"));
  const columns: Column<OrderSummary>[] = [
    {
      id: "number",
      head: t("orders.number"),
      cell: (it) => (
        <>
          #{it.number}
          {it.flagged && <Flag />}
        </>
      ),
      text: (it) => it.number,
    },
    { id: "placed", head: t("orders.placed"), hide: "narrow", cell: (it) => <Time at={it.placed_at} />, text: (it) => it.placed_at },
    {
      id: "customer",
      head: t("orders.customer"),
      cut: true,
      hide: "narrow",
      cell: (it) => who(it) ?? <span class="faint">{t("order.guest")}</span>,
      text: (it) => who(it),
    },
    {
      id: "channel",
      head: t("orders.channel"),
      cut: true,
      hide: "medium",
      cell: (it) => channel(it.channel_id),
      text: (it) => channel(it.channel_id),
    },
    { id: "stock", head: t("orders.stock"), cell: (it) => <StockBadge of={it} />, text: (it) => it.stock_status },
    {
      id: "payment",
      head: t("orders.payment"),
      hide: "narrow",
      cell: (it) => <Status group="payment_status" of={it.payment_status} />,
      text: (it) => it.payment_status,
    },
    {
      id: "items",
      head: t("orders.items"),
      num: true,
      hide: "medium",
      cell: (it) => <Quantity of={it.quantity} />,
      text: (it) => it.quantity,
    },
    { id: "total", head: t("orders.total"), num: true, cell: (it) => <Money of={it.total} />, text: (it) => it.total.amount },
  ];
  return (
    <Page title={t("nav.orders")}>
      <Views
        label={t("filters.views")}
        own={["status", "stock_status", "flagged"]}
        views={[
          { text: t("view.all"), set: {} },
          { text: t("view.short"), set: { stock_status: "short", status: "open" } },
          { text: t("view.unmapped"), set: { stock_status: "unmapped" } },
          { text: t("view.flagged"), set: { flagged: "true", status: "open" } },
          { text: t("view.cancelled"), set: { status: "cancelled" } },
        ]}
      />
      <Card flush>
        <Filters>
          <SearchBox label={t("orders.search")} />
          <Choice
            label={t("orders.stock")}
            name="stock_status"
            options={["reserved", "short", "unmapped", "none"].map((it) => [it, word("stock_status", it)])}
          />
          {!!channels.data?.data.length && (
            <Choice label={t("orders.channel")} name="channel_id" options={channels.data.data.map((it) => [it.id, it.name])} />
          )}
        </Filters>
        <List
          list={list}
          csv="orders"
          caption={t("nav.orders")}
          columns={columns}
          rowKey={(it) => it.id}
          href={(it) => `/admin/orders/${it.id}`}
          narrow={(it) => (
            <>
              {who(it) ?? t("order.guest")} · <Time at={it.placed_at} />
            </>
          )}
          empty={
            filtered(...names) ? (
              <Empty icon="search" title={t("orders.noMatch")}>
                <ClearFilters />
              </Empty>
            ) : (
              <Empty icon="orders" title={t("orders.none")}>
                <p>{t("orders.noneText")}</p>
                <a class="button primary" href="/admin/channels">
                  {t("orders.toChannels")}
                </a>
              </Empty>
            )
          }
        />
      </Card>
    </Page>
  );
}
