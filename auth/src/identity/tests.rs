use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::test_keys::{ED_PRIVATE, ED_PUBLIC};

const NOW: i64 = 1_700_000_000;
const SECRET: &[u8] = b"the secret of the tenant's server";

fn id(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

/// Two tenants, `shop` with two keys, and `other` with one that has the same id.
fn tenants() -> (Tenants, TempDir) {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, text: &[u8]| std::fs::write(folder.path().join(name), text).unwrap();
    write("hs.key", SECRET);
    write("other.key", b"the secret of another tenant's server");
    write("ed.pem", ED_PUBLIC.as_bytes());
    let tenant = |name: &str| format!("[[tenant]]\nname = \"{name}\"\norigins = []\n");
    let key = |kid: &str, algorithm: &str, file: &str| {
        format!("[[tenant.visitor_key]]\nkid = \"{kid}\"\nalgorithm = \"{algorithm}\"\n{file}\n")
    };
    let text = [
        tenant("shop"),
        key("1", "HS256", "secret_file = \"hs.key\""),
        key("ed", "EdDSA", "public_key_file = \"ed.pem\""),
        tenant("other"),
        key("1", "HS256", "secret_file = \"other.key\""),
    ];
    write("tenants.toml", text.concat().as_bytes());
    (Tenants::from_file(&folder.path().join("tenants.toml")).unwrap(), folder)
}

fn claims() -> Value {
    json!({"sub": "customer-7", "aud": "parlor.visitor", "exp": NOW + 3600, "name": "Vera"})
}

fn sign(kid: &str, claims: &Value) -> String {
    let (algorithm, key) = match kid {
        "ed" => (Algorithm::EdDSA, EncodingKey::from_ed_pem(ED_PRIVATE.as_bytes()).unwrap()),
        _ => (Algorithm::HS256, EncodingKey::from_secret(SECRET)),
    };
    let header = Header { kid: Some(kid.to_owned()), ..Header::new(algorithm) };
    jsonwebtoken::encode(&header, claims, &key).unwrap()
}

fn proven(tenant: &str, token: &str) -> Result<Proven, Refused> {
    prove(&tenants().0, &id(tenant), token, Timestamp::from_millis(NOW * 1000))
}

#[test]
fn a_visitor_is_whom_the_tenant_says_and_the_same_one_by_each_of_its_keys() {
    let first = proven("shop", &sign("1", &claims())).unwrap();
    assert_eq!(first.ends, Timestamp::from_millis((NOW + 3600) * 1000));
    assert_eq!(first.claims["name"], "Vera");
    let second = proven("shop", &sign("ed", &claims())).unwrap();
    assert_eq!(second.visitor, first.visitor);
    let mut another = claims();
    another["sub"] = json!("customer-8");
    assert_ne!(proven("shop", &sign("1", &another)).unwrap().visitor, first.visitor);
    assert_ne!(VisitorId::proven(&id("other"), "customer-7"), first.visitor);
}

#[test]
fn what_another_tenant_or_nobody_says_proves_nobody() {
    let token = sign("1", &claims());
    assert_eq!(proven("other", &token), Err(Refused::Signature), "the same kid, another's key");
    assert_eq!(proven("nobody", &token), Err(Refused::UnknownKey));
    assert_eq!(proven("shop", &sign("2", &claims())), Err(Refused::UnknownKey));
    let (header, _) =
        sign("ed", &claims()).split_once('.').map(|(h, r)| (h.to_owned(), r.len())).unwrap();
    let crossed = format!("{header}.{}", token.split_once('.').unwrap().1);
    assert_eq!(proven("shop", &crossed), Err(Refused::Signature));
    for (claim, value, refused) in [
        ("aud", json!("parlor"), Refused::Audience),
        ("exp", json!(NOW - 6), Refused::Ended),
        ("exp", json!(NOW + 86_400 + 6), Refused::TooLong),
        ("exp", json!(null), Refused::Claims),
        ("nbf", json!(NOW + 60), Refused::NotBegun),
        ("sub", json!(""), Refused::Claims),
        ("sub", json!("a\u{7}"), Refused::Claims),
        ("sub", json!("x".repeat(129)), Refused::Claims),
    ] {
        let mut claims = claims();
        claims[claim] = value;
        assert_eq!(proven("shop", &sign("1", &claims)), Err(refused), "{claim}");
    }
    for odd in ["", "a.b.c", "vt_", "e30.e30.", &"x".repeat(100_000)] {
        assert_eq!(proven("shop", odd), Err(Refused::Malformed));
    }
}

#[test]
fn an_agents_token_proves_no_visitor_and_a_visitors_no_agent() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("key"), SECRET).unwrap();
    let key = "kid = \"1\"\nalgorithm = \"HS256\"\nsecret_file = \"key\"\n";
    let text = format!(
        "[[tenant]]\nname = \"shop\"\norigins = []\n[[tenant.visitor_key]]\n{key}\
         [[tenant.agent_key]]\nissuer = \"shop\"\n{key}"
    );
    let file = folder.path().join("tenants.toml");
    std::fs::write(&file, text).unwrap();
    let tenants = Tenants::from_file(&file).unwrap();
    let now = Timestamp::from_millis(NOW * 1000);
    let clock = parlor_common::clock::Clock::new(move || now);
    let agents = crate::agent::Agents::new(tenants.clone(), clock);
    let mut both = claims();
    both["iss"] = json!("shop");
    both["role"] = json!("admin");
    assert_eq!(agents.verify(&sign("1", &both)), Err(Refused::Audience));
    both["aud"] = json!("parlor");
    let agents_token = sign("1", &both);
    assert!(agents.verify(&agents_token).is_ok());
    assert_eq!(prove(&tenants, &id("shop"), &agents_token, now), Err(Refused::Audience));
}

#[test]
fn a_tenants_keys_of_visitors_are_checked_when_the_file_is_read() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("key"), SECRET).unwrap();
    std::fs::write(folder.path().join("short"), "short").unwrap();
    let trouble = |keys: &str| {
        let file = folder.path().join("tenants.toml");
        let text = format!("[[tenant]]\nname = \"shop\"\norigins = []\n{keys}");
        std::fs::write(&file, text).unwrap();
        Tenants::from_file(&file).unwrap_err().to_string()
    };
    let key = |kid: &str, file: &str| {
        format!(
            "[[tenant.visitor_key]]\nkid = \"{kid}\"\nalgorithm = \"HS256\"\nsecret_file = \
             \"{file}\"\n"
        )
    };
    assert!(trouble(&(key("1", "key") + &key("1", "key"))).contains("one of this kid already"));
    assert!(trouble(&key("1", "short")).contains("visitor key \"1\""));
    assert!(trouble(&key("1", "none")).contains("visitor key \"1\""));
    assert!(trouble(&key("", "key")).contains("kid has 1 to 256 bytes"));
}
