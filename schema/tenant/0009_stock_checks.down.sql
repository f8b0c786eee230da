DROP TABLE inventory_reconciliation;
