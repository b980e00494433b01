//! A06: the matrix of tokens that must be refused, and those that must not.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use parlor_common::{
    keys::{InstallationKeys, Secret},
    problem::{Code, Problem},
};
use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::test_keys::{EC_PRIVATE, EC_PUBLIC, ED_PRIVATE, ED_PUBLIC};

const NOW: i64 = 1_700_000_000;
const SECRET: &[u8] = b"the secret of the tenant's agents";

/// Two tenants: `shop` with a key of each algorithm, and `other` with one.
fn agents() -> (Agents, TempDir) {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, text: &[u8]| std::fs::write(folder.path().join(name), text).unwrap();
    write("hs.key", SECRET);
    write("other.key", b"the secret of another tenant's agents");
    write("ed.pem", ED_PUBLIC.as_bytes());
    write("ec.pem", EC_PUBLIC.as_bytes());
    let key = |issuer: &str, kid: &str, algorithm: &str, file: &str| {
        format!(
            "[[tenant.agent_key]]\nissuer = \"{issuer}\"\nkid = \"{kid}\"\nalgorithm = \
             \"{algorithm}\"\n{file}\n"
        )
    };
    let tenant = |name: &str| format!("[[tenant]]\nname = \"{name}\"\norigins = []\n");
    let text = [
        tenant("shop"),
        key("shop", "hs", "HS256", "secret_file = \"hs.key\""),
        key("shop", "ed", "EdDSA", "public_key_file = \"ed.pem\""),
        key("shop", "ec", "ES256", "public_key_file = \"ec.pem\""),
        tenant("other"),
        key("other", "hs", "HS256", "secret_file = \"other.key\""),
        tenant("late").replace("origins", "suspended = true\norigins"),
        key("late", "hs", "HS256", "secret_file = \"hs.key\""),
    ];
    write("tenants.toml", text.concat().as_bytes());
    let tenants = Tenants::from_file(&folder.path().join("tenants.toml")).unwrap();
    (Agents::new(tenants, Clock::new(|| Timestamp::from_millis(NOW * 1000))), folder)
}

fn claims() -> Value {
    json!({
        "iss": "shop", "sub": "agent-7", "aud": "parlor", "role": "agent", "name": "Ann",
        "iat": NOW - 60, "exp": NOW + 3600,
    })
}

/// The claims with one of them changed; `null` takes it away.
fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    if value.is_null() {
        claims.as_object_mut().unwrap().remove(name);
    } else {
        claims[name] = value;
    }
    claims
}

fn header(algorithm: &str, kid: &str) -> Value {
    json!({"typ": "JWT", "alg": algorithm, "kid": kid})
}

/// A token of these parts, signed by the key of this algorithm, whatever the header says.
fn sign(header: &Value, claims: &Value, algorithm: Algorithm) -> String {
    let key = match algorithm {
        Algorithm::EdDSA => EncodingKey::from_ed_pem(ED_PRIVATE.as_bytes()).unwrap(),
        Algorithm::ES256 => EncodingKey::from_ec_pem(EC_PRIVATE.as_bytes()).unwrap(),
        _ => EncodingKey::from_secret(SECRET),
    };
    sign_with(header, claims, &key, algorithm)
}

fn sign_with(header: &Value, claims: &Value, key: &EncodingKey, algorithm: Algorithm) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(header), part(claims));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, algorithm).unwrap();
    format!("{message}.{signature}")
}

fn verify(header: &Value, claims: &Value) -> Result<Agent, Refused> {
    agents().0.verify(&sign(header, claims, Algorithm::HS256))
}

fn verify_claims(claims: &Value) -> Result<Agent, Refused> {
    verify(&header("HS256", "hs"), claims)
}

#[test]
fn a_token_of_each_algorithm_is_its_tenants_agent() {
    let (agents, _folder) = agents();
    for (name, kid, algorithm) in [
        ("HS256", "hs", Algorithm::HS256),
        ("EdDSA", "ed", Algorithm::EdDSA),
        ("ES256", "ec", Algorithm::ES256),
    ] {
        let agent = agents.verify(&sign(&header(name, kid), &claims(), algorithm)).unwrap();
        assert_eq!(agent.tenant.as_str(), "shop");
        assert_eq!(
            (agent.id.as_str(), agent.name.as_deref(), agent.role),
            ("agent-7", Some("Ann"), Role::Agent)
        );
        assert_eq!(agent.expires, Timestamp::from_millis((NOW + 3600) * 1000));
    }
}

