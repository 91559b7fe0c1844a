-- Connecting accounts, telling providers that a grant ended, and what grants are used for.

-- One consent at a provider that a browser was sent to, by the digest of its `state`.
CREATE TABLE connect_attempts (
    state_digest BYTEA PRIMARY KEY NOT NULL,
    tenant       TEXT NOT NULL,
    upstream     TEXT NOT NULL,
    label        TEXT NOT NULL,
    scopes       TEXT NOT NULL,
    browser      BYTEA NOT NULL,
    created_ms   BIGINT NOT NULL,
    expires_ms   BIGINT NOT NULL,
    spent_ms     BIGINT
);

CREATE INDEX connect_attempts_by_expiry ON connect_attempts (expires_ms);

-- Tokens that providers are still to be told about. Sealed for the operator: they outlive the
-- license that they were granted to.
CREATE TABLE grant_revocations (
    id           TEXT PRIMARY KEY NOT NULL,
    subject      TEXT NOT NULL,
    upstream     TEXT NOT NULL,
    data_key     TEXT NOT NULL,
    sealed       BYTEA NOT NULL,
    attempts     BIGINT NOT NULL,
    next_ms      BIGINT NOT NULL,
    created_ms   BIGINT NOT NULL,
    expires_ms   BIGINT NOT NULL,
    done_ms      BIGINT,
    outcome      TEXT
);

CREATE INDEX grant_revocations_due ON grant_revocations (next_ms) WHERE done_ms IS NULL;
CREATE INDEX grant_revocations_by_data_key ON grant_revocations (data_key);

-- When each granted scope was last needed by a call.
CREATE TABLE scope_uses (
    tenant       TEXT NOT NULL,
    upstream     TEXT NOT NULL,
    scope        TEXT NOT NULL,
    last_ms      BIGINT NOT NULL,
    PRIMARY KEY (tenant, upstream, scope)
);

-- Set while the operator has stopped all opening of credentials, on every replica.
CREATE TABLE vault_seal (
    id           BIGINT PRIMARY KEY NOT NULL CHECK (id = 1),
    sealed_ms    BIGINT
);

INSERT INTO vault_seal (id, sealed_ms) VALUES (1, NULL);

-- A second fence behind every query's own `tenant = …`: without the tenant's name set in the
-- transaction no row is there, not even for the owner of the tables.
ALTER TABLE credentials ENABLE ROW LEVEL SECURITY;
ALTER TABLE credentials FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_fence ON credentials
    USING (current_setting('wicketgate.tenant', true) IN (tenant, '*'));

ALTER TABLE data_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE data_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_fence ON data_keys
    USING (current_setting('wicketgate.tenant', true) IN (tenant, '*'));

ALTER TABLE connect_attempts ENABLE ROW LEVEL SECURITY;
ALTER TABLE connect_attempts FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_fence ON connect_attempts
    USING (current_setting('wicketgate.tenant', true) IN (tenant, '*'));

ALTER TABLE scope_uses ENABLE ROW LEVEL SECURITY;
ALTER TABLE scope_uses FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant_fence ON scope_uses
    USING (current_setting('wicketgate.tenant', true) IN (tenant, '*'));
