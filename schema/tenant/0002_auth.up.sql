-- Who may do what in this store.

CREATE TABLE auth_user (
    id            BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    email         TEXT    NOT NULL COLLATE NOCASE UNIQUE CHECK (length(email) BETWEEN 3 AND 254),
    name          TEXT    NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    password_hash TEXT,
    permissions   TEXT    NOT NULL CHECK (json_valid(permissions)),
    state         TEXT    NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'disabled')),
    created_ms    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE auth_token (
    id           BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    name         TEXT    NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    secret_hash  BLOB    NOT NULL CHECK (length(secret_hash) = 32),
    permissions  TEXT    NOT NULL CHECK (json_valid(permissions)),
    created_ms   INTEGER NOT NULL,
    expires_ms   INTEGER,
    revoked_ms   INTEGER,
    last_used_ms INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE auth_session (
    id          BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    user_id     BLOB    NOT NULL REFERENCES auth_user (id),
    secret_hash BLOB    NOT NULL CHECK (length(secret_hash) = 32),
    created_ms  INTEGER NOT NULL,
    expires_ms  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX auth_session_by_user ON auth_session (user_id);

CREATE TABLE auth_link (
    id          BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    user_id     BLOB    NOT NULL REFERENCES auth_user (id),
    secret_hash BLOB    NOT NULL CHECK (length(secret_hash) = 32),
    expires_ms  INTEGER NOT NULL,
    used_ms     INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX auth_link_by_user ON auth_link (user_id);
