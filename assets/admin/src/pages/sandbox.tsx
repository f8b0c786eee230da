// Demo only: break Google on purpose, send orders like Shopify does, and look at what the sandboxes hold.
import { call, post } from "../api";
import { useOne } from "../data";
import { number, t, tn } from "../i18n";
import { Check, Field, Form, Submit, useForm } from "../parts/form";
import { Card, Empty, ErrorBox, Page, Skeleton } from "../parts/page";
import { type View, Views } from "../parts/filters";
import { CopyText } from "../parts/values";
import { query, toast } from "../state";
import type { GoogleFaults, Sandboxes } from "../types";

const whole = (text: string) => (text.trim() === "" ? null : Number(text));

function Faults({ faults, done }: { faults: GoogleFaults; done: () => void }) {
  const { not_registered, error_503, abort_version, offline } = faults;
  const initial = {
    not_registered,
    error_503,
    abort_version,
    offline,
    visible_after_ms: String(faults.visible_after_ms),
    minute_limit: faults.minute_limit === null ? "" : String(faults.minute_limit),
    daily_limit: faults.daily_limit === null ? "" : String(faults.daily_limit),
  };
  const form = useForm(initial, async (values) => {
    const body = {
      ...values,
      visible_after_ms: whole(values.visible_after_ms) ?? 0,
      minute_limit: whole(values.minute_limit),
      daily_limit: whole(values.daily_limit),
    };
    await call("PUT", "/demo/sandboxes/google/faults", body);
    toast(t("sandbox.set"));
    done();
  });
  return (
    <Card title={t("sandbox.faults")}>
      <Form form={form} label={t("sandbox.faults")}>
        <Check form={form} name="offline" label={t("sandbox.offline")} hint={t("sandbox.offlineHint")} />
        <Check form={form} name="error_503" label={t("sandbox.error503")} hint={t("sandbox.error503Hint")} />
        <Check form={form} name="not_registered" label={t("sandbox.notRegistered")} />
        <Check form={form} name="abort_version" label={t("sandbox.abort")} />
        <div class="field-row">
          <Field form={form} name="minute_limit" type="number" label={t("sandbox.minute")} placeholder={t("sandbox.noLimit")} />
          <Field form={form} name="daily_limit" type="number" label={t("sandbox.daily")} placeholder={t("sandbox.noLimit")} />
          <Field form={form} name="visible_after_ms" type="number" label={t("sandbox.visible")} />
        </div>
        <Submit form={form}>{t("sandbox.apply")}</Submit>
      </Form>
    </Card>
  );
}

function Orders() {
  const form = useForm({ count: "10" }, async (values, key) => {
    const count = whole(values.count) ?? 0;
    await post("/demo/orders", { count }, key);
    toast(tn("sandbox.sent", count));
  });
  return (
    <Card title={t("sandbox.orders")}>
      <p class="faint">{t("sandbox.ordersText")}</p>
      <Form form={form} label={t("sandbox.orders")}>
        <Field form={form} name="count" type="number" label={t("sandbox.count")} />
        <div class="form-actions start">
          <Submit form={form}>{t("sandbox.send")}</Submit>
          <a class="button" href="/admin/orders">
            {t("sandbox.toOrders")}
          </a>
        </div>
      </Form>
    </Card>
  );
}

const shown = ["products", "local_inventories"] as const;

export default function Sandbox() {
  const all = useOne<Sandboxes>("/demo/sandboxes", ["feed", "job", "order"]);
  const it = all.data;
  const picked = shown.find((name) => name === query.value.get("show")) ?? "products";
  if (!it)
    return (
      <Page title={t("nav.sandbox")}>
        {all.error ? (
          <ErrorBox error={all.error} retry={() => void all.reload()} />
        ) : (
          <Card>
            <Skeleton rows={6} />
          </Card>
        )}
      </Page>
    );
  const records = it.google.records;
  const titles = { products: t("sandbox.products"), local_inventories: t("sandbox.inventories") };
  return (
    <Page title={t("nav.sandbox")} sub={t("sandbox.sub")}>
      <div class="columns even">
        <Faults faults={it.google.faults} done={() => void all.reload()} />
        <Orders />
      </div>
      <h2 class="section">
        {t("sandbox.records")} <CopyText text={it.google.url} />
      </h2>
      <Views
        label={t("sandbox.records")}
        own={["show"]}
        views={shown.map((name, at): View => ({
          text: `${titles[name]} (${number(records[name].length)})`,
          set: at ? { show: name } : {},
        }))}
      />
      <Card flush>
        {records[picked].length === 0 ? (
          <Empty icon="sandbox" title={t("sandbox.nothing")}>
            <p>{t("sandbox.nothingText")}</p>
          </Empty>
        ) : (
          <ul class="records" tabIndex={0} aria-label={titles[picked]}>
            {records[picked]
              .slice(-60)
              .reverse()
              .map((row, at) => (
                <li key={at}>
                  <code>{JSON.stringify(row, null, 1).replace(/\n\s*/g, " ")}</code>
                </li>
              ))}
          </ul>
        )}
      </Card>
    </Page>
  );
}
