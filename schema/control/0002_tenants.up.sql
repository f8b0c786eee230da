-- The stores of this machine. Everything of a store itself lies in its own file.

CREATE TABLE tenant (
    id          BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    routing     INTEGER NOT NULL UNIQUE CHECK (routing BETWEEN 1 AND 4294967295),
    handle      TEXT    NOT NULL UNIQUE CHECK (length(handle) BETWEEN 1 AND 63),
    name        TEXT    NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    state       TEXT    NOT NULL CHECK (state = 'creating' OR state = 'active' OR state = 'disabled'),
    wrapped_key BLOB    NOT NULL,
    created_ms  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Rebuildable from the tenants' files: who signs in where.
CREATE TABLE route_email (
    email     TEXT NOT NULL COLLATE NOCASE,
    tenant_id BLOB NOT NULL REFERENCES tenant (id),
    PRIMARY KEY (email, tenant_id)
) STRICT, WITHOUT ROWID;
