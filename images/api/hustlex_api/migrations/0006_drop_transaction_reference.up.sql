-- Code of schema 5 stopped to use the column, so that both versions run while pods are replaced.
-- min-compatible-schema: 5
ALTER TABLE transactions DROP COLUMN reference;
