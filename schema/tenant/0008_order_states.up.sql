-- An order of a channel follows the state that the channel tells.

-- When the channel sent the state that is known. Channels give the time of a change in whole seconds; this one parts two states of the same second.
ALTER TABLE sales_order ADD COLUMN external_told_ms INTEGER;
