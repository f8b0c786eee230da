ALTER TABLE sales_order DROP COLUMN external_told_ms;
