CREATE TABLE users (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    phone text NOT NULL UNIQUE,
    name text NOT NULL,
    balance_ngn numeric(14, 2) NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    welcomed_at timestamptz
);
CREATE INDEX users_last_seen_at_idx ON users (last_seen_at);
