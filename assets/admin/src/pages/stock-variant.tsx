// One article's stock: levels per warehouse, who it is promised to, every movement, and the form that makes one.
import { params, post } from "../api";
import { type ListState, useList, useOne } from "../data";
import { number, signed, t, word } from "../i18n";
import { Field, Form, Submit, useForm } from "../parts/form";
import { List } from "../parts/list";
import { Card, Empty, ErrorBox, Notice, Page, Pending, Skeleton } from "../parts/page";
import { type Column, Table } from "../parts/table";
import { Badge, Delta, Facts, Money, Quantity, Status, Time } from "../parts/values";
import { Views } from "../parts/filters";
import type { PageProps } from "../routes";
import { can, query, toast } from "../state";
import type { Level, Movement, Page as ApiPage, Reservation, Variant, Warehouse } from "../types";

interface Draft {
  warehouse_id: string;
  kind: string;
  delta: string;
  reason: string;
  note: string;
}
const kinds = ["receipt", "adjustment", "damage", "return"];

function Adjust({ id, levels, warehouses, done }: { id: string; levels: Level[]; warehouses: Warehouse[]; done: () => void }) {
  const initial: Draft = {
    warehouse_id: levels[0]?.warehouse_id ?? warehouses[0]?.id ?? "",
    kind: "receipt",
    delta: "",
    reason: "",
    note: "",
  };
  const form = useForm(initial, async (values, key) => {
    const delta = Number(values.delta.replace("−", "-").replace(/^\+/, ""));
    const body = {
      variant_id: id,
      warehouse_id: values.warehouse_id,
      kind: values.kind,
      delta: Number.isInteger(delta) ? delta : 0,
      reason: values.reason || word("movement.kind", values.kind),
      ...(values.note && { note: values.note }),
    };
    const made = await post<Movement>("/inventory/adjustments", body, key);
    const undo = () => {
      const back = {
        variant_id: id,
        warehouse_id: values.warehouse_id,
        kind: "adjustment",
        delta: -made.quantity,
        reason: t("adjust.undone", { id: made.id }),
      };
      post("/inventory/adjustments", back).then(
        () => (toast(t("adjust.undoneToast")), done()),
        (fault: Error & { requestId?: string }) => toast(fault.message, { tone: "bad", requestId: fault.requestId }),
      );
    };
    toast(t("adjust.done", { delta: signed(made.quantity), warehouse: made.warehouse_code }), { undo });
    form.reset();
    form.set("warehouse_id", values.warehouse_id);
    done();
  });
  const { values } = form;
  const level = levels.find((it) => it.warehouse_id === values.warehouse_id);
  const delta = Number(values.delta.replace("−", "-"));
  const known = values.delta !== "" && Number.isInteger(delta) && delta !== 0;
  const after = (level?.on_hand ?? 0) + delta;
  return (
    <Card title={t("adjust.title")}>
      <Form form={form} label={t("adjust.title")}>
        <Field
          form={form}
          name="warehouse_id"
          label={t("stock.warehouse")}
          options={warehouses.map((it) => [it.id, `${it.code} · ${it.name}`])}
        />
        <Field form={form} name="kind" label={t("adjust.kind")} options={kinds.map((it) => [it, word("movement.kind", it)])} />
        <Field
          form={form}
          name="delta"
          type="number"
          label={t("adjust.delta")}
          required
          placeholder="+5"
          hint={
            known ? (
              <span class="num">{t("adjust.preview", { from: number(level?.on_hand ?? 0), to: number(after) })}</span>
            ) : (
              t("adjust.deltaHint")
            )
          }
        />
        <Field form={form} name="reason" label={t("adjust.reason")} placeholder={word("movement.kind", values.kind)} />
        <Field form={form} name="note" label={t("adjust.note")} rows={2} />
        <Submit form={form}>{t("adjust.submit")}</Submit>
      </Form>
    </Card>
  );
}

function Movements({ list }: { list: ListState<Movement> }) {
  const columns: Column<Movement>[] = [
    { id: "at", head: t("movement.at"), cell: (it) => <Time at={it.at} />, text: (it) => it.at },
    { id: "kind", head: t("movement.what"), cell: (it) => word("movement.kind", it.kind), text: (it) => it.kind },
    { id: "warehouse", head: t("stock.warehouse"), hide: "narrow", cell: (it) => it.warehouse_code, text: (it) => it.warehouse_code },
    { id: "quantity", head: t("movement.change"), num: true, cell: (it) => <Delta of={it.quantity} />, text: (it) => it.quantity },
    { id: "after", head: t("movement.after"), num: true, cell: (it) => <Quantity of={it.on_hand_after} />, text: (it) => it.on_hand_after },
    {
      id: "reason",
      head: t("adjust.reason"),
      cut: "wide",
      hide: "narrow",
      cell: (it) => it.reason ?? <span class="faint">–</span>,
      text: (it) => it.reason,
    },
    {
      id: "actor",
      head: t("movement.actor"),
      cut: true,
      hide: "medium",
      cell: (it) => <span class="faint">{it.actor.kind === "system" ? t("actor.system") : it.actor.name}</span>,
      text: (it) => it.actor.name,
    },
  ];
  return (
    <List
      list={list}
      csv="movements"
      caption={t("movement.title")}
      columns={columns}
      rowKey={(it) => it.id}
      narrow={(it) => (
        <>
          {it.warehouse_code}
          {it.reason && ` · ${it.reason}`}
        </>
      )}
      empty={
        <Empty icon="stock" title={t("movement.none")}>
          <p>{t("movement.noneText")}</p>
        </Empty>
      }
    />
  );
}

