//! Background work that must not be lost: merges into running jobs, stops, crashes, and poison between good deliveries.

use crate::harness::machine::Machine;
use crate::harness::shop::{SOON, Shop, order};
use bodega::base::clock::{Clock, ManualClock};
use bodega::base::error::Fault;
use bodega::infra::queue::{Backend, Queue, Settings};
use bodega::kernel::command::Command;
use bodega::kernel::outbox::store::{self as outbox, JobFilter};
use bodega::kernel::outbox::{JobRow, JobState, NewJob};
use bodega::kernel::permit::Permission;
use bodega::kernel::scope::Scope;
use bodega::kernel::store;
use bodega::kernel::work::handler::INTAKE_LADDER;
use bodega::kernel::work::{Handler, JobRun, Outcome, Policy, Runner, Running};
use futures_util::{StreamExt as _, stream};
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, mpsc};

static ASK: Command = Command::new("test.ask", Permission::JobWrite);
static EFFECT: Command = Command::background("test.effect", Permission::JobWrite);
const KIND: &str = "test.scripted";

/// How a run ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Complete,
    Done,
    Retry,
    Dead,
    Panic,
    Park,
    Later,
    Never,
}

/// Tells what it was given, and ends as it is told.
struct Scripted {
    began: mpsc::UnboundedSender<String>,
    ends: Mutex<mpsc::UnboundedReceiver<End>>,
}

impl Handler for Scripted {
    fn policy(&self) -> Policy {
        Policy { kind: KIND, lane: 9, ladder: INTAKE_LADDER, concurrency: 4, time_max: Duration::from_secs(60) }
    }

    fn run<'a>(&'a self, run: &'a JobRun) -> Running<'a> {
        Box::pin(async move {
            self.began.send(run.job.payload.clone()).unwrap();
            let end = self.ends.lock().await.recv().await.unwrap();
            let now = run.scope.clock().now();
            match end {
                End::Complete => {
                    run.complete(&EFFECT, |_cx| Ok(())).await.map_or_else(Outcome::from, |()| Outcome::Done)
                }
                End::Done => Outcome::Done,
                End::Retry => Outcome::Retry("not now".to_owned()),
                End::Dead => Outcome::Dead("never".to_owned()),
                End::Panic => panic!("on purpose"),
                End::Park => Outcome::Park { reason: "offline".to_owned(), until: None },
                End::Later => Outcome::Later { reason: "early".to_owned(), due: now.plus(Duration::from_secs(5)) },
                End::Never => std::future::pending().await,
            }
        })
    }
}

struct Desk {
    runner: Arc<Runner>,
    began: mpsc::UnboundedReceiver<String>,
    tell: mpsc::UnboundedSender<End>,
}

impl Desk {
    async fn open(machine: &Machine, boot: i64) -> Self {
        let settings = Settings {
            backend: Backend::Sled,
            boot: u64::try_from(boot).unwrap(),
            ..Settings::in_folder(machine.folder().join("queue"))
        };
        let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&machine.clock);
        let queue = Queue::start(settings, clock).unwrap();
        let (began, has_begun) = mpsc::unbounded_channel();
        let (tell, ends) = mpsc::unbounded_channel();
        let handler: Arc<dyn Handler> = Arc::new(Scripted { began, ends: Mutex::new(ends) });
        let runner = Runner::new(Arc::clone(&machine.shared), queue, vec![handler], boot);
        runner.recover().await.unwrap();
        runner.start();
        Self { runner, began: has_begun, tell }
    }

    /// The payload of the next run. Time passes until it begins.
    async fn next_run(&mut self, machine: &Machine) -> String {
        let end = Instant::now() + SOON;
        loop {
            if let Ok(Some(payload)) = tokio::time::timeout(Duration::from_millis(20), self.began.recv()).await {
                return payload;
            }
            assert!(Instant::now() < end, "no run began");
            machine.clock.advance(Duration::from_secs(10));
            self.runner.queue().poke().await;
        }
    }

    async fn close(self) {
        assert!(self.runner.stop(Duration::from_secs(10)).await, "runs ended");
        assert!(self.runner.queue().close().await, "the index is good for the next start");
    }
}

async fn ask(scope: &Scope, subject: &str, payload: u32) {
    let job = NewJob::new(KIND, subject.to_owned(), subject.to_owned(), &payload).unwrap();
    scope.write(&ASK, move |cx| cx.enqueue(&job)).await.unwrap();
}

async fn jobs(scope: &Scope) -> Vec<JobRow> {
    scope.read(Permission::JobRead, |tx| Ok(outbox::jobs_list(tx, &JobFilter::default(), 100)?)).await.unwrap()
}

