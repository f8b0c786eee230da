-- What Google has been told, so that only what changed is sent.

-- The epoch goes up when the account becomes another one: what was told under an earlier epoch counts as never told.
CREATE TABLE feed_account (
    id               INTEGER PRIMARY KEY CHECK (id = 1),
    epoch            INTEGER NOT NULL DEFAULT 1 CHECK (epoch > 0),
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

-- An item that was refused before it was ever accepted has a row without a push.
CREATE TABLE feed_product (
    variant_id       BLOB    NOT NULL PRIMARY KEY REFERENCES catalog_variant (id),
    epoch            INTEGER NOT NULL CHECK (epoch > 0),
    attributes_hash  BLOB    CHECK (length(attributes_hash) = 32),
    version          INTEGER CHECK (version > 0),
    first_pushed_ms  INTEGER,
    pushed_ms        INTEGER,
    pushed_before_ms INTEGER,
    is_visible       INTEGER NOT NULL DEFAULT 0 CHECK (is_visible IN (0, 1)),
    issue            TEXT,
    refused_hash     BLOB    CHECK (length(refused_hash) = 32),
    refused_ms       INTEGER,
    CHECK ((pushed_ms IS NULL) = (attributes_hash IS NULL)),
    CHECK ((pushed_ms IS NULL) = (version IS NULL)),
    CHECK ((pushed_ms IS NULL) = (first_pushed_ms IS NULL)),
    CHECK ((refused_ms IS NULL) = (refused_hash IS NULL))
) STRICT, WITHOUT ROWID;

CREATE TABLE feed_stock (
    variant_id   BLOB    NOT NULL REFERENCES catalog_variant (id),
    warehouse_id BLOB    NOT NULL REFERENCES inventory_warehouse (id),
    epoch        INTEGER NOT NULL CHECK (epoch > 0),
    store_code   TEXT    NOT NULL,
    quantity     INTEGER NOT NULL CHECK (quantity >= 0),
    price_minor  INTEGER NOT NULL,
    currency     TEXT    NOT NULL CHECK (length(currency) = 3),
    pushed_ms    INTEGER NOT NULL,
    PRIMARY KEY (variant_id, warehouse_id)
) STRICT, WITHOUT ROWID;
