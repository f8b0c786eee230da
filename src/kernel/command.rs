//! What a command is, and the context in which its closure runs: one transaction, one instant, one origin.

use crate::base::clock::Timestamp;
use crate::base::error::Fault;
use crate::base::id::{Id, IdMaker, JobId, TypedId};
use crate::infra::db::{Lane, ReadTx, WriteTx};
use crate::infra::vault::{SealKey, sha256};
use crate::kernel::actor::Actor;
use crate::kernel::journal::{Fact, Head, Header, Origin, stored_body};
use crate::kernel::ledger::{Ledger, Ready};
use crate::kernel::outbox::NewJob;
use crate::kernel::outbox::store as outbox;
use crate::kernel::permit::Permission;
use crate::kernel::store;
use std::time::Duration;

/// One verb: everything about it that is not its own logic.
#[derive(Debug)]
pub struct Command {
    /// `orders.place`: in the journal, in metrics and in spans.
    pub name: &'static str,
    /// The right it needs.
    pub permission: Permission,
    /// Who waits for it.
    pub lane: Lane,
}

impl Command {
    /// A command that somebody waits for.
    pub const fn new(name: &'static str, permission: Permission) -> Self {
        Self { name, permission, lane: Lane::Interactive }
    }

    /// A command of background work.
    pub const fn background(name: &'static str, permission: Permission) -> Self {
        Self { name, permission, lane: Lane::Background }
    }
}

/// Called for each recorded fact, in its transaction: turns facts into jobs.
pub type Reaction = fn(&mut Cx<'_>, &Fact) -> Result<(), Fault>;

/// Shape of the bodies that this release writes.
const BODY_SCHEMA: u16 = 1;

/// The context of a running command.
pub struct Cx<'a> {
    tx: &'a WriteTx<'a>,
    ledger: &'a mut Ledger,
    surroundings: &'a Surroundings,
    command: &'static Command,
}

/// What a command gets from its scope.
#[derive(Clone)]
pub struct Surroundings {
    /// The instant of the command.
    pub now: Timestamp,
    /// Makes ids.
    pub ids: IdMaker,
    /// Who, in which request.
    pub origin: Origin,
    /// The tenant's routing number.
    pub routing: u32,
    /// The tenant's key.
    pub key: SealKey,
    /// Facts to jobs.
    pub reaction: Reaction,
}

impl<'a> Cx<'a> {
    pub(super) const fn new(
        tx: &'a WriteTx<'a>,
        ledger: &'a mut Ledger,
        surroundings: &'a Surroundings,
        command: &'static Command,
    ) -> Self {
        Self { tx, ledger, surroundings, command }
    }

    /// The transaction.
    pub const fn tx(&self) -> &'a WriteTx<'a> {
        self.tx
    }

    /// The transaction, for queries.
    pub fn read(&self) -> &'a ReadTx<'a> {
        self.tx
    }

    /// The instant of the command: the same for all that it does.
    pub const fn now(&self) -> Timestamp {
        self.surroundings.now
    }

    /// Who.
    pub const fn actor(&self) -> Actor {
        self.surroundings.origin.actor
    }

    /// In which request.
    pub const fn request(&self) -> Id {
        self.surroundings.origin.request
    }

    /// The next id.
    pub fn id<T: TypedId>(&self) -> T {
        self.surroundings.ids.make()
    }

    /// The next id, with the tenant's routing number inside (D16).
    pub fn routed_id<T: TypedId>(&self) -> T {
        self.surroundings.ids.make_routed(self.surroundings.routing)
    }

    /// Makes ids and secrets.
    pub const fn ids(&self) -> &IdMaker {
        &self.surroundings.ids
    }

    /// The tenant's key for sealed columns.
    pub const fn key(&self) -> &SealKey {
        &self.surroundings.key
    }

    /// Records a fact: one chained journal row, the cache tags it moves, the jobs that follow from it.
    pub fn record(&mut self, fact: Fact) -> Result<i64, Fault> {
        let Head { seq, hash } = self.ledger.head();
        let mut fact = fact;
        fact.body = stored_body(fact.body);
        let origin = &self.surroundings.origin;
        let header = Header {
            seq: seq.saturating_add(1),
            at: self.surroundings.now,
            kind: fact.kind,
            schema_version: BODY_SCHEMA,
            command: self.command.name,
            actor_kind: origin.actor.kind_number(),
            actor_id: origin.actor.id_bytes(),
            entity: fact.entity.name(),
            entity_id: *fact.id.as_bytes(),
            request_id: *origin.request.as_bytes(),
            body_hash: sha256(&[fact.body.as_bytes()]),
        };
        let chained = header.chain(&hash);
        store::journal_insert(self.tx, &header, &chained, &fact.body)?;
        self.ledger.advance(Head { seq: header.seq, hash: chained });
        for tag in fact.tags() {
            self.ledger.add_tag(tag);
        }
        (self.surroundings.reaction)(self, &fact)?;
        Ok(header.seq)
    }

    /// Asks for work after this transaction. Merged into the open job of the same subject, if there is one.
    pub fn enqueue(&mut self, job: &NewJob) -> Result<(), Fault> {
        let id: JobId = self.id();
        let insert = outbox::JobInsert {
            id,
            kind: job.kind,
            subject: &job.subject,
            label: &job.label,
            payload: &job.payload,
            request: self.request(),
            due: self.now().plus(job.delay),
            now: self.now(),
            is_first: job.is_first,
        };
        let (seq, due, is_ready) = outbox::outbox_put(self.tx, &insert)?;
        if is_ready {
            self.announce(job.kind, seq, due);
        }
        Ok(())
    }

    /// Whether a job of this kind and subject waits, in nobody's hand, that runs no later than one asked for now would: asking adds nothing then. For
    /// those who would have to look things up first; [`Cx::enqueue`] sees it by itself.
    pub fn is_awaited(&self, kind: &str, subject: &str, delay: Duration) -> Result<bool, Fault> {
        Ok(outbox::job_waits(self.tx, kind, subject, self.now().plus(delay))?)
    }

    /// Takes an open job to the queue once this transaction is durable.
    pub fn announce(&mut self, kind: &str, seq: i64, due: Timestamp) {
        self.ledger.add_ready(Ready { kind: kind.to_owned(), seq, due });
    }
}
