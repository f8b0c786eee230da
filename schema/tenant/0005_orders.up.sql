-- Orders with their customers and payment attempts. Amounts are minor units and are stored as they were sold, never computed again.

CREATE TABLE customer (
    id         BLOB    NOT NULL PRIMARY KEY CHECK (length(id) = 16),
    email      TEXT    COLLATE NOCASE CHECK (length(email) BETWEEN 3 AND 254),
    name       TEXT    NOT NULL CHECK (length(name) <= 300),
    phone      TEXT    CHECK (length(phone) <= 50),
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX customer_by_email ON customer (email) WHERE email IS NOT NULL;

CREATE VIEW v_customer AS SELECT id AS customer_id, email, name FROM customer;

CREATE TABLE sales_order (
    seq              INTEGER PRIMARY KEY AUTOINCREMENT,
    id               BLOB    NOT NULL UNIQUE CHECK (length(id) = 16),
    channel_id       BLOB    CHECK (length(channel_id) = 16),
    external_id      TEXT    CHECK (length(external_id) BETWEEN 1 AND 100),
    external_number  TEXT    CHECK (length(external_number) <= 100),
    external_version INTEGER,
    customer_id      BLOB    REFERENCES customer (id),
    status           TEXT    NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'cancelled')),
    payment_status   TEXT    NOT NULL
                     CHECK (payment_status = 'pending' OR payment_status = 'authorized'
                            OR payment_status = 'partially_paid' OR payment_status = 'paid'
                            OR payment_status = 'partially_refunded' OR payment_status = 'refunded'
                            OR payment_status = 'voided'),
    currency         TEXT    NOT NULL CHECK (length(currency) = 3),
    tax_inclusive    INTEGER NOT NULL CHECK (tax_inclusive IN (0, 1)),
    subtotal_minor   INTEGER NOT NULL,
    discount_minor   INTEGER NOT NULL CHECK (discount_minor >= 0),
    shipping_minor   INTEGER NOT NULL CHECK (shipping_minor >= 0),
    tax_minor        INTEGER NOT NULL CHECK (tax_minor >= 0),
    total_minor      INTEGER NOT NULL,
    difference_minor INTEGER NOT NULL DEFAULT 0,
    line_count       INTEGER NOT NULL CHECK (line_count >= 0),
    quantity         INTEGER NOT NULL CHECK (quantity >= 0),
    short            INTEGER NOT NULL DEFAULT 0 CHECK (short >= 0),
    unmapped         INTEGER NOT NULL DEFAULT 0 CHECK (unmapped >= 0),
    note             TEXT    NOT NULL CHECK (length(note) <= 5000),
    address          TEXT    CHECK (address IS NULL OR json_valid(address)),
    placed_ms        INTEGER NOT NULL,
    created_ms       INTEGER NOT NULL,
    updated_ms       INTEGER NOT NULL,
    version          INTEGER NOT NULL DEFAULT 1 CHECK (version > 0),
    CHECK ((channel_id IS NULL) OR (external_id IS NOT NULL))
) STRICT;
CREATE UNIQUE INDEX sales_order_by_external ON sales_order (channel_id, external_id) WHERE external_id IS NOT NULL AND channel_id IS NOT NULL;
CREATE UNIQUE INDEX sales_order_by_own_external ON sales_order (external_id) WHERE external_id IS NOT NULL AND channel_id IS NULL;
CREATE INDEX sales_order_needing_attention ON sales_order (seq) WHERE short > 0 OR unmapped > 0 OR difference_minor <> 0;
CREATE INDEX sales_order_cancelled ON sales_order (seq) WHERE status = 'cancelled';
CREATE INDEX sales_order_by_customer ON sales_order (customer_id, seq) WHERE customer_id IS NOT NULL;

CREATE TABLE sales_order_line (
    seq              INTEGER PRIMARY KEY,
    id               BLOB    NOT NULL CHECK (length(id) = 16),
    order_id         BLOB    NOT NULL REFERENCES sales_order (id),
    position         INTEGER NOT NULL CHECK (position >= 1),
    external_id      TEXT    CHECK (length(external_id) <= 100),
    variant_id       BLOB    REFERENCES catalog_variant (id),
    sku              TEXT    CHECK (length(sku) <= 255),
    title            TEXT    NOT NULL CHECK (length(title) <= 500),
    quantity         INTEGER NOT NULL CHECK (quantity BETWEEN 0 AND 1000000000),
    unit_price_minor INTEGER NOT NULL CHECK (unit_price_minor >= 0),
    discount_minor   INTEGER NOT NULL CHECK (discount_minor >= 0),
    tax_minor        INTEGER NOT NULL CHECK (tax_minor >= 0),
    total_minor      INTEGER NOT NULL CHECK (total_minor >= 0)
) STRICT;
CREATE INDEX sales_order_line_by_order ON sales_order_line (order_id, position);
CREATE INDEX sales_order_line_unmapped ON sales_order_line (sku) WHERE variant_id IS NULL AND sku IS NOT NULL;

CREATE VIEW v_sales_order AS
SELECT id AS order_id, channel_id, external_id, external_number, seq AS number, status FROM sales_order;
CREATE VIEW v_sales_order_unmapped AS
SELECT o.channel_id, l.sku, l.title, l.order_id, l.id AS line_id, l.quantity
FROM sales_order_line l JOIN sales_order o ON o.id = l.order_id
WHERE l.variant_id IS NULL AND l.sku IS NOT NULL;

CREATE TABLE payment_attempt (
    seq           INTEGER PRIMARY KEY,
    id            BLOB    NOT NULL CHECK (length(id) = 16),
    order_id      BLOB    NOT NULL REFERENCES sales_order (id),
    provider      TEXT    NOT NULL CHECK (length(provider) BETWEEN 1 AND 60),
    state         TEXT    NOT NULL CHECK (state = 'pending' OR state = 'authorized' OR state = 'captured'
                                          OR state = 'failed' OR state = 'cancelled'),
    amount_minor  INTEGER NOT NULL CHECK (amount_minor >= 0),
    currency      TEXT    NOT NULL CHECK (length(currency) = 3),
    created_ms    INTEGER NOT NULL
) STRICT;
CREATE INDEX payment_attempt_by_order ON payment_attempt (order_id);
