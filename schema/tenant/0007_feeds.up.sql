-- What Google has been told, so that only what changed is sent.

CREATE TABLE feed_account (
    id               INTEGER PRIMARY KEY CHECK (id = 1),
    account_id       TEXT    NOT NULL CHECK (length(account_id) BETWEEN 1 AND 30),
    data_source      TEXT    NOT NULL CHECK (length(data_source) BETWEEN 1 AND 100),
    content_language TEXT    NOT NULL CHECK (length(content_language) = 2),
    feed_label       TEXT    NOT NULL CHECK (length(feed_label) BETWEEN 1 AND 20),
    endpoint         TEXT    NOT NULL CHECK (length(endpoint) <= 300),
    credentials      BLOB    NOT NULL,
    state            TEXT    NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'disabled')),
    last_error       TEXT,
    created_ms       INTEGER NOT NULL
) STRICT;

CREATE TABLE feed_product (
    variant_id       BLOB    NOT NULL PRIMARY KEY REFERENCES catalog_variant (id),
    attributes_hash  BLOB    NOT NULL CHECK (length(attributes_hash) = 32),
    version          INTEGER NOT NULL CHECK (version > 0),
    first_pushed_ms  INTEGER NOT NULL,
    pushed_ms        INTEGER NOT NULL,
    pushed_before_ms INTEGER,
    is_visible       INTEGER NOT NULL DEFAULT 0 CHECK (is_visible IN (0, 1)),
    issue            TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE feed_stock (
    variant_id   BLOB    NOT NULL REFERENCES catalog_variant (id),
    warehouse_id BLOB    NOT NULL REFERENCES inventory_warehouse (id),
    quantity     INTEGER NOT NULL CHECK (quantity >= 0),
    pushed_ms    INTEGER NOT NULL,
    PRIMARY KEY (variant_id, warehouse_id)
) STRICT, WITHOUT ROWID;
