CREATE TABLE transactions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id bigint NOT NULL REFERENCES users,
    kind text NOT NULL CHECK (kind IN ('credit', 'debit')),
    amount_ngn numeric(14, 2) NOT NULL CHECK (amount_ngn > 0),
    status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'settled')),
    idempotency_key text,
    reference text,
    created_at timestamptz NOT NULL DEFAULT now(),
    settled_at timestamptz,
    UNIQUE (user_id, idempotency_key)
);
