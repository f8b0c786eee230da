// The work that goes on behind: what runs, what waits for the line, what gave up.
import { filters, params } from "../api";
import { useList } from "../data";
import { t, word } from "../i18n";
import { Choice, ClearFilters, filtered, Filters, Views } from "../parts/filters";
import { Attempts, JobState, JobWhen } from "../parts/job";
import { List } from "../parts/list";
import { Card, Empty, Notice, Page } from "../parts/page";
import type { Column } from "../parts/table";
import { Time } from "../parts/values";
import { query } from "../state";
import type { JobRow } from "../types";

const states = ["ready", "running", "waiting", "done", "dead", "discarded"];

export default function Jobs() {
  const list = useList<JobRow>(`/jobs${params(filters("state", "kind"))}`, (it) => it.id, ["job"]);
  const kind = query.value.get("kind");
  // The kinds that are there to be picked: those of the shown rows and the one that is set.
  const kinds = [...new Set([...(list.rows?.map((it) => it.kind) ?? []), ...(kind ? [kind] : [])])].sort();
  const paused = list.rows?.find((it) => it.queue_paused_until)?.queue_paused_until;
  const columns: Column<JobRow>[] = [
    { id: "subject", head: t("jobs.subject"), cut: "wide", cell: (it) => it.subject || it.id, text: (it) => it.subject },
    { id: "kind", head: t("jobs.kind"), line: true, hide: "narrow", cell: (it) => word("job.kind", it.kind), text: (it) => it.kind },
    { id: "state", head: t("jobs.state"), cell: (it) => <JobState of={it} />, text: (it) => it.state },
    { id: "attempts", head: t("jobs.attempts"), num: true, hide: "medium", cell: (it) => <Attempts of={it} />, text: (it) => it.attempts },
    {
      id: "when",
      head: t("jobs.when"),
      line: true,
      hide: "narrow",
      cell: (it) => (
        <span class="faint">
          <JobWhen of={it} />
        </span>
      ),
      text: (it) => it.updated_at,
    },
    {
      id: "error",
      head: t("jobs.error"),
      cut: "wide",
      hide: "medium",
      cell: (it) => (
        <span class="faint" title={it.last_error ?? undefined}>
          {it.last_error ?? "–"}
        </span>
      ),
      text: (it) => it.last_error,
    },
  ];
  return (
    <Page title={t("nav.jobs")}>
      {paused && (
        <Notice tone="warn" title={t("jobs.paused")}>
          {t("jobs.pausedUntil")} <Time at={paused} />
        </Notice>
      )}
      <Views
        label={t("filters.views")}
        own={["state"]}
        views={[{ text: t("view.all"), set: {} }, ...states.map((it) => ({ text: word("job.state", it), set: { state: it } }))]}
      />
      <Card flush>
        {kinds.length > 0 && (
          <Filters>
            <Choice label={t("jobs.kind")} name="kind" options={kinds.map((it) => [it, word("job.kind", it)])} />
          </Filters>
        )}
        <List
          list={list}
          csv="jobs"
          caption={t("nav.jobs")}
          columns={columns}
          rowKey={(it) => it.id}
          href={(it) => `/admin/jobs/${it.id}`}
          narrow={(it) => (
            <>
              {word("job.kind", it.kind)} · <JobWhen of={it} />
            </>
          )}
          empty={
            filtered("state", "kind") ? (
              <Empty icon="jobs" title={t("jobs.noMatch")}>
                <ClearFilters />
              </Empty>
            ) : (
              <Empty icon="jobs" title={t("jobs.none")}>
                <p>{t("jobs.noneText")}</p>
              </Empty>
            )
          }
        />
      </Card>
    </Page>
  );
}
