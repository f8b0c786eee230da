// The one table: what is here is navigation, command palette, keyboard and permission rule at once.
import type { FunctionComponent } from "preact";
import type { Key } from "./i18n";
import { can, session } from "./state";
import type { IconName } from "./parts/icons";

export type PageProps = { id: string };
export type PageModule = { default: FunctionComponent<PageProps> };
export interface Route {
  /** `{id}` stands for one segment. */
  path: string;
  title: Key;
  /** Missing: everybody who is signed in. */
  permission?: string;
  load: () => Promise<PageModule>;
  /** Set: it stands in the navigation, with the key that follows `g`. */
  nav?: { icon: IconName; key: string; group: "work" | "system" };
  /** The navigation entry that a record's page belongs to. */
  parent?: string;
  demo?: boolean;
}

export const routes: Route[] = [
  { path: "/admin/", title: "nav.overview", load: () => import("./pages/overview"), nav: { icon: "home", key: "h", group: "work" } },
  {
    path: "/admin/orders",
    title: "nav.orders",
    permission: "order.read",
    load: () => import("./pages/orders"),
    nav: { icon: "orders", key: "o", group: "work" },
  },
  {
    path: "/admin/orders/{id}",
    title: "nav.orders",
    permission: "order.read",
    load: () => import("./pages/order"),
    parent: "/admin/orders",
  },
  {
    path: "/admin/stock",
    title: "nav.stock",
    permission: "inventory.read",
    load: () => import("./pages/stock"),
    nav: { icon: "stock", key: "s", group: "work" },
  },
  {
    path: "/admin/stock/{id}",
    title: "nav.stock",
    permission: "inventory.read",
    load: () => import("./pages/stock-variant"),
    parent: "/admin/stock",
  },
  {
    path: "/admin/products",
    title: "nav.products",
    permission: "product.read",
    load: () => import("./pages/products"),
    nav: { icon: "products", key: "p", group: "work" },
  },
  {
    path: "/admin/products/{id}",
    title: "nav.products",
    permission: "product.read",
    load: () => import("./pages/product"),
    parent: "/admin/products",
  },
  {
    path: "/admin/channels",
    title: "nav.channels",
    permission: "channel.read",
    load: () => import("./pages/channels"),
    nav: { icon: "channels", key: "c", group: "work" },
  },
  {
    path: "/admin/channels/{id}",
    title: "nav.channels",
    permission: "channel.read",
    load: () => import("./pages/channel"),
    parent: "/admin/channels",
  },
  {
    path: "/admin/feeds",
    title: "nav.feeds",
    permission: "feed.read",
    load: () => import("./pages/feeds"),
    nav: { icon: "feeds", key: "f", group: "work" },
  },
  {
    path: "/admin/jobs",
    title: "nav.jobs",
    permission: "job.read",
    load: () => import("./pages/jobs"),
    nav: { icon: "jobs", key: "j", group: "system" },
  },
  { path: "/admin/jobs/{id}", title: "nav.jobs", permission: "job.read", load: () => import("./pages/job"), parent: "/admin/jobs" },
  {
    path: "/admin/dead-letters",
    title: "nav.dead",
    permission: "job.read",
    load: () => import("./pages/dead-letters"),
    nav: { icon: "dead", key: "d", group: "system" },
  },
  {
    path: "/admin/audit",
    title: "nav.audit",
    permission: "audit.read",
    load: () => import("./pages/audit"),
    nav: { icon: "audit", key: "a", group: "system" },
  },
  {
    path: "/admin/sandbox",
    title: "nav.sandbox",
    permission: "demo.write",
    load: () => import("./pages/sandbox"),
    nav: { icon: "sandbox", key: "x", group: "system" },
    demo: true,
  },
];

export const allowed = (route: Route) => can(route.permission) && (!route.demo || !!session.value?.demo);

export function match(at: string): { route: Route; id: string } | null {
  const here = at === "/admin" ? "/admin/" : at.length > 7 ? at.replace(/\/$/, "") : at;
  for (const route of routes) {
    if (route.path === here) return { route, id: "" };
    if (!route.path.endsWith("{id}")) continue;
    const stem = route.path.slice(0, -4);
    const rest = here.startsWith(stem) ? here.slice(stem.length) : "";
    if (rest && !rest.includes("/")) return { route, id: decodeURIComponent(rest) };
  }
  return null;
}

/** Where the record behind an audit entry or an event is shown. */
export function recordLink(entity: string, id: string): string | null {
  const at: Record<string, string> = { order: "orders", product: "products", variant: "stock", job: "jobs", channel: "channels" };
  const prefix: Record<string, string> = { ord: "orders", prd: "products", var: "stock", job: "jobs", chn: "channels" };
  const page = at[entity] ?? prefix[id.split("_")[0] ?? ""];
  return page && id ? `/admin/${page}/${encodeURIComponent(id)}` : null;
}
