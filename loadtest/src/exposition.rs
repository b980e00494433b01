//! The text in which nodes tell their metrics, as far as it is needed here.

use std::collections::BTreeMap;

/// One answer of `/metrics`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exposition<'a>(&'a str);

// === impl Exposition ===

impl<'a> Exposition<'a> {
    pub(crate) const fn new(text: &'a str) -> Self {
        Self(text)
    }

    /// A gauge or counter without labels.
    pub(crate) fn value(self, name: &str) -> Option<f64> {
        let found = self.lines(name).find(|(labels, _)| labels.is_empty());
        found.and_then(|(_, value)| value.parse().ok())
    }

    /// How many observations a histogram's buckets hold, by their upper bounds; the series that
    /// carry `label` are added up.
    pub(crate) fn buckets(self, name: &str, label: &str) -> BTreeMap<String, f64> {
        let mut buckets = BTreeMap::new();
        for (labels, value) in self.lines(&format!("{name}_bucket")) {
            let bound = labels.split_once("le=\"").and_then(|(_, rest)| rest.split_once('"'));
            if let (Some((bound, _)), true, Ok(count)) =
                (bound, labels.contains(label), value.parse::<f64>())
            {
                *buckets.entry(bound.to_owned()).or_default() += count;
            }
        }
        buckets
    }

    /// The labels and values of a metric.
    fn lines(self, name: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let lines = self.0.lines();
        lines.filter_map(move |line| {
            let (rest, value) = line.strip_prefix(name)?.rsplit_once(' ')?;
            match rest {
                "" => Some(("", value)),
                _ => Some((rest.strip_prefix('{')?.strip_suffix('}')?, value)),
            }
        })
    }
}

/// The quantile of what was observed between two looks at a histogram's cumulative buckets, in the
/// unit of the bounds, as if a bucket's observations were spread evenly over it. `None` where
/// nothing was observed, or where the node was started anew meanwhile.
pub(crate) fn quantile(
    quantile: f64,
    now: &BTreeMap<String, f64>,
    before: &BTreeMap<String, f64>,
) -> Option<f64> {
    let mut between: Vec<(f64, f64)> = Vec::new();
    for (bound, count) in now {
        let count = count - before.get(bound).copied().unwrap_or(0.0);
        between.push((if bound == "+Inf" { f64::INFINITY } else { bound.parse().ok()? }, count));
    }
    between.sort_by(|one, other| one.0.total_cmp(&other.0));
    let total = between.last()?.1;
    if total <= 0.0 || between.iter().any(|&(_, count)| count < 0.0) {
        return None;
    }
    let wanted = quantile * total;
    let place = between.iter().position(|&(_, count)| count >= wanted)?;
    let (low, below) = if place == 0 { (0.0, 0.0) } else { between[place - 1] };
    let (high, count) = between[place];
    // Of the last bucket nothing is known but that it lies above.
    if high.is_infinite() {
        return Some(low);
    }
    Some(low + (high - low) * (wanted - below) / (count - below))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# HELP a_seconds help\n\
        a_seconds_bucket{op=\"x\",le=\"0.1\"} 5\n\
        a_seconds_bucket{op=\"x\",le=\"1\"} 9\n\
        a_seconds_bucket{op=\"x\",le=\"+Inf\"} 10\n\
        a_seconds_bucket{op=\"y\",le=\"0.1\"} 7\n\
        process_open_fds 41\n\
        process_open_fds_more 3\n";

    #[test]
    fn values_and_buckets_are_found_by_name_and_label() {
        let text = Exposition::new(TEXT);
        assert_eq!(text.value("process_open_fds"), Some(41.0));
        assert_eq!(text.value("a_seconds"), None);
        assert_eq!(text.buckets("a_seconds", "op=\"x\"")["0.1"], 5.0);
        assert_eq!(text.buckets("a_seconds", "")["0.1"], 12.0);
    }

    #[test]
    fn a_quantile_is_that_of_the_time_between_two_looks() {
        let buckets = |counts: [f64; 3]| {
            ["0.1", "1", "+Inf"].map(str::to_owned).into_iter().zip(counts).collect()
        };
        let (before, now) = (buckets([5.0, 9.0, 10.0]), buckets([5.0, 109.0, 110.0]));
        let close = |value: Option<f64>, to: f64| (value.unwrap() - to).abs() < 1e-9;
        assert!(close(quantile(0.5, &now, &before), 0.1 + 0.9 * 0.5));
        assert!(close(quantile(0.04, &now, &BTreeMap::new()), 0.1 * 4.4 / 5.0));
        assert_eq!(quantile(0.99, &before, &before), None, "nothing was observed");
        assert_eq!(quantile(0.99, &before, &now), None, "the node was started anew");
        let slow = buckets([0.0, 0.0, 3.0]);
        assert_eq!(quantile(0.99, &slow, &BTreeMap::new()), Some(1.0), "above that");
    }
}
