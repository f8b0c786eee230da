DROP VIEW v_catalog_variant;
DROP TABLE catalog_variant;
DROP TABLE catalog_product;
