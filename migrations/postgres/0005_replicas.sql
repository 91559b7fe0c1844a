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

-- Tells replicas at once; without it they find the new number when they look.
CREATE FUNCTION wicketgate_tell_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('wicketgate_change', NEW.value || ' ' || NEW.reloads);
    RETURN NULL;
END
$$;

CREATE TRIGGER wicketgate_tell_change AFTER UPDATE ON change_epoch
    FOR EACH ROW EXECUTE FUNCTION wicketgate_tell_change();
