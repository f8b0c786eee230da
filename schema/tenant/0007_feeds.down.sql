DROP TABLE feed_stock;
DROP TABLE feed_product;
DROP TABLE feed_account;
