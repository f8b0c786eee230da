-- What every command leaves behind: the journal, the outbox, the record of answered requests.

CREATE TABLE meta (
    key   TEXT NOT NULL PRIMARY KEY,
    value ANY NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE journal (
    seq            INTEGER PRIMARY KEY CHECK (seq > 0),
    at_ms          INTEGER NOT NULL,
    kind           TEXT    NOT NULL CHECK (length(kind) BETWEEN 1 AND 64),
    schema_version INTEGER NOT NULL CHECK (schema_version BETWEEN 1 AND 65535),
    command        TEXT    NOT NULL CHECK (length(command) BETWEEN 1 AND 64),
    actor_kind     INTEGER NOT NULL CHECK (actor_kind BETWEEN 0 AND 255),
    actor_id       BLOB    NOT NULL CHECK (length(actor_id) = 16),
    entity         TEXT    NOT NULL CHECK (length(entity) BETWEEN 1 AND 32),
    entity_id      BLOB    NOT NULL CHECK (length(entity_id) = 16),
    request_id     BLOB    NOT NULL CHECK (length(request_id) = 16),
    body_hash      BLOB    NOT NULL CHECK (length(body_hash) = 32),
    hash           BLOB    NOT NULL CHECK (length(hash) = 32)
) STRICT;
CREATE INDEX journal_by_entity ON journal (entity_id, seq);

CREATE TRIGGER journal_no_update BEFORE UPDATE ON journal
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;
CREATE TRIGGER journal_no_delete BEFORE DELETE ON journal
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;

-- Bodies stand apart so that they can be erased without breaking the chain, which holds their hash.
CREATE TABLE journal_body (
    seq  INTEGER PRIMARY KEY REFERENCES journal (seq),
    body TEXT CHECK (body IS NULL OR json_valid(body))
) STRICT;

CREATE TRIGGER journal_body_no_update BEFORE UPDATE ON journal_body
WHEN NEW.body IS NOT NULL OR NEW.seq <> OLD.seq
BEGIN SELECT RAISE(ABORT, 'a journal body can only be erased'); END;
CREATE TRIGGER journal_body_no_delete BEFORE DELETE ON journal_body
BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END;

-- The truth about work to do. The sequence is never reused, so that a late worker cannot close another job.
CREATE TABLE outbox (
    seq              INTEGER PRIMARY KEY AUTOINCREMENT,
    id               BLOB    NOT NULL UNIQUE CHECK (length(id) = 16),
    kind             TEXT    NOT NULL CHECK (length(kind) BETWEEN 1 AND 64),
    subject          TEXT    NOT NULL CHECK (length(subject) BETWEEN 1 AND 200),
    label            TEXT    NOT NULL CHECK (length(label) <= 200),
    payload          TEXT    NOT NULL CHECK (json_valid(payload)),
    request_id       BLOB    NOT NULL CHECK (length(request_id) = 16),
    version          INTEGER NOT NULL DEFAULT 1 CHECK (version > 0),
    state            TEXT    NOT NULL DEFAULT 'ready'
                     CHECK (state = 'ready' OR state = 'running' OR state = 'waiting' OR state = 'done'
                            OR state = 'dead' OR state = 'discarded'),
    attempts         INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    lease_losses     INTEGER NOT NULL DEFAULT 0 CHECK (lease_losses BETWEEN 0 AND 3),
    boot             INTEGER,
    due_ms           INTEGER NOT NULL,
    created_ms       INTEGER NOT NULL,
    updated_ms       INTEGER NOT NULL,
    started_ms       INTEGER,
    waiting_since_ms INTEGER,
    finished_ms      INTEGER,
    last_error       TEXT,
    CHECK ((state = 'done' OR state = 'dead' OR state = 'discarded') = (finished_ms IS NOT NULL)),
    CHECK ((state = 'waiting') = (waiting_since_ms IS NOT NULL))
) STRICT;
CREATE UNIQUE INDEX outbox_open ON outbox (kind, subject) WHERE finished_ms IS NULL;
CREATE INDEX outbox_dead ON outbox (seq) WHERE state = 'dead';
CREATE INDEX outbox_dead_subject ON outbox (kind, subject) WHERE state = 'dead';
CREATE INDEX outbox_finished ON outbox (finished_ms) WHERE finished_ms IS NOT NULL;

-- Runs that did not simply succeed.
CREATE TABLE outbox_attempt (
    job_seq     INTEGER NOT NULL REFERENCES outbox (seq) ON DELETE CASCADE,
    number      INTEGER NOT NULL CHECK (number > 0),
    attempt     INTEGER NOT NULL CHECK (attempt >= 0),
    started_ms  INTEGER NOT NULL,
    finished_ms INTEGER NOT NULL,
    outcome     TEXT    NOT NULL CHECK (outcome = 'done' OR outcome = 'retry' OR outcome = 'parked'
                                        OR outcome = 'later' OR outcome = 'dead' OR outcome = 'lost'),
    error       TEXT,
    PRIMARY KEY (job_seq, number)
) STRICT, WITHOUT ROWID;

-- Answers to requests that carried an Idempotency-Key. Bodies are packed and sealed. The rows grow at the end; only the
-- small index is random.
CREATE TABLE idempotency (
    seq         INTEGER PRIMARY KEY,
    scope       BLOB    NOT NULL UNIQUE CHECK (length(scope) = 16),
    fingerprint BLOB    NOT NULL CHECK (length(fingerprint) = 16),
    status      INTEGER NOT NULL CHECK (status BETWEEN 200 AND 499),
    headers     TEXT    NOT NULL CHECK (json_valid(headers)),
    body        BLOB    NOT NULL,
    created_ms  INTEGER NOT NULL
) STRICT;