#[test]
fn what_may_be_otherwise_is_accepted() {
    for claims in [
        with("aud", json!(["other", "parlor"])),
        with("iat", Value::Null),
        with("name", Value::Null),
        with("nbf", json!(NOW)),
        with("nbf", json!(NOW + 4)),
        with("exp", json!(NOW - 4)),
        with("exp", json!(NOW as f64 + 0.5)),
        with("exp", json!(NOW - 60 + 86_400)),
        with("jti", json!({"anything": 1})),
        with("sub", json!("Jürgen 🦀")),
        with("sub", json!("x".repeat(128))),
    ] {
        assert!(verify_claims(&claims).is_ok(), "{claims}");
    }
    assert_eq!(verify_claims(&with("role", json!("bot"))).unwrap().author().kind, AuthorKind::Bot);
    let admin = verify_claims(&with("role", json!("admin"))).unwrap();
    assert_eq!((admin.role, admin.author().kind), (Role::Admin, AuthorKind::Agent));
    assert!(verify(&json!({"alg": "HS256", "kid": "hs"}), &claims()).is_ok(), "typ is optional");
}

#[test]
fn claims_that_are_not_what_they_should_be_are_refused() {
    for (claims, refused) in [
        (with("aud", Value::Null), Refused::Claims),
        (with("aud", json!("other")), Refused::Audience),
        (with("aud", json!([])), Refused::Audience),
        (with("aud", json!("Parlor")), Refused::Audience),
        (with("exp", Value::Null), Refused::Claims),
        (with("exp", json!((NOW + 60).to_string())), Refused::Claims),
        (with("exp", json!(NOW - 5)), Refused::Ended),
        (with("exp", json!(0)), Refused::Ended),
        (with("exp", json!(-1)), Refused::Ended),
        (with("exp", json!(NOW - 60 + 86_400 + 6)), Refused::TooLong),
        (with("exp", json!(1e300)), Refused::TooLong),
        (with("exp", json!(u64::MAX)), Refused::TooLong),
        (with("iat", json!(NOW - 86_400)), Refused::TooLong),
        (with("iat", json!("x")), Refused::Claims),
        (with("nbf", json!(NOW + 6)), Refused::NotBegun),
        (with("nbf", json!(1e300)), Refused::NotBegun),
        (with("nbf", json!("x")), Refused::Claims),
        (with("sub", Value::Null), Refused::Claims),
        (with("sub", json!("")), Refused::Claims),
        (with("sub", json!(" ")), Refused::Claims),
        (with("sub", json!("a\nb")), Refused::Claims),
        (with("sub", json!("x".repeat(129))), Refused::Claims),
        (with("sub", json!(7)), Refused::Claims),
        (with("name", json!("x".repeat(129))), Refused::Claims),
        (with("name", json!("a\u{0}")), Refused::Claims),
        (with("role", Value::Null), Refused::Claims),
        (with("role", json!("root")), Refused::Claims),
        (with("role", json!(["admin"])), Refused::Claims),
        (with("iss", Value::Null), Refused::Malformed),
        (with("iss", json!(["shop", "other"])), Refused::Malformed),
        (with("iss", json!("nobody")), Refused::UnknownKey),
        (with("iss", json!("other")), Refused::Signature),
        (with("iss", json!("late")), Refused::Suspended),
    ] {
        assert_eq!(verify_claims(&claims), Err(refused), "{claims}");
    }
    let far = with("exp", json!(NOW + 86_400 + 6)).as_object().cloned().map(|mut claims| {
        claims.insert("iat".to_owned(), json!(NOW + 3600));
        Value::Object(claims)
    });
    assert_eq!(
        verify_claims(&far.unwrap()),
        Err(Refused::TooLong),
        "an iat ahead of now buys nothing"
    );
}

#[test]
fn a_claim_given_twice_is_refused() {
    let twice = claims().to_string().replace("\"sub\":", "\"sub\":\"admin\",\"sub\":");
    let message = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header("HS256", "hs").to_string()),
        URL_SAFE_NO_PAD.encode(twice)
    );
    let key = EncodingKey::from_secret(SECRET);
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
    assert_eq!(agents().0.verify(&format!("{message}.{signature}")), Err(Refused::Claims));
}

