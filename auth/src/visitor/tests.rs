use http::{HeaderMap, header};
use parlor_common::keys::Secret;
use proptest::prelude::*;

use super::*;

fn keys(current: u8, previous: Option<u8>) -> InstallationKeys {
    let secret = |byte| Secret::new(vec![byte; 32]).unwrap();
    InstallationKeys::new(secret(current), previous.map(secret))
}

fn at(millis: i64) -> Clock {
    Clock::new(move || Timestamp::from_millis(millis))
}

fn tokens_with(keys: &InstallationKeys, seed: u64, millis: i64) -> VisitorTokens {
    VisitorTokens::new(keys, at(millis), Random::seeded(seed), CookieSettings::default())
}

fn tokens(seed: u64, millis: i64) -> VisitorTokens {
    tokens_with(&keys(1, None), seed, millis)
}

fn cookies(lines: &[&str]) -> HeaderMap {
    lines
        .iter()
        .map(|line| (header::COOKIE, HeaderValue::from_bytes(line.as_bytes()).unwrap()))
        .collect()
}

fn cookie(name: &str, tokens: &VisitorTokens, token: &VisitorToken) -> String {
    format!("__Host-parlor_v_{name}={}", tokens.write(token))
}

#[test]
fn a_token_is_read_as_it_was_issued() {
    let tokens = tokens(7, 1_700_000_000_123);
    let token = tokens.issue();
    let text = tokens.write(&token);
    assert!(text.starts_with("vt_") && text.len() == 57, "{}", text.len());
    assert_eq!(tokens.read(&text), Ok(token.clone()));
    assert_eq!(token.issued(), Timestamp::from_millis(1_700_000_000_123));
    assert_eq!(token.visitor(), VisitorId::derive(&token.secret));
}

#[test]
fn a_token_outlives_one_rotation_of_the_keys_and_keeps_its_visitor() {
    let old = tokens_with(&keys(1, None), 1, 0);
    let token = old.issue();
    let text = old.write(&token);
    let rotated = tokens_with(&keys(2, Some(1)), 2, 0);
    assert_eq!(rotated.read(&text), Ok(token.clone()));
    let renewed = rotated.write(&token);
    assert_ne!(renewed, text, "it is signed with the current key");
    let done = tokens_with(&keys(2, None), 3, 0);
    assert_eq!(done.read(&text), Err(BadToken), "the retired key verifies nothing");
    assert_eq!(done.read(&renewed).unwrap().visitor(), token.visitor());
}

#[test]
fn no_changed_byte_is_accepted() {
    let tokens = tokens(3, 1_700_000_000_000);
    let token = tokens.issue().absorbing([&tokens.issue()]);
    let bytes = URL_SAFE_NO_PAD.decode(&tokens.write(&token)[3..]).unwrap();
    for index in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[index] ^= 1 << bit;
            assert_eq!(
                tokens.read(&format!("vt_{}", URL_SAFE_NO_PAD.encode(changed))),
                Err(BadToken)
            );
        }
    }
    for length in 0..bytes.len() {
        assert_eq!(
            tokens.read(&format!("vt_{}", URL_SAFE_NO_PAD.encode(&bytes[..length]))),
            Err(BadToken)
        );
    }
    let longer = [bytes.as_slice(), &[0; 16]].concat();
    assert_eq!(tokens.read(&format!("vt_{}", URL_SAFE_NO_PAD.encode(longer))), Err(BadToken));
}

#[test]
fn a_genuine_signature_over_another_shape_is_refused() {
    let tokens = tokens(3, 0);
    let sign = |mut bytes: Vec<u8>| {
        bytes[1] = tokens.keys[0].id;
        let tag = tokens.keys[0].key.mac(&[&bytes]);
        bytes.extend_from_slice(&tag[..MAC_BYTES]);
        tokens.read(&format!("vt_{}", URL_SAFE_NO_PAD.encode(bytes)))
    };
    assert!(sign([vec![1], vec![0; 23]].concat()).is_ok());
    assert_eq!(sign([vec![2], vec![0; 23]].concat()), Err(BadToken), "another version");
    assert_eq!(sign([vec![1], vec![0; 31]].concat()), Err(BadToken), "half an absorbed visitor");
    assert_eq!(sign([vec![1], vec![0; 22]].concat()), Err(BadToken), "too short");
    assert_eq!(
        sign([vec![1], vec![0; 23 + 16 * 5]].concat()),
        Err(BadToken),
        "five absorbed visitors"
    );
}

