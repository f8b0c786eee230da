// Products, with the stock they have.
import { filters, params } from "../api";
import { useList } from "../data";
import { t, tn } from "../i18n";
import { ClearFilters, filtered, Filters, SearchBox } from "../parts/filters";
import { List } from "../parts/list";
import { Card, Empty, Page } from "../parts/page";
import type { Column } from "../parts/table";
import { Quantity, Status, Time } from "../parts/values";
import type { ProductSummary } from "../types";

export default function Products() {
  const list = useList<ProductSummary>(`/products${params(filters("q"))}`, (it) => it.id, ["product", "inventory"]);
  const columns: Column<ProductSummary>[] = [
    { id: "title", head: t("product.title"), cut: "wide", cell: (it) => it.title, text: (it) => it.title },
    { id: "status", head: t("product.status"), cell: (it) => <Status group="product.status" of={it.status} />, text: (it) => it.status },
    {
      id: "category",
      head: t("product.category"),
      cut: true,
      hide: "medium",
      cell: (it) => it.category ?? <span class="faint">–</span>,
      text: (it) => it.category,
    },
    {
      id: "vendor",
      head: t("product.vendor"),
      cut: true,
      hide: "medium",
      cell: (it) => it.vendor ?? <span class="faint">–</span>,
      text: (it) => it.vendor,
    },
    {
      id: "variants",
      head: t("product.variants"),
      num: true,
      hide: "narrow",
      cell: (it) => <Quantity of={it.variant_count} />,
      text: (it) => it.variant_count,
    },
    {
      id: "on_hand",
      head: t("stock.onHand"),
      num: true,
      hide: "narrow",
      cell: (it) => <Quantity of={it.on_hand} />,
      text: (it) => it.on_hand,
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
    <Page title={t("nav.products")}>
      <Card flush>
        <Filters>
          <SearchBox label={t("product.search")} />
        </Filters>
        <List
          list={list}
          csv="products"
          caption={t("nav.products")}
          columns={columns}
          rowKey={(it) => it.id}
          href={(it) => `/admin/products/${it.id}`}
          narrow={(it) => tn("product.count", it.variant_count)}
          empty={
            filtered("q") ? (
              <Empty icon="search" title={t("product.noMatch")}>
                <ClearFilters />
              </Empty>
            ) : (
              <Empty icon="products" title={t("product.none")}>
                <p>{t("product.noneText")}</p>
              </Empty>
            )
          }
        />
      </Card>
    </Page>
  );
}
