// Asks why an order of the store's own is cancelled, and what becomes of its stock.
import { post } from "../api";
import { t } from "../i18n";
import type { Order } from "../types";
import { Dialog } from "./dialog";
import { Check, Field, Form, Submit, useForm } from "./form";
import { toast } from "../state";

export function CancelOrder({ order, close, done }: { order: Order; close: () => void; done: () => void }) {
  const title = t("cancel.title", { number: order.number });
  const form = useForm({ reason: "", restock: true }, async (values, key) => {
    await post<Order>(`/orders/${order.id}/cancel`, values, key);
    toast(t("cancel.done", { number: order.number }));
    close();
    done();
  });
  return (
    <Dialog title={title} close={close}>
      <Form form={form} label={title}>
        <Field form={form} name="reason" label={t("cancel.reason")} hint={t("cancel.reasonHint")} />
        <Check form={form} name="restock" label={t("cancel.restock")} hint={t("cancel.restockHint")} />
        <div class="form-actions">
          <button type="button" class="button" onClick={close}>
            {t("dialog.keep")}
          </button>
          <Submit form={form}>{t("cancel.submit")}</Submit>
        </div>
      </Form>
    </Dialog>
  );
}
