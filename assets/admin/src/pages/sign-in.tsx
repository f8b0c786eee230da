// The door: e-mail and password, or the one-time link that the server prints at start.
import { useEffect, useState } from "preact/hooks";
import { ApiError, call } from "../api";
import { t } from "../i18n";
import { Field, Form, Submit, useForm } from "../parts/form";
import { ErrorBox, Skeleton } from "../parts/page";
import { Corner } from "../parts/shell";
import { go, query, session } from "../state";
import type { Session } from "../types";

function enter(it: Session) {
  const next = query.value.get("next");
  session.value = it;
  go(next?.startsWith("/admin/") && !next.startsWith("/admin/sign-in") ? next : "/admin/", true);
}

export default function SignIn() {
  const code = query.value.get("code");
  const [failed, setFailed] = useState<ApiError | null>(null);
  const form = useForm({ email: "", password: "" }, async (values) =>
    enter(await call<Session>("POST", "/session", values, { anonymous: true })),
  );
  useEffect(() => {
    document.title = t("signIn.title");
    if (!code) return;
    call<Session>("POST", "/session/link", { code }, { anonymous: true }).then(enter, (fault: unknown) => setFailed(fault as ApiError));
  }, [code]);
  return (
    <div class="door">
      <header class="door-corner">
        <Corner />
      </header>
      <main class="door-card">
        <span class="brand-mark large">b</span>
        <h1>{t("signIn.title")}</h1>
        {code && !failed ? (
          <>
            <p class="sub">{t("signIn.link")}</p>
            <Skeleton rows={2} />
          </>
        ) : (
          <>
            {failed && (
              <>
                <ErrorBox error={failed} />
                <p class="sub">{t("signIn.linkFailed")}</p>
              </>
            )}
            <Form form={form} label={t("signIn.title")}>
              <Field form={form} name="email" type="email" label={t("signIn.email")} autoComplete="username" required />
              <Field form={form} name="password" type="password" label={t("signIn.password")} autoComplete="current-password" required />
              <Submit form={form}>{t("signIn.submit")}</Submit>
            </Form>
            <p class="hint">{t("signIn.hint")}</p>
          </>
        )}
      </main>
    </div>
  );
}
