CREATE TABLE gigs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id bigint NOT NULL REFERENCES users,
    title text NOT NULL,
    price_ngn numeric(14, 2) NOT NULL CHECK (price_ngn > 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    completed_at timestamptz
);

CREATE TABLE savings (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id bigint NOT NULL REFERENCES users,
    amount_ngn numeric(14, 2) NOT NULL CHECK (amount_ngn > 0),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE loans (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id bigint NOT NULL REFERENCES users,
    amount_ngn numeric(14, 2) NOT NULL CHECK (amount_ngn > 0),
    status text NOT NULL DEFAULT 'requested' CHECK (status IN ('requested', 'disbursed')),
    created_at timestamptz NOT NULL DEFAULT now(),
    disbursed_at timestamptz
);
