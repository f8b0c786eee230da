// The frame around every page: navigation, search, live line, preferences, the way out.
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { call } from "../api";
import { lang, setLang, t } from "../i18n";
import { line } from "../live";
import { allowed, match, routes } from "../routes";
import { density, go, open, path, session, setDensity, setTheme, theme } from "../state";
import { Icon } from "./icons";
import { Toasts } from "./toast";

export async function signOut() {
  try {
    await call("DELETE", "/session", undefined, { anonymous: true });
  } finally {
    session.value = null;
    go("/admin/sign-in");
  }
}

function Nav() {
  const here = match(path.value)?.route;
  const current = here?.parent ?? here?.path;
  const group = (name: "work" | "system") => (
    <ul>
      {routes
        .filter((it) => it.nav?.group === name && allowed(it))
        .map((it) => (
          <li key={it.path}>
            <a href={it.path} aria-current={it.path === current ? "page" : undefined}>
              <Icon name={it.nav!.icon} />
              {t(it.title)}
            </a>
          </li>
        ))}
    </ul>
  );
  return (
    <nav class="nav" aria-label={t("nav.label")} id="nav">
      <a class="brand" href="/admin/">
        <span class="brand-mark">{(session.value?.tenant.name ?? "b").slice(0, 1)}</span>
        <span class="brand-name">
          {session.value?.tenant.name}
          {session.value?.demo && <small>{t("nav.demo")}</small>}
        </span>
      </a>
      {group("work")}
      {routes.some((it) => it.nav?.group === "system" && allowed(it)) && (
        <>
          <p class="nav-head">{t("nav.system")}</p>
          {group("system")}
        </>
      )}
    </nav>
  );
}

/** Language, theme and density stand in the corner, on the sign-in page too. */
export function Corner() {
  const themes = { system: "light", light: "dark", dark: "system" } as const;
  const icons = { system: "system", light: "sun", dark: "moon" } as const;
  const themeText = { system: t("theme.system"), light: t("theme.light"), dark: t("theme.dark") }[theme.value];
  return (
    <>
      <button
        type="button"
        class="icon-button wide-only"
        title={t(density.value === "compact" ? "act.comfortable" : "act.compact")}
        aria-label={t("density.compact")}
        aria-pressed={density.value === "compact"}
        onClick={() => setDensity(density.value === "compact" ? "comfortable" : "compact")}
      >
        <Icon name="rows" />
      </button>
      <button type="button" class="icon-button" title={themeText} aria-label={themeText} onClick={() => setTheme(themes[theme.value])}>
        <Icon name={icons[theme.value]} />
      </button>
      <label class="lang">
        <span class="sr-only">{t("lang.label")}</span>
        <select value={lang.value} onChange={(event) => void setLang(event.currentTarget.value as "en" | "de")}>
          <option value="en">EN</option>
          <option value="de">DE</option>
        </select>
      </label>
    </>
  );
}

function LiveLine() {
  // A blink while reconnecting is no news; it is after two seconds.
  const [away, setAway] = useState(false);
  const state = line.value;
  useEffect(() => {
    const timer = setTimeout(() => setAway(state !== "on"), state === "on" ? 0 : 2000);
    return () => clearTimeout(timer);
  }, [state]);
  return (
    <span class={`live ${away ? "off" : "on"}`} role="status">
      <span class="wide-only">{t(away ? "live.off" : "live.on")}</span>
      <span class="sr-only narrow-only">{t(away ? "live.off" : "live.on")}</span>
    </span>
  );
}

export function Shell({ children }: { children: ComponentChildren }) {
  const menu = open.value === "menu";
  useEffect(() => {
    if (open.value === "menu") open.value = "none";
  }, [path.value]);
  const mac = navigator.platform.startsWith("Mac");
  return (
    <div class={menu ? "shell menu-open" : "shell"}>
      <a class="skip" href="#main" data-native>
        {t("nav.skip")}
      </a>
      <Nav />
      {menu && <div class="scrim" onClick={() => (open.value = "none")} />}
      <div class="stage">
        <header class="topbar">
          <button
            type="button"
            class="icon-button menu-button"
            aria-label={t("nav.menu")}
            aria-expanded={menu}
            aria-controls="nav"
            onClick={() => (open.value = menu ? "none" : "menu")}
          >
            <Icon name="menu" />
          </button>
          <button type="button" class="search-button" onClick={() => (open.value = "palette")}>
            <Icon name="search" size={16} />
            <span>{t("palette.button")}</span>
            <kbd class="wide-only">{mac ? "⌘ K" : "Ctrl K"}</kbd>
          </button>
          <div class="corner">
            <LiveLine />
            <Corner />
            <span class="who wide-only" title={session.value?.user.email}>
              {session.value?.user.name}
            </span>
            <button type="button" class="icon-button" title={t("act.signOut")} aria-label={t("act.signOut")} onClick={() => void signOut()}>
              <Icon name="out" />
            </button>
          </div>
        </header>
        <main id="main" tabIndex={-1}>
          {children}
        </main>
      </div>
      <Toasts />
    </div>
  );
}
