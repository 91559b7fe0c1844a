-- Limits of one license, and what it used: by month and by cost too, and by tool for the invoice.

-- Limits that hold for this license in place of its plan's, as JSON; none: the plan's.
ALTER TABLE licenses ADD COLUMN overrides TEXT;

-- What is spent or leased of a meter's window: a UTC day or month, counted from 1970-01.
-- Windows and leases are counted for any license id, also for one that is kept nowhere else.
CREATE TABLE license_windows (
    license_id  TEXT NOT NULL,
    meter       TEXT NOT NULL,
    number      BIGINT NOT NULL,
    used        BIGINT NOT NULL CHECK (used >= 0),
    PRIMARY KEY (license_id, meter, number)
);

INSERT INTO license_windows (license_id, meter, number, used)
    SELECT license_id, 'calls_day', day, used FROM license_days;

-- An older program that still runs must stop rather than count in a second place.
DROP TABLE license_days;

ALTER TABLE call_leases RENAME COLUMN day TO number;
ALTER TABLE call_leases ADD COLUMN meter TEXT NOT NULL DEFAULT 'calls_day';

CREATE INDEX call_leases_of_license ON call_leases (license_id, meter, number) WHERE state = 'open';
CREATE INDEX call_leases_closed ON call_leases (closed_ms) WHERE state = 'closed';

-- What each license did with each tool, by UTC day.
CREATE TABLE usage_days (
    day         BIGINT NOT NULL,
    license_id  TEXT NOT NULL,
    tool        TEXT NOT NULL,
    answered    BIGINT NOT NULL,
    failed      BIGINT NOT NULL,
    refused     BIGINT NOT NULL,
    cost        BIGINT NOT NULL,
    PRIMARY KEY (day, license_id, tool)
);

CREATE INDEX usage_days_by_license ON usage_days (license_id, day);

-- Which additions to `usage_days` were made: one that is sent twice counts once.
CREATE TABLE usage_batches (
    id          TEXT PRIMARY KEY NOT NULL,
    written_ms  BIGINT NOT NULL
);

CREATE INDEX usage_batches_by_age ON usage_batches (written_ms);
