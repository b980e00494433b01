//! What replicas could break, on the cluster that `scripts/servers` has started: order, tails,
//! reads, deliveries.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use parlor_log::{
    EventLog,
    jetstream::{JetStreamLog, JetStreamSettings},
};

use parlor_testbed::{
    network::nats::NatsProxy,
    servers::{given, raw::Raw},
};

use super::{aged, connect, plan, provision_new, settings};
use crate::suite::{
    Bounds, Harness, obligations,
    tools::{shard, within},
};

/// A log on three servers, in a namespace of its own.
pub(crate) struct Clustered {
    pub(crate) settings: JetStreamSettings,
    log: JetStreamLog,
    /// What makes its entries old.
    ageing: Option<NatsProxy>,
}

obligations! { crate::jetstream::cluster::Clustered:
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
        two_readers_share_the_work
        the_persisted_position_waits_for_what_is_before
        each_group_has_its_own_progress
    }
    consumers {
        two_groups_are_apart_while_the_sink_of_one_does_not_answer
        what_a_sink_refuses_is_a_dead_letter_and_the_rest_is_kept
    }
    states {
        an_empty_log_stands_at_its_epochs_start
        a_state_tells_what_was_appended_and_persisted
        what_is_forgotten_moves_the_start
    }
    trims {
        only_what_is_old_and_acknowledged_by_every_group_goes
        it_ends_at_its_bytes_and_the_last_entry_stays
        at_the_bound_it_makes_room
        what_has_gone_is_told_to_who_would_read_it
        a_tail_that_is_overtaken_ends
    }
    bounds {
        at_the_bound_it_is_full_until_there_is_room
    }
}

/// Addresses in a variable, by comma.
fn addresses(name: &str) -> Vec<String> {
    given(name).split(',').map(str::to_owned).collect()
}

/// A namespace that no other test, of this run or another, has.
fn namespace() -> String {
    static LAST: AtomicU32 = AtomicU32::new(0);
    let number = LAST.fetch_add(1, Ordering::Relaxed);
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() % (1 << 40);
    format!("t{nanos:x}-{number}")
}

impl Harness for Clustered {
    async fn fresh(bounds: Bounds) -> Self {
        let namespace = namespace();
        let settings =
            JetStreamSettings { namespace, ..settings(addresses("PARLOR_TEST_NATS_CLUSTER"), 3) };
        let monitors = addresses("PARLOR_TEST_NATS_CLUSTER_MONITOR");
        provision_new(&settings, &plan(bounds), &monitors).await.unwrap();
        let log = connect(&settings).await.unwrap();
        Self { settings, log, ageing: None }
    }

    fn log(&self) -> Arc<dyn EventLog> {
        Arc::new(self.log.clone())
    }

    async fn reopen(&mut self) {
        self.log = connect(&self.settings).await.unwrap();
    }

    async fn cut(&mut self) {
        unreachable!("these servers are not this test's alone");
    }

    async fn mend(&mut self) {
        unreachable!("these servers are not this test's alone");
    }

    async fn forget(&mut self) {
        let mut raw = Raw::connect(&self.settings.urls[0]).await;
        let stream = format!("{}_CHAT_{}_1", self.settings.namespace, shard(&self.log()));
        within("a purge", raw.api(&format!("STREAM.PURGE.{stream}"), r#"{"keep":1}"#)).await;
    }

    async fn age(&mut self) {
        let (proxy, log) = aged(&self.settings).await;
        (self.ageing, self.log) = (Some(proxy), log);
    }
}

impl Drop for Clustered {
    /// Removes its streams, so that many runs on the same servers do not add up; a test that fails
    /// leaves them.
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let (namespace, url) = (self.settings.namespace.clone(), self.settings.urls[0].clone());
        let removing = async move {
            let mut raw = Raw::connect(&url).await;
            for stream in ["CHAT_00_1", "CHAT_01_1", "DEAD_LETTERS"] {
                raw.api(&format!("STREAM.DELETE.{namespace}_{stream}"), "").await;
            }
        };
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(removing));
    }
}
