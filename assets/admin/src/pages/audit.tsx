// The chain of facts: who did what to which record, newest first.
import { useState } from "preact/hooks";
import { filters, params } from "../api";
import { useList } from "../data";
import { dateTime, t } from "../i18n";
import { ClearFilters, filtered, Filters, SearchBox } from "../parts/filters";
import { Dialog } from "../parts/dialog";
import { List } from "../parts/list";
import { Card, Empty, Page } from "../parts/page";
import type { Column } from "../parts/table";
import { CopyText, Facts, Time } from "../parts/values";
import { recordLink } from "../routes";
import { setQuery } from "../state";
import type { AuditRow } from "../types";

const who = (it: AuditRow) => (typeof it.actor === "string" ? it.actor : it.actor.kind === "system" ? t("actor.system") : it.actor.name);
const Record = ({ of }: { of: AuditRow }) => {
  const to = recordLink(of.entity, of.entity_id);
  return to ? <a href={to}>{of.entity_id}</a> : <>{of.entity_id}</>;
};

export default function Audit() {
  const [picked, setPicked] = useState<AuditRow | null>(null);
  const list = useList<AuditRow>(`/audit${params(filters("q", "entity_id"))}`, (it) => String(it.seq), [
    "order",
    "inventory",
    "product",
    "job",
    "channel",
    "feed",
    "user",
  ]);
  const columns: Column<AuditRow>[] = [
    {
      id: "what",
      head: t("audit.type"),
      cell: (it) => (
        <button type="button" class="link-button row-link" onClick={() => setPicked(it)}>
          {it.type}
        </button>
      ),
      text: (it) => it.type,
    },
    {
      id: "record",
      head: t("audit.record"),
      cut: "wide",
      hide: "narrow",
      cell: (it) => (
        <span class="mono">
          <Record of={it} />
        </span>
      ),
      text: (it) => it.entity_id,
    },
    { id: "actor", head: t("movement.actor"), cut: true, cell: who, text: who },
    { id: "at", head: t("movement.at"), hide: "narrow", cell: (it) => <Time at={it.at} />, text: (it) => it.at },
    {
      id: "seq",
      head: t("audit.seq"),
      num: true,
      hide: "medium",
      cell: (it) => <span class="faint num">{it.seq}</span>,
      text: (it) => it.seq,
    },
    {
      id: "hash",
      head: t("audit.hash"),
      hide: "medium",
      cell: (it) => <span class="faint mono">{it.hash.slice(0, 10)}</span>,
      text: (it) => it.hash,
    },
  ];
  return (
    <Page title={t("nav.audit")} sub={t("audit.sub")}>
      <Card flush>
        <Filters>
          <SearchBox label={t("audit.search")} />
          <SearchBox label={t("audit.entity")} name="entity_id" />
        </Filters>
        <List
          list={list}
          csv="audit"
          caption={t("nav.audit")}
          columns={columns}
          rowKey={(it) => String(it.seq)}
          narrow={(it) => (
            <>
              <Time at={it.at} /> · {it.entity_id}
            </>
          )}
          empty={
            filtered("q", "entity_id") ? (
              <Empty icon="search" title={t("audit.noMatch")}>
                <ClearFilters />
              </Empty>
            ) : (
              <Empty icon="audit" title={t("audit.none")} />
            )
          }
        />
      </Card>
      {picked && (
        <Dialog title={picked.type} close={() => setPicked(null)} wide>
          <Facts
            of={[
              [t("movement.at"), dateTime(picked.at)],
              [t("movement.actor"), who(picked)],
              [
                t("audit.record"),
                <span class="mono">
                  <Record of={picked} />
                </span>,
              ],
              [t("audit.seq"), <span class="num">{picked.seq}</span>],
              [t("audit.hash"), <CopyText text={picked.hash} />],
              ...(picked.request_id
                ? [[t("error.request"), <CopyText text={picked.request_id} />] as [string, preact.ComponentChildren]]
                : []),
            ]}
          />
          <h3>{t("audit.data")}</h3>
          <pre tabIndex={0} aria-label={t("audit.data")}>
            {JSON.stringify(picked.data ?? null, null, 2)}
          </pre>
          <div class="form-actions">
            <button
              type="button"
              class="button"
              onClick={() => {
                setPicked(null);
                setQuery({ entity_id: picked.entity_id, q: null });
              }}
            >
              {t("audit.only")}
            </button>
          </div>
        </Dialog>
      )}
    </Page>
  );
}
