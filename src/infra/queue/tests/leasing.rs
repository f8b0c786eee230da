//! Leases: order, fairness, fencing, pauses, signals. Decisions D1, D2 and D3.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_store_is_served_by_due_time_then_sequence_and_not_early() {
    for backend in [Backend::Memory, Backend::Sqlite, Backend::Sled] {
        let bench = Bench::new(backend);
        bench.queue.put(vec![
            entry(0, 1, 3, 0),
            entry(0, 1, 2, 0),
            entry(0, 1, 9, -5),
            entry(0, 1, 1, 1),
            entry(1, 1, 7, 0),
        ]);
        assert_eq!(bench.sequences(10).await, [9, 2, 3]);
        assert_eq!(bench.queue.next_due(0).await, Some(Timestamp(NOON.0 + 1)));
        bench.pass(Duration::from_millis(1)).await;
        assert_eq!(bench.sequences(10).await, [1]);
        assert_eq!(bench.queue.next_due(0).await, None);
    }
}

#[tokio::test]
async fn an_entry_that_is_put_again_moves_and_counts_once() {
    let bench = Bench::new(Backend::Sled);
    bench.queue.put(vec![entry(0, 1, 1, 0)]);
    bench.queue.put(vec![entry(0, 1, 1, 5), entry(0, 1, 1, 10)]);
    assert_eq!(bench.sequences(10).await, [0_i64; 0]);
    assert_eq!(bench.queue.depth().await, [Depth { lane: 0, tenant: tenant(1), waiting: 1, leased: 0 }]);
    bench.pass(Duration::from_millis(10)).await;
    assert_eq!(bench.sequences(10).await, [1]);
    assert_eq!(bench.queue.depth().await, [Depth { lane: 0, tenant: tenant(1), waiting: 0, leased: 1 }]);
}

#[tokio::test]
async fn a_store_with_a_long_line_does_not_starve_the_others() {
    let bench = Bench::new(Backend::Memory);
    bench.queue.put((1..=20_000).map(|seq| entry(0, 5, seq, -1000)).collect());
    bench.queue.put((1..=9).flat_map(|store| (1..=3).map(move |seq| entry(0, store, 100_000 + seq, 0))).collect());
    let first = bench.lease(18).await;
    for store in 1..=9 {
        assert_eq!(first.iter().filter(|lease| lease.ticket.tenant == tenant(store)).count(), 2);
    }
    let second = bench.lease(18).await;
    assert_eq!(second.iter().filter(|lease| lease.ticket.tenant != tenant(5)).count(), 8);
    assert_eq!(second.len(), 18);
    assert!(bench.lease(18).await.iter().all(|lease| lease.ticket.tenant == tenant(5)));
}

#[tokio::test]
async fn one_place_at_a_time_goes_round() {
    let bench = Bench::new(Backend::Sqlite);
    bench.queue.put((1..=3).flat_map(|store| (1..=4).map(move |seq| entry(0, store, seq, 0))).collect());
    let mut served = Vec::new();
    for _ in 0..6 {
        served.extend(bench.lease(1).await.iter().map(|lease| lease.ticket.tenant));
    }
    assert_eq!(served, [1, 2, 3, 1, 2, 3].map(tenant));
}

#[tokio::test]
async fn a_lease_is_settled_once() {
    let bench = Bench::new(Backend::Sled);
    bench.queue.put(vec![entry(0, 1, 1, 0)]);
    let lease = bench.lease(1).await[0];
    assert!(bench.queue.settle(lease, Settle::Forget).await);
    assert!(!bench.queue.settle(lease, Settle::Again(NOON)).await);
    assert!(bench.lease(1).await.is_empty());
    assert!(bench.queue.depth().await.is_empty());
}

/// The fencing token of a lease that was lost is worth nothing (decision D3).
#[tokio::test]
async fn an_expired_lease_is_reported_handed_out_again_and_fenced() {
    let bench = Bench::new(Backend::Sled);
    bench.queue.put(vec![entry(0, 1, 1, -7)]);
    let old = bench.lease(1).await[0];
    bench.pass(HOLD).await;
    assert_eq!(bench.queue.take_expired().await, [old]);
    assert!(bench.queue.take_expired().await.is_empty());
    let new = bench.lease(1).await[0];
    assert!(new.token > old.token);
    assert_eq!(new.due, old.due);
    assert!(!bench.queue.settle(old, Settle::Forget).await);
    assert!(bench.queue.settle(new, Settle::Forget).await);
    assert!(bench.lease(1).await.is_empty());
}