#[test]
fn a_foreign_installation_and_junk_are_refused() {
    let foreign = tokens_with(&keys(9, None), 1, 0);
    assert_eq!(tokens(1, 0).read(&foreign.write(&foreign.issue())), Err(BadToken));
    let long = format!("vt_{}", "A".repeat(100_000));
    for text in ["", "vt_", "vt_=", "vt_§", "pk_x", "AQAA", &long, "vt_AAAA AAAA"] {
        assert_eq!(tokens(1, 0).read(text), Err(BadToken));
    }
}

#[test]
fn a_token_stands_for_up_to_four_others() {
    let tokens = tokens(5, 0);
    let (primary, others): (_, Vec<_>) = (tokens.issue(), (0..6).map(|_| tokens.issue()).collect());
    let merged = primary.absorbing(&others);
    assert_eq!(merged.visitor(), primary.visitor());
    assert_eq!(
        merged.absorbed(),
        others[..4].iter().map(VisitorToken::visitor).collect::<Vec<_>>()
    );
    assert_eq!(primary.absorbing([&primary]).absorbed(), []);
    assert_eq!(merged.absorbing(&others).absorbed().len(), 4);
    assert_eq!(tokens.read(&tokens.write(&merged)), Ok(merged.clone()));
    let tenant = TenantId::parse("a").unwrap();
    assert_eq!(merged.conversations(&tenant).keys().count(), 5);
}

#[test]
fn a_cookie_has_the_attributes_a_third_party_frame_needs_and_a_fresh_name() {
    let tokens = tokens(1, 0);
    let token = tokens.issue();
    let set = || tokens.set_cookie(&token).to_str().unwrap().to_owned();
    let (first, second) = (set(), set());
    let (name, rest) = first.split_once('=').unwrap();
    assert!(name.starts_with("__Host-parlor_v_") && name.len() == 32, "{name}");
    assert_ne!(second.split_once('=').unwrap().0, name);
    let attributes = "Path=/; HttpOnly; Max-Age=31536000; SameSite=None; Secure; Partitioned";
    assert_eq!(rest.split_once("; ").unwrap(), (tokens.write(&token).as_str(), attributes));
    let expired = tokens.expire_cookie(name).unwrap();
    assert_eq!(
        expired,
        format!("{name}=; Path=/; HttpOnly; Max-Age=0; SameSite=None; Secure; Partitioned")
    );
    assert_eq!(tokens.expire_cookie("session"), None);
    assert_eq!(tokens.expire_cookie("__Host-parlor_v_a; b"), None);
}

#[test]
fn the_lax_variant_is_for_plain_http() {
    let settings = CookieSettings { secure: false, max_age: Duration::from_secs(60) };
    let tokens = VisitorTokens::new(&keys(1, None), at(0), Random::seeded(1), settings);
    let cookie = tokens.set_cookie(&tokens.issue());
    let text = cookie.to_str().unwrap();
    assert!(
        text.starts_with("parlor_v_")
            && text.ends_with("; Path=/; HttpOnly; Max-Age=60; SameSite=Lax"),
        "{text}"
    );
    let read = tokens.from_cookies(&cookies(&[text.split(';').next().unwrap()]));
    assert_eq!(read.map(|visitor| visitor.set), Some(Vec::new()));
}

/// The values of `Set-Cookie` as a browser's jar takes them: the names of the cookies that are set,
/// and of those that are expired.
fn changes(set: &[HeaderValue]) -> (Vec<String>, Vec<String>) {
    let name = |value: &HeaderValue| value.to_str().unwrap().split_once('=').unwrap().0.to_owned();
    let expires = |value: &&HeaderValue| value.to_str().unwrap().contains("; Max-Age=0; ");
    (
        set.iter().filter(|value| !expires(value)).map(name).collect(),
        set.iter().filter(expires).map(name).collect(),
    )
}

#[test]
fn several_cookies_are_one_visitor_the_oldest_and_become_one_cookie() {
    let (young, old) = (tokens(1, 2_000), tokens(2, 1_000));
    let (a, b, c) = (young.issue(), old.issue(), young.issue());
    let line = format!("theme=dark; {}; x; {}", cookie("a", &young, &a), cookie("b", &old, &b));
    let of_all = young.from_cookies(&cookies(&[&line, &cookie("c", &young, &c)])).unwrap();
    assert_eq!(of_all.token.visitor(), b.visitor());
    assert_eq!(of_all.token.absorbed().len(), 2);
    assert!([&a, &c].iter().all(|other| of_all.token.absorbed().contains(&other.visitor())));
    let (set, mut expired) = changes(&of_all.set);
    expired.sort();
    let names = ["__Host-parlor_v_a", "__Host-parlor_v_b", "__Host-parlor_v_c"];
    assert_eq!((set.len(), expired), (1, names.map(str::to_owned).to_vec()));
    assert!(!names.contains(&set[0].as_str()), "the name is fresh");
    // What was set is the visitor from then on, and is not set again.
    let text = of_all.set[0].to_str().unwrap().split(';').next().unwrap();
    let again = young.from_cookies(&cookies(&[text])).unwrap();
    assert_eq!((again.token, again.set), (of_all.token, Vec::new()));
}

