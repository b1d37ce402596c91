-- transaction: off
DROP INDEX CONCURRENTLY IF EXISTS transactions_of_user_idx;
CREATE INDEX CONCURRENTLY transactions_of_user_idx ON transactions (user_id, id DESC);
