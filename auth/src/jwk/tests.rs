use serde_json::{Value, json};

use super::*;
use crate::test_keys::{EC_X, EC_Y, ED_X, RSA_N};

fn rsa(kid: &str) -> Value {
    json!({"kty": "RSA", "kid": kid, "use": "sig", "alg": "RS256", "n": RSA_N, "e": "AQAB"})
}

fn with(field: &str, value: &Value) -> Value {
    let mut key = rsa("k");
    match value {
        Value::Null => drop(key.as_object_mut().unwrap().remove(field)),
        value => key[field] = value.clone(),
    }
    key
}

/// The ids and algorithms of what is taken of these keys.
fn taken(keys: &[Value]) -> Option<Vec<(String, Algorithm)>> {
    let parsed = parse(json!({ "keys": keys }).to_string().as_bytes())?;
    let mut taken: Vec<_> = parsed.iter().map(|(kid, k)| (kid.clone(), k.algorithm())).collect();
    taken.sort_by_key(|(kid, _)| kid.clone());
    Some(taken)
}

#[test]
fn each_key_verifies_by_the_algorithm_of_its_own_kind() {
    let ec = json!({"kty": "EC", "crv": "P-256", "kid": "ec", "x": EC_X, "y": EC_Y});
    let ed = json!({"kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": ED_X, "key_ops": ["verify"]});
    let is = |kid: &str, algorithm| (kid.to_owned(), algorithm);
    assert_eq!(
        taken(&[rsa("rsa"), ec, ed]).unwrap(),
        [is("ec", Algorithm::ES256), is("ed", Algorithm::EdDSA), is("rsa", Algorithm::RS256)]
    );
}

#[test]
fn what_is_no_key_of_ours_is_passed_over_and_the_others_are_taken() {
    let long = "x".repeat(257);
    let (short, even) = (&RSA_N[..300], json!("AQAA"));
    for odd in [
        json!(null),
        json!("key"),
        json!({}),
        with("kid", &json!(null)),
        with("kid", &json!(7)),
        with("kid", &json!("")),
        with("kid", &json!(long)),
        with("kty", &json!("oct")),
        with("kty", &json!("new")),
        with("use", &json!("enc")),
        with("key_ops", &json!(["encrypt"])),
        with("alg", &json!("PS256")),
        with("alg", &json!("none")),
        with("alg", &json!("HS256")),
        with("n", &json!(short)),
        with("n", &json!(RSA_N.repeat(3))),
        with("n", &json!("ä")),
        with("n", &json!(null)),
        with("e", &even),
        with("e", &json!("AQ")),
        with("e", &json!("AQAAAAAB")),
        with("e", &json!("")),
        json!({"kty": "EC", "crv": "P-384", "kid": "k", "x": EC_X, "y": EC_Y}),
        json!({"kty": "EC", "crv": "P-256", "kid": "k", "x": EC_X, "y": "AA"}),
        json!({"kty": "EC", "kid": "k", "x": EC_X, "y": EC_Y}),
        json!({"kty": "OKP", "crv": "X25519", "kid": "k", "x": ED_X}),
        json!({"kty": "OKP", "crv": "Ed25519", "kid": "k", "x": ""}),
        json!({"kty": "OKP", "crv": "Ed25519", "kid": "k", "x": ED_X, "alg": "ES256"}),
    ] {
        assert_eq!(taken(std::slice::from_ref(&odd)), None, "{odd}");
        let beside = taken(&[odd.clone(), rsa("fine")]);
        assert_eq!(beside.unwrap(), [("fine".to_owned(), Algorithm::RS256)], "{odd}");
    }
    for fine in [with("use", &json!(null)), with("alg", &json!(null)), with("x5c", &json!([1]))] {
        assert!(taken(std::slice::from_ref(&fine)).is_some(), "{fine}");
    }
}

#[test]
fn the_first_of_two_keys_with_one_id_is_taken() {
    let ed = json!({"kty": "OKP", "crv": "Ed25519", "kid": "k", "x": ED_X});
    let first = |keys: &[Value]| taken(keys).unwrap()[0].1;
    assert_eq!(first(&[rsa("k"), ed.clone()]), Algorithm::RS256);
    assert_eq!(first(&[ed, rsa("k")]), Algorithm::EdDSA);
}

#[test]
fn what_is_no_set_of_keys_is_none() {
    let deep = format!(r#"{{"keys":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    for odd in ["", "<html>", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[]}"#, &deep] {
        assert!(parse(odd.as_bytes()).is_none(), "{odd:.40}");
    }
    let many: Vec<_> = (0..1000).map(|n| rsa(&format!("{n:04}"))).collect();
    assert_eq!(taken(&many).unwrap().len(), MAX_KEYS);
}
