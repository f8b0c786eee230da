// Finds the variant that an unknown SKU means.
import { useEffect, useState } from "preact/hooks";
import { params } from "../api";
import { useOne } from "../data";
import { money, t } from "../i18n";
import type { Mapping, Page, Variant } from "../types";
import { Dialog } from "./dialog";
import { Form, Submit, useForm } from "./form";
import { ErrorBox, Skeleton } from "./page";

export function MapDialog({
  mapping,
  close,
  map,
}: {
  mapping: Mapping;
  close: () => void;
  map: (variant: string, key: string) => Promise<void>;
}) {
  // The longest word of the title there is the best first guess; the rest is often a size or a colour.
  const guess = mapping.title.split(/[\s,/()]+/).reduce((best, it) => (it.length > best.length ? it : best), "");
  const [text, setText] = useState(guess);
  const [asked, setAsked] = useState(guess);
  useEffect(() => {
    const timer = setTimeout(() => setAsked(text.trim()), 150);
    return () => clearTimeout(timer);
  }, [text]);
  const found = useOne<Page<Variant>>(`/variants${params({ q: asked, limit: 8 })}`);
  const form = useForm({ variant_id: "" }, (values, key) => map(values.variant_id, key));
  const error = form.errors.variant_id;
  return (
    <Dialog title={t("mapping.mapOne", { sku: mapping.external_sku })} close={close}>
      <p class="faint">{mapping.title}</p>
      <Form form={form} label={t("mapping.mapOne", { sku: mapping.external_sku })}>
        <div class="field">
          <label for="map-search">{t("mapping.search")}</label>
          <input
            id="map-search"
            type="search"
            value={text}
            autoComplete="off"
            autoFocus
            onInput={(event) => setText(event.currentTarget.value)}
          />
        </div>
        <fieldset class="options">
          <legend class="sr-only">{t("mapping.variant")}</legend>
          {found.error && <ErrorBox error={found.error} />}
          {!found.data && !found.error && <Skeleton rows={4} />}
          {found.data?.data.length === 0 && <p class="faint">{t("mapping.noVariant")}</p>}
          {found.data?.data.map((it) => (
            <label key={it.id} class="option">
              <input
                type="radio"
                name="variant_id"
                value={it.id}
                checked={form.values.variant_id === it.id}
                aria-invalid={error ? "true" : undefined}
                onChange={() => form.set("variant_id", it.id)}
              />
              <span>
                <strong>{it.sku}</strong> {it.product_title} · {it.title}
              </span>
              <span class="num faint">{money(it.price)}</span>
            </label>
          ))}
        </fieldset>
        {error && <p class="field-error">{error}</p>}
        <div class="form-actions">
          <button type="button" class="button" onClick={close}>
            {t("dialog.cancel")}
          </button>
          <Submit form={form}>{t("mapping.submit")}</Submit>
        </div>
      </Form>
    </Dialog>
  );
}
