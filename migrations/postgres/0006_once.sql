-- Calls that must not run twice: who sent which, and what came of it. Kept for a day.
CREATE TABLE once_calls (
    -- A keyed digest of license, tool and the client's own key: nobody can tell the key from it.
    digest       BYTEA PRIMARY KEY NOT NULL,
    tenant       TEXT NOT NULL,
    -- A keyed digest of the arguments and the account.
    arguments    BYTEA NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('begun', 'done', 'done_unkept', 'unknown')),
    replica      TEXT NOT NULL,
    begun_ms     BIGINT NOT NULL,
    -- Whoever has not said by then what came of it never will.
    due_ms       BIGINT NOT NULL,
    ends_ms      BIGINT NOT NULL,
    sealed       BYTEA
);

CREATE INDEX once_calls_by_end ON once_calls (ends_ms);
CREATE INDEX once_calls_by_tenant ON once_calls (tenant);

ALTER TABLE once_calls ENABLE ROW LEVEL SECURITY;
ALTER TABLE once_calls FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_fence ON once_calls
    USING (current_setting('wicketgate.tenant', true) IN (tenant, '*'));