#[test]
fn one_cookie_is_left_as_it_is() {
    let tokens = tokens(1, 0);
    let token = tokens.issue();
    let visitor = tokens.from_cookies(&cookies(&[&cookie("a", &tokens, &token)])).unwrap();
    assert_eq!((visitor.token, visitor.set), (token, Vec::new()));
}

#[test]
fn tokens_of_one_instant_are_told_apart_alike_in_any_order() {
    let tokens = tokens(1, 0);
    let (a, b) = (cookie("a", &tokens, &tokens.issue()), cookie("b", &tokens, &tokens.issue()));
    let read = |first: &str, second: &str| {
        tokens.from_cookies(&cookies(&[&format!("{first}; {second}")])).unwrap().token
    };
    assert_eq!(read(&a, &b), read(&b, &a));
}

#[test]
fn of_two_cookies_that_are_alike_one_is_kept_and_every_node_keeps_the_same() {
    let tokens = tokens(1, 0);
    let (token, other) = (tokens.issue(), tokens.issue());
    let merged = token.absorbing([&other]);
    let pair = |name: &str| cookie(name, &tokens, &merged);
    for line in [format!("{}; {}", pair("a"), pair("b")), format!("{}; {}", pair("b"), pair("a"))] {
        let visitor = tokens.from_cookies(&cookies(&[&line])).unwrap();
        assert_eq!(visitor.token, merged);
        assert_eq!(changes(&visitor.set), (vec![], vec!["__Host-parlor_v_b".to_owned()]));
    }
    // The one that stands for more is kept, whichever is older.
    let line = format!("{}; {}", cookie("a", &tokens, &token), pair("b"));
    let visitor = tokens.from_cookies(&cookies(&[&line])).unwrap();
    assert_eq!(visitor.token, merged);
    assert_eq!(changes(&visitor.set), (vec![], vec!["__Host-parlor_v_a".to_owned()]));
}

#[test]
fn a_visitor_for_whom_there_is_no_room_keeps_the_cookie() {
    let tokens: Vec<_> = (0..7).map(|number| tokens(number, number.cast_signed())).collect();
    let line =
        |token: (usize, &VisitorTokens)| cookie(&token.0.to_string(), token.1, &token.1.issue());
    let all: Vec<_> = tokens.iter().enumerate().map(line).collect();
    let visitor = tokens[0].from_cookies(&cookies(&[&all.join("; ")])).unwrap();
    let (set, expired) = changes(&visitor.set);
    let absorbed: Vec<_> = (0..5).map(|number| format!("__Host-parlor_v_{number}")).collect();
    assert_eq!((set.len(), expired), (1, absorbed));
    let kept = visitor.set[0].to_str().unwrap().split(';').next().unwrap();
    let again = tokens[0].from_cookies(&cookies(&[kept, &all[5], &all[6]])).unwrap();
    assert_eq!((again.token, again.set), (visitor.token, Vec::new()), "and nothing is set again");
}

#[test]
fn a_cookie_that_does_not_verify_is_passed_over_and_not_expired() {
    let tokens = tokens(1, 0);
    let token = tokens.issue();
    let mine = cookie("a", &tokens, &token);
    let line = format!("__Host-parlor_v_old=vt_junk; {mine}; {}", cookie("b", &tokens, &token));
    let visitor = tokens.from_cookies(&cookies(&[&line])).unwrap();
    assert_eq!(visitor.token, token);
    assert_eq!(changes(&visitor.set), (vec![], vec!["__Host-parlor_v_b".to_owned()]));
    let plain = format!("parlor_v_a={}", tokens.write(&token));
    assert_eq!(
        tokens.from_cookies(&cookies(&[&plain])),
        None,
        "without the prefix any host of the domain could set it"
    );
}

