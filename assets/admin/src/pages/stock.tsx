// Stock: what is on hand, promised and free, per article and warehouse.
import { filters, params } from "../api";
import { useList, useOne } from "../data";
import { number, t } from "../i18n";
import { Choice, ClearFilters, filtered, Filters, SearchBox, Views } from "../parts/filters";
import { List } from "../parts/list";
import { Card, Empty, Page } from "../parts/page";
import type { Column } from "../parts/table";
import { Badge, Quantity, Time } from "../parts/values";
import type { Level, Page as ApiPage, Warehouse } from "../types";

const names = ["q", "warehouse_id", "state"];
const key = (it: Level) => `${it.variant_id} ${it.warehouse_id}`;

export default function Stock() {
  const list = useList<Level>(`/inventory/levels${params(filters(...names))}`, key, ["inventory", "order"]);
  const warehouses = useOne<ApiPage<Warehouse>>("/warehouses?limit=100");
  const columns: Column<Level>[] = [
    { id: "sku", head: t("stock.sku"), cell: (it) => it.sku, text: (it) => it.sku },
    { id: "title", head: t("stock.title"), cut: "wide", hide: "narrow", cell: (it) => it.title, text: (it) => it.title },
    { id: "warehouse", head: t("stock.warehouse"), hide: "narrow", cell: (it) => it.warehouse_code, text: (it) => it.warehouse_code },
    { id: "on_hand", head: t("stock.onHand"), num: true, cell: (it) => <Quantity of={it.on_hand} />, text: (it) => it.on_hand },
    {
      id: "reserved",
      head: t("stock.reserved"),
      num: true,
      hide: "narrow",
      cell: (it) => <Quantity of={it.reserved} dash />,
      text: (it) => it.reserved,
    },
    {
      id: "available",
      head: t("stock.available"),
      num: true,
      cell: (it) => (
        <b class={it.available <= 0 ? "minus" : ""}>
          <Quantity of={it.available} />
        </b>
      ),
      text: (it) => it.available,
    },
    {
      id: "short",
      head: t("stock.short"),
      num: true,
      hide: "narrow",
      cell: (it) => (it.short ? <Badge tone="bad">{number(it.short)}</Badge> : <Quantity of={0} dash />),
      text: (it) => it.short,
    },
    {
      id: "updated",
      head: t("stock.updated"),
      hide: "medium",
      cell: (it) => (
        <span class="faint">
          <Time at={it.updated_at} />
        </span>
      ),
      text: (it) => it.updated_at,
    },
  ];
  return (
    <Page title={t("nav.stock")}>
      <Views
        label={t("filters.views")}
        own={["state"]}
        views={[
          { text: t("view.all"), set: {} },
          { text: t("view.shortStock"), set: { state: "short" } },
          { text: t("view.out"), set: { state: "out" } },
          { text: t("view.low"), set: { state: "low" } },
        ]}
      />
      <Card flush>
        <Filters>
          <SearchBox label={t("stock.search")} />
          {!!warehouses.data && (
            <Choice
              label={t("stock.warehouse")}
              name="warehouse_id"
              options={warehouses.data.data.map((it) => [it.id, `${it.code} · ${it.name}`])}
            />
          )}
        </Filters>
        <List
          list={list}
          csv="stock"
          caption={t("nav.stock")}
          columns={columns}
          rowKey={key}
          href={(it) => `/admin/stock/${it.variant_id}`}
          narrow={(it) => (
            <>
              {it.title} · {it.warehouse_code}
              {it.short > 0 && (
                <>
                  {" "}
                  · <span class="minus">{t("order.shortBy", { n: it.short })}</span>
                </>
              )}
            </>
          )}
          empty={
            filtered(...names) ? (
              <Empty icon="search" title={t("stock.noMatch")}>
                <ClearFilters />
              </Empty>
            ) : (
              <Empty icon="stock" title={t("stock.none")}>
                <p>{t("stock.noneText")}</p>
              </Empty>
            )
          }
        />
      </Card>
    </Page>
  );
}
