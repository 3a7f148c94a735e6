-- Where those that follow the audit log stand: the number of the next event of each.
CREATE TABLE watch_positions (
    name TEXT PRIMARY KEY,
    next BIGINT NOT NULL CHECK (next >= 0)
);

-- What rules against misuse remember of a subject. Changed in the transaction that moves their place in the log.
CREATE TABLE misuse_traces (
    topic TEXT PRIMARY KEY,
    since BIGINT NOT NULL,
    last_count BIGINT NOT NULL,
    this_count BIGINT NOT NULL,
    alarmed_at BIGINT,
    seen_at BIGINT NOT NULL
);
CREATE INDEX misuse_traces_by_age ON misuse_traces (seen_at);

-- Alarms that were raised, by the number of their event.
CREATE TABLE alarms (
    event BIGINT PRIMARY KEY,
    kind TEXT NOT NULL,
    seal TEXT,
    caller TEXT,
    sink TEXT,
    cause BIGINT,
    count BIGINT NOT NULL,
    suspended TEXT CHECK (suspended IN ('seal', 'caller')),
    raised_at BIGINT NOT NULL,
    acknowledged_at BIGINT
);
CREATE INDEX alarms_open ON alarms (event) WHERE acknowledged_at IS NULL;
CREATE INDEX alarms_acknowledged ON alarms (acknowledged_at) WHERE acknowledged_at IS NOT NULL;
