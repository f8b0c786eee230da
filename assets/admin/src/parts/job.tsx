// What the three job pages share: how a job's state reads, and the two acts on a dead one.
import { useState } from "preact/hooks";
import { ApiError, post } from "../api";
import { number, t, word } from "../i18n";
import { keepFocus } from "../keys";
import { toast } from "../state";
import type { JobRow } from "../types";
import { Dialog } from "./dialog";
import { Field, Form, Submit, useForm } from "./form";
import { Status, Time } from "./values";

/** When it acts next, or since when it waits. */
export function JobWhen({ of }: { of: JobRow }) {
  if (of.state === "waiting")
    return (
      <>
        {t("jobs.waitingSince")} <Time at={of.waiting_since} />
      </>
    );
  if (of.state === "ready" || of.state === "running")
    return (
      <>
        {t("jobs.due")} <Time at={of.due_at} />
      </>
    );
  return <Time at={of.finished_at ?? of.updated_at} />;
}
export const JobState = ({ of }: { of: JobRow }) => <Status group="job.state" of={of.state} />;
export const Attempts = ({ of }: { of: JobRow }) => (
  <span class="num">{t("jobs.attemptsOf", { n: number(of.attempts), max: number(of.attempts_max) })}</span>
);

/** Retry is reversible by nature and done at once. */
export async function retryJob(job: JobRow, done: () => Promise<void>) {
  try {
    await post(`/jobs/${job.id}/retry`);
    toast(t("dead.retried", { subject: job.subject }));
    await done();
    keepFocus();
  } catch (fault) {
    if (fault instanceof ApiError) toast(fault.message, { tone: "bad", requestId: fault.requestId });
  }
}

export function DiscardDialog({ job, close, done }: { job: JobRow; close: () => void; done: () => Promise<void> }) {
  const form = useForm({ reason: "" }, async (values, key) => {
    await post(`/jobs/${job.id}/discard`, values.reason ? { reason: values.reason } : {}, key);
    toast(t("dead.discarded", { subject: job.subject }));
    close();
    await done();
    keepFocus();
  });
  return (
    <Dialog title={t("dead.discardTitle")} close={close}>
      <p>{t("dead.discardText", { kind: word("job.kind", job.kind), subject: job.subject })}</p>
      <Form form={form} label={t("dead.discardTitle")}>
        <Field form={form} first name="reason" label={t("dead.reason")} placeholder={t("dead.reasonHint")} />
        <div class="form-actions">
          <button type="button" class="button" onClick={close}>
            {t("dialog.keep")}
          </button>
          <Submit form={form}>{t("dead.discard")}</Submit>
        </div>
      </Form>
    </Dialog>
  );
}

/** The pair of acts with its dialog. */
export function DeadActs({ job, done, small }: { job: JobRow; done: () => Promise<void>; small?: boolean }) {
  const [asking, setAsking] = useState(false);
  const size = small ? " small" : "";
  return (
    <span class="acts">
      <button
        type="button"
        class={`button${size}`}
        aria-label={`${t("dead.retry")}: ${job.subject}`}
        onClick={() => void retryJob(job, done)}
      >
        {t("dead.retry")}
      </button>
      <button
        type="button"
        class={`button quiet${size}`}
        aria-label={`${t("dead.discard")}: ${job.subject}`}
        onClick={() => setAsking(true)}
      >
        {t("dead.discard")}
      </button>
      {asking && <DiscardDialog job={job} close={() => setAsking(false)} done={done} />}
    </span>
  );
}
