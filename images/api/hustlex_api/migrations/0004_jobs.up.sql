-- A job is written in the transaction that asks for it. Redis only carries its number to a worker.
CREATE TABLE jobs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL,
    subject_id bigint NOT NULL,
    status text NOT NULL DEFAULT 'queued' CHECK (status IN ('queued', 'done', 'failed')),
    attempts integer NOT NULL DEFAULT 0,
    last_error text,
    created_at timestamptz NOT NULL DEFAULT now(),
    requeue_at timestamptz NOT NULL,
    finished_at timestamptz
);
CREATE INDEX jobs_requeue_at_idx ON jobs (requeue_at) WHERE status = 'queued';
