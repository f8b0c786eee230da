// Starts the admin: session, words, theme, keys, and the page that the address names.
import { effect } from "@preact/signals";
import { type FunctionComponent, render } from "preact";
import { useEffect, useState } from "preact/hooks";
import { ApiError, call, hooks } from "./api";
import { setLang, t } from "./i18n";
import { onKey } from "./keys";
import { keepLive } from "./live";
import { Help } from "./parts/help";
import { Card, Denied, Empty, ErrorBox, Page, Skeleton } from "./parts/page";
import { Palette } from "./parts/palette";
import { Shell } from "./parts/shell";
import { allowed, match, type PageProps, type Route } from "./routes";
import { density, go, open, path, query, session, theme } from "./state";
import type { Session } from "./types";

type Loaded = { route: Route; Page: FunctionComponent<PageProps> };

/** The page's module. The page before stays until it is there; a module that is gone means that the server was updated. */
function usePage(route: Route | null): Loaded | "gone" | null {
  const [loaded, setLoaded] = useState<Loaded | "gone" | null>(null);
  useEffect(() => {
    let current = true;
    route?.load().then(
      (it) => current && setLoaded({ route, Page: it.default }),
      () => current && setLoaded("gone"),
    );
    return () => {
      current = false;
    };
  }, [route]);
  return loaded;
}

function Outlet() {
  const found = match(path.value);
  const mayEnter = !!found && allowed(found.route);
  const loaded = usePage(mayEnter ? found.route : null);
  if (!found) {
    return (
      <Page title={t("missing.title")}>
        <Card>
          <Empty icon="search" title={t("missing.head")}>
            <a class="button" href="/admin/">
              {t("missing.home")}
            </a>
          </Empty>
        </Card>
      </Page>
    );
  }
  if (!mayEnter) return <Denied permission={found.route.permission ?? ""} />;
  if (loaded === "gone") {
    return (
      <Page title={t("update.title")}>
        <Card>
          <Empty icon="download" title={t("update.head")}>
            <button type="button" class="button primary" onClick={() => location.reload()}>
              {t("update.reload")}
            </button>
          </Empty>
        </Card>
      </Page>
    );
  }
  if (!loaded || loaded.route !== found.route)
    return (
      <div class="page">
        <Card>
          <Skeleton rows={8} />
        </Card>
      </div>
    );
  return <loaded.Page key={path.value} id={found.id} />;
}

type SignInPage = typeof import("./pages/sign-in").default;
function Door() {
  const [SignIn, setSignIn] = useState<SignInPage | null>(null);
  useEffect(() => void import("./pages/sign-in").then((it) => setSignIn(() => it.default)), []);
  return SignIn && <SignIn />;
}

function App() {
  if (path.value === "/admin/sign-in" || !session.value) return <Door />;
  return (
    <>
      <Shell>
        <Outlet />
      </Shell>
      {open.value === "palette" && <Palette />}
      {open.value === "help" && <Help />}
    </>
  );
}

/** To the door, remembering where from. */
function toSignIn() {
  session.value = null;
  if (path.value === "/admin/sign-in") return;
  const text = query.value.toString();
  const next = path.value + (text ? `?${text}` : "");
  go(`/admin/sign-in${next === "/admin/" ? "" : `?next=${encodeURIComponent(next)}`}`, true);
}

/** Links of ours are followed without a page load; everything else is the browser's. */
function onClick(event: MouseEvent) {
  if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = (event.target as Element | null)?.closest?.<HTMLAnchorElement>("a[href]");
  if (!link || link.target || link.download || link.dataset.native !== undefined) return;
  const url = new URL(link.href);
  if (url.origin !== location.origin || !url.pathname.startsWith("/admin")) return;
  event.preventDefault();
  go(url.pathname + url.search, link.dataset.replace !== undefined);
}

async function start() {
  const root = document.getElementById("app");
  if (!root) return;
  effect(() => {
    const { dataset } = document.documentElement;
    dataset.theme = theme.value;
    dataset.density = density.value;
  });
  hooks.signedOut = toSignIn;
  hooks.unreachable = () => t("error.unreachable");
  document.addEventListener("keydown", onKey);
  document.addEventListener("click", onClick);
  // At the door nobody is signed in yet: asking would only put a 401 into the console.
  if (path.value === "/admin/sign-in") {
    await setLang();
    keepLive();
    render(<App />, root);
    return;
  }
  const [, known] = await Promise.all([
    setLang(),
    call<Session>("GET", "/session", undefined, { anonymous: true }).catch((fault: unknown) => fault as ApiError),
  ]);
  if (known instanceof ApiError) {
    if (known.status !== 401) {
      render(
        <div class="door">
          <ErrorBox error={known} retry={() => location.reload()} />
        </div>,
        root,
      );
      return;
    }
    toSignIn();
  } else session.value = known;
  keepLive();
  render(<App />, root);
}
void start();
