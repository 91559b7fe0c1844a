-- Who serves now, and what each serves.
CREATE TABLE replicas (
    id          TEXT PRIMARY KEY NOT NULL,
    started_ms  BIGINT NOT NULL,
    -- By the clock of the database where it has one of its own.
    seen_ms     BIGINT NOT NULL,
    version     TEXT NOT NULL,
    -- A digest of the configuration files that it serves.
    config      TEXT NOT NULL,
    -- The number of the last request to reload that it has dealt with.
    reloaded    BIGINT NOT NULL,
    -- Why the files were not taken over when they were last read; file, place and message.
    fault       TEXT
);

-- How often all replicas were asked to read their configuration again.
ALTER TABLE change_epoch ADD COLUMN reloads BIGINT NOT NULL DEFAULT 0;
