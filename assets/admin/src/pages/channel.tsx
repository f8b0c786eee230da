// One channel: what arrived, what was set aside, and which of its SKUs nobody knows yet.
import { useState } from "preact/hooks";
import { ApiError, filters, params, post } from "../api";
import { useList, useOne } from "../data";
import { number, t, tn, word } from "../i18n";
import { keepFocus } from "../keys";
import { Choice, Filters, Views } from "../parts/filters";
import { List } from "../parts/list";
import { MapDialog } from "../parts/map-sku";
import { MessageDialog } from "../parts/message";
import { Card, Empty, Notice, Page, Pending } from "../parts/page";
import type { Column } from "../parts/table";
import { CopyText, Quantity, Status, Time } from "../parts/values";
import type { PageProps } from "../routes";
import { can, path, query, setQuery, toast } from "../state";
import type { Channel, Mapping, Message } from "../types";

const say = (fault: unknown) => fault instanceof ApiError && toast(fault.message, { tone: "bad", requestId: fault.requestId });

function Messages({ id, quarantine }: { id: string; quarantine: boolean }) {
  const at = `/channels/${id}`;
  const list = useList<Message>(quarantine ? `${at}/quarantine` : `${at}/inbox${params(filters("state"))}`, (it) => it.id, [
    "channel",
    "message",
    "order",
  ]);
  const acts = quarantine && can("channel.write");
  const act = async (it: Message, verb: "replay" | "discard") => {
    try {
      await post(`${at}/quarantine/${it.id}/${verb}`);
      toast(t(verb === "replay" ? "inbox.replayed" : "inbox.discarded", { topic: it.topic }));
      await list.reload();
      keepFocus();
    } catch (fault) {
      say(fault);
    }
  };
  const view = new URLSearchParams(query.value);
  const columns: Column<Message>[] = [
    { id: "topic", head: t("inbox.topic"), cell: (it) => it.topic, text: (it) => it.topic },
    {
      id: "external",
      head: t("inbox.external"),
      hide: "narrow",
      cell: (it) => <span class="num">{it.external_id ?? "–"}</span>,
      text: (it) => it.external_id,
    },
    { id: "received", head: t("inbox.received"), hide: "narrow", cell: (it) => <Time at={it.received_at} />, text: (it) => it.received_at },
    ...(quarantine
      ? []
      : [
          {
            id: "state",
            head: t("jobs.state"),
            cell: (it: Message) => <Status group="message.state" of={it.state} />,
            text: (it: Message) => it.state,
          },
        ]),
    {
      id: "result",
      head: t("inbox.result"),
      cut: "wide",
      hide: "medium",
      text: (it) => it.error ?? it.order_id,
      cell: (it) =>
        it.order_id ? (
          <a href={`/admin/orders/${it.order_id}`}>{t("inbox.toOrder")}</a>
        ) : (
          <span class="faint" title={it.error ?? undefined}>
            {it.error ?? "–"}
          </span>
        ),
    },
    ...(acts
      ? [
          {
            id: t("dead.acts"),
            head: "",
            num: true,
            cell: (it: Message) => (
              <span class="acts">
                <button type="button" class="button small" onClick={() => void act(it, "replay")}>
                  {t("inbox.replay")}
                </button>
                <button type="button" class="button small quiet" onClick={() => void act(it, "discard")}>
                  {t("dead.discard")}
                </button>
              </span>
            ),
          },
        ]
      : []),
  ];
  return (
    <Card flush>
      {!quarantine && (
        <Filters>
          <Choice
            label={t("jobs.state")}
            name="state"
            options={["received", "done", "quarantined", "ignored", "discarded"].map((it) => [it, word("message.state", it)])}
          />
        </Filters>
      )}
      <List
        list={list}
        csv="messages"
        caption={t(quarantine ? "inbox.quarantine" : "inbox.title")}
        columns={columns}
        rowKey={(it) => it.id}
        href={(it) => {
          view.set("message", it.id);
          return `${path.value}?${view}`;
        }}
        narrow={(it) => (
          <>
            <Time at={it.received_at} />
            {it.error && ` · ${it.error}`}
          </>
        )}
        empty={
          quarantine ? (
            <Empty icon="check" title={t("inbox.noQuarantine")}>
              <p>{t("inbox.noQuarantineText")}</p>
            </Empty>
          ) : (
            <Empty icon="channels" title={t("inbox.none")}>
              <p>{t("inbox.noneText")}</p>
            </Empty>
          )
        }
      />
    </Card>
  );
}

