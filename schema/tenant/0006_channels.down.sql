DROP VIEW v_channel;
DROP TABLE channel_mapping;
DROP TABLE channel_message;
DROP TABLE channel;