#[test]
fn the_algorithm_is_the_keys_and_never_the_tokens() {
    let (agents, _folder) = agents();
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    for none in ["none", "None", "NONE", "nOnE", ""] {
        for signature in ["", "AAAA"] {
            let token = format!("{}.{}.{signature}", part(&header(none, "hs")), part(&claims()));
            assert_eq!(agents.verify(&token), Err(Refused::Malformed), "{none}");
        }
    }
    // The public key as an HMAC secret, in each spelling an attacker may try.
    for (kid, public) in [("ed", ED_PUBLIC), ("ec", EC_PUBLIC)] {
        for secret in [public.to_owned(), public.trim().to_owned(), public.replace('\n', "")] {
            let key = EncodingKey::from_secret(secret.as_bytes());
            let token = sign_with(&header("HS256", kid), &claims(), &key, Algorithm::HS256);
            assert_eq!(agents.verify(&token), Err(Refused::Signature), "{kid}");
        }
    }
    for other in ["HS384", "HS512", "RS256", "PS256", "ES256", "ES384", "EdDSA"] {
        let token = sign(&header(other, "hs"), &claims(), Algorithm::HS256);
        assert_eq!(agents.verify(&token), Err(Refused::Signature), "{other}");
    }
    let long = sign(&header("HS512", "hs"), &claims(), Algorithm::HS512);
    assert_eq!(
        agents.verify(&long),
        Err(Refused::Signature),
        "also where it is signed with the right secret"
    );
    let crossed = sign(&header("EdDSA", "ec"), &claims(), Algorithm::EdDSA);
    assert_eq!(agents.verify(&crossed), Err(Refused::Signature));
}

#[test]
fn the_key_is_found_by_issuer_and_kid_and_by_nothing_else() {
    let unknown = |header: Value| {
        assert_eq!(verify(&header, &claims()), Err(Refused::UnknownKey), "{header}")
    };
    for kid in ["", "HS", "hs ", "../hs.key", "/dev/null", "' OR 1=1 --", "*", "hs\u{0}"] {
        unknown(header("HS256", kid));
    }
    unknown(json!({"alg": "HS256"}));
    for extra in ["jku", "x5u"] {
        let mut header = header("HS256", "hs");
        header[extra] = json!("https://evil.net/keys");
        assert!(verify(&header, &claims()).is_ok(), "{extra} is not looked at");
    }
    let own = json!({"alg": "HS256", "jwk": {"kty": "oct", "k": URL_SAFE_NO_PAD.encode(b"x")}});
    let key = EncodingKey::from_secret(b"x");
    let token = sign_with(&own, &claims(), &key, Algorithm::HS256);
    assert_eq!(agents().0.verify(&token), Err(Refused::UnknownKey), "a key it brings along");
    let critical = json!({"alg": "HS256", "kid": "hs", "crit": ["exp"]});
    assert_eq!(verify(&critical, &claims()), Err(Refused::Malformed));
}

#[test]
fn no_changed_or_cut_token_is_accepted() {
    let (agents, _folder) = agents();
    let token = sign(&header("HS256", "hs"), &claims(), Algorithm::HS256);
    assert!(agents.verify(&token).is_ok());
    for index in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert!(agents.verify(&changed).is_err(), "{index}");
        assert!(agents.verify(&token[..index]).is_err(), "{index}");
    }
    let (message, signature) = token.rsplit_once('.').unwrap();
    let foreign = with("sub", json!("admin"));
    let other = sign(&header("HS256", "hs"), &foreign, Algorithm::HS256);
    let mixed = format!("{}.{signature}", other.rsplit_once('.').unwrap().0);
    for token in [
        format!("{message}."),
        message.to_owned(),
        format!("{token}."),
        format!("{token}.x"),
        format!("{token}="),
        format!(" {token}"),
        format!("{token}\n"),
        mixed,
    ] {
        assert!(agents.verify(&token).is_err(), "{token}");
    }
}

#[test]
fn a_tokens_size_is_bounded() {
    let (agents, _folder) = agents();
    let padded = with("padding", json!("x".repeat(4096)));
    assert_eq!(
        agents.verify(&sign(&header("HS256", "hs"), &padded, Algorithm::HS256)),
        Err(Refused::Malformed)
    );
    assert_eq!(agents.verify(&"a".repeat(10_000_000)), Err(Refused::Malformed));
}