#[test]
fn the_number_of_cookies_looked_at_and_expired_is_bounded() {
    let tokens = tokens(1, 0);
    let token = tokens.issue();
    let line = |number: usize| cookie(&format!("{number:03}"), &tokens, &token);
    let many: Vec<_> = (0..500).map(line).collect();
    assert_eq!(tokens.jar(&cookies(&[&many.join("; ")])).len(), 64);
    let visitor = tokens.from_cookies(&cookies(&[&many.join("; ")])).unwrap();
    assert_eq!(visitor.set.len(), 8);
    let far = format!("{}{}", "a=b;".repeat(300), cookie("a", &tokens, &tokens.issue()));
    assert_eq!(tokens.from_cookies(&cookies(&[&far])), None);
}

proptest! {
    #[test]
    fn no_cookie_header_panics(
        lines in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..80), 0..4)
    ) {
        let values = lines.iter().filter_map(|line| HeaderValue::from_bytes(line).ok());
        let headers = values.map(|value| (header::COOKIE, value)).collect();
        prop_assert_eq!(tokens(1, 0).from_cookies(&headers), None);
    }

    #[test]
    fn no_text_panics(text in "(vt_)?\\PC{0,200}") {
        prop_assert_eq!(tokens(1, 0).read(&text), Err(BadToken));
    }
}

fn proven(tenant: &str, subject: &str, ends: i64) -> Proven {
    let tenant = TenantId::parse(tenant).unwrap();
    let visitor = VisitorId::proven(&tenant, subject);
    Proven { tenant, visitor, ends: Timestamp::from_millis(ends), claims: serde_json::Map::new() }
}

#[test]
fn a_proven_visitors_token_is_its_tenants_alone_and_ends() {
    let (shop, other) = (TenantId::parse("shop").unwrap(), TenantId::parse("other").unwrap());
    let (tokens, proof) = (tokens(1, 1_000), proven("shop", "vera", 60_000));
    let anonymous = tokens.issue();
    let token = tokens.prove(&proof).absorbing([&anonymous]);
    assert_eq!((token.visitor(), token.ends()), (proof.visitor, Some(proof.ends)));
    assert_eq!(token.absorbed(), [anonymous.visitor()]);
    let text = tokens.write(&token);
    assert_eq!(tokens.verify(&text, &shop), Ok(token.clone()));
    assert_eq!(tokens.verify(&text, &other), Err(BadToken));
    assert_eq!(tokens.verify_past(&text, &other), Err(BadToken));
    assert!(token.conversations(&shop).is_proven());
    let at = |millis| tokens_with(&keys(1, None), 2, millis);
    assert!(at(64_999).verify(&text, &shop).is_ok(), "clocks may be 5 s apart");
    assert_eq!(at(65_000).verify(&text, &shop), Err(BadToken));
    assert_eq!(at(65_000).verify_past(&text, &shop), Ok(token));

    let text = tokens.write(&anonymous);
    for tenant in [&shop, &other] {
        assert_eq!(at(i64::MAX >> 20).verify(&text, tenant), Ok(anonymous.clone()), "as ever");
    }
}

#[test]
fn a_changed_token_of_a_proven_visitor_is_none() {
    let tokens = tokens(1, 0);
    let text = tokens.write(&tokens.prove(&proven("shop", "vera", 60_000)));
    let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix("vt_").unwrap()).unwrap();
    for index in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[index] ^= 1;
        let changed = format!("vt_{}", URL_SAFE_NO_PAD.encode(changed));
        assert_eq!(tokens.read(&changed), Err(BadToken), "byte {index}");
        let cut = format!("vt_{}", URL_SAFE_NO_PAD.encode(&bytes[..index]));
        assert_eq!(tokens.read(&cut), Err(BadToken), "{index} bytes");
    }
}

#[test]
fn a_proven_visitor_is_absorbed_by_nobody_and_named_by_no_cookie() {
    let tokens = tokens(1, 0);
    let (vera, mallory) = (proven("shop", "vera", 60_000), proven("shop", "mallory", 60_000));
    let (vera, mallory) = (tokens.prove(&vera), tokens.prove(&mallory));
    let anonymous = tokens.issue();
    assert_eq!(anonymous.absorbing([&vera]).absorbed(), []);
    assert_eq!(mallory.absorbing([&vera.absorbing([&anonymous])]).absorbed(), []);
    // Another proof of the same visitor goes on with what the first one stood for.
    let again = vera.absorbing([&vera.absorbing([&anonymous])]);
    assert_eq!(again.absorbed(), [anonymous.visitor()]);

    let of_vera = cookie("a", &tokens, &vera);
    assert_eq!(tokens.from_cookies(&cookies(&[&of_vera])), None);
    let both = cookies(&[&of_vera, &cookie("b", &tokens, &anonymous)]);
    assert_eq!(tokens.from_cookies(&both).unwrap().token, anonymous);
}