async fn until_state(scope: &Scope, state: JobState) -> JobRow {
    let end = Instant::now() + SOON;
    loop {
        let job = jobs(scope).await.remove(0);
        if job.state == state {
            return job;
        }
        assert!(Instant::now() < end, "{job:?} does not become {state:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// D2: what is merged into a job while it runs is worked on afterwards, however that run ends.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_is_merged_into_a_running_job_is_never_lost() {
    for end in [End::Complete, End::Done, End::Retry, End::Dead, End::Panic, End::Park, End::Later] {
        let machine = Machine::open(4);
        let (_tenant, scope) = machine.store("haus").await;
        let mut desk = Desk::open(&machine, 1).await;
        ask(&scope, "thing", 1).await;
        assert_eq!(desk.next_run(&machine).await, "1");
        ask(&scope, "thing", 2).await;
        desk.tell.send(end).unwrap();
        assert_eq!(desk.next_run(&machine).await, "2", "after {end:?}");
        desk.tell.send(End::Complete).unwrap();
        let job = until_state(&scope, JobState::Done).await;
        assert_eq!((job.version, jobs(&scope).await.len()), (2, 1), "one job, merged once");
        desk.close().await;
    }
}

/// D2: the last run of a job dies, and what was merged in meanwhile has the whole budget.
#[tokio::test(flavor = "multi_thread")]
async fn a_merge_into_the_last_run_gets_a_fresh_budget_and_without_one_the_job_is_dead() {
    let machine = Machine::open(4);
    let (_tenant, scope) = machine.store("haus").await;
    let mut desk = Desk::open(&machine, 1).await;
    ask(&scope, "thing", 1).await;
    for run in 1..=3 {
        assert_eq!(desk.next_run(&machine).await, "1");
        if run == 3 {
            ask(&scope, "thing", 2).await;
        }
        desk.tell.send(End::Retry).unwrap();
    }
    for _ in 1..=3 {
        assert_eq!(desk.next_run(&machine).await, "2");
        desk.tell.send(End::Retry).unwrap();
    }
    let job = until_state(&scope, JobState::Dead).await;
    assert_eq!(job.attempts, 3);
    let facts = scope.read(Permission::AuditRead, |tx| Ok(store::journal_after(tx, 0, 100)?)).await.unwrap();
    assert_eq!(facts.iter().filter(|fact| fact.kind == "job.dead_lettered").count(), 1);
    desk.close().await;
}

/// Stopping burns no attempt, and what was interrupted runs after the next start.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_a_stop_interrupts_begins_again_after_the_next_start() {
    let machine = Machine::open(4);
    let (tenant, scope) = machine.store("haus").await;
    let mut desk = Desk::open(&machine, 1).await;
    ask(&scope, "thing", 1).await;
    desk.next_run(&machine).await;
    desk.tell.send(End::Never).unwrap();
    desk.close().await;
    let job = until_state(&scope, JobState::Ready).await;
    assert_eq!((job.attempts, job.lease_losses), (0, 0));
    drop(scope);

    let machine = machine.reopen();
    let scope = machine.scope(&tenant).await;
    let mut desk = Desk::open(&machine, 2).await;
    assert_eq!(desk.next_run(&machine).await, "1");
    desk.tell.send(End::Complete).unwrap();
    assert_eq!(until_state(&scope, JobState::Done).await.attempts, 1);
    desk.close().await;
}

/// D2: that a job is the first about its subject is checked all the same: where it is not, it joins the open one.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_wrongly_called_the_first_joins_the_open_one() {
    let machine = Machine::open(4);
    let (_tenant, scope) = machine.store("haus").await;
    ask(&scope, "thing", 1).await;
    let again = NewJob::new(KIND, "thing".to_owned(), "thing".to_owned(), &2).unwrap().first();
    scope.write(&ASK, move |cx| cx.enqueue(&again)).await.unwrap();
    let [job] = <[JobRow; 1]>::try_from(jobs(&scope).await).unwrap();
    assert_eq!((job.payload.as_str(), job.version), ("2", 2));
}

/// D3: jobs that one more loss would bury run one at a time, so that the one that takes the process down takes no other with it.
#[tokio::test(flavor = "multi_thread")]
async fn suspects_run_one_at_a_time_and_hold_up_nobody_else() {
    let machine = Machine::open(4);
    let (_tenant, scope) = machine.store("haus").await;
    for (subject, payload) in [("one", 1), ("two", 2), ("innocent", 3)] {
        ask(&scope, subject, payload).await;
    }
    let mark = scope.write(&ASK, |cx| {
        Ok::<_, Fault>(cx.tx().run("UPDATE outbox SET lease_losses = 2 WHERE subject <> 'innocent'", [])?)
    });
    assert_eq!(mark.await.unwrap(), 2);
    let mut desk = Desk::open(&machine, 2).await;
    let mut begun = [desk.next_run(&machine).await, desk.next_run(&machine).await];
    begun.sort();
    assert_eq!(begun[1], "3", "one suspect and the innocent run: {begun:?}");
    let other = if begun[0] == "1" { "two" } else { "one" };
    let waits = jobs(&scope).await.into_iter().find(|job| job.subject == other).unwrap();
    assert_eq!(waits.state, JobState::Ready, "the other suspect waits for its turn");
    for _ in 0..3 {
        desk.tell.send(End::Complete).unwrap();
    }
    assert_eq!(desk.next_run(&machine).await, if other == "one" { "1" } else { "2" });
    let end = Instant::now() + SOON;
    while !jobs(&scope).await.iter().all(|job| job.state == JobState::Done) {
        assert!(Instant::now() < end, "{:?}", jobs(&scope).await);
        tokio::task::yield_now().await;
    }
    desk.close().await;
}

