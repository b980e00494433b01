use std::sync::atomic::{AtomicI64, Ordering};

use parlor_common::{
    clock::Timestamp,
    keys::{InstallationKeys, Secret},
};
use proptest::prelude::*;

use super::*;

fn limits(settings: LimitSettings) -> (Limits, Arc<AtomicI64>) {
    parlor_testbed::planted::begin();
    let keys = InstallationKeys::new(Secret::new(vec![1; 32]).unwrap(), None);
    let time = Arc::new(AtomicI64::new(1_700_000_000_000));
    let told = time.clone();
    let clock = Clock::new(move || Timestamp::from_millis(told.load(Ordering::Relaxed)));
    (Limits::new(settings, Tenants::development(&keys), clock), time)
}

fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

fn visitor(number: u8) -> VisitorId {
    VisitorId::from_bytes([number; 16])
}

#[test]
fn a_visitor_may_send_a_burst_and_then_at_its_rate() {
    let five_a_second =
        LimitSettings { visitor_messages: Rate::new(5, 20), ..LimitSettings::default() };
    let (limits, time) = limits(five_a_second);
    let send = || limits.check_visitor(&tenant("a"), visitor(1), 0);
    assert_eq!((0..30).filter(|_| send().is_ok()).count(), 20);
    let limited = send().unwrap_err();
    assert_eq!(limited, Limited { whose: Whose::Visitor, retry_after: Duration::from_millis(200) });
    time.fetch_add(199, Ordering::Relaxed);
    assert!(send().is_err());
    time.fetch_add(1, Ordering::Relaxed);
    assert!(send().is_ok() && send().is_err());
    time.fetch_add(3_600_000, Ordering::Relaxed);
    assert_eq!(
        (0..30).filter(|_| send().is_ok()).count(),
        20,
        "a pause earns no more than a burst"
    );
}

#[test]
fn a_limit_is_told_as_a_problem_that_says_whose_it_is() {
    let (limits, _) =
        limits(LimitSettings { tenant_messages: Rate::new(1, 1), ..LimitSettings::default() });
    limits.check_tenant(&tenant("a"), 0).unwrap();
    let problem = Problem::from(limits.check_tenant(&tenant("a"), 0).unwrap_err());
    assert_eq!(
        (problem.code, problem.retry_after),
        (Code::RateLimited, Some(Duration::from_secs(1)))
    );
    assert_eq!((&*problem.details[0].field, &*problem.details[0].code), ("tenant", "rate_limited"));
    assert_eq!(problem.to_string(), "the tenant sends more than it may");
}

#[test]
fn nobody_pays_for_another() {
    let one = Rate::new(1, 1);
    let settings =
        LimitSettings { visitor_messages: one, tenant_messages: one, ..LimitSettings::default() };
    let (limits, _) = limits(settings);
    limits.check_visitor(&tenant("a"), visitor(1), 0).unwrap();
    assert!(limits.check_visitor(&tenant("a"), visitor(1), 0).is_err());
    limits.check_visitor(&tenant("a"), visitor(2), 0).unwrap();
    limits.check_visitor(&tenant("b"), visitor(1), 0).unwrap();
    limits.check_tenant(&tenant("a"), 0).unwrap();
    assert!(limits.check_tenant(&tenant("a"), 0).is_err());
    limits.check_tenant(&tenant("b"), 0).unwrap();
}

#[test]
fn an_ipv6_customer_is_one_address() {
    let one = Rate::new(1, 1);
    let (limits, _) = limits(LimitSettings {
        address_requests: one,
        address_upgrades: one,
        ..LimitSettings::default()
    });
    let request = |text: &str| limits.check_request(text.parse().unwrap());
    request("2001:db8:1:2::1").unwrap();
    assert_eq!(request("2001:db8:1:2:ffff::9").unwrap_err().whose, Whose::Address);
    request("2001:db8:1:3::1").unwrap();
    request("192.0.2.1").unwrap();
    request("192.0.2.2").unwrap();
    limits.check_upgrade("192.0.2.1".parse().unwrap()).unwrap();
    assert!(limits.check_upgrade("::ffff:192.0.2.1".parse().unwrap()).is_err());
}

#[test]
fn a_million_addresses_take_no_more_memory_than_the_cap() {
    let (limits, _) = limits(LimitSettings { keys: 1_000, ..LimitSettings::default() });
    for number in 0..1_000_000_u32 {
        limits.check_request(IpAddr::V4(number.into())).unwrap();
    }
    assert_eq!(limits.0.requests.used.lock().unwrap().len(), 1_000);
}

#[test]
fn a_flood_of_strangers_does_not_free_who_is_still_at_it() {
    let settings =
        LimitSettings { keys: 100, address_requests: Rate::new(1, 5), ..LimitSettings::default() };
    let (limits, _) = limits(settings);
    let offender: IpAddr = "192.0.2.1".parse().unwrap();
    let let_through = (0..1_000_u32).filter(|&number| {
        limits.check_request(IpAddr::V4((0x0a00_0000 + number).into())).unwrap();
        limits.check_request(offender).is_ok()
    });
    assert_eq!(let_through.count(), 5, "what was seen last is forgotten last");
}

