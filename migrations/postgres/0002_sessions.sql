-- Sessions, the tokens and codes that lead to them, and the clients that hold them.

CREATE TABLE oauth_clients (
    client_id     TEXT PRIMARY KEY NOT NULL,
    kind          TEXT NOT NULL,
    name          TEXT NOT NULL,
    redirect_uris TEXT NOT NULL,
    auth_method   TEXT NOT NULL,
    secret_digest BYTEA,
    secret_hint   TEXT,
    jwks          TEXT,
    jwks_uri      TEXT,
    fingerprint   BYTEA UNIQUE,
    created_ms    BIGINT NOT NULL,
    used_ms       BIGINT
);

CREATE TABLE sessions (
    id            TEXT PRIMARY KEY NOT NULL,
    license_id    TEXT NOT NULL REFERENCES licenses (id),
    kind          TEXT NOT NULL,
    client_id     TEXT NOT NULL,
    client_name   TEXT NOT NULL,
    client_auth   TEXT NOT NULL,
    resource      TEXT NOT NULL,
    scope         TEXT NOT NULL,
    binding       TEXT NOT NULL,
    bound_to      BYTEA,
    generation    BIGINT NOT NULL,
    -- The newest generation that was used, and when first: outlives the rows of its tokens.
    used_generation BIGINT,
    used_ms       BIGINT,
    seed          BYTEA NOT NULL,
    calls         BIGINT NOT NULL,
    created_ms    BIGINT NOT NULL,
    seen_ms       BIGINT,
    expires_ms    BIGINT NOT NULL,
    ended_ms      BIGINT,
    ended_by      TEXT
);

CREATE INDEX sessions_by_license ON sessions (license_id, id);
CREATE INDEX sessions_by_client ON sessions (client_id);
CREATE INDEX sessions_by_end ON sessions (ended_ms);
CREATE INDEX sessions_by_expiry ON sessions (expires_ms);

CREATE TABLE session_tokens (
    digest        BYTEA PRIMARY KEY NOT NULL,
    session_id    TEXT NOT NULL REFERENCES sessions (id),
    kind          TEXT NOT NULL,
    generation    BIGINT NOT NULL,
    created_ms    BIGINT NOT NULL,
    expires_ms    BIGINT NOT NULL,
    used_ms       BIGINT
);

CREATE INDEX session_tokens_by_session ON session_tokens (session_id, generation);
CREATE INDEX session_tokens_by_expiry ON session_tokens (expires_ms);

CREATE TABLE authorization_codes (
    digest        BYTEA PRIMARY KEY NOT NULL,
    license_id    TEXT NOT NULL REFERENCES licenses (id),
    client_id     TEXT NOT NULL,
    client_name   TEXT NOT NULL,
    client_auth   TEXT NOT NULL,
    redirect_uri  TEXT NOT NULL,
    challenge     TEXT NOT NULL,
    resource      TEXT NOT NULL,
    scope         TEXT NOT NULL,
    created_ms    BIGINT NOT NULL,
    expires_ms    BIGINT NOT NULL,
    spent_ms      BIGINT,
    session_id    TEXT
);

CREATE INDEX authorization_codes_by_expiry ON authorization_codes (expires_ms);

-- Assertions of clients that were seen: each counts once (RFC 7523 section 3).
CREATE TABLE client_assertions (
    digest        BYTEA PRIMARY KEY NOT NULL,
    expires_ms    BIGINT NOT NULL
);
