//! The last values of a conversation: the store's, and what the log has after them.

use parlor_common::{
    position::Position,
    state::{ConversationState, Reader},
};

use crate::world::{World, key};

#[tokio::test]
async fn the_state_is_the_same_however_much_of_it_is_stored() {
    let world = World::new().await;
    let first = world.say(1, "m0").await;
    let second = world.say(1, "m1").await;
    for up_to in [first, second, first.before()] {
        world.mark(1, up_to).await;
    }
    world.mark(2, first).await;
    let mut monitors = Vec::new();
    for stored in 0..=6 {
        if stored > 0 {
            world.persist(1).await;
        }
        monitors.push(world.monitor().await);
        for monitor in &monitors {
            let history = world.history_of(monitor.clone());
            let state = history.state(&key(1)).await.unwrap();
            assert_eq!(state.delivered(Reader::Visitor), second, "{stored} stored");
            assert_eq!(state.delivered(Reader::Agent), Position::ZERO);
            assert_eq!(history.state(&key(2)).await.unwrap().delivered(Reader::Visitor), first);
            assert_eq!(history.state(&key(3)).await.unwrap(), ConversationState::default());
        }
    }
}
