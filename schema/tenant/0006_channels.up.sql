-- Where orders come from: channels, what they delivered, and what could not be matched.

CREATE TABLE channel (
    id                   BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    provider             TEXT    NOT NULL CHECK (provider IN ('shopify')),
    name                 TEXT    NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    external_shop        TEXT    NOT NULL CHECK (length(external_shop) <= 300),
    state                TEXT    NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'disabled')),
    secret               BLOB    NOT NULL,
    secret_before        BLOB,
    secret_before_until  INTEGER,
    warehouses           TEXT    NOT NULL CHECK (json_valid(warehouses)),
    signature_failures   INTEGER NOT NULL DEFAULT 0 CHECK (signature_failures >= 0),
    signature_failed_ms  INTEGER,
    created_ms           INTEGER NOT NULL,
    CHECK ((secret_before IS NULL) = (secret_before_until IS NULL))
) STRICT, WITHOUT ROWID;

CREATE TABLE channel_message (
    seq          INTEGER PRIMARY KEY AUTOINCREMENT,
    id           BLOB    NOT NULL UNIQUE CHECK (length(id) = 16),
    channel_id   BLOB    NOT NULL REFERENCES channel (id),
    topic        TEXT    NOT NULL CHECK (length(topic) <= 255),
    delivery_id  TEXT    NOT NULL CHECK (length(delivery_id) BETWEEN 1 AND 255),
    event_id     TEXT    CHECK (length(event_id) BETWEEN 1 AND 255),
    external_id  TEXT    CHECK (length(external_id) <= 100),
    headers      TEXT    NOT NULL CHECK (json_valid(headers)),
    body         BLOB    NOT NULL,
    state        TEXT    NOT NULL DEFAULT 'received'
                 CHECK (state = 'received' OR state = 'done' OR state = 'quarantined' OR state = 'ignored'
                        OR state = 'discarded'),
    attempts     INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    reason       TEXT,
    order_id     BLOB    CHECK (length(order_id) = 16),
    received_ms  INTEGER NOT NULL,
    finished_ms  INTEGER
) STRICT;
CREATE UNIQUE INDEX channel_message_by_delivery ON channel_message (channel_id, delivery_id);
CREATE UNIQUE INDEX channel_message_by_event ON channel_message (channel_id, topic, event_id) WHERE event_id IS NOT NULL;
CREATE INDEX channel_message_by_channel ON channel_message (channel_id, seq);
CREATE INDEX channel_message_quarantined ON channel_message (channel_id, seq) WHERE state = 'quarantined';

CREATE TABLE channel_mapping (
    channel_id    BLOB    NOT NULL REFERENCES channel (id),
    external_sku  TEXT    NOT NULL CHECK (length(external_sku) BETWEEN 1 AND 255),
    title         TEXT    NOT NULL CHECK (length(title) <= 500),
    variant_id    BLOB    REFERENCES catalog_variant (id),
    first_seen_ms INTEGER NOT NULL,
    updated_ms    INTEGER NOT NULL,
    PRIMARY KEY (channel_id, external_sku)
) STRICT, WITHOUT ROWID;

CREATE VIEW v_channel AS SELECT id AS channel_id, provider, name FROM channel;