#[tokio::test]
async fn setting_the_wall_clock_expires_no_lease() {
    let bench = Bench::new(Backend::Memory);
    bench.queue.put(vec![entry(0, 1, 1, 0)]);
    let lease = bench.lease(1).await[0];
    bench.clock.set(Timestamp(NOON.0 + 1_000_000_000));
    bench.queue.poke().await;
    assert!(bench.queue.take_expired().await.is_empty());
    assert!(bench.queue.settle(lease, Settle::Forget).await);
}

/// A change that is merged into a row while it is worked on makes the row ready again (decision D2).
#[tokio::test]
async fn what_is_put_while_leased_is_due_again_however_the_lease_ends() {
    let bench = Bench::new(Backend::Sled);
    bench.queue.put(vec![entry(0, 1, 1, 0), entry(0, 1, 2, 0), entry(0, 1, 3, 0), entry(0, 1, 4, 0)]);
    let leases = bench.lease(4).await;
    bench.queue.put(vec![entry(0, 1, 1, 10), entry(0, 1, 2, 10), entry(0, 1, 3, 10), entry(0, 1, 4, 10)]);
    assert!(bench.sequences(4).await.is_empty());
    assert!(bench.queue.settle(leases[0], Settle::Forget).await);
    assert!(bench.queue.settle(leases[1], Settle::Again(Timestamp(NOON.0 + 5))).await);
    assert!(bench.queue.settle(leases[2], Settle::Again(Timestamp(NOON.0 + 50))).await);
    bench.pass(Duration::from_millis(5)).await;
    assert_eq!(bench.sequences(4).await, [2]);
    bench.pass(Duration::from_millis(5)).await;
    assert_eq!(bench.sequences(4).await, [1, 3]);
    bench.pass(HOLD).await;
    assert_eq!(bench.sequences(4).await, [4, 2, 1, 3]);
}

#[tokio::test]
async fn a_removed_ticket_is_not_leased_and_what_was_put_on_its_lease_is_forgotten() {
    let bench = Bench::new(Backend::Sqlite);
    bench.queue.put(vec![entry(0, 1, 1, 0), entry(0, 1, 2, 0)]);
    let lease = bench.lease(1).await[0];
    bench.queue.put(vec![entry(0, 1, 1, 0)]);
    bench.queue.remove(vec![ticket(0, 1, 1), ticket(0, 1, 2), ticket(0, 1, 3)]);
    assert!(bench.queue.settle(lease, Settle::Forget).await);
    assert!(bench.lease(4).await.is_empty());
    assert!(bench.queue.depth().await.is_empty());
}

/// Offline is not failure: the line waits and is drained in order when it is back (decision D1).
#[tokio::test]
async fn a_paused_line_sends_one_probe_and_drains_in_order_when_resumed() {
    let bench = Bench::new(Backend::Sled);
    bench.queue.put((1..=5).map(|seq| entry(0, 1, seq, seq - 10)).collect());
    bench.queue.put(vec![entry(0, 2, 8, 0), entry(1, 1, 9, 0)]);
    let until = NOON.plus(SECOND);
    bench.queue.pause(0, tenant(1), until);
    assert_eq!(bench.sequences(10).await, [8]);
    assert_eq!(bench.queue.lease(1, 10, HOLD).await.len(), 1);
    assert_eq!(bench.queue.next_due(0).await, Some(until));
    bench.pass(SECOND).await;
    let probes = bench.lease(10).await;
    assert_eq!(probes.iter().map(|lease| (lease.ticket.seq, lease.probe)).collect::<Vec<_>>(), [(1, true)]);
    assert!(bench.lease(10).await.is_empty());
    assert_eq!(bench.queue.paused().await, [Paused { lane: 0, tenant: tenant(1), until, probing: true }]);
    assert!(bench.queue.settle(probes[0], Settle::Again(probes[0].due)).await);
    assert!(bench.lease(10).await.is_empty());
    let later = bench.clock.now().plus(SECOND);
    bench.queue.pause(0, tenant(1), later);
    assert!(bench.lease(10).await.is_empty());
    bench.pass(SECOND).await;
    assert_eq!(bench.sequences(10).await, [1]);
    bench.queue.resume(0, tenant(1));
    assert_eq!(bench.sequences(10).await, [2, 3, 4, 5]);
    assert!(bench.queue.paused().await.is_empty());
}

#[tokio::test]
async fn a_probe_that_nobody_answers_for_is_followed_by_another() {
    let bench = Bench::new(Backend::Memory);
    bench.queue.put(vec![entry(0, 1, 1, 0), entry(0, 1, 2, 0)]);
    bench.queue.pause(0, tenant(1), NOON);
    assert_eq!(bench.sequences(10).await, [1]);
    bench.pass(HOLD).await;
    assert_eq!(bench.sequences(10).await, [1]);
    assert!(bench.lease(10).await.is_empty());
}

