//! What a history store owes its callers, held against the embedded store and against a real CQL
//! server; and what each of them owes on its own: surviving `kill -9`, and getting over a database
//! that is slow, deaf or gone.
//!
//! The CQL server is named by `PARLOR_TEST_CQL` (`host:port`); without it those tests fail.

#![expect(
    clippy::disallowed_methods,
    reason = "the suite is the store's own caller, and reads where its server is"
)]
#![expect(clippy::unwrap_used, reason = "what helps a test may end it")]

/// The suite: one function for each requirement, the same for every implementation.
#[macro_use]
mod suite {
    pub(crate) mod harness;
    pub(crate) mod inbox;
    pub(crate) mod isolation;
    pub(crate) mod keeping;
    pub(crate) mod lists;
    pub(crate) mod marks;
    pub(crate) mod pages;

    /// Makes a test of each requirement for the store that `$open` makes.
    macro_rules! suite {
        ($open:path) => {
            suite! { $open =>
                keeping::the_same_event_twice_is_kept_once
                keeping::events_are_in_order_whatever_the_order_they_came_in
                keeping::a_replay_changes_nothing_that_came_later
                keeping::what_is_kept_is_the_record_as_it_was
                keeping::odd_text_comes_back_as_it_was
                keeping::the_largest_texts_are_kept_in_one_insert
                keeping::events_of_unknown_kind_are_skipped
                keeping::an_insert_may_be_of_many_conversations
                keeping::an_event_at_position_zero_is_refused
                keeping::an_event_is_found_by_its_id
                keeping::an_id_that_came_twice_is_found_at_its_first_position
                keeping::the_watermark_of_a_shard_only_rises
                keeping::the_store_answers_a_ping
                marks::a_conversation_without_marks_has_the_first_state
                marks::marks_in_any_order_and_twice_end_the_same
                marks::a_lower_mark_changes_nothing_though_it_comes_later
                marks::a_conversation_of_marks_alone_shows_nowhere
                marks::marks_between_messages_change_no_page_and_no_inbox
                marks::marks_are_a_conversations_own
                marks::a_mark_ahead_of_its_own_event_is_refused
                pages::a_page_before_a_position_holds_the_last_ones_before_it
                pages::a_page_after_a_position_holds_the_first_ones_after_it
                pages::a_row_of_the_agents_alone_is_in_no_page_of_the_visitors
                pages::pages_go_on_over_the_borders_of_buckets
                pages::pages_go_on_over_many_sparse_buckets_and_epochs
                pages::an_empty_conversation_has_an_empty_page
                pages::what_was_inserted_is_in_every_page_that_is_asked_for_afterwards
                inbox::the_last_active_conversation_is_first
                inbox::pages_of_the_inbox_hold_each_conversation_once
                inbox::a_conversation_of_several_days_is_listed_once_where_it_was_last_active
                inbox::a_tenant_that_was_silent_for_long_is_listed_to_the_end
                inbox::clocks_that_differ_at_midnight_lose_no_conversation
                inbox::a_preview_ends_on_a_character
                inbox::the_visitor_is_who_wrote_as_one
                inbox::a_conversation_stays_listed_while_it_goes_on
                lists::changes_in_any_order_and_twice_end_the_same
                lists::a_list_holds_what_belongs_to_it_and_nothing_else
                lists::a_closed_conversation_leaves_the_open_ones_until_its_visitor_writes
                lists::a_snoozed_conversation_comes_back_by_itself
                lists::a_visitor_is_found_by_the_last_e_mail_address
                lists::pages_of_a_list_hold_each_conversation_once
                lists::what_is_known_of_a_visitor_comes_back_as_it_was
                lists::notes_and_changes_are_rows_of_the_agents_alone
                isolation::a_conversation_is_not_reached_from_another_tenant
                isolation::conversations_of_a_tenant_are_apart
            }
        };
        ($open:path => $($module:ident::$name:ident)+) => {
            $(
                #[tokio::test]
                async fn $name() {
                    crate::suite::$module::$name(&$open().await).await;
                }
            )+
        };
    }
}

mod implementations {
    pub(crate) mod cql;
    mod cql_outage;
    pub(crate) mod metrics;
    mod sqlite;
    mod sweep;
}
