//! The three backends are the same index.

use super::super::front::Front;
use super::super::guard::Guard;
use super::*;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Op {
    Put(Vec<Entry>),
    Remove(Vec<Ticket>),
    Take { lane: Lane, store: u8, now: i64, max: usize },
    Rooms,
}

fn any_ticket() -> impl Strategy<Value = Ticket> {
    (0..2_u8, 0..3_u8, 1..8_i64).prop_map(|(lane, store, seq)| ticket(lane, store, seq))
}

fn any_entry() -> impl Strategy<Value = Entry> {
    (any_ticket(), -3..6_i64).prop_map(|(ticket, due)| Entry { ticket, due: Timestamp(due) })
}

fn any_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => prop::collection::vec(any_entry(), 0..6).prop_map(Op::Put),
        1 => prop::collection::vec(any_ticket(), 0..4).prop_map(Op::Remove),
        3 => (0..2_u8, 0..3_u8, -4..7_i64, 0..5_usize)
            .prop_map(|(lane, store, now, max)| Op::Take { lane, store, now, max }),
        1 => Just(Op::Rooms),
    ]
}

/// What an operation says, in a form that can be compared.
fn apply(index: &mut dyn Index, op: &Op) -> String {
    let sorted = |mut tickets: Vec<Ticket>| {
        tickets.sort_unstable();
        format!("{tickets:?}")
    };
    match op {
        Op::Put(entries) => sorted(index.put(entries).unwrap()),
        Op::Remove(tickets) => sorted(index.remove(tickets).unwrap()),
        Op::Take { lane, store, now, max } => {
            format!("{:?}", index.take(*lane, tenant(*store), Timestamp(*now), *max).unwrap())
        }
        Op::Rooms => format!("{:?}", index.rooms().unwrap()),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn all_backends_answer_alike_and_keep_what_they_have(ops in prop::collection::vec(any_op(), 1..60)) {
        let root = tempfile::tempdir().unwrap();
        let (sled, sqlite) = (root.path().join("a"), root.path().join("b"));
        let mut indexes: [Box<dyn Index>; 3] = [
            Box::new(MemoryIndex::default()),
            Box::new(SqliteIndex::open(&sqlite).unwrap()),
            Box::new(SledIndex::open(&sled).unwrap()),
        ];
        for op in &ops {
            let [memory, sqlite, sled] = indexes.each_mut().map(|index| apply(index.as_mut(), op));
            prop_assert_eq!(&memory, &sqlite);
            prop_assert_eq!(&memory, &sled);
        }
        let [mut memory, first, second] = indexes;
        first.close().unwrap();
        second.close().unwrap();
        let held = memory.rooms().unwrap();
        prop_assert_eq!(&held, &SqliteIndex::open(&sqlite).unwrap().rooms().unwrap());
        prop_assert_eq!(&held, &SledIndex::open(&sled).unwrap().rooms().unwrap());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// However few wait in memory: entries change sides, and nobody sees it.
    #[test]
    fn an_index_with_a_front_answers_as_one_without(ops in prop::collection::vec(any_op(), 1..80), near_max in 0..5_usize) {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(NOON));
        let guard = Guard::open("nowhere".into(), "memory", None, Duration::from_secs(1), 0, clock).guard;
        let mut front = Front::new(guard, near_max, 0);
        let mut plain = MemoryIndex::default();
        let sorted = |mut tickets: Vec<Ticket>| {
            tickets.sort_unstable();
            tickets
        };
        for op in ops {
            match op {
                Op::Put(entries) => {
                    prop_assert_eq!(sorted(front.put(&entries).unwrap()), sorted(plain.put(&entries).unwrap()));
                }
                Op::Remove(tickets) => {
                    prop_assert_eq!(sorted(front.remove(tickets.clone()).unwrap()), sorted(plain.remove(&tickets).unwrap()));
                }
                Op::Take { lane, store, now, max } => {
                    let taken = front.take(lane, &[(tenant(store), max)], Timestamp(now)).unwrap();
                    let expected = plain.take(lane, tenant(store), Timestamp(now), max).unwrap();
                    prop_assert_eq!(taken, vec![expected]);
                }
                Op::Rooms => front.hand_over().unwrap(),
            }
        }
    }
}

#[test]
fn backends_are_named_as_in_the_settings() {
    assert_eq!(Backend::named("sqlite"), Some(Backend::Sqlite));
    assert_eq!(Backend::named("sled"), Some(Backend::Sled));
    assert_eq!(Backend::named("memory"), Some(Backend::Memory));
    assert_eq!(Backend::named("redis"), None);
}