function Reservations({ list }: { list: ListState<Reservation> }) {
  const columns: Column<Reservation>[] = [
    { id: "order", head: t("order.one"), cell: (it) => `#${it.order_number}`, text: (it) => it.order_number },
    {
      id: "warehouse",
      head: t("stock.warehouse"),
      cell: (it) => it.warehouse_code ?? <Badge tone="bad">{word("stock_status", "short")}</Badge>,
      text: (it) => it.warehouse_code,
    },
    { id: "quantity", head: t("order.quantity"), num: true, cell: (it) => <Quantity of={it.quantity} />, text: (it) => it.quantity },
    { id: "state", head: t("jobs.state"), cell: (it) => <Status group="reservation.state" of={it.state} />, text: (it) => it.state },
    { id: "created", head: t("reservation.since"), hide: "narrow", cell: (it) => <Time at={it.created_at} />, text: (it) => it.created_at },
  ];
  return (
    <List
      list={list}
      csv="reservations"
      caption={t("reservation.title")}
      columns={columns}
      rowKey={(it) => it.id}
      href={(it) => (can("order.read") ? `/admin/orders/${it.order_id}` : null)}
      empty={<Empty icon="orders" title={t("reservation.none")} />}
    />
  );
}

export default function StockVariant({ id }: PageProps) {
  const topics = ["inventory", "order"];
  const reservationsTab = query.value.get("tab") === "reservations";
  const variant = useOne<Variant>(`/variants/${encodeURIComponent(id)}`, ["variant", "product"], id);
  const levels = useOne<ApiPage<Level>>(`/inventory/levels${params({ variant_id: id, limit: 100 })}`, topics);
  const warehouses = useOne<ApiPage<Warehouse>>("/warehouses?limit=100");
  const movements = useList<Movement>(reservationsTab ? null : `/inventory/movements${params({ variant_id: id })}`, (it) => it.id, topics);
  const reservations = useList<Reservation>(
    reservationsTab ? `/inventory/reservations${params({ variant_id: id })}` : null,
    (it) => it.id,
    topics,
  );
  const back = { href: "/admin/stock", text: t("nav.stock") };
  const it = variant.data;
  if (!it) return <Pending title={t("nav.stock")} error={variant.error} retry={variant.reload} back={back} />;
  const rows = levels.data?.data ?? [];
  const short = rows.reduce((sum, level) => sum + level.short, 0);
  const done = () => {
    void levels.reload();
    void movements.reload();
  };
  const columns: Column<Level>[] = [
    { id: "warehouse", head: t("stock.warehouse"), cell: (l) => <strong>{l.warehouse_code}</strong> },
    { id: "on_hand", head: t("stock.onHand"), num: true, cell: (l) => <Quantity of={l.on_hand} /> },
    { id: "reserved", head: t("stock.reserved"), num: true, cell: (l) => <Quantity of={l.reserved} dash /> },
    {
      id: "available",
      head: t("stock.available"),
      num: true,
      cell: (l) => (
        <b class={l.available <= 0 ? "minus" : ""}>
          <Quantity of={l.available} />
        </b>
      ),
    },
    {
      id: "short",
      head: t("stock.short"),
      num: true,
      hide: "narrow",
      cell: (l) => (l.short ? <Badge tone="bad">{number(l.short)}</Badge> : <Quantity of={0} dash />),
    },
    {
      id: "updated",
      head: t("stock.updated"),
      hide: "medium",
      cell: (l) => (
        <span class="faint">
          <Time at={l.updated_at} />
        </span>
      ),
    },
  ];
  return (
    <Page
      title={it.sku}
      back={back}
      sub={
        <>
          <a href={`/admin/products/${it.product_id}`}>{it.product_title}</a>
          {it.title !== it.product_title && ` · ${it.title}`}
        </>
      }
    >
      {short > 0 && (
        <Notice tone="bad" title={t("stock.shortTitle", { n: number(short) })}>
          {t("stock.shortText")}
        </Notice>
      )}
      <div class="columns">
        <div class="main-column">
          <Card title={t("stock.levels")} flush>
            {levels.data ? (
              rows.length ? (
                <Table caption={t("stock.levels")} columns={columns} rows={rows} rowKey={(l) => l.warehouse_id} />
              ) : (
                <Empty icon="stock" title={t("stock.none")} />
              )
            ) : levels.error ? (
              <ErrorBox error={levels.error} retry={() => void levels.reload()} />
            ) : (
              <Skeleton rows={2} />
            )}
          </Card>
          <Views
            label={t("stock.history")}
            own={["tab"]}
            views={[
              { text: t("movement.title"), set: {} },
              { text: t("reservation.title"), set: { tab: "reservations" } },
            ]}
          />
          <Card flush>{reservationsTab ? <Reservations list={reservations} /> : <Movements list={movements} />}</Card>
        </div>
        <div class="side-column">
          {can("inventory.write") && warehouses.data && levels.data && (
            <Adjust id={id} levels={rows} warehouses={warehouses.data.data} done={done} />
          )}
          <Card title={t("stock.article")}>
            <Facts
              of={[
                [t("product.price"), <Money of={it.price} />],
                [t("product.barcode"), it.barcode ?? "–"],
              ]}
            />
          </Card>
        </div>
      </div>
    </Page>
  );
}
