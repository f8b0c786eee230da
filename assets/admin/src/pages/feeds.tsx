// What Google shows of the store: the line to it, and each article as pushed against as it is.
import { filters, params } from "../api";
import { useList, useOne } from "../data";
import { number, t, tn, word } from "../i18n";
import { Choice, ClearFilters, filtered, Filters, SearchBox } from "../parts/filters";
import { List } from "../parts/list";
import { Card, Empty, ErrorBox, Notice, Page, Skeleton } from "../parts/page";
import type { Column } from "../parts/table";
import { Badge, Facts, Status, Time } from "../parts/values";
import type { FeedItem, Google } from "../types";

type Stock = FeedItem["stock"][number];
const StockCell = ({ of }: { of: Stock }) => (
  <span class={of.stale ? "alloc stale" : "alloc"} title={t(of.stale ? "feed.stale" : "feed.even")}>
    {of.warehouse_code} <b>{of.pushed_quantity === null ? "–" : number(of.pushed_quantity)}</b>
    {of.stale && (
      <>
        {" "}
        → <b>{number(of.available)}</b>
      </>
    )}
  </span>
);

function Line() {
  const google = useOne<Google>("/integrations/google", ["feed", "job"]);
  const it = google.data;
  if (!it)
    return (
      <Card title="Google Merchant">
        {google.error ? <ErrorBox error={google.error} retry={() => void google.reload()} /> : <Skeleton rows={3} />}
      </Card>
    );
  const waiting = !!it.oldest_waiting_at || !!it.paused_until;
  return (
    <>
      {waiting && (
        <Notice tone="warn" title={it.last_error ?? t("overview.google")}>
          {it.oldest_waiting_at && (
            <>
              {t("feed.waitingSince")} <Time at={it.oldest_waiting_at} />.{" "}
            </>
          )}
          {it.paused_until && (
            <>
              {t("jobs.pausedUntil")} <Time at={it.paused_until} />.{" "}
            </>
          )}
          {t("feed.drains")}
        </Notice>
      )}
      <Card
        title="Google Merchant"
        aside={
          <Badge tone={!it.connected ? "quiet" : waiting ? "warn" : "good"}>
            {t(!it.connected ? "google.off" : waiting ? "google.waiting" : "google.on")}
          </Badge>
        }
      >
        <div class="wide-facts">
          <Facts
            of={[
              [t("feed.pushed"), tn("overview.pushed", it.pushed_24h)],
              [t("feed.account"), it.account_id ?? "–"],
              [t("feed.source"), it.data_source ?? "–"],
              [t("feed.label"), [it.content_language, it.feed_label].filter(Boolean).join(" · ") || "–"],
            ]}
          />
        </div>
      </Card>
    </>
  );
}

export default function Feeds() {
  const list = useList<FeedItem>(`/feeds/items${params(filters("q", "state"))}`, (it) => it.variant_id, ["feed", "inventory", "job"]);
  const columns: Column<FeedItem>[] = [
    { id: "sku", head: t("stock.sku"), cell: (it) => it.sku, text: (it) => it.sku },
    { id: "title", head: t("stock.title"), cut: "wide", hide: "narrow", cell: (it) => it.title, text: (it) => it.title },
    {
      id: "state",
      head: t("feed.product"),
      cell: (it) => <Status group="feed.state" of={it.product_state} />,
      text: (it) => it.product_state,
    },
    {
      id: "stock",
      head: t("feed.stock"),
      hide: "narrow",
      cell: (it) => (
        <span class="allocs">
          {it.stock.map((s) => (
            <StockCell key={s.warehouse_code} of={s} />
          ))}
        </span>
      ),
      text: (it) => it.stock.map((s) => `${s.warehouse_code} ${s.pushed_quantity ?? "-"}/${s.available}`).join(" "),
    },
    {
      id: "pushed",
      head: t("feed.last"),
      hide: "medium",
      cell: (it) => (
        <span class="faint">
          <Time
            at={
              it.stock
                .map((s) => s.pushed_at)
                .filter((at) => at !== null)
                .sort()
                .at(-1) ?? it.product_pushed_at
            }
          />
        </span>
      ),
      text: (it) => it.product_pushed_at,
    },
    {
      id: "issue",
      head: t("feed.issue"),
      cut: true,
      hide: "medium",
      cell: (it) =>
        it.issue ? (
          <span class="minus" title={it.issue}>
            {it.issue}
          </span>
        ) : (
          <span class="faint">–</span>
        ),
      text: (it) => it.issue,
    },
  ];
  return (
    <Page title={t("nav.feeds")}>
      <Line />
      <Card flush>
        <Filters>
          <SearchBox label={t("stock.search")} />
          <Choice
            label={t("feed.product")}
            name="state"
            options={["new", "pending", "live", "rejected"].map((it) => [it, word("feed.state", it)])}
          />
        </Filters>
        <List
          list={list}
          csv="google-items"
          caption={t("feed.caption")}
          columns={columns}
          rowKey={(it) => it.variant_id}
          href={(it) => `/admin/stock/${it.variant_id}`}
          narrow={(it) => (
            <>
              {it.title}
              <br />
              <span class="allocs">
                {it.stock.map((s) => (
                  <StockCell key={s.warehouse_code} of={s} />
                ))}
              </span>
            </>
          )}
          empty={
            filtered("q", "state") ? (
              <Empty icon="search" title={t("stock.noMatch")}>
                <ClearFilters />
              </Empty>
            ) : (
              <Empty icon="feeds" title={t("feed.none")}>
                <p>{t("feed.noneText")}</p>
              </Empty>
            )
          }
        />
      </Card>
    </Page>
  );
}