#[tokio::test]
async fn leases_that_nobody_waits_for_go_back_at_once() {
    let (release, released) = crossbeam_channel::bounded::<()>(0);
    let opener: Opener = Arc::new(move |_| {
        assert!(released.recv().is_err());
        Ok(Box::new(MemoryIndex::default()))
    });
    let bench = Bench::with(opener, Duration::from_secs(30));
    bench.queue.put(vec![entry(0, 1, 1, 0), entry(0, 2, 2, 0)]);
    bench.queue.pause(0, tenant(2), NOON);
    let mut asked = Box::pin(bench.queue.lease(0, 10, HOLD));
    assert!(futures_util::poll!(asked.as_mut()).is_pending());
    drop(asked);
    drop(release);
    assert_eq!(bench.sequences(10).await, [1, 2]);
}

#[tokio::test]
async fn a_signal_fires_for_everything_that_makes_work_leasable() {
    let bench = Bench::new(Backend::Memory);
    let mut signal = bench.queue.signal(0);
    assert!(soon(signal.wait()).await);
    assert!(bench.lease(10).await.is_empty());
    bench.queue.put(vec![entry(0, 1, 1, 0)]);
    assert!(soon(signal.wait()).await);
    let lease = bench.lease(10).await[0];
    bench.queue.settle(lease, Settle::Again(NOON.plus(SECOND))).await;
    bench.pass(SECOND).await;
    assert!(soon(signal.wait()).await);
    bench.lease(10).await;
    bench.pass(HOLD).await;
    assert!(soon(signal.wait()).await);
    bench.queue.pause(0, tenant(1), Timestamp(i64::MAX));
    assert!(bench.lease(10).await.is_empty());
    bench.queue.resume(0, tenant(1));
    assert!(soon(signal.wait()).await);
    let mut other = bench.queue.signal(1);
    assert!(soon(other.wait()).await);
    assert!(futures_util::poll!(std::pin::pin!(other.wait())).is_pending());
}

#[tokio::test]
async fn a_signal_fires_again_while_work_is_left() {
    let bench = Bench::new(Backend::Memory);
    let mut signal = bench.queue.signal(0);
    bench.queue.put((1..=10).map(|seq| entry(0, 1, seq, 0)).collect());
    for _ in 0..10 {
        assert!(soon(signal.wait()).await);
        assert_eq!(bench.lease(1).await.len(), 1);
    }
}

/// The real clock needs no poke.
#[tokio::test]
async fn a_signal_fires_by_itself_when_an_entry_becomes_due() {
    let root = tempfile::tempdir().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(crate::base::clock::SystemClock::starting_at(Timestamp(0)));
    let queue = Queue::start(settings(root.path(), Backend::Memory), Arc::clone(&clock)).unwrap();
    let mut signal = queue.signal(0);
    soon(signal.wait()).await;
    let due = clock.now().plus(Duration::from_millis(30));
    queue.put(vec![Entry { ticket: ticket(0, 1, 1), due }]);
    assert!(queue.lease(0, 1, HOLD).await.is_empty() || clock.now() >= due);
    assert!(soon(signal.wait()).await);
    assert!(clock.now() >= due);
}

#[tokio::test]
async fn a_closed_queue_has_no_work_and_says_so() {
    let bench = Bench::new(Backend::Memory);
    let (mut signal, mut losses) = (bench.queue.signal(0), bench.queue.losses());
    assert!(soon(signal.wait()).await);
    assert_eq!(soon(losses.next()).await.map(|loss| loss.reason), Some(Reason::New));
    assert!(!bench.queue.close().await);
    assert!(!soon(signal.wait()).await);
    assert_eq!(soon(losses.next()).await, None);
    bench.queue.put(vec![entry(0, 1, 1, 0)]);
    bench.queue.poke().await;
    assert!(bench.lease(1).await.is_empty());
    assert!(!soon(bench.queue.signal(0).wait()).await);
}

#[tokio::test]
async fn more_than_fits_is_announced_and_leaves_leases_alone() {
    let bench = Bench::new(Backend::Memory);
    let mut losses = bench.queue.losses();
    assert_eq!(soon(losses.next()).await.unwrap().reason, Reason::New);
    bench.queue.put(vec![entry(0, 1, 1, 0)]);
    let lease = bench.lease(1).await[0];
    let many: Vec<Entry> = (1..=400_000).map(|seq| entry(0, 1, seq, 0)).collect();
    let overflowed = async {
        loop {
            let put = many.clone();
            bench.queue.put(put);
            tokio::select! {
                biased;
                loss = losses.next() => break loss,
                () = tokio::task::yield_now() => {}
            }
        }
    };
    assert_eq!(soon(overflowed).await.unwrap().reason, Reason::Overflowed);
    assert!(bench.queue.settle(lease, Settle::Forget).await);
}
