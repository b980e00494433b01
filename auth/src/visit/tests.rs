use parlor_common::{
    clock::{Clock, Timestamp},
    keys::{InstallationKeys, Secret},
    random::Random,
};

use super::*;
use crate::{origin::OriginRule, tenant::TenantLimits, visitor::CookieSettings};

fn keys() -> InstallationKeys {
    InstallationKeys::new(Secret::new(vec![1; 32]).unwrap(), None)
}

fn shop() -> Tenant {
    Tenant {
        id: TenantId::parse("shop").unwrap(),
        origins: vec![OriginRule::exact("https://shop.example").unwrap()],
        publishable_key: Some("pk_live".to_owned()),
        publishable_key_required: false,
        suspended: false,
        limits: TenantLimits::default(),
    }
}

fn headers(pairs: &[(&str, &[u8])]) -> HeaderMap {
    let parse = |(name, value): &(&str, &[u8])| {
        (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_bytes(value).unwrap())
    };
    let mut headers = HeaderMap::new();
    for (name, value) in pairs.iter().map(parse) {
        headers.append(name, value);
    }
    headers
}

fn origins(values: &[&str]) -> HeaderMap {
    headers(&values.iter().map(|value| ("origin", value.as_bytes())).collect::<Vec<_>>())
}

/// A05: who may do what, with which Origin.
#[test]
fn the_origin_decides_by_kind_and_credential() {
    let every = [Kind::Read, Kind::Write, Kind::Upgrade];
    for kind in every {
        for credential in [Credential::Cookie, Credential::Bearer] {
            let check = |values: &[&str]| check_origin(&shop(), &origins(values), kind, credential);
            let own = check(&["https://shop.example"]).unwrap().unwrap();
            assert_eq!(own.header(), "https://shop.example");
            let spelled = check(&["https://SHOP.example:443"]).unwrap().unwrap();
            assert_eq!(
                spelled.header(),
                "https://SHOP.example:443",
                "a browser compares it with what it sent"
            );
            for foreign in [
                "https://evil.example",
                "https://shop.example.evil.net",
                "https://evil-shop.example",
                "https://a.shop.example",
                "https://shop.example:8443",
                "https://shop.example@evil.net",
                "http://shop.example",
                "null",
                "",
            ] {
                let problem = check(&[foreign]).unwrap_err();
                assert_eq!(problem.code, Code::OriginRefused, "{kind:?} {credential:?} {foreign}");
            }
            for doubled in [
                ["https://shop.example", "https://shop.example"],
                ["https://shop.example", "https://evil.net"],
            ] {
                assert_eq!(check(&doubled).unwrap_err().code, Code::OriginRefused, "{doubled:?}");
            }
            let without = check(&[]).map_err(|problem| problem.code);
            let expected = match (kind, credential) {
                (Kind::Write | Kind::Upgrade, Credential::Cookie) => Err(Code::OriginRefused),
                _ => Ok(None),
            };
            assert_eq!(without, expected, "{kind:?} {credential:?} without an Origin");
        }
    }
    let bytes = headers(&[("origin", b"https://shop.ex\xe4mple")]);
    assert!(check_origin(&shop(), &bytes, Kind::Read, Credential::Cookie).is_err());
}

/// The widget's frame is a page of the installation, and its tenant's list does not name it.
#[test]
fn the_installations_own_pages_may_write_for_every_tenant() {
    let check = |pairs: &[(&str, &[u8])]| {
        check_origin(&shop(), &headers(pairs), Kind::Write, Credential::Cookie)
            .map_err(|problem| problem.code)
    };
    let origin: (&str, &[u8]) = ("origin", b"https://chat.example");
    for host in [&b"chat.example"[..], b"Chat.Example:443"] {
        assert_eq!(check(&[origin, ("host", host)]), Ok(None), "no allow header is needed");
    }
    let own: (&str, &[u8]) = ("host", b"chat.example");
    assert_eq!(check(&[origin, own, ("sec-fetch-site", b"same-origin")]), Ok(None));
    for foreign in [
        &[origin][..],
        &[origin, ("host", b"chat.example:8443")],
        &[origin, ("host", b"a.chat.example")],
        &[origin, ("host", b"chat.example.evil.net")],
        &[origin, ("host", b"x@chat.example")],
        &[origin, ("host", b"")],
        &[origin, own, ("host", b"chat.example")],
        &[origin, own, ("sec-fetch-site", b"cross-site")],
        &[("origin", b"null"), ("host", b"null")],
        &[("origin", b""), ("host", b"")],
    ] {
        assert_eq!(check(foreign), Err(Code::OriginRefused), "{foreign:?}");
    }
}

#[test]
fn a_preflight_is_answered_for_any_tenants_origin() {
    let tenants = Tenants::development(&keys());
    let allowed = |values: &[&str]| any_allowed_origin(&tenants, &origins(values));
    assert_eq!(allowed(&["http://localhost:3000"]).unwrap(), "http://localhost:3000");
    assert_eq!(allowed(&["https://evil.example"]), None);
    assert_eq!(allowed(&["http://localhost", "http://localhost"]), None);
    assert_eq!(allowed(&[]), None);
}

#[test]
fn the_header_names_the_tenant() {
    let tenants = Tenants::development(&keys());
    let of = |values: &[&[u8]]| {
        let pairs: Vec<_> = values.iter().map(|value| ("x-tenant-id", *value)).collect();
        tenant_of_header(&tenants, &headers(&pairs))
            .map(|tenant| tenant.id.to_string())
            .map_err(|problem| problem.code)
    };
    assert_eq!(of(&[b"  My-Shop.Example "]), Ok("my-shop.example".to_owned()));
    assert_eq!(of(&[]), Err(Code::TenantMissing));
    assert_eq!(of(&[b"  "]), Err(Code::TenantMissing));
    assert_eq!(of(&[b"caf\xe9"]), Err(Code::TenantInvalid), "Latin-1, as a browser sends it");
    assert_eq!(of(&["café".as_bytes()]), Err(Code::TenantInvalid));
    assert_eq!(of(&[b"a/b"]), Err(Code::TenantInvalid));
    assert_eq!(of(&[b"a", b"A"]), Ok("a".to_owned()));
    assert_eq!(of(&[b"a", b"b"]), Err(Code::TenantInvalid));
}

