// What every screen is built of: its frame, its cards, and its four other faces: loading, empty, error, no permission.
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { ApiError } from "../api";
import { t } from "../i18n";
import { path, session } from "../state";
import { Icon, type IconName } from "./icons";
import { CopyText } from "./values";

/** The path whose heading was focused last: a live update or a filter must not pull the focus back to the top. */
let focused = location.pathname;
/** False until the first move: on a fresh load the focus begins at the top, with the skip link. */
let moved = false;

interface PageProps {
  title: string;
  badges?: ComponentChildren;
  sub?: ComponentChildren;
  actions?: ComponentChildren;
  back?: { href: string; text: string };
  children: ComponentChildren;
}
export function Page({ title, badges, sub, actions, back, children }: PageProps) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · ${session.value?.tenant.name ?? "bodega"}`;
  }, [title]);
  useEffect(() => {
    // A record's heading follows that of its loading shape, which took the focus with it when it went.
    const lost = moved && document.activeElement === document.body;
    if (focused === path.value && !lost) return;
    focused = path.value;
    moved = true;
    heading.current?.focus({ preventScroll: true });
  }, [path.value]);
  return (
    <div class="page">
      <header class="page-head">
        <div class="page-title">
          {back && (
            <a class="back" href={back.href}>
              <Icon name="back" size={14} />
              {back.text}
            </a>
          )}
          <div class="title-row">
            <h1 ref={heading} tabIndex={-1}>
              {title}
            </h1>
            {badges}
          </div>
          {sub && <p class="sub">{sub}</p>}
        </div>
        {actions && <div class="actions">{actions}</div>}
      </header>
      {children}
    </div>
  );
}

interface CardProps {
  title?: string;
  aside?: ComponentChildren;
  children: ComponentChildren;
  flush?: boolean;
}
export function Card({ title, aside, children, flush }: CardProps) {
  return (
    <section class={flush ? "card flush" : "card"} aria-label={title}>
      {title && (
        <header>
          <h2>{title}</h2>
          {aside}
        </header>
      )}
      {children}
    </section>
  );
}

export function Notice({ tone, title, children }: { tone: "warn" | "bad" | "info" | "good"; title: string; children?: ComponentChildren }) {
  return (
    <div class={`notice ${tone}`} role="note">
      <Icon name={tone === "good" ? "check" : tone === "info" ? "clock" : "dead"} />
      <div>
        <strong>{title}</strong>
        {children && <div>{children}</div>}
      </div>
    </div>
  );
}

/** The grey shape of what is coming; read as "loading" by a screen reader. */
export function Skeleton({ rows = 6 }: { rows?: number }) {
  return (
    <div class="skeleton" role="status" aria-label={t("loading")}>
      {Array.from({ length: rows }, (_, at) => (
        <span key={at} />
      ))}
    </div>
  );
}

export function Empty({ icon, title, children }: { icon: IconName; title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <span class="empty-icon">
        <Icon name={icon} size={26} />
      </span>
      <h2>{title}</h2>
      {children && <div>{children}</div>}
    </div>
  );
}

export const Denied = ({ permission }: { permission: string }) => (
  <Page title={t("denied.title")}>
    <Card>
      <Empty icon="close" title={t("denied.head")}>
        <p>
          {t("denied.text")} <code>{permission}</code>
        </p>
      </Empty>
    </Card>
  </Page>
);

/** The API's own sentence, the request id to copy, and a way on. */
export function ErrorBox({ error, retry }: { error: ApiError; retry?: () => void }) {
  return (
    <div class="notice bad" role="alert">
      <Icon name="dead" />
      <div>
        <strong>{error.message}</strong>
        <div class="error-more">
          {error.requestId && (
            <span>
              {t("error.request")} <CopyText text={error.requestId} />
            </span>
          )}
          {retry && (
            <button type="button" class="button small" onClick={retry}>
              {t("error.retry")}
            </button>
          )}
        </div>
      </div>
    </div>
  );
}

/** A record's page until the record is there: its error or its shape. */
export function Pending({
  title,
  error,
  retry,
  back,
}: {
  title: string;
  error: ApiError | null;
  retry: () => void;
  back: { href: string; text: string };
}) {
  return (
    <Page title={title} back={back}>
      {error ? (
        <ErrorBox error={error} retry={retry} />
      ) : (
        <Card>
          <Skeleton rows={7} />
        </Card>
      )}
    </Page>
  );
}
