// The first page: what needs a person now, what came in, whether the lines to the outside hold.
import type { ComponentChildren } from "preact";
import { params } from "../api";
import { type One, useOne } from "../data";
import { clock, money, number, t, tn } from "../i18n";
import { Icon, type IconName } from "../parts/icons";
import { Card, Empty, ErrorBox, Page, Skeleton } from "../parts/page";
import { Badge, Money, Status, Time } from "../parts/values";
import { StockBadge, who } from "../parts/order";
import { StockCheck } from "../parts/stock-check";
import { can, now, session } from "../state";
import type { Channel, Google, JobRow, OrderSummary, Page as ApiPage, Reconciliation } from "../types";

interface Issue {
  id: string;
  icon: IconName;
  text: string;
  more?: ComponentChildren;
  href: string;
}
const count = <T,>(it: One<ApiPage<T>>) => ({ n: it.data?.data.length ?? 0, more: !!it.data?.has_more });

/** The last 24 hours by the hour, drawn from the latest orders. */
function Day({ orders, complete }: { orders: OrderSummary[]; complete: boolean }) {
  const hour = 3_600_000;
  const end = Math.ceil(now.value / hour) * hour;
  const bars = Array.from({ length: 24 }, () => 0);
  const recent = orders.filter((it) => end - new Date(it.created_at).getTime() < 24 * hour);
  for (const it of recent) {
    const slot = 23 - Math.floor((end - new Date(it.created_at).getTime()) / hour);
    if (slot >= 0 && slot < 24) bars[slot] = (bars[slot] ?? 0) + 1;
  }
  const top = Math.max(1, ...bars);
  const sums = new Map<string, bigint>();
  const exponents = new Map<string, number>();
  for (const { total } of recent) {
    const decimals = total.amount.split(".")[1]?.length ?? 0;
    exponents.set(total.currency, decimals);
    sums.set(total.currency, (sums.get(total.currency) ?? 0n) + BigInt(total.amount.replace(".", "")));
  }
  const text = (minor: bigint, currency: string) => {
    const decimals = exponents.get(currency) ?? 0;
    const digits = minor.toString().padStart(decimals + 1, "0");
    return money({ currency, amount: decimals ? `${digits.slice(0, -decimals)}.${digits.slice(-decimals)}` : digits });
  };
  return (
    <Card title={complete ? t("overview.day") : tn("overview.latest", orders.length)}>
      <div class="day-figures">
        <div>
          <span class="figure">{number(recent.length)}</span>
          <span class="faint">{t("overview.orders")}</span>
        </div>
        {[...sums].slice(0, 2).map(([currency, minor]) => (
          <div key={currency}>
            <span class="figure">{text(minor, currency)}</span>
            <span class="faint">{t("overview.revenue")}</span>
          </div>
        ))}
      </div>
      <svg class="bars" viewBox="0 0 240 56" preserveAspectRatio="none" role="img" aria-label={tn("overview.chart", recent.length)}>
        {bars.map((value, at) => {
          const height = value ? Math.max(3, (value / top) * 54) : 1.5;
          return (
            <rect key={at} class={value ? "" : "zero"} x={at * 10 + 1} y={56 - height} width="8" height={height} rx="1">
              <title>{`${clock(new Date(end - (24 - at) * hour))}: ${value}`}</title>
            </rect>
          );
        })}
      </svg>
      <div class="axis faint">
        <span>{clock(new Date(end - 24 * hour))}</span>
        <span>{clock(new Date(end - 12 * hour))}</span>
        <span>{t("time.now")}</span>
      </div>
    </Card>
  );
}

