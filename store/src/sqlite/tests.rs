//! Files that are not as this version would have left them.

use parlor_common::{
    author::{Author, AuthorKind},
    clock::Timestamp,
    event::{Body, MessageBody, Record, Transport},
    id::{ClientMessageId, ConversationId},
    position::Epoch,
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
    assert!(sentence.contains("its schema is 3, this version knows 2"), "{sentence}");
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
