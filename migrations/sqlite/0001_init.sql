-- Ids are TEXT, times are unix milliseconds from the program's clock, JSON is TEXT.

CREATE TABLE licenses (
    id          TEXT PRIMARY KEY NOT NULL,
    name        TEXT NOT NULL,
    plan        TEXT NOT NULL,
    tools       TEXT,
    status      TEXT NOT NULL,
    created_ms  BIGINT NOT NULL,
    expires_ms  BIGINT
);

CREATE TABLE license_keys (
    digest      BLOB PRIMARY KEY NOT NULL,
    license_id  TEXT NOT NULL REFERENCES licenses (id),
    hint        TEXT NOT NULL,
    created_ms  BIGINT NOT NULL,
    expires_ms  BIGINT
);

CREATE INDEX license_keys_by_license ON license_keys (license_id);

CREATE TABLE root_secrets (
    purpose     TEXT PRIMARY KEY NOT NULL,
    kek_id      TEXT NOT NULL,
    wrapped     BLOB NOT NULL,
    created_ms  BIGINT NOT NULL
);

CREATE TABLE data_keys (
    id          TEXT PRIMARY KEY NOT NULL,
    tenant      TEXT NOT NULL,
    kek_id      TEXT NOT NULL,
    state       TEXT NOT NULL,
    wrapped     BLOB NOT NULL,
    created_ms  BIGINT NOT NULL
);

CREATE UNIQUE INDEX data_keys_one_active ON data_keys (tenant) WHERE state = 'active';

-- Secrets for upstreams: the operator's, a license's own, and the accounts a license connected.
CREATE TABLE credentials (
    id          TEXT PRIMARY KEY NOT NULL,
    upstream    TEXT NOT NULL,
    tenant      TEXT NOT NULL,
    label       TEXT NOT NULL,
    kind        TEXT NOT NULL,
    state       TEXT NOT NULL,
    generation  BIGINT NOT NULL,
    -- The data key that seals it, which the sealed bytes name too.
    data_key    TEXT NOT NULL,
    sealed      BLOB NOT NULL,
    hint        TEXT,
    -- What was granted, and how often less than was asked for.
    scopes      TEXT NOT NULL,
    shortfalls  BIGINT NOT NULL,
    -- When the access token inside ends.
    expires_ms  BIGINT,
    -- Who renews it now, and until when nobody else does.
    lease_owner TEXT,
    lease_ms    BIGINT,
    created_ms  BIGINT NOT NULL,
    updated_ms  BIGINT NOT NULL,
    UNIQUE (upstream, tenant, label)
);

CREATE INDEX credentials_by_tenant ON credentials (tenant, upstream);
CREATE INDEX credentials_by_data_key ON credentials (data_key);

-- Days and leases are counted for any license id, also for one that is kept nowhere else.
CREATE TABLE license_days (
    license_id  TEXT NOT NULL,
    day         BIGINT NOT NULL,
    used        BIGINT NOT NULL CHECK (used >= 0),
    PRIMARY KEY (license_id, day)
);

CREATE TABLE call_leases (
    id          TEXT PRIMARY KEY NOT NULL,
    license_id  TEXT NOT NULL,
    day         BIGINT NOT NULL,
    replica     TEXT NOT NULL,
    granted     BIGINT NOT NULL CHECK (granted >= 0),
    unspent     BIGINT,
    state       TEXT NOT NULL,
    created_ms  BIGINT NOT NULL,
    closed_ms   BIGINT
);

CREATE INDEX call_leases_open ON call_leases (created_ms) WHERE state = 'open';

CREATE TABLE change_epoch (
    id          BIGINT PRIMARY KEY NOT NULL CHECK (id = 1),
    value       BIGINT NOT NULL
);

INSERT INTO change_epoch (id, value) VALUES (1, 0);

CREATE TABLE audit_entries (
    id          TEXT PRIMARY KEY NOT NULL,
    at_ms       BIGINT NOT NULL,
    actor       TEXT NOT NULL,
    action      TEXT NOT NULL,
    subject     TEXT NOT NULL,
    detail      TEXT NOT NULL
);
