-- How much there is, where, and to whom it is promised. Levels are a projection of movements and open reservations.

CREATE TABLE inventory_warehouse (
    id         BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    code       TEXT    NOT NULL UNIQUE CHECK (length(code) BETWEEN 1 AND 40),
    name       TEXT    NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    store_code TEXT    CHECK (length(store_code) BETWEEN 1 AND 64),
    priority   INTEGER NOT NULL CHECK (priority BETWEEN 0 AND 1000),
    created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE inventory_level (
    variant_id   BLOB    NOT NULL REFERENCES catalog_variant (id),
    warehouse_id BLOB    NOT NULL REFERENCES inventory_warehouse (id),
    on_hand      INTEGER NOT NULL CHECK (on_hand BETWEEN 0 AND 1000000000),
    reserved     INTEGER NOT NULL CHECK (reserved >= 0),
    updated_ms   INTEGER NOT NULL,
    PRIMARY KEY (variant_id, warehouse_id),
    CHECK (reserved <= on_hand)
) STRICT, WITHOUT ROWID;

CREATE TABLE inventory_movement (
    seq           INTEGER PRIMARY KEY AUTOINCREMENT,
    id            BLOB    NOT NULL CHECK (length(id) = 16),
    variant_id    BLOB    NOT NULL,
    warehouse_id  BLOB    NOT NULL,
    kind          TEXT    NOT NULL
                  CHECK (kind = 'receipt' OR kind = 'sale' OR kind = 'return' OR kind = 'adjustment'
                         OR kind = 'transfer' OR kind = 'count' OR kind = 'damage'),
    quantity      INTEGER NOT NULL CHECK (quantity <> 0 AND quantity BETWEEN -1000000000 AND 1000000000),
    on_hand_after INTEGER NOT NULL CHECK (on_hand_after >= 0),
    reason        TEXT    NOT NULL CHECK (length(reason) <= 200),
    note          TEXT    NOT NULL CHECK (length(note) <= 2000),
    actor_kind    INTEGER NOT NULL,
    actor_id      BLOB    NOT NULL CHECK (length(actor_id) = 16),
    at_ms         INTEGER NOT NULL,
    FOREIGN KEY (variant_id, warehouse_id) REFERENCES inventory_level (variant_id, warehouse_id)
) STRICT;
CREATE INDEX inventory_movement_by_level ON inventory_movement (variant_id, warehouse_id, seq);
CREATE TRIGGER inventory_movement_no_update BEFORE UPDATE ON inventory_movement
BEGIN SELECT RAISE(ABORT, 'movements are append-only'); END;
CREATE TRIGGER inventory_movement_no_delete BEFORE DELETE ON inventory_movement
BEGIN SELECT RAISE(ABORT, 'movements are append-only'); END;

CREATE TABLE inventory_reservation (
    seq          INTEGER PRIMARY KEY,
    id           BLOB    NOT NULL CHECK (length(id) = 16),
    owner_id     BLOB    NOT NULL CHECK (length(owner_id) = 16),
    line_id      BLOB    NOT NULL CHECK (length(line_id) = 16),
    variant_id   BLOB    NOT NULL,
    warehouse_id BLOB    NOT NULL,
    quantity     INTEGER NOT NULL CHECK (quantity BETWEEN 1 AND 1000000000),
    state        TEXT    NOT NULL DEFAULT 'open' CHECK (state = 'open' OR state = 'released' OR state = 'consumed'
                                                        OR state = 'expired'),
    expires_ms   INTEGER,
    created_ms   INTEGER NOT NULL,
    closed_ms    INTEGER,
    CHECK ((state = 'open') = (closed_ms IS NULL)),
    FOREIGN KEY (variant_id, warehouse_id) REFERENCES inventory_level (variant_id, warehouse_id)
) STRICT;
CREATE INDEX inventory_reservation_by_owner ON inventory_reservation (owner_id);
CREATE INDEX inventory_reservation_expiring ON inventory_reservation (variant_id, expires_ms)
    WHERE state = 'open' AND expires_ms IS NOT NULL;

-- What was sold elsewhere and is not there. Filled first in, first out when stock arrives.
CREATE TABLE inventory_shortfall (
    seq        INTEGER PRIMARY KEY AUTOINCREMENT,
    owner_id   BLOB    NOT NULL CHECK (length(owner_id) = 16),
    line_id    BLOB    NOT NULL CHECK (length(line_id) = 16),
    variant_id BLOB    NOT NULL REFERENCES catalog_variant (id),
    quantity   INTEGER NOT NULL CHECK (quantity BETWEEN 1 AND 1000000000),
    filled     INTEGER NOT NULL DEFAULT 0 CHECK (filled >= 0),
    cancelled  INTEGER NOT NULL DEFAULT 0 CHECK (cancelled >= 0),
    created_ms INTEGER NOT NULL,
    CHECK (filled + cancelled <= quantity)
) STRICT;
CREATE INDEX inventory_shortfall_open ON inventory_shortfall (variant_id, seq) WHERE filled + cancelled < quantity;
CREATE INDEX inventory_shortfall_by_owner ON inventory_shortfall (owner_id);

CREATE VIEW v_inventory_level AS
SELECT l.variant_id, l.warehouse_id, w.code AS warehouse_code, w.store_code, l.on_hand, l.reserved,
       l.on_hand - l.reserved AS available, l.updated_ms
FROM inventory_level l JOIN inventory_warehouse w ON w.id = l.warehouse_id;

CREATE VIEW v_inventory_allocation AS
SELECT r.owner_id, r.line_id, r.variant_id, r.warehouse_id, w.code AS warehouse_code, r.quantity, r.state, r.created_ms, r.seq
FROM inventory_reservation r JOIN inventory_warehouse w ON w.id = r.warehouse_id;

CREATE VIEW v_inventory_shortfall AS
SELECT owner_id, line_id, variant_id, quantity - filled - cancelled AS missing
FROM inventory_shortfall WHERE filled + cancelled < quantity;
