// One job: why it is where it is, each of its runs, and what it was told to do.
import { useOne } from "../data";
import { dateTime, number, t, word } from "../i18n";
import { Attempts, DeadActs, JobState, JobWhen } from "../parts/job";
import { Card, Empty, Notice, Page, Pending } from "../parts/page";
import { type Column, Table } from "../parts/table";
import { CopyText, Facts, Status, Time } from "../parts/values";
import type { PageProps } from "../routes";
import { can } from "../state";
import type { Job } from "../types";

type Run = Job["history"][number];

export default function JobPage({ id }: PageProps) {
  const job = useOne<Job>(`/jobs/${encodeURIComponent(id)}`, [], id);
  const it = job.data;
  const dead = it?.state === "dead";
  const back = dead ? { href: "/admin/dead-letters", text: t("nav.dead") } : { href: "/admin/jobs", text: t("nav.jobs") };
  if (!it) return <Pending title={t("jobs.one")} error={job.error} retry={job.reload} back={back} />;
  const took = (run: Run) =>
    run.finished_at ? t("jobs.ms", { n: number(Math.max(0, Date.parse(run.finished_at) - Date.parse(run.started_at))) }) : "–";
  const columns: Column<Run>[] = [
    { id: "attempt", head: t("jobs.run"), num: true, cell: (run) => number(run.attempt) },
    { id: "outcome", head: t("jobs.outcome"), cell: (run) => <Status group="job.outcome" of={run.outcome} /> },
    {
      id: "started",
      head: t("jobs.started"),
      cell: (run) => (
        <span title={dateTime(run.started_at)}>
          <Time at={run.started_at} />
        </span>
      ),
    },
    { id: "took", head: t("jobs.took"), num: true, hide: "narrow", cell: (run) => <span class="num">{took(run)}</span> },
    { id: "error", head: t("jobs.error"), hide: "narrow", cell: (run) => run.error ?? <span class="faint">–</span> },
  ];
  return (
    <Page
      title={it.subject || it.id}
      back={back}
      badges={<JobState of={it} />}
      sub={
        <>
          {word("job.kind", it.kind)} · <JobWhen of={it} />
        </>
      }
      actions={dead && can("job.write") ? <DeadActs job={it} done={job.reload} /> : undefined}
    >
      {it.last_error && (dead || it.state === "waiting") && (
        <Notice tone={dead ? "bad" : "warn"} title={it.last_error}>
          {t(dead ? "jobs.deadText" : "jobs.waitingText")}
        </Notice>
      )}
      <div class="columns">
        <div class="main-column">
          <Card title={t("jobs.history")} flush>
            {it.history.length ? (
              <Table caption={t("jobs.history")} columns={columns} rows={it.history} rowKey={(run) => `${run.attempt} ${run.started_at}`} />
            ) : (
              <Empty icon="clock" title={t("jobs.notYet")} />
            )}
          </Card>
          <Card title={t("jobs.payload")}>
            <pre tabIndex={0} aria-label={t("jobs.payload")}>
              {JSON.stringify(it.payload, null, 2)}
            </pre>
          </Card>
        </div>
        <div class="side-column">
          <Card title={t("jobs.facts")}>
            <Facts
              of={[
                [t("jobs.attempts"), <Attempts of={it} />],
                [t("jobs.lost"), number(it.lease_losses)],
                [t("jobs.created"), <Time at={it.created_at} />],
                [t("stock.updated"), <Time at={it.updated_at} />],
                [t("jobs.version"), number(it.version)],
                ["ID", <CopyText text={it.id} />],
              ]}
            />
          </Card>
        </div>
      </div>
    </Page>
  );
}
