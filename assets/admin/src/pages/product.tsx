// One product: its variants, their stock, and what Google shows of them.
import { params } from "../api";
import { useOne } from "../data";
import { number, t } from "../i18n";
import { Card, Empty, Page, Pending } from "../parts/page";
import { type Column, Table } from "../parts/table";
import { CopyText, Facts, Money, Quantity, Status, Time } from "../parts/values";
import type { PageProps } from "../routes";
import { can } from "../state";
import type { FeedItem, Product, Variant } from "../types";

export default function ProductPage({ id }: PageProps) {
  const product = useOne<Product>(`/products/${encodeURIComponent(id)}`, ["product", "inventory"], id);
  const back = { href: "/admin/products", text: t("nav.products") };
  const it = product.data;
  // The catalogue knows no feed: what Google was told of these variants is asked for by the title that they share.
  const items = useOne<{ data: FeedItem[] }>(it && can("feed.read") ? `/feeds/items${params({ q: it.title, limit: "250" })}` : null, ["feed"]);
  if (!it) return <Pending title={t("product.title")} error={product.error} retry={product.reload} back={back} />;
  const own = (items.data?.data ?? []).filter((f) => it.variants.some((v) => v.id === f.variant_id));
  const feed = (variant: Variant) => own.find((f) => f.variant_id === variant.id);
  const columns: Column<Variant>[] = [
    { id: "sku", head: t("stock.sku"), cell: (v) => v.sku },
    { id: "title", head: t("product.variant"), cut: "wide", cell: (v) => v.title },
    { id: "barcode", head: t("product.barcode"), hide: "narrow", cell: (v) => <span class="num">{v.barcode ?? "–"}</span> },
    {
      id: "google",
      head: "Google",
      hide: "narrow",
      cell: (v) => {
        const state = feed(v);
        return state ? (
          <span title={state.issue ?? undefined}>
            <Status group="feed.state" of={state.product_state} />{" "}
            <span class="faint">
              <Time at={state.product_pushed_at} none="" />
            </span>
          </span>
        ) : (
          <span class="faint">–</span>
        );
      },
    },
    { id: "price", head: t("product.price"), num: true, cell: (v) => <Money of={v.price} /> },
  ];
  const issues = own.filter((f) => f.issue);
  return (
    <Page
      title={it.title}
      back={back}
      badges={<Status group="product.status" of={it.status} />}
      sub={[it.vendor, it.category].filter(Boolean).join(" · ")}
    >
      <div class="columns">
        <div class="main-column">
          <Card title={t("product.variants")} flush>
            {it.variants.length ? (
              <Table
                caption={t("product.variants")}
                columns={columns}
                rows={it.variants}
                rowKey={(v) => v.id}
                href={(v) => (can("inventory.read") ? `/admin/stock/${v.id}` : null)}
              />
            ) : (
              <Empty icon="products" title={t("product.noVariants")} />
            )}
          </Card>
          {issues.length > 0 && (
            <Card title={t("product.issues")}>
              <ul class="plain">
                {issues.map((f) => (
                  <li key={f.variant_id}>
                    <strong>{it.variants.find((v) => v.id === f.variant_id)?.sku}</strong>: {f.issue}
                  </li>
                ))}
              </ul>
            </Card>
          )}
          {it.description && (
            <Card title={t("product.description")}>
              <p class="prose">{it.description}</p>
            </Card>
          )}
        </div>
        <div class="side-column">
          <Card title={t("nav.stock")}>
            <div class="day-figures">
              <div>
                <span class="figure">{number(it.on_hand)}</span>
                <span class="faint">{t("stock.onHand")}</span>
              </div>
              <div>
                <span class="figure">
                  <Quantity of={it.available} />
                </span>
                <span class="faint">{t("stock.available")}</span>
              </div>
            </div>
          </Card>
          <Card title={t("order.origin")}>
            <Facts
              of={[
                [t("product.handle"), it.handle],
                [t("stock.updated"), <Time at={it.updated_at} />],
                ["ID", <CopyText text={it.id} />],
              ]}
            />
          </Card>
        </div>
      </div>
    </Page>
  );
}