function Mappings({ id }: { id: string }) {
  const [picked, setPicked] = useState<Mapping | null>(null);
  const state = query.value.get("state") ?? "open";
  const list = useList<Mapping>(`/channels/${id}/mappings${params({ state })}`, (it) => it.id, ["channel", "order"]);
  const columns: Column<Mapping>[] = [
    { id: "sku", head: t("mapping.external"), cell: (it) => <strong class="num">{it.external_sku}</strong>, text: (it) => it.external_sku },
    { id: "title", head: t("mapping.title"), cut: "wide", hide: "narrow", cell: (it) => it.title, text: (it) => it.title },
    { id: "lines", head: t("mapping.lines"), num: true, cell: (it) => <Quantity of={it.lines} dash />, text: (it) => it.lines },
    { id: "seen", head: t("mapping.seen"), hide: "medium", cell: (it) => <Time at={it.first_seen_at} />, text: (it) => it.first_seen_at },
    {
      id: "variant",
      head: t("mapping.variant"),
      num: true,
      text: (it) => it.sku,
      cell: (it) =>
        it.variant_id ? (
          <a href={`/admin/stock/${it.variant_id}`}>{it.sku}</a>
        ) : can("channel.write") ? (
          <button
            type="button"
            class="button small"
            aria-label={t("mapping.mapOne", { sku: it.external_sku })}
            onClick={() => setPicked(it)}
          >
            {t("mapping.map")}
          </button>
        ) : (
          <span class="faint">–</span>
        ),
    },
  ];
  return (
    <Card flush>
      <Filters>
        <Choice label={t("mapping.open")} name="state" options={[["mapped", t("mapping.mapped")]]} />
      </Filters>
      <List
        list={list}
        csv="mappings"
        caption={t("mapping.caption")}
        columns={columns}
        rowKey={(it) => it.id}
        narrow={(it) => it.title}
        empty={
          <Empty icon="check" title={t(state === "mapped" ? "mapping.noneMapped" : "mapping.none")}>
            <p>{t("mapping.noneText")}</p>
          </Empty>
        }
      />
      {picked && (
        <MapDialog
          mapping={picked}
          close={() => setPicked(null)}
          map={async (variant_id, key) => {
            const { resolved_lines } = await post<{ resolved_lines: number }>(
              `/channels/${id}/mappings`,
              { external_sku: picked.external_sku, variant_id },
              key,
            );
            toast(tn("mapping.done", resolved_lines, { sku: picked.external_sku }));
            setPicked(null);
            await list.reload();
          }}
        />
      )}
    </Card>
  );
}

export default function ChannelPage({ id }: PageProps) {
  const channels = useOne<{ data: Channel[] }>("/channels?limit=250", ["channel", "message", "order"], id);
  const back = { href: "/admin/channels", text: t("nav.channels") };
  const it = channels.data?.data.find((c) => c.id === id);
  if (!it) {
    const missing = channels.data ? new ApiError(t("channel.missing"), 404, "not_found", undefined, {}) : null;
    return <Pending title={t("channel.name")} error={channels.error ?? missing} retry={channels.reload} back={back} />;
  }
  const tab = query.value.get("tab") ?? "inbox";
  const message = query.value.get("message");
  const plus = (text: string, count: number) => (count ? `${text} (${number(count)})` : text);
  return (
    <Page
      title={it.name}
      back={back}
      badges={<Status group="channel.state" of={it.state} />}
      sub={
        <>
          {word("provider", it.provider)} · {tn("channel.receivedCount", it.received)} · <Time at={it.last_received_at} none={t("overview.nothingYet")} />
        </>
      }
    >
      {it.signature_failures > 0 && (
        <Notice tone="bad" title={tn("overview.signatures", it.signature_failures)}>
          {t("channel.signatureText")}
        </Notice>
      )}
      <p class="webhook">
        <span class="label">{t("channel.webhook")}</span> <CopyText text={new URL(it.webhook_url, location.origin).href} />
      </p>
      <Views
        label={t("channel.tabs")}
        own={["tab", "state", "message"]}
        views={[
          { text: t("inbox.title"), set: {} },
          { text: plus(t("inbox.quarantine"), it.quarantined), set: { tab: "quarantine" } },
          { text: plus(t("mapping.caption"), it.unmapped), set: { tab: "mappings" } },
        ]}
        chosen={{ inbox: 0, quarantine: 1, mappings: 2 }[tab]}
      />
      {tab === "mappings" ? <Mappings id={id} /> : <Messages key={tab} id={id} quarantine={tab === "quarantine"} />}
      {message && <MessageDialog channel={id} id={message} close={() => setQuery({ message: null })} />}
    </Page>
  );
}
