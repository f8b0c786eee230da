-- Whether the levels are what the movements and reservations say: one row per comparison.

CREATE TABLE inventory_reconciliation (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms       INTEGER NOT NULL,
    took_ms     INTEGER NOT NULL CHECK (took_ms >= 0),
    levels      INTEGER NOT NULL CHECK (levels >= 0),
    drifted     INTEGER NOT NULL CHECK (drifted BETWEEN 0 AND levels),
    differences TEXT    NOT NULL CHECK (json_valid(differences)),
    actor_kind  INTEGER NOT NULL,
    actor_id    BLOB    NOT NULL CHECK (length(actor_id) = 16)
) STRICT;