#[test]
fn a_key_taken_from_the_file_verifies_no_more() {
    let (agents, folder) = agents();
    let token = sign(&header("HS256", "hs"), &claims(), Algorithm::HS256);
    assert!(agents.verify(&token).is_ok());
    let path = folder.path().join("tenants.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    // Both keys live while the new one is given out, then the old one goes.
    let old = "issuer = \"shop\"\nkid = \"hs\"";
    let both = text.replacen(
        old,
        &format!(
            "{old}\nalgorithm = \"HS256\"\nsecret_file = \
        \"hs.key\"\n[[tenant.agent_key]]\nissuer = \"shop\"\nkid = \"new\""
        ),
        1,
    );
    std::fs::write(&path, &both).unwrap();
    assert_eq!(agents.tenants.reload_if_changed(), Ok(true));
    let renewed = sign(&header("HS256", "new"), &claims(), Algorithm::HS256);
    assert!(agents.verify(&token).is_ok() && agents.verify(&renewed).is_ok());
    std::fs::write(&path, text.replacen(old, "issuer = \"shop\"\nkid = \"new\"", 1)).unwrap();
    assert_eq!(agents.tenants.reload_if_changed(), Ok(true));
    assert_eq!(agents.verify(&token), Err(Refused::UnknownKey));
    assert!(agents.verify(&renewed).is_ok());
}

#[test]
fn a_minted_token_is_accepted_in_development_alone() {
    let keys = InstallationKeys::new(Secret::new(vec![1; 32]).unwrap(), None);
    let clock = Clock::new(|| Timestamp::from_millis(NOW * 1000 + 999));
    let agents = Agents::new(Tenants::development(&keys), clock);
    let shop = TenantId::parse("shop").unwrap();
    let hour = Duration::from_secs(3600);
    let (token, expires) =
        agents.mint_development(&shop, "ann", Some("Ann"), Role::Agent, hour).unwrap();
    let agent = agents.verify(&token).unwrap();
    assert_eq!((agent.tenant, agent.id.as_str(), agent.expires), (shop.clone(), "ann", expires));
    assert_eq!(expires, Timestamp::from_millis((NOW + 3600) * 1000));
    let (other, _) = agents
        .mint_development(&TenantId::parse("other").unwrap(), "ann", None, Role::Bot, hour)
        .unwrap();
    assert_eq!(agents.verify(&other).unwrap().tenant.as_str(), "other");
    let forged =
        other.replacen(other.split('.').nth(1).unwrap(), token.split('.').nth(1).unwrap(), 1);
    assert_eq!(
        agents.verify(&forged),
        Err(Refused::Signature),
        "a tenant's key signs for no other"
    );
    let mint = |agents: &Agents, id: &str, ttl| {
        agents.mint_development(&shop, id, None, Role::Agent, ttl).unwrap_err()
    };
    assert_eq!(mint(&agents, "", hour), Refused::Claims);
    assert_eq!(mint(&agents, "ann", hour * 48), Refused::TooLong);
    let (from_file, _folder) = self::agents();
    assert_eq!(mint(&from_file, "ann", hour), Refused::NotDevelopment);
    assert!(from_file.verify(&token).is_err());
}

#[test]
fn a_refusal_is_told_as_a_problem() {
    assert_eq!(Problem::from(Refused::Ended).code, Code::Unauthorized);
    let suspended = Problem::from(Refused::Suspended);
    assert_eq!((suspended.code, &*suspended.details[0].code), (Code::Forbidden, "suspended"));
}

proptest! {
    #[test]
    fn no_text_panics(text in "([A-Za-z0-9_-]{0,40}\\.){0,3}\\PC{0,40}") {
        let keys = InstallationKeys::new(Secret::new(vec![1; 32]).unwrap(), None);
        let agents = Agents::new(Tenants::development(&keys), Clock::new(Timestamp::default));
        prop_assert!(agents.verify(&text).is_err());
    }

    #[test]
    fn no_claims_panic(claims in "[{}\\[\\]:,\"a-z0-9eE.+-]{0,60}") {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let header = part("{\"alg\":\"HS256\",\"kid\":\"hs\"}");
        let token = format!("{header}.{}.AAAA", part(&claims));
        let keys = InstallationKeys::new(Secret::new(vec![1; 32]).unwrap(), None);
        let agents = Agents::new(Tenants::development(&keys), Clock::new(Timestamp::default));
        prop_assert!(agents.verify(&token).is_err());
    }
}
