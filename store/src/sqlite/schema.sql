-- The embedded store, version 2. Positions are numbers that rise within a tenant; ids are their 16 bytes.

-- Every event of a timeline; `record` is the bytes that the log has.
CREATE TABLE messages (
    tenant TEXT NOT NULL,
    conversation BLOB NOT NULL,
    position INTEGER NOT NULL,
    event_id BLOB NOT NULL,
    record BLOB NOT NULL,
    PRIMARY KEY (tenant, conversation, position)
) STRICT;

CREATE INDEX event_ids ON messages (tenant, conversation, event_id, position);

-- Each conversation's last message, for the inbox; `visitor` is the author of the last message a visitor wrote.
CREATE TABLE conversations (
    tenant TEXT NOT NULL,
    conversation BLOB NOT NULL,
    position INTEGER NOT NULL,
    at INTEGER NOT NULL,
    preview TEXT NOT NULL,
    sender TEXT NOT NULL,
    visitor BLOB,
    visitor_position INTEGER NOT NULL,
    PRIMARY KEY (tenant, conversation)
) STRICT, WITHOUT ROWID;

CREATE INDEX inbox ON conversations (tenant, position);

-- How far each reader's clients have received a conversation; the position only rises.
CREATE TABLE delivered (
    tenant TEXT NOT NULL,
    conversation BLOB NOT NULL,
    reader TEXT NOT NULL,
    up_to INTEGER NOT NULL,
    PRIMARY KEY (tenant, conversation, reader)
) STRICT, WITHOUT ROWID;

-- The highest position of each shard of the log that was kept or told.
CREATE TABLE watermarks (
    shard INTEGER PRIMARY KEY,
    position INTEGER NOT NULL
) STRICT;
