-- What the store sells.

CREATE TABLE catalog_product (
    seq             INTEGER PRIMARY KEY,
    id              BLOB    NOT NULL UNIQUE CHECK (length(id) = 16),
    handle          TEXT    NOT NULL UNIQUE CHECK (length(handle) BETWEEN 1 AND 200),
    title           TEXT    NOT NULL CHECK (length(title) BETWEEN 1 AND 300),
    description     TEXT    NOT NULL CHECK (length(description) <= 20000),
    vendor          TEXT    NOT NULL CHECK (length(vendor) <= 200),
    category        TEXT    NOT NULL CHECK (length(category) <= 300),
    google_category TEXT    CHECK (length(google_category) <= 20),
    link            TEXT    CHECK (length(link) <= 2000),
    image_link      TEXT    CHECK (length(image_link) <= 2000),
    status          TEXT    NOT NULL CHECK (status = 'active' OR status = 'draft' OR status = 'archived'),
    version         INTEGER NOT NULL DEFAULT 1 CHECK (version > 0),
    created_ms      INTEGER NOT NULL,
    updated_ms      INTEGER NOT NULL
) STRICT;

CREATE TABLE catalog_variant (
    seq         INTEGER PRIMARY KEY,
    id          BLOB    NOT NULL UNIQUE CHECK (length(id) = 16),
    product_id  BLOB    NOT NULL REFERENCES catalog_product (id),
    sku         TEXT    NOT NULL UNIQUE CHECK (length(sku) BETWEEN 1 AND 100),
    barcode     TEXT    CHECK (length(barcode) <= 50),
    title       TEXT    NOT NULL CHECK (length(title) BETWEEN 1 AND 300),
    price_minor INTEGER NOT NULL CHECK (price_minor BETWEEN 0 AND 100000000000000),
    currency    TEXT    NOT NULL CHECK (length(currency) = 3),
    weight_g    INTEGER CHECK (weight_g BETWEEN 0 AND 1000000000),
    created_ms  INTEGER NOT NULL,
    updated_ms  INTEGER NOT NULL
) STRICT;
CREATE INDEX catalog_variant_by_product ON catalog_variant (product_id, seq);
CREATE INDEX catalog_variant_by_barcode ON catalog_variant (barcode) WHERE barcode IS NOT NULL;

CREATE VIEW v_catalog_variant AS
SELECT v.id AS variant_id, v.product_id, v.sku, v.barcode, v.title AS variant_title, p.title AS product_title,
       v.price_minor, v.currency, v.weight_g, p.handle, p.description, p.vendor, p.category, p.google_category,
       p.link, p.image_link, p.status, v.seq
FROM catalog_variant v JOIN catalog_product p ON p.id = v.product_id;