/// D3: a run that ends with the process is a lease loss, and the third makes a dead letter.
#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_takes_the_process_down_three_times_is_dead() {
    let machine = Machine::open(4);
    let (_tenant, scope) = machine.store("haus").await;
    ask(&scope, "thing", 1).await;
    for boot in 1..=3 {
        let begun = scope.write(&ASK, move |cx| Ok::<_, Fault>(outbox::job_start(cx.tx(), 1, boot, cx.now())?)).await;
        assert!(begun.unwrap(), "it runs when the process of boot {boot} goes down");
        let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&machine.clock);
        let settings = Settings { backend: Backend::Memory, ..Settings::in_folder(machine.folder().join("queue")) };
        let queue = Queue::start(settings, clock).unwrap();
        let next = Runner::new(Arc::clone(&machine.shared), queue, Vec::new(), boot + 1);
        next.recover().await.unwrap();
        let job = jobs(&scope).await.remove(0);
        let state = if boot < 3 { JobState::Ready } else { JobState::Dead };
        assert_eq!((job.state, job.lease_losses, job.attempts), (state, boot, i64::from(boot == 3)));
        next.recover().await.unwrap();
        assert_eq!(jobs(&scope).await.remove(0).lease_losses, boot, "one loss is counted once");
    }
    let lost = scope.read(Permission::JobRead, |tx| Ok(outbox::attempts_of(tx, 1)?)).await.unwrap();
    assert_eq!(lost.iter().map(|run| run.outcome.as_str()).collect::<Vec<_>>(), ["lost", "lost", "lost", "dead"]);
}

/// What is wrong with a delivery, if anything: bytes, shape, sense, or a fault of ours.
fn delivery(number: u64) -> (Vec<u8>, bool) {
    let mut order = order(number, &[("PLENTY", 1, 100)]);
    match number % 8 {
        1 => return (br#"{"id": 1, "line_items": ["#.to_vec(), true),
        3 => order["currency"] = json!("EURO"),
        5 => order["line_items"][0]["quantity"] = json!(-3),
        7 => order["name"] = json!("poison"),
        _ => {}
    }
    (order.to_string().into_bytes(), number % 2 == 1)
}

/// SC10: poison between good deliveries: the good ones are all done, the poison is all in the dead letters and in quarantine.
#[tokio::test(flavor = "multi_thread")]
async fn poison_and_good_deliveries_mixed_end_where_they_belong() {
    let shop = Shop::open_at_rest().await;
    let variant = shop.article("PLENTY", "1.00", 1_000_000, 0).await;
    let broken = "CREATE TRIGGER poison BEFORE INSERT ON sales_order WHEN NEW.external_number = 'poison'
                  BEGIN SELECT RAISE(ABORT, 'poison'); END";
    shop.scope().await.write(&ASK, move |cx| Ok(cx.tx().run(broken, [])?)).await.unwrap();
    let total = 10_000;
    let sent = stream::iter(0..total).map(|number| {
        let shop = &shop;
        async move {
            let (body, _) = delivery(number + 8);
            shop.deliver(&body, &format!("d{number}"), &format!("e{number}")).await.status
        }
    });
    let statuses: Vec<u16> = sent.buffer_unordered(32).collect().await;
    assert!(statuses.iter().all(|status| *status == 200));
    let half = i64::try_from(total / 2).unwrap();
    let patience = Duration::from_secs(60 + total / 50);
    shop.until_count("SELECT count(*) FROM channel_message WHERE state = 'done'", half, patience).await;
    // The quarter that fails by a fault of ours has three runs.
    let quarter = half / 4;
    for runs in 1..=2 {
        let waiting = format!(
            "SELECT count(*) FROM outbox WHERE kind = 'channels.intake' AND state = 'ready' AND attempts = {runs}"
        );
        shop.until_count(&waiting, quarter, patience).await;
        shop.advance(Duration::from_mins(5)).await;
    }
    shop.until_count("SELECT count(*) FROM channel_message WHERE state = 'quarantined'", half, patience).await;
    assert_eq!(shop.count("SELECT count(*) FROM outbox WHERE state = 'dead'").await, half);
    assert_eq!(
        shop.count("SELECT count(*) FROM outbox WHERE kind = 'channels.intake' AND state NOT IN ('done', 'dead')")
            .await,
        0
    );
    assert_eq!(shop.count("SELECT count(*) FROM sales_order").await, half);
    assert_eq!(shop.level(variant, "MAIN").await, (1_000_000, half));
    shop.assert_sound().await;
    assert!(shop.stop().await);
}