function Issues({ issues, ready }: { issues: Issue[]; ready: boolean }) {
  return (
    <Card title={t("overview.attention")} flush>
      {!ready ? (
        <Skeleton rows={3} />
      ) : issues.length === 0 ? (
        <Empty icon="check" title={t("overview.clear")}>
          <p>{t("overview.clearText")}</p>
        </Empty>
      ) : (
        <ul class="issues">
          {issues.map((it) => (
            <li key={it.id}>
              <a class="row-link" href={it.href}>
                <Icon name={it.icon} />
                <span>
                  <strong>{it.text}</strong>
                  {it.more && <span class="faint">{it.more}</span>}
                </span>
              </a>
            </li>
          ))}
        </ul>
      )}
    </Card>
  );
}

function Lines({ channels, google }: { channels: One<ApiPage<Channel>>; google: One<Google> }) {
  const g = google.data;
  const offline = !!g && (!!g.paused_until || !!g.oldest_waiting_at);
  return (
    <Card title={t("overview.lines")} flush>
      <ul class="lines">
        {channels.data?.data.map((it) => (
          <li key={it.id}>
            <a href={`/admin/channels/${it.id}`}>{it.name}</a>
            <span class="faint">
              {it.last_received_at ? t("overview.lastReceived") : t("overview.nothingYet")}{" "}
              {it.last_received_at && <Time at={it.last_received_at} />}
            </span>
            <Status group="channel.state" of={it.state} />
          </li>
        ))}
        {g && (
          <li>
            <a href="/admin/feeds">Google</a>
            <span class="faint">{tn("overview.pushed", g.pushed_24h)}</span>
            <Badge tone={!g.connected ? "quiet" : offline ? "warn" : "good"}>
              {t(!g.connected ? "google.off" : offline ? "google.waiting" : "google.on")}
            </Badge>
          </li>
        )}
      </ul>
      {!channels.data && !channels.error && can("channel.read") && <Skeleton rows={2} />}
      {channels.error && <ErrorBox error={channels.error} retry={() => void channels.reload()} />}
    </Card>
  );
}

