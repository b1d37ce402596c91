ALTER TABLE transactions ADD COLUMN reference text;
