//! Files that are not as this version would have left them.

use parlor_common::{
    author::{Author, AuthorKind},
    clock::Timestamp,
    event::{Body, MessageBody, Record, Transport},
    id::{ClientMessageId, ConversationId},
    position::Epoch,
    state::Reader,
};
use tempfile::TempDir;

use super::*;

fn conversation() -> ConversationKey {
    ConversationKey {
        tenant: TenantId::parse("a").unwrap(),
        id: ConversationId::from_bytes([1; 16]),
    }
}

fn at(sequence: u64) -> Position {
    Position::new(Epoch::FIRST, sequence).unwrap()
}

fn event(sequence: u64) -> Event {
    let record = Record {
        id: EventId::from_bytes([u8::try_from(sequence).unwrap(); 16]),
        author: Author { kind: AuthorKind::Agent, id: "a".to_owned(), name: None },
        session: None,
        transport: Transport::Rest,
        at: Timestamp::from_millis(0),
        arrived: Timestamp::from_millis(0),
        acceptance: 0,
        body: Body::Message(MessageBody {
            text: "t".to_owned(),
            client_message_id: ClientMessageId::parse("m").unwrap(),
        }),
    };
    let raw = record.encode().unwrap();
    Event { conversation: conversation(), position: at(sequence), record, raw }
}

