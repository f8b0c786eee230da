// Work that gave up: see why, run it again, or let it go.
import { ApiError, params, post } from "../api";
import { useList } from "../data";
import { t, tn, word } from "../i18n";
import { keepFocus } from "../keys";
import { Choice, Filters } from "../parts/filters";
import { Attempts, DeadActs } from "../parts/job";
import { List } from "../parts/list";
import { Card, Empty, Page } from "../parts/page";
import type { Column } from "../parts/table";
import { Time } from "../parts/values";
import { can, query, toast } from "../state";
import type { JobRow } from "../types";

export default function DeadLetters() {
  const kind = query.value.get("kind");
  const list = useList<JobRow>(`/jobs/dead-letters${params({ kind })}`, (it) => it.id, ["job"]);
  const kinds = [...new Set([...(list.rows?.map((it) => it.kind) ?? []), ...(kind ? [kind] : [])])].sort();
  const write = can("job.write");
  const done = () => list.reload();
  const retryAll = async () => {
    try {
      const { retried } = await post<{ retried: number }>("/jobs/dead-letters/retry", kind ? { kind } : {});
      toast(tn("dead.retriedAll", retried));
      await list.reload();
      keepFocus();
    } catch (fault) {
      if (fault instanceof ApiError) toast(fault.message, { tone: "bad", requestId: fault.requestId });
    }
  };
  const columns: Column<JobRow>[] = [
    { id: "subject", head: t("jobs.subject"), line: true, cell: (it) => it.subject || it.id, text: (it) => it.subject },
    { id: "kind", head: t("jobs.kind"), line: true, hide: "medium", cell: (it) => word("job.kind", it.kind), text: (it) => it.kind },
    {
      id: "error",
      head: t("jobs.error"),
      cut: "wide",
      hide: "narrow",
      cell: (it) => <span title={it.last_error ?? undefined}>{it.last_error ?? "–"}</span>,
      text: (it) => it.last_error,
    },
    { id: "attempts", head: t("jobs.attempts"), num: true, hide: "medium", cell: (it) => <Attempts of={it} />, text: (it) => it.attempts },
    {
      id: "when",
      head: t("dead.since"),
      hide: "narrow",
      cell: (it) => (
        <span class="faint">
          <Time at={it.finished_at ?? it.updated_at} />
        </span>
      ),
      text: (it) => it.updated_at,
    },
    ...(write ? [{ id: t("dead.acts"), head: "", num: true, cell: (it: JobRow) => <DeadActs small job={it} done={done} /> }] : []),
  ];
  return (
    <Page
      title={t("nav.dead")}
      sub={t("dead.sub")}
      actions={
        write &&
        !!list.rows?.length && (
          <button type="button" class="button primary" onClick={() => void retryAll()}>
            {kind ? t("dead.retryKind", { kind: word("job.kind", kind) }) : t("dead.retryAll")}
          </button>
        )
      }
    >
      <Card flush>
        {kinds.length > 0 && (
          <Filters>
            <Choice label={t("jobs.kind")} name="kind" options={kinds.map((it) => [it, word("job.kind", it)])} />
          </Filters>
        )}
        <List
          list={list}
          csv="dead-letters"
          caption={t("nav.dead")}
          columns={columns}
          rowKey={(it) => it.id}
          href={(it) => `/admin/jobs/${it.id}`}
          narrow={(it) => it.last_error}
          empty={
            <Empty icon="check" title={t("dead.none")}>
              <p>{t("dead.noneText")}</p>
              <a class="button" href="/admin/jobs">
                {t("dead.toJobs")}
              </a>
            </Empty>
          }
        />
      </Card>
    </Page>
  );
}