#[test]
fn the_query_names_the_tenant_of_a_socket() {
    let tenants = Tenants::development(&keys());
    let of = |query: Option<&str>| {
        tenant_of_query(&tenants, query)
            .map(|tenant| tenant.id.to_string())
            .map_err(|problem| problem.code)
    };
    assert_eq!(of(Some("tenantId=My-Shop.example&x=y")), Ok("my-shop.example".to_owned()));
    assert_eq!(of(Some("x&tenantId=%20my%2Dshop+")), Ok("my-shop".to_owned()));
    for query in [
        None,
        Some(""),
        Some("tenantId"),
        Some("tenantId="),
        Some("tenantId=%20"),
        Some("tenantid=a"),
    ] {
        assert_eq!(of(query), Err(Code::TenantMissing), "{query:?}");
    }
    for query in [
        "tenantId=caf%C3%A9",
        "tenantId=%E9",
        "tenantId=a%00",
        "tenantId=a%2",
        "tenantId=a&tenantId=b",
    ] {
        assert_eq!(of(Some(query)), Err(Code::TenantInvalid), "{query}");
    }
}

#[test]
fn a_token_and_the_named_tenant_must_agree() {
    let id = TenantId::parse("shop").unwrap();
    let check = |header: &[u8], query| {
        agree(&id, &headers(&[("x-tenant-id", header)]), query).map_err(|problem| problem.code)
    };
    assert_eq!(agree(&id, &HeaderMap::new(), None), Ok(()));
    assert_eq!(check(b" Shop ", Some("tenantId=SHOP")), Ok(()));
    assert_eq!(check(b"", None), Ok(()));
    assert_eq!(check(b"other", None), Err(Code::Forbidden));
    assert_eq!(check(b"shop", Some("tenantId=other")), Err(Code::Forbidden));
    assert_eq!(check(b"\xe9", None), Err(Code::TenantInvalid));
}

#[test]
fn authorization_is_one_bearer_token() {
    let read = |values: &[&str]| {
        let pairs: Vec<_> =
            values.iter().map(|value| ("authorization", value.as_bytes())).collect();
        let headers = headers(&pairs);
        bearer(&headers).map(|bearer| match bearer {
            Bearer::None => "none".to_owned(),
            Bearer::Visitor(token) | Bearer::Publishable(token) | Bearer::Other(token) => {
                format!("{bearer:?} {token}")
            }
        })
    };
    assert_eq!(read(&[]).unwrap(), "none");
    assert_eq!(read(&["Bearer vt_x"]).unwrap(), "Visitor(…) vt_x");
    assert_eq!(read(&["bearer  pk_x "]).unwrap(), "Publishable(…) pk_x");
    assert_eq!(read(&["BEARER a.b.c"]).unwrap(), "Other(…) a.b.c");
    for values in [
        &["Basic eDp5"][..],
        &["Bearer"],
        &["Bearer "],
        &["vt_x"],
        &[""],
        &["Bearer vt_x", "Bearer vt_y"],
    ] {
        assert_eq!(read(values).unwrap_err().code, Code::Unauthorized, "{values:?}");
    }
}

#[test]
fn a_publishable_key_is_wanted_only_where_the_tenant_says_so() {
    let (free, strict) = (shop(), Tenant { publishable_key_required: true, ..shop() });
    for bearer in [Bearer::None, Bearer::Publishable("pk_other"), Bearer::Publishable("pk_live")] {
        assert_eq!(check_publishable_key(&free, bearer), Ok(()));
    }
    assert_eq!(check_publishable_key(&strict, Bearer::Publishable("pk_live")), Ok(()));
    assert_eq!(
        check_publishable_key(&strict, Bearer::Visitor("vt_x")),
        Ok(()),
        "it is verified as a visitor's"
    );
    for bearer in [
        Bearer::None,
        Bearer::Publishable("pk_liv"),
        Bearer::Publishable("pk_live2"),
        Bearer::Other("pk"),
    ] {
        assert_eq!(
            check_publishable_key(&strict, bearer).unwrap_err().code,
            Code::Unauthorized,
            "{bearer:?}"
        );
    }
}

#[test]
fn a_bearer_token_is_a_visitor_or_refused() {
    let clock = Clock::new(|| Timestamp::from_millis(0));
    let tokens = VisitorTokens::new(&keys(), clock, Random::seeded(1), CookieSettings::default());
    let token = tokens.issue();
    let tenant = TenantId::parse("shop").unwrap();
    assert_eq!(
        bearer_visitor(&tokens, Bearer::Visitor(&tokens.write(&token)), &tenant),
        Ok(Some(token))
    );
    assert_eq!(bearer_visitor(&tokens, Bearer::None, &tenant), Ok(None));
    assert_eq!(bearer_visitor(&tokens, Bearer::Publishable("pk_live"), &tenant), Ok(None));
    assert_eq!(
        bearer_visitor(&tokens, Bearer::Visitor("vt_forged"), &tenant).unwrap_err().code,
        Code::Unauthorized
    );
    assert_eq!(
        bearer_visitor(&tokens, Bearer::Other("a.b.c"), &tenant).unwrap_err().code,
        Code::Unauthorized
    );
}
