-- The embedded store, version 4. Positions are numbers that rise within a tenant; ids are their 16 bytes.

-- What each conversation has come to, and the number by which the other table knows it: its last message, the last that
-- its visitor wrote, and its registers as JSON, `{"name":[position,"value"]}`. One that has no message yet has position 0
-- and is in no inbox. `closed` and `email` say again what the registers say, for the indexes.
CREATE TABLE conversations (
    number INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    conversation BLOB NOT NULL,
    position INTEGER NOT NULL DEFAULT 0,
    at INTEGER NOT NULL DEFAULT 0,
    preview TEXT NOT NULL DEFAULT '',
    sender TEXT NOT NULL DEFAULT '',
    visitor BLOB,
    visitor_position INTEGER NOT NULL DEFAULT 0,
    registers TEXT NOT NULL DEFAULT '{}',
    closed INTEGER NOT NULL DEFAULT 0,
    email TEXT,
    UNIQUE (tenant, conversation)
) STRICT;

CREATE INDEX inbox ON conversations (tenant, position);

-- A list of open conversations costs nothing for those that are closed, and the other way round.
CREATE INDEX inbox_by_closed ON conversations (tenant, closed, position);

CREATE INDEX people ON conversations (tenant, email, position) WHERE email IS NOT NULL;

-- Every event of a timeline; `record` is the bytes that the log has.
CREATE TABLE messages (
    conversation INTEGER NOT NULL,
    position INTEGER NOT NULL,
    event_id BLOB NOT NULL,
    record BLOB NOT NULL,
    PRIMARY KEY (conversation, position)
) STRICT;

CREATE INDEX event_ids ON messages (conversation, event_id, position);

-- The highest position of each shard of the log that was kept or told.
CREATE TABLE IF NOT EXISTS watermarks (
    shard INTEGER PRIMARY KEY,
    position INTEGER NOT NULL
) STRICT;
