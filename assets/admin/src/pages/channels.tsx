// Where orders come from, and what is stuck there.
import { useList } from "../data";
import { number, t, word } from "../i18n";
import { List } from "../parts/list";
import { Card, Empty, Page } from "../parts/page";
import type { Column } from "../parts/table";
import { Badge, Quantity, Status, Time } from "../parts/values";
import type { Channel } from "../types";

export default function Channels() {
  const list = useList<Channel>("/channels", (it) => it.id, ["channel", "message", "order"]);
  const stuck = (count: number) => (count ? <Badge tone="bad">{number(count)}</Badge> : <Quantity of={0} dash />);
  const columns: Column<Channel>[] = [
    { id: "name", head: t("channel.name"), cell: (it) => it.name, text: (it) => it.name },
    { id: "provider", head: t("channel.provider"), hide: "narrow", cell: (it) => word("provider", it.provider), text: (it) => it.provider },
    { id: "state", head: t("jobs.state"), hide: "narrow", cell: (it) => <Status group="channel.state" of={it.state} />, text: (it) => it.state },
    {
      id: "received",
      head: t("channel.received"),
      num: true,
      hide: "narrow",
      cell: (it) => <Quantity of={it.received} />,
      text: (it) => it.received,
    },
    {
      id: "last",
      head: t("channel.last"),
      hide: "medium",
      cell: (it) => <Time at={it.last_received_at} none={t("overview.nothingYet")} />,
      text: (it) => it.last_received_at,
    },
    { id: "quarantined", head: t("channel.quarantined"), num: true, cell: (it) => stuck(it.quarantined), text: (it) => it.quarantined },
    { id: "unmapped", head: t("channel.unmapped"), num: true, hide: "narrow", cell: (it) => stuck(it.unmapped), text: (it) => it.unmapped },
    {
      id: "signatures",
      head: t("channel.signatures"),
      num: true,
      hide: "medium",
      cell: (it) => stuck(it.signature_failures),
      text: (it) => it.signature_failures,
    },
  ];
  return (
    <Page title={t("nav.channels")}>
      <Card flush>
        <List
          list={list}
          csv="channels"
          caption={t("nav.channels")}
          columns={columns}
          rowKey={(it) => it.id}
          href={(it) => `/admin/channels/${it.id}`}
          narrow={(it) => (
            <>
              {word("provider", it.provider)} · <Time at={it.last_received_at} none={t("overview.nothingYet")} />
            </>
          )}
          empty={
            <Empty icon="channels" title={t("channel.none")}>
              <p>{t("channel.noneText")}</p>
              <code>POST /api/v1/channels</code>
            </Empty>
          }
        />
      </Card>
    </Page>
  );
}
