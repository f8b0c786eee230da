// One order: its lines and where they are reserved, its money, and what happened to it.
import { useState } from "preact/hooks";
import { useList, useOne } from "../data";
import { isZero, money, number, t, word } from "../i18n";
import { CancelOrder } from "../parts/cancel-order";
import { StockBadge } from "../parts/order";
import { Card, ErrorBox, Notice, Page, Pending, Skeleton } from "../parts/page";
import { type Column, Table } from "../parts/table";
import { Timeline } from "../parts/timeline";
import { Badge, CopyText, Facts, Money, Quantity, Status, Time } from "../parts/values";
import type { PageProps } from "../routes";
import { can } from "../state";
import type { Channel, Money as MoneyValue, Order, OrderLine, TimelineEntry } from "../types";

function Lines({ order }: { order: Order }) {
  const place = (it: OrderLine) => (
    <span class="allocs">
      {it.allocations.map((a) => (
        <span key={a.warehouse_id} class="alloc">
          {a.warehouse_code} <b>{number(a.quantity)}</b>
        </span>
      ))}
      {it.short > 0 && <Badge tone="bad">{t("order.shortBy", { n: number(it.short) })}</Badge>}
      {it.quantity > 0 && !it.variant_id && <Status group="stock_status" of="unmapped" />}
      {it.quantity === 0 && <span class="faint">{t("order.removed")}</span>}
      {it.quantity > 0 && it.variant_id && !it.allocations.length && !it.short && <span class="faint">–</span>}
    </span>
  );
  const columns: Column<OrderLine>[] = [
    {
      id: "item",
      head: t("order.item"),
      cell: (it) => (
        <div class="item">
          <span class="item-title">{it.title}</span>
          <span class="faint">
            {it.variant_id && can("inventory.read") ? <a href={`/admin/stock/${it.variant_id}`}>{it.sku}</a> : (it.sku ?? t("order.noSku"))}
          </span>
        </div>
      ),
    },
    { id: "quantity", head: t("order.quantity"), num: true, cell: (it) => <Quantity of={it.quantity} /> },
    { id: "reserved", head: t("order.reservedAt"), hide: "narrow", cell: place },
    { id: "price", head: t("order.price"), num: true, hide: "narrow", cell: (it) => <Money of={it.unit_price} /> },
    {
      id: "discount",
      head: t("order.discount"),
      num: true,
      hide: "medium",
      cell: (it) => (isZero(it.discount) ? <span class="faint">–</span> : <Money of={it.discount} />),
    },
    { id: "total", head: t("orders.total"), num: true, cell: (it) => <Money of={it.total} /> },
  ];
  return (
    <Table
      caption={t("order.lines")}
      columns={columns}
      rows={[...order.lines].sort((a, b) => a.position - b.position)}
      rowKey={(it) => it.id}
      narrow={place}
    />
  );
}

function Totals({ order }: { order: Order }) {
  const row = (label: string, value: MoneyValue, strong?: boolean) => (
    <div class={strong ? "strong" : ""} key={label}>
      <dt>{label}</dt>
      <dd>
        <Money of={value} />
      </dd>
    </div>
  );
  const { subtotal, discount, shipping, tax, total } = order.totals;
  return (
    <dl class="totals">
      {row(t("order.subtotal"), subtotal)}
      {!isZero(discount) && row(t("order.discountIncluded"), discount)}
      {row(t("order.shipping"), shipping)}
      {row(t(order.tax_inclusive ? "order.taxIncluded" : "order.tax"), tax)}
      {row(t("orders.total"), total, true)}
    </dl>
  );
}

