//! A second in a line, for a pipe.

use crate::scores::Point;

/// The line of one second.
pub(super) fn line(point: &Point, faults: u64) -> String {
    let Point { at, sockets, counts, accept, deliver } = point;
    format!(
        "{at:6.0} s  sockets {sockets:6}  offered {:5}/s  answered {:5}/s  shown {:6}/s  failed \
         {:4}  accept p50/p99 {:7.1}/{:8.1} ms  deliver p50/p99 {:7.1}/{:8.1} ms  faults {faults}",
        counts.offered,
        counts.accepted,
        counts.shown,
        counts.failed,
        accept.p50,
        accept.p99,
        deliver.p50,
        deliver.p99,
    )
}
