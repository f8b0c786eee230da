// A received message as it came: headers and body.
import { useOne } from "../data";
import { number, t } from "../i18n";
import type { MessageDetail } from "../types";
import { Dialog } from "./dialog";
import { ErrorBox, Skeleton } from "./page";
import { CopyText, Facts, Status, Time } from "./values";

function pretty(body: string): string {
  try {
    return JSON.stringify(JSON.parse(body), null, 2);
  } catch {
    return body;
  }
}

export function MessageDialog({ channel, id, close }: { channel: string; id: string; close: () => void }) {
  const { data, error, reload } = useOne<MessageDetail>(`/channels/${channel}/inbox/${encodeURIComponent(id)}`, [], id);
  return (
    <Dialog title={data?.topic ?? t("inbox.message")} close={close} wide>
      {error ? (
        <ErrorBox error={error} retry={() => void reload()} />
      ) : !data ? (
        <Skeleton rows={6} />
      ) : (
        <>
          <Facts
            of={[
              [t("jobs.state"), <Status group="message.state" of={data.state} />],
              [t("inbox.received"), <Time at={data.received_at} />],
              [t("inbox.size"), t("inbox.bytes", { n: number(data.size) })],
              [t("jobs.attempts"), number(data.attempts)],
              ["ID", <CopyText text={data.id} />],
              ...(data.order_id
                ? [
                    [t("order.one"), <a href={`/admin/orders/${data.order_id}`}>{t("inbox.toOrder")}</a>] as [
                      string,
                      preact.ComponentChildren,
                    ],
                  ]
                : []),
            ]}
          />
          {data.error && <p class="field-error">{data.error}</p>}
          <h3>{t("inbox.headers")}</h3>
          <pre tabIndex={0} aria-label={t("inbox.headers")}>
            {Object.entries(data.headers)
              .map(([name, value]) => `${name}: ${value}`)
              .join("\n")}
          </pre>
          <h3>{t("inbox.body")}</h3>
          <pre tabIndex={0} aria-label={t("inbox.body")}>
            {pretty(data.body)}
          </pre>
        </>
      )}
    </Dialog>
  );
}