#[test]
fn a_clock_that_is_set_back_refuses_nobody_for_long() {
    let five_a_second =
        LimitSettings { visitor_messages: Rate::new(5, 20), ..LimitSettings::default() };
    let (limits, time) = limits(five_a_second);
    let send = || limits.check_visitor(&tenant("a"), visitor(1), 0);
    while send().is_ok() {}
    time.fetch_sub(86_400_000, Ordering::Relaxed);
    assert_eq!(send().unwrap_err().retry_after, Duration::from_millis(200));
    time.fetch_add(200, Ordering::Relaxed);
    assert!(send().is_ok());
}

#[test]
fn texts_are_limited_by_their_bytes_as_well() {
    let settings = LimitSettings {
        visitor_bytes: Rate::new(1000, 10_000),
        tenant_bytes: Rate::new(1000, 15_000),
        ..LimitSettings::default()
    };
    let (limits, time) = limits(settings);
    let sends = |number, bytes| limits.check_visitor(&tenant("a"), visitor(number), bytes);
    sends(1, 6000).unwrap();
    assert_eq!(
        sends(1, 6000).unwrap_err(),
        Limited { whose: Whose::Visitor, retry_after: Duration::from_secs(2) }
    );
    sends(1, 4000).unwrap();
    sends(2, 6000).unwrap();
    let takes = |bytes| limits.check_tenant(&tenant("a"), bytes);
    takes(10_000).unwrap();
    assert_eq!(takes(6000).unwrap_err().whose, Whose::Tenant);
    limits.check_tenant(&tenant("b"), 6000).unwrap();
    time.fetch_add(6000, Ordering::Relaxed);
    sends(1, 6000).unwrap();
    takes(6000).unwrap();
}

#[test]
fn what_is_refused_for_its_bytes_uses_no_message_up() {
    let settings = LimitSettings {
        visitor_messages: Rate::new(1, 2),
        visitor_bytes: Rate::new(10, 100),
        ..LimitSettings::default()
    };
    let (limits, _) = limits(settings);
    let sends = |bytes| limits.check_visitor(&tenant("a"), visitor(1), bytes);
    sends(90).unwrap();
    for _ in 0..5 {
        assert!(sends(20).is_err());
    }
    sends(10).unwrap();
}

#[test]
fn a_text_that_is_larger_than_the_burst_takes_all_of_it() {
    let settings = LimitSettings { visitor_bytes: Rate::new(10, 100), ..LimitSettings::default() };
    let (limits, time) = limits(settings);
    let sends = || limits.check_visitor(&tenant("a"), visitor(1), 16_384);
    sends().unwrap();
    assert_eq!(sends().unwrap_err().retry_after, Duration::from_secs(10));
    time.fetch_add(10_000, Ordering::Relaxed);
    sends().unwrap();
}

#[test]
fn a_tenants_own_limits_go_before_the_installations() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tenants.toml");
    let text = "[[tenant]]\nname = \"a\"\norigins = []\nlimits = \
        { bytes = { per_second = 1, burst = 50 }, visitor_bytes = { per_second = 1, burst = 9 } }\n\
        [[tenant]]\nname = \"b\"\norigins = []\n";
    std::fs::write(&file, text).unwrap();
    let clock = Clock::new(|| Timestamp::from_millis(1_700_000_000_000));
    let limits = Limits::new(LimitSettings::default(), Tenants::from_file(&file).unwrap(), clock);
    for (name, own) in [("a", true), ("b", false)] {
        limits.check_visitor(&tenant(name), visitor(1), 9).unwrap();
        assert_eq!(limits.check_visitor(&tenant(name), visitor(1), 1).is_err(), own);
        limits.check_tenant(&tenant(name), 50).unwrap();
        assert_eq!(limits.check_tenant(&tenant(name), 1).is_err(), own);
    }
}

proptest! {
    #[test]
    fn in_any_span_no_more_than_the_burst_and_the_rate_get_through(
        per_second in 1u32..50,
        burst in 1u32..50,
        amount in 1u32..60,
        steps in proptest::collection::vec(0i64..500_000, 1..200),
    ) {
        let rate = Rate::new(per_second, burst);
        let (mut now, mut used, mut through) = (0, 0, 0);
        for step in steps {
            now += step;
            match rate.let_through(amount, &mut used, now) {
                Ok(after) => {
                    used = after;
                    through += amount.min(burst);
                }
                Err(wait) => {
                    prop_assert!(wait > 0);
                    prop_assert!(rate.let_through(amount, &mut used.clone(), now + wait).is_ok());
                }
            }
        }
        // Rounding a cell's length down to a microsecond lets through less than one in a thousand
        // more.
        let earned = now as f64 / 1e6 * f64::from(per_second) * 1.001;
        prop_assert!(f64::from(through) <= earned + f64::from(burst) + 1.0);
    }
}