export default function Overview() {
  const may = (permission: string, path: string) => (can(permission) ? path : null);
  const order = ["order", "inventory"];
  const orders = useOne<ApiPage<OrderSummary>>(may("order.read", "/orders?limit=100"), order);
  const short = useOne<ApiPage<OrderSummary>>(
    may("order.read", `/orders${params({ stock_status: "short", status: "open", limit: 50 })}`),
    order,
  );
  const flagged = useOne<ApiPage<OrderSummary>>(
    may("order.read", `/orders${params({ flagged: "true", status: "open", limit: 50 })}`),
    order,
  );
  const dead = useOne<ApiPage<JobRow>>(may("job.read", "/jobs/dead-letters?limit=50"), ["job"]);
  const channels = useOne<ApiPage<Channel>>(may("channel.read", "/channels?limit=50"), ["channel", "message", "order"]);
  const checks = useOne<ApiPage<Reconciliation>>(may("inventory.read", "/inventory/reconciliations?limit=1"), ["tenant"]);
  const google = useOne<Google>(may("feed.read", "/integrations/google"), ["feed", "job"]);

  const issues: Issue[] = [];
  const add = (it: Issue | false | undefined) => it && issues.push(it);
  const plus = ({ n, more }: { n: number; more: boolean }) => ({ n: number(n) + (more ? "+" : "") });
  const s = count(short);
  add(
    s.n > 0 && {
      id: "short",
      icon: "stock",
      text: tn("overview.short", s.n, plus(s)),
      more: short.data?.data
        .slice(0, 3)
        .map((it) => `#${it.number}`)
        .join(", "),
      href: "/admin/orders?stock_status=short&status=open",
    },
  );
  const f = count(flagged);
  add(
    f.n > 0 && {
      id: "flagged",
      icon: "flag",
      text: tn("overview.flagged", f.n, plus(f)),
      more: t("overview.flaggedText"),
      href: "/admin/orders?flagged=true&status=open",
    },
  );
  for (const it of channels.data?.data ?? []) {
    const at = `/admin/channels/${it.id}`;
    add(
      it.quarantined > 0 && {
        id: `q${it.id}`,
        icon: "channels",
        text: tn("overview.quarantined", it.quarantined),
        more: it.name,
        href: `${at}?tab=quarantine`,
      },
    );
    add(
      it.unmapped > 0 && {
        id: `u${it.id}`,
        icon: "products",
        text: tn("overview.unmapped", it.unmapped),
        more: it.name,
        href: `${at}?tab=mappings`,
      },
    );
    add(
      it.signature_failures > 0 && {
        id: `s${it.id}`,
        icon: "dead",
        text: tn("overview.signatures", it.signature_failures),
        more: (
          <>
            {it.name} · <Time at={it.last_signature_failure_at} />
          </>
        ),
        href: at,
      },
    );
  }
  const last = checks.data?.data[0];
  add(
    !!last?.drifted && {
      id: "drift",
      icon: "stock",
      text: tn("overview.drift", last.drifted),
      more: last.differences[0] && `${last.differences[0].sku}: ${last.differences[0].explanation}`,
      href: last.differences[0] ? `/admin/stock/${last.differences[0].variant_id}` : "/admin/stock",
    },
  );
  const d = count(dead);
  add(
    d.n > 0 && {
      id: "dead",
      icon: "dead",
      text: tn("overview.dead", d.n, plus(d)),
      more: dead.data?.data[0]?.last_error,
      href: "/admin/dead-letters",
    },
  );
  const g = google.data;
  add(
    g?.oldest_waiting_at
      ? {
          id: "google",
          icon: "feeds",
          text: t("overview.google"),
          more: (
            <>
              {g.last_error && `${g.last_error} · `}
              {t("overview.since")} <Time at={g.oldest_waiting_at} />
            </>
          ),
          href: "/admin/feeds",
        }
      : undefined,
  );

  // What one may not read is never asked for, and not waited for.
  const asked: [permission: string, answer: { data: unknown; error: unknown }][] = [
    ["order.read", short],
    ["order.read", flagged],
    ["job.read", dead],
    ["channel.read", channels],
    ["feed.read", google],
  ];
  const ready = asked.every(([permission, it]) => it.data || it.error || !can(permission));
  const list = orders.data;
  const failed = [orders, short, dead, google].find((it) => it.error);
  return (
    <Page title={t("overview.title")} sub={t("overview.hello", { name: session.value?.user.name ?? "" })}>
      {failed?.error && <ErrorBox error={failed.error} retry={() => void failed.reload()} />}
      <div class="columns">
        <div class="main-column">
          <Issues issues={issues} ready={ready} />
          {can("order.read") && (
            <Card title={t("overview.recent")} aside={<a href="/admin/orders">{t("overview.all")}</a>} flush>
              {!list ? (
                <Skeleton rows={5} />
              ) : list.data.length === 0 ? (
                <Empty icon="orders" title={t("orders.none")}>
                  <p>{t("orders.noneText")}</p>
                  <a class="button" href="/admin/channels">
                    {t("orders.toChannels")}
                  </a>
                </Empty>
              ) : (
                <ul class="recent">
                  {list.data.slice(0, 7).map((it) => (
                    <li key={it.id}>
                      <a class="row-link" href={`/admin/orders/${it.id}`}>
                        #{it.number}
                      </a>
                      <span class="recent-who">{who(it) ?? t("order.guest")}</span>
                      <StockBadge of={it} />
                      <Money of={it.total} />
                      <span class="faint recent-time">
                        <Time at={it.placed_at} />
                      </span>
                    </li>
                  ))}
                </ul>
              )}
            </Card>
          )}
        </div>
        <div class="side-column">
          {list && list.data.length > 0 && (
            <Day
              orders={list.data}
              complete={!list.has_more || now.value - new Date(list.data.at(-1)?.created_at ?? 0).getTime() > 86_400_000}
            />
          )}
          {(can("channel.read") || can("feed.read")) && <Lines channels={channels} google={google} />}
          {can("inventory.read") && <StockCheck checks={checks} />}
        </div>
      </div>
    </Page>
  );
}
