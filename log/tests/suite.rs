//! What every event log must do: the trait's obligations as tests that any implementation runs.
//!
//! An implementation writes a [`Harness`] and calls `whole_suite!` with it. `outage` is not in
//! there, since cutting a log off may need a process of its own: each implementation calls its
//! functions as it can.

pub(crate) mod appends;
pub(crate) mod bounds;
pub(crate) mod consumers;
pub(crate) mod deliveries;
pub(crate) mod expectations;
pub(crate) mod outage;
pub(crate) mod reads;
pub(crate) mod reopening;
pub(crate) mod states;
pub(crate) mod tails;
pub(crate) mod tools;
pub(crate) mod trims;

use std::{sync::Arc, time::Duration};

use parlor_log::EventLog;

/// A log that a test has for itself, and what a test may do to it.
pub(crate) trait Harness: Sized {
    /// A new, empty log with the groups `PERSISTER` and `SECOND_GROUP`.
    async fn fresh(bounds: Bounds) -> Self;

    /// The log, as it is now: [`reopen`](Self::reopen) makes another.
    fn log(&self) -> Arc<dyn EventLog>;

    /// Ends what serves the log, without a warning where that can be done, and opens it again.
    async fn reopen(&mut self);

    /// From here on nothing can be committed.
    async fn cut(&mut self);

    /// Ends what [`cut`](Self::cut) began.
    async fn mend(&mut self);

    /// Everything so far is acknowledged by the group: now the log has forgotten it, but for its
    /// last entry perhaps.
    async fn forget(&mut self);

    /// From here on [`log`](Self::log) takes everything so far for half an hour old.
    async fn age(&mut self);
}

/// How large a log is, and how patient.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Bytes it may take.
    pub(crate) max_bytes: u64,
    /// How long a delivery may stay unacknowledged.
    pub(crate) ack_wait: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { max_bytes: 64 << 20, ack_wait: Duration::from_secs(30) }
    }
}

/// Makes a test of each of these obligations.
macro_rules! obligations {
    ($harness:ty: $($module:ident { $($obligation:ident)* })*) => {
        $(mod $module {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $obligation() {
                $crate::suite::$module::$obligation::<$harness>().await;
            })*
        })*
    };
}

/// Makes a test of each obligation but those of `outage`; takes the harness by its path from
/// `crate`.
macro_rules! whole_suite {
    ($harness:ty) => {
        $crate::suite::obligations! { $harness:
            appends {
                positions_of_one_caller_rise
                many_writers_get_one_order
                the_same_id_again_changes_nothing
                the_same_id_from_many_at_once_is_committed_once
                what_will_never_be_taken_is_rejected
                a_run_keeps_its_order_and_ends_with_what_is_not_taken
            }
            expectations {
                what_is_expected_rightly_is_appended
                what_is_expected_wrongly_is_a_conflict_and_appends_nothing
                of_many_who_expect_the_same_exactly_one_wins
                who_repeats_an_append_finds_the_own_entry_and_no_conflict
                the_same_from_many_at_once_is_committed_once_and_no_conflict
                a_run_sees_its_earlier_entries_and_ends_with_a_conflict
                once_the_last_entry_has_gone_nothing_is_expected
            }
            tails {
                from_the_start_everything_comes_in_order
                from_the_end_only_what_is_new_comes
                nothing_is_missing_or_repeated_while_many_write
                a_tail_dropped_in_mid_wait_loses_nothing
                a_tail_is_proven_once_it_has_brought_everything_and_not_before
                several_tails_see_the_same
                where_a_start_cannot_be_kept_without_a_hole_it_is_rejected
            }
            reads {
                a_page_holds_everything_acknowledged_before
                a_conversation_and_a_tenant_are_read_by_themselves
                a_full_page_is_complete_through_its_last_event
                an_empty_page_tells_how_far_it_looked
                from_before_the_start_a_page_is_complete_after_the_start
                ahead_of_the_end_or_of_a_later_epoch_is_rejected
            }
            deliveries {
                each_entry_is_delivered_and_acknowledged_by_itself
                what_is_not_acknowledged_comes_again_to_another_reader
                progress_keeps_a_delivery_from_coming_again
                two_readers_share_the_work
                a_batch_is_bounded
                the_persisted_position_waits_for_what_is_before
                a_dead_letter_does_not_come_again
                each_group_has_its_own_progress
                a_group_that_was_not_provisioned_is_rejected
            }
            consumers {
                two_groups_are_apart_while_the_sink_of_one_does_not_answer
                a_batch_that_takes_long_is_not_delivered_twice
                what_a_sink_refuses_is_a_dead_letter_and_the_rest_is_kept
                a_task_that_panics_is_not_taken_for_running
            }
            states {
                an_empty_log_stands_at_its_epochs_start
                a_state_tells_what_was_appended_and_persisted
                what_is_forgotten_moves_the_start
            }
            bounds {
                at_the_bound_it_is_full_until_there_is_room
            }
            trims {
                only_what_is_old_and_acknowledged_by_every_group_goes
                it_ends_at_its_bytes_and_the_last_entry_stays
                at_the_bound_it_makes_room
                what_has_gone_is_told_to_who_would_read_it
                a_tail_that_is_overtaken_ends
            }
            reopening {
                what_was_acknowledged_is_there_in_order
                the_same_id_after_it_is_a_duplicate
                positions_go_on_rising
                the_groups_progress_is_kept_and_the_rest_comes_again
            }
        }
    };
}

pub(crate) use {obligations, whole_suite};
