DROP TABLE payment_attempt;
DROP VIEW v_sales_order_unmapped;
DROP VIEW v_sales_order;
DROP TABLE sales_order_line;
DROP TABLE sales_order;
DROP VIEW v_customer;
DROP TABLE customer;