async fn refusal(folder: &TempDir) -> String {
    match SqliteStore::open(folder.path(), Metrics::unregistered()).await {
        Err(StoreError::Rejected(sentence)) => sentence,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_file_of_a_later_version_is_refused_with_a_sentence() {
    let folder = TempDir::new().unwrap();
    drop(SqliteStore::open(folder.path(), Metrics::unregistered()).await.unwrap());
    Connection::open(folder.path().join(FILE))
        .unwrap()
        .pragma_update(None, "user_version", VERSION + 1)
        .unwrap();
    let sentence = refusal(&folder).await;
    assert!(sentence.contains("its schema is 5, this version knows 4"), "{sentence}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_as_it_is() {
    let folder = TempDir::new().unwrap();
    let text = "not a database, but long enough to be taken for one. ".repeat(100);
    std::fs::write(folder.path().join(FILE), &text).unwrap();
    let sentence = refusal(&folder).await;
    assert!(sentence.contains("no store of Parlor's"), "{sentence}");
    assert_eq!(std::fs::read_to_string(folder.path().join(FILE)).unwrap(), text);
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the tests are the store's own caller")]
async fn a_record_that_cannot_be_read_is_skipped_and_counted() {
    let folder = TempDir::new().unwrap();
    let metrics = Metrics::unregistered();
    let store = SqliteStore::open(folder.path(), metrics.clone()).await.unwrap();
    store.insert(&[event(1), event(2), event(3)]).await.unwrap();
    let file = Connection::open(folder.path().join(FILE)).unwrap();
    file.execute("UPDATE messages SET record = x'7b' WHERE position = ?", [at(2).as_i64()])
        .unwrap();
    let page = store
        .page(&conversation(), Audience::Visitor, PageRange::Before(Position::MAX), 2)
        .await
        .unwrap();
    let positions: Vec<_> = page.events.iter().map(|event| event.position).collect();
    assert_eq!((positions, page.more), (vec![at(1), at(3)], false), "the next one takes its place");
    assert!(store.find(&conversation(), &event(2).record.id).await.unwrap().is_none());
    assert_eq!(metrics.skipped_rows.get(), 2);
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the tests are the store's own caller")]
async fn a_write_that_fails_keeps_nothing_and_works_again_afterwards() {
    let folder = TempDir::new().unwrap();
    let store = SqliteStore::open(folder.path(), Metrics::unregistered()).await.unwrap();
    let file = Connection::open(folder.path().join(FILE)).unwrap();
    let refuse = "CREATE TRIGGER refuse BEFORE INSERT ON messages WHEN NEW.position % 2 = 0
                  BEGIN SELECT RAISE(ABORT, 'no'); END";
    file.execute_batch(refuse).unwrap();
    assert!(matches!(store.insert(&[event(1), event(2)]).await, Err(StoreError::Unavailable(_))));
    assert!(
        store
            .page(&conversation(), Audience::Visitor, PageRange::Before(Position::MAX), 2)
            .await
            .unwrap()
            .events
            .is_empty()
    );
    file.execute_batch("DROP TRIGGER refuse").unwrap();
    store.insert(&[event(1), event(2)]).await.unwrap();
    assert_eq!(
        store
            .page(&conversation(), Audience::Visitor, PageRange::Before(Position::MAX), 2)
            .await
            .unwrap()
            .events
            .len(),
        2
    );
}

/// The tables as versions 1 and 2 had them.
const OLD: &str = "
    CREATE TABLE messages (
        tenant TEXT NOT NULL, conversation BLOB NOT NULL, position INTEGER NOT NULL,
        event_id BLOB NOT NULL, record BLOB NOT NULL,
        PRIMARY KEY (tenant, conversation, position)
    ) STRICT;
    CREATE INDEX event_ids ON messages (tenant, conversation, event_id, position);
    CREATE TABLE conversations (
        tenant TEXT NOT NULL, conversation BLOB NOT NULL, position INTEGER NOT NULL,
        at INTEGER NOT NULL, preview TEXT NOT NULL, sender TEXT NOT NULL, visitor BLOB,
        visitor_position INTEGER NOT NULL,
        PRIMARY KEY (tenant, conversation)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX inbox ON conversations (tenant, position);
";
const WATERMARKS: &str = "(shard INTEGER PRIMARY KEY, position INTEGER NOT NULL) STRICT;";
const DELIVERED: &str = "
    CREATE TABLE delivered (
        tenant TEXT NOT NULL, conversation BLOB NOT NULL, reader TEXT NOT NULL,
        up_to INTEGER NOT NULL,
        PRIMARY KEY (tenant, conversation, reader)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO delivered VALUES ('a', x'01010101010101010101010101010101', 'visitor', ?1);
";

/// Version 3 had its own number for each conversation.
const OLD_3: &str = "
    CREATE TABLE conversations (
        number INTEGER PRIMARY KEY,
        tenant TEXT NOT NULL, conversation BLOB NOT NULL, position INTEGER NOT NULL DEFAULT 0,
        at INTEGER NOT NULL DEFAULT 0, preview TEXT NOT NULL DEFAULT '',
        sender TEXT NOT NULL DEFAULT '', visitor BLOB,
        visitor_position INTEGER NOT NULL DEFAULT 0,
        UNIQUE (tenant, conversation)
    ) STRICT;
    CREATE INDEX inbox ON conversations (tenant, position);
    CREATE TABLE messages (
        conversation INTEGER NOT NULL, position INTEGER NOT NULL, event_id BLOB NOT NULL,
        record BLOB NOT NULL, PRIMARY KEY (conversation, position)
    ) STRICT;
    CREATE INDEX event_ids ON messages (conversation, event_id, position);
    CREATE TABLE delivered (
        conversation INTEGER NOT NULL, reader TEXT NOT NULL, up_to INTEGER NOT NULL,
        PRIMARY KEY (conversation, reader)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE watermarks (shard INTEGER PRIMARY KEY, position INTEGER NOT NULL) STRICT;
    INSERT INTO conversations (number, tenant, conversation, position, at, preview, sender)
    VALUES (7, 'a', x'01010101010101010101010101010101', ?2, 5, 't', 'agent');
    INSERT INTO delivered VALUES (7, 'visitor', ?1);
    INSERT INTO watermarks VALUES (0, ?2);
";

#[tokio::test]
async fn a_file_of_version_3_keeps_its_marks() {
    let folder = TempDir::new().unwrap();
    let file = Connection::open(folder.path().join(FILE)).unwrap();
    let (mark, last) = (at(1).as_i64().to_string(), at(2).as_i64().to_string());
    file.execute_batch(&OLD_3.replace("?1", &mark).replace("?2", &last)).unwrap();
    for kept in [event(1), event(2)] {
        let row = (kept.position.as_i64(), kept.record.id.as_bytes(), &kept.raw[..]);
        file.execute("INSERT INTO messages VALUES (7, ?1, ?2, ?3)", row).unwrap();
    }
    file.pragma_update(None, "user_version", 3).unwrap();
    drop(file);
    has_what_the_old_file_had(&folder, at(1)).await;
}

/// A store in `folder` has two messages, and a mark of the visitor; and takes them again.
#[expect(clippy::disallowed_methods, reason = "the tests are the store's own caller")]
async fn has_what_the_old_file_had(folder: &TempDir, mark: Position) {
    for _ in 0..2 {
        let store = SqliteStore::open(folder.path(), Metrics::unregistered()).await.unwrap();
        let range = PageRange::Before(Position::MAX);
        let page = store.page(&conversation(), Audience::Visitor, range, 9).await.unwrap();
        let positions: Vec<_> = page.events.iter().map(|event| event.position).collect();
        assert_eq!(positions, [at(1), at(2)]);
        let found = store.find(&conversation(), &event(2).record.id).await.unwrap();
        assert_eq!(found.unwrap().position, at(2));
        let (all, now) = (InboxFilter::default(), Timestamp::from_millis(0));
        let tenant = conversation().tenant;
        let inbox = store.inbox(&tenant, &all, now, Position::MAX, 9).await.unwrap();
        let [row] = &inbox.rows[..] else { panic!("{inbox:?}") };
        let last = row.state.last.as_ref().unwrap();
        assert_eq!((last.position, last.preview.as_str()), (at(2), "t"));
        let state = store.state(&conversation()).await.unwrap();
        assert_eq!(state.delivered(Reader::Visitor), mark);
        assert_eq!(store.watermark(Shard::ONLY).await.unwrap(), Some(at(2)));
        store.insert(&[event(2)]).await.unwrap();
    }
}

#[tokio::test]
async fn a_file_of_an_older_version_keeps_what_it_has() {
    for version in [1, 2] {
        let folder = TempDir::new().unwrap();
        let file = Connection::open(folder.path().join(FILE)).unwrap();
        file.execute_batch(OLD).unwrap();
        let watermarks = if version == 1 { "shards" } else { "watermarks" };
        file.execute_batch(&format!("CREATE TABLE {watermarks} {WATERMARKS}")).unwrap();
        if version == 2 {
            let mark = at(1).as_i64().to_string();
            file.execute_batch(&DELIVERED.replace("?1", &mark)).unwrap();
        }
        let (id, last) = (conversation().id, at(2).as_i64());
        for kept in [event(1), event(2)] {
            let position = kept.position.as_i64();
            let row = (id.as_bytes(), position, kept.record.id.as_bytes(), &kept.raw[..]);
            file.execute("INSERT INTO messages VALUES ('a', ?1, ?2, ?3, ?4)", row).unwrap();
        }
        let row = "INSERT INTO conversations VALUES ('a', ?1, ?2, 5, 't', 'agent', NULL, 0)";
        file.execute(row, (id.as_bytes(), last)).unwrap();
        file.execute(&format!("INSERT INTO {watermarks} VALUES (0, ?1)"), [last]).unwrap();
        file.pragma_update(None, "user_version", version).unwrap();
        drop(file);

        let mark = if version == 1 { Position::ZERO } else { at(1) };
        has_what_the_old_file_had(&folder, mark).await;
    }
}