function Aside({ order, channel }: { order: Order; channel: Channel | null }) {
  const a = order.shipping_address;
  return (
    <div class="side-column">
      <Card title={t("orders.customer")}>
        {order.customer ? (
          <p class="stack">
            {order.customer.name && <strong>{order.customer.name}</strong>}
            <a href={`mailto:${order.customer.email}`}>{order.customer.email}</a>
          </p>
        ) : (
          <p class="faint">{t("order.guest")}</p>
        )}
        {a && (
          <address>
            <span class="label">{t("order.shipTo")}</span>
            {[a.name, a.address1, a.address2, `${a.zip} ${a.city}`, a.country_code, a.phone].filter(Boolean).map((it) => (
              <span key={it}>{it}</span>
            ))}
          </address>
        )}
      </Card>
      <Card title={t("order.payments")}>
        {order.payments.length === 0 && <p class="faint">{t("order.noPayments")}</p>}
        <ul class="plain">
          {order.payments.map((it) => (
            <li key={it.id} class="split">
              <span>
                {it.provider}{" "}
                <span class="faint">
                  <Time at={it.created_at} />
                </span>
              </span>
              <span>
                <Status group="payment_status" of={it.status} /> <Money of={it.amount} />
              </span>
            </li>
          ))}
        </ul>
      </Card>
      <Card title={t("order.origin")}>
        <Facts
          of={[
            [
              t("orders.channel"),
              order.channel_id ? (
                channel ? (
                  <a href={`/admin/channels/${channel.id}`}>{channel.name}</a>
                ) : (
                  order.channel_id
                )
              ) : (
                t("order.direct")
              ),
            ],
            ...(order.external_number ? [[t("order.external"), order.external_number] as [string, string]] : []),
            [t("order.arrived"), <Time at={order.created_at} />],
            ["ID", <CopyText text={order.id} />],
          ]}
        />
        {order.note && <p class="note">{order.note}</p>}
      </Card>
    </div>
  );
}

export default function OrderPage({ id }: PageProps) {
  const at = `/orders/${encodeURIComponent(id)}`;
  const order = useOne<Order>(at, ["inventory"], id);
  const timeline = useList<TimelineEntry>(`${at}/timeline`, (it) => String(it.seq), ["order", "job", "feed", "inventory"]);
  const channels = useOne<{ data: Channel[] }>(can("channel.read") && order.data?.channel_id ? "/channels?limit=100" : null);
  const [asks, setAsks] = useState(false);
  const back = { href: "/admin/orders", text: t("nav.orders") };
  const it = order.data;
  if (!it) return <Pending title={t("order.one")} error={order.error} retry={order.reload} back={back} />;
  const channel = channels.data?.data.find((c) => c.id === it.channel_id) ?? null;
  // An order of a channel is cancelled where it was sold.
  const mayCancel = it.status === "open" && !it.channel_id && can("order.write");
  const reload = () => void Promise.all([order.reload(), timeline.reload()]);
  return (
    <Page
      title={t("order.title", { number: it.number })}
      back={back}
      actions={
        mayCancel && (
          <button type="button" class="button" onClick={() => setAsks(true)}>
            {t("cancel.open")}
          </button>
        )
      }
      badges={
        <>
          {it.status === "cancelled" && <Badge tone="bad">{word("order.status", it.status)}</Badge>}
          <StockBadge of={it} />
          <Status group="payment_status" of={it.payment_status} />
        </>
      }
      sub={
        <>
          <Time at={it.placed_at} />
          {channel && ` · ${channel.name}`}
          {it.external_number && ` · ${it.external_number}`}
        </>
      }
    >
      {asks && <CancelOrder order={it} close={() => setAsks(false)} done={reload} />}
      {it.difference && (
        <Notice tone="warn" title={t("order.difference", { difference: money(it.difference, "exceptZero") })}>
          {t(it.fulfilment_hold ? "order.differenceHold" : "order.differenceText")}
        </Notice>
      )}
      {it.stock_status === "short" && (
        <Notice tone="bad" title={t("order.shortTitle", { n: number(it.short_quantity) })}>
          {t("order.shortText")}
        </Notice>
      )}
      {it.stock_status === "unmapped" && (
        <Notice tone="warn" title={t("order.unmappedTitle")}>
          {it.channel_id && <a href={`/admin/channels/${it.channel_id}?tab=mappings`}>{t("order.unmappedDo")}</a>}
        </Notice>
      )}
      <div class="columns">
        <div class="main-column">
          <Card title={t("order.lines")} flush aside={<span class="faint">{word("order.status", it.status)}</span>}>
            <Lines order={it} />
            <Totals order={it} />
          </Card>
          <Card title={t("timeline.title")}>
            {timeline.rows ? (
              <Timeline entries={timeline.rows} />
            ) : timeline.error ? (
              <ErrorBox error={timeline.error} retry={() => void timeline.reload()} />
            ) : (
              <Skeleton rows={3} />
            )}
          </Card>
        </div>
        <Aside order={it} channel={channel} />
      </div>
    </Page>
  );
}
