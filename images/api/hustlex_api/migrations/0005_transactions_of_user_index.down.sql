DROP INDEX CONCURRENTLY IF EXISTS transactions_of_user_idx;
