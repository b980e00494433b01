-- The embedded store, version 3. Positions are numbers that rise within a tenant; ids are their 16 bytes.

-- Each conversation's last message, for the inbox, and the number by which the other tables know it. `visitor` is the
-- author of the last message a visitor wrote. One that has no message yet has position 0 and is in no inbox.
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
    UNIQUE (tenant, conversation)
) STRICT;

CREATE INDEX inbox ON conversations (tenant, position);

-- Every event of a timeline; `record` is the bytes that the log has.
CREATE TABLE messages (
    conversation INTEGER NOT NULL,
    position INTEGER NOT NULL,
    event_id BLOB NOT NULL,
    record BLOB NOT NULL,
    PRIMARY KEY (conversation, position)
) STRICT;

CREATE INDEX event_ids ON messages (conversation, event_id, position);

-- How far each reader's clients have received a conversation; the position only rises.
CREATE TABLE delivered (
    conversation INTEGER NOT NULL,
    reader TEXT NOT NULL,
    up_to INTEGER NOT NULL,
    PRIMARY KEY (conversation, reader)
) STRICT, WITHOUT ROWID;

-- The highest position of each shard of the log that was kept or told.
CREATE TABLE IF NOT EXISTS watermarks (
    shard INTEGER PRIMARY KEY,
    position INTEGER NOT NULL
) STRICT;
