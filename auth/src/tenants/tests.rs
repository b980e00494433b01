use std::{fs, path::PathBuf};

use parlor_common::{keys::Secret, metrics::registry};
use tempfile::TempDir;

use super::*;
use crate::rate::Rate;
use crate::test_keys::{EC_PUBLIC, ED_PUBLIC, P384_PUBLIC};

fn keys(current: u8, previous: Option<u8>) -> InstallationKeys {
    let secret = |byte| Secret::new(vec![byte; 32]).unwrap();
    InstallationKeys::new(secret(current), previous.map(secret))
}

fn id(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(TempDir::new().unwrap());
        folder.write("agents.key", &"s".repeat(32));
        folder
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("tenants.toml")
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.path().join(name), text).unwrap();
    }

    fn tenants(&self, text: &str) -> Result<Tenants, BadTenants> {
        self.write("tenants.toml", text);
        Tenants::from_file(&self.path())
    }

    fn trouble(&self, text: &str) -> String {
        let trouble = self.tenants(text).unwrap_err().to_string();
        let path = format!("{}: ", self.path().display());
        trouble.strip_prefix(&path).expect("it says which file").to_owned()
    }
}

const SHOP: &str = r#"
    [[tenant]]
    name = "shop.example"
    origins = ["https://Shop.example", "http://localhost:8080"]
    publishable_key = "pk_live_1"
    publishable_key_required = true

    [tenant.limits]
    messages = { per_second = 50, burst = 100 }

    [[tenant.agent_key]]
    issuer = "https://login.shop.example"
    kid = "1"
    algorithm = "HS256"
    secret_file = "agents.key"
"#;

const ISSUER: &str = "https://login.shop.example";

/// The shop, then another tenant.
fn both() -> String {
    let other = SHOP
        .replace("shop.example\"\n    origins", "other\"\n    origins")
        .replace("https://Shop.example", "https://other.example")
        .replace("kid = \"1\"", "kid = \"2\"");
    format!("{SHOP}{other}")
}

fn removed(name: &str) -> String {
    format!("[[tenant]]\nname = \"{name}\"\nremoved = true\n")
}

impl Tenants {
    fn missing(&self) -> usize {
        let Source::File { directory, .. } = &*self.0 else { return 0 };
        directory.load().missing().len()
    }
}

#[test]
fn in_development_every_name_is_a_tenant_of_this_machine() {
    let tenants = Tenants::development(&keys(1, None));
    let tenant = tenants.get(&id("anyone")).unwrap();
    assert!(
        tenant.origins == [OriginRule::Loopback]
            && !tenant.publishable_key_required
            && !tenant.suspended
    );
    assert!(tenants.any_origin("http://localhost:3000") && tenants.any_origin("https://[::1]"));
    assert!(!tenants.any_origin("https://shop.example") && !tenants.any_origin("null"));
}

#[test]
fn a_development_key_is_its_tenants_alone_and_lives_through_a_rotation() {
    let (old, rotated) =
        (Tenants::development(&keys(1, None)), Tenants::development(&keys(2, Some(1))));
    let (issuer, kid, secret) = old.development_signer(&id("a")).unwrap();
    assert_eq!(issuer, "parlor-dev:a");
    assert_ne!(old.development_signer(&id("b")).unwrap().2, secret);
    let (tenant, _) = rotated.agent_key(&issuer, &kid).unwrap();
    assert_eq!(tenant.id, id("a"));
    assert_ne!(rotated.development_signer(&id("a")).unwrap().1, kid);
    assert!(Tenants::development(&keys(2, None)).agent_key(&issuer, &kid).is_none());
    for issuer in ["parlor-dev:", "parlor-dev:A", "parlor-dev: a", "a", ""] {
        assert!(old.agent_key(issuer, &kid).is_none(), "{issuer}");
    }
}

#[test]
fn a_file_names_the_tenants_and_nobody_else_is_one() {
    let folder = Folder::new();
    let tenants = folder.tenants(SHOP).unwrap();
    let shop = tenants.get(&id("shop.example")).unwrap();
    assert_eq!(shop.origins.len(), 2);
    assert!(shop.has_publishable_key("pk_live_1") && !shop.has_publishable_key("pk_live_"));
    assert_eq!(shop.limits.messages, Some(Rate::new(50, 100)));
    assert!(tenants.get(&id("other")).is_none());
    assert!(
        tenants.any_origin("https://shop.example:443")
            && !tenants.any_origin("http://127.0.0.1:8080")
    );
    assert!(tenants.agent_key("https://login.shop.example", "1").is_some());
    assert!(tenants.agent_key("https://login.shop.example", "2").is_none());
    assert!(tenants.agent_key("parlor-dev:shop.example", "1").is_none());
    assert!(tenants.development_signer(&id("shop.example")).is_none());
}

#[test]
fn public_keys_stand_in_the_file_or_beside_it() {
    let folder = Folder::new();
    folder.write("ec.pem", EC_PUBLIC);
    let text = format!(
        "[[tenant]]\nname = \"a\"\norigins = []\n\
        [[tenant.agent_key]]\nissuer = \"i\"\nkid = \"ed\"\nalgorithm = \"EdDSA\"\npublic_key = \
        '''{ED_PUBLIC}'''\n\
        [[tenant.agent_key]]\nissuer = \"i\"\nkid = \"ec\"\nalgorithm = \"ES256\"\npublic_key_file \
        = \"ec.pem\"\n"
    );
    let tenants = folder.tenants(&text).unwrap();
    assert!(tenants.agent_key("i", "ed").is_some() && tenants.agent_key("i", "ec").is_some());
    for (algorithm, key) in [
        ("ES256", ED_PUBLIC),
        ("EdDSA", EC_PUBLIC),
        ("ES256", P384_PUBLIC),
        ("EdDSA", "nonsense"),
        ("ES256", ""),
    ] {
        let text = format!(
            "[[tenant]]\nname = \"a\"\norigins = []\n\
            [[tenant.agent_key]]\nissuer = \"i\"\nkid = \"k\"\nalgorithm = \
            \"{algorithm}\"\npublic_key = '''{key}'''\n"
        );
        assert!(folder.trouble(&text).contains("public key in PEM"), "{algorithm} {key}");
    }
}

#[test]
fn what_is_wrong_with_a_file_is_said_in_a_sentence() {
    let folder = Folder::new();
    folder.write("short.key", "0123456789012345678901234567890\n");
    let second = |changed: &str| format!("{SHOP}\n{}", SHOP.replace("\"shop.example\"", changed));
    for (text, sentence) in [
        (SHOP.replace("origins", "orgins"), "unknown field: found `orgins`"),
        (SHOP.replace("per_second", "per_minute"), "unknown field: found `per_minute`"),
        ("[[tenants]]\nname = \"a\"".to_owned(), "unknown field: found `tenants`"),
        (SHOP.replace("= 50", "= 0"), "nonzero"),
        ("[[tenant]".to_owned(), "TOML parse error"),
        (SHOP.replace("\"shop.example\"", "\"a b\""), "a tenant's name has"),
        (SHOP.replace("\"shop.example\"", "\"Shop\""), "written in lower case"),
        (
            SHOP.replace("https://Shop.example", "https://*.shop.example"),
            "origin \"https://*.shop.example\": an origin is",
        ),
        (SHOP.replace("https://Shop.example", "https://shop.example/"), "an origin is"),
        (SHOP.replace("pk_live_1", "live"), "publishable_key is pk_"),
        (SHOP.replace("publishable_key = \"pk_live_1\"", ""), "publishable_key_required without"),
        (SHOP.replace("agents.key", "gone.key"), "gone.key: No such file"),
        (SHOP.replace("agents.key", "short.key"), "32 bytes or more"),
        (SHOP.replace("HS256", "none"), "unknown variant: found `none`"),
        (SHOP.replace("HS256", "EdDSA"), "take either public_key or public_key_file"),
        (SHOP.replace("secret_file", "public_key_file"), "HS256 takes a secret_file"),
        (SHOP.replace("kid = \"1\"", "kid = \"\""), "kid has 1 to 256 bytes"),
        (second("\"shop.example\""), "there is one of this name already"),
        (SHOP.replace("origins", "removed = false #"), "missing field `origins`"),
        (format!("{SHOP}\n{}", removed("shop.example")), "there is one of this name already"),
        (removed("Shop"), "written in lower case"),
        (String::new(), "it names no tenant"),
        (" \n# [[tenant]]\n".to_owned(), "it names no tenant"),
        (second("\"other\""), "of this issuer and kid already"),
        (
            format!("{SHOP}\n[[tenant]]\nname = \"shop.example\"\norigins = []"),
            "tenant \"shop.example\": there is one of this name already",
        ),
    ] {
        let trouble = folder.trouble(&text);
        assert!(trouble.contains(sentence), "{sentence:?} is not in {trouble:?}");
    }
    let gone = Tenants::from_file(&folder.0.path().join("none.toml")).unwrap_err();
    assert!(gone.to_string().contains("No such file"), "{gone}");
}

#[test]
fn a_changed_file_is_in_force_and_a_broken_one_is_not() {
    let folder = Folder::new();
    let tenants = folder.tenants(SHOP).unwrap();
    let clone = tenants.clone();
    assert_eq!(tenants.reload_if_changed(), Ok(false));
    folder.write("tenants.toml", &SHOP.replace("\"shop.example\"", "\"other\""));
    assert_eq!(tenants.reload_if_changed(), Ok(true));
    assert!(clone.get(&id("other")).is_some());
    for broken in ["[[tenant]", "", "\n# nobody"] {
        folder.write("tenants.toml", broken);
        assert!(tenants.reload_if_changed().is_err(), "{broken:?}");
        assert_eq!(tenants.reload_if_changed(), Ok(false), "it is reported once");
        assert!(clone.get(&id("other")).is_some());
    }
    fs::remove_file(folder.path()).unwrap();
    assert!(tenants.reload_if_changed().is_err());
    folder.write("tenants.toml", SHOP);
    assert_eq!(tenants.reload_if_changed(), Ok(true));
    assert!(clone.get(&id("shop.example")).is_some());
}

#[test]
fn a_file_that_is_cut_anywhere_leaves_every_tenant_served() {
    let folder = Folder::new();
    let text = both();
    let tenants = folder.tenants(&text).unwrap();
    let mut in_force = 0;
    for end in 0..text.len() {
        folder.write("tenants.toml", &text[..end]);
        // It is broken, or a shorter file that is in force: nobody may be gone either way.
        in_force += usize::from(tenants.reload_if_changed() == Ok(true));
        for name in ["shop.example", "other"] {
            let tenant = tenants.get(&id(name));
            assert!(tenant.is_some_and(|tenant| !tenant.suspended), "{name}, cut at {end}");
        }
    }
    assert!(in_force > 0, "a file that is cut between its tenants is whole");
    folder.write("tenants.toml", &text);
    assert_eq!(tenants.reload_if_changed(), Ok(true));
    assert!(tenants.agent_key(ISSUER, "1").is_some() && tenants.agent_key(ISSUER, "2").is_some());
    assert_eq!(tenants.missing(), 0);
}

#[test]
fn a_file_without_end_is_not_read_to_its_end_and_leaves_the_old_one_in_force() {
    let folder = Folder::new();
    let tenants = folder.tenants(&both()).unwrap();
    // Far more than the machine's memory, and no byte of it on the disk.
    let file = fs::File::create(folder.path()).unwrap();
    file.set_len(1 << 40).unwrap();
    let refused = tenants.reload_if_changed().unwrap_err().to_string();
    assert!(refused.contains("it has more than 67108864 bytes"), "{refused}");
    assert!(tenants.get(&id("shop.example")).is_some());
}

#[test]
fn a_tenant_whom_the_file_does_not_name_is_served_on_as_it_was() {
    let folder = Folder::new();
    let tenants = folder.tenants(&both()).unwrap();
    let before = tenants.get(&id("other")).unwrap();
    for text in [SHOP.to_owned(), format!("{SHOP}# again")] {
        folder.write("tenants.toml", &text);
        assert_eq!(tenants.reload_if_changed(), Ok(true));
        assert!(tenants.get(&id("shop.example")).is_some());
        assert_eq!(tenants.get(&id("other")).as_ref(), Some(&before));
        assert_eq!(tenants.agent_key(ISSUER, "2").unwrap().0.id, id("other"));
        assert!(tenants.any_origin("https://other.example"));
        assert_eq!(tenants.missing(), 1);
    }
    let started = Tenants::from_file(&folder.path()).unwrap();
    assert!(started.get(&id("other")).is_none(), "a start knows the file alone");
}

#[test]
fn a_missing_tenants_key_is_whose_the_file_says() {
    let folder = Folder::new();
    let tenants = folder.tenants(SHOP).unwrap();
    folder.write("tenants.toml", &SHOP.replace("\"shop.example\"", "\"other\""));
    assert_eq!(tenants.reload_if_changed(), Ok(true));
    assert!(tenants.get(&id("shop.example")).is_some());
    assert_eq!(tenants.agent_key(ISSUER, "1").unwrap().0.id, id("other"));
}

#[test]
fn a_tenant_that_the_file_says_is_removed_is_gone() {
    let folder = Folder::new();
    let tenants = folder.tenants(&both()).unwrap();
    let without_other = format!("{SHOP}\n{}", removed("other"));
    let said_in_place = both().replace("name = \"other\"", "name = \"other\"\nremoved = true");
    for text in [&without_other, &said_in_place] {
        folder.write("tenants.toml", &both());
        tenants.reload_if_changed().unwrap();
        assert!(tenants.get(&id("other")).is_some());
        folder.write("tenants.toml", text);
        assert_eq!(tenants.reload_if_changed(), Ok(true));
        for tenants in [&tenants, &folder.tenants(text).unwrap()] {
            assert!(tenants.get(&id("other")).is_none());
            assert!(tenants.agent_key(ISSUER, "2").is_none());
            assert!(!tenants.any_origin("https://other.example"));
            assert!(tenants.get(&id("shop.example")).is_some());
            assert_eq!(tenants.missing(), 0);
        }
    }
    // Its entry may go afterwards, and a file may have nobody left.
    folder.write("tenants.toml", SHOP);
    assert_eq!(tenants.reload_if_changed(), Ok(true));
    assert!(tenants.get(&id("other")).is_none());
    folder.write("tenants.toml", &removed("shop.example"));
    assert_eq!(tenants.reload_if_changed(), Ok(true));
    assert!(tenants.get(&id("shop.example")).is_none());
}

#[test]
fn a_changed_key_file_is_a_change() {
    let folder = Folder::new();
    let tenants = folder.tenants(SHOP).unwrap();
    let secret = || {
        tenants
            .agent_key("https://login.shop.example", "1")
            .unwrap()
            .1
            .decoding()
            .as_bytes()
            .to_vec()
    };
    assert_eq!(secret(), b"s".repeat(32));
    folder.write("agents.key", &format!("{}\n", "t".repeat(32)));
    assert_eq!(tenants.reload_if_changed(), Ok(true));
    assert_eq!(secret(), b"t".repeat(32), "the white space around it does not count");
}

#[tokio::test]
async fn a_change_is_noticed_without_a_restart() {
    let folder = Folder::new();
    let tenants = folder.tenants(SHOP).unwrap();
    let drain = Drain::new();
    let metrics = Metrics::new(&registry().unwrap()).unwrap();
    drain.spawn(tenants.clone().run(Duration::from_millis(5), metrics.clone(), drain.clone()));
    let other = SHOP.replace("\"shop.example\"", "\"other\"");
    for (text, missing) in [(&other, 1), (&format!("{other}\n{}", removed("shop.example")), 0)] {
        folder.write("tenants.toml", text);
        let noticed = tokio::time::timeout(Duration::from_secs(10), async {
            while tenants.get(&id("other")).is_none() || metrics.missing.get() != missing {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        noticed.await.expect("the change is noticed");
    }
    drain.begin();
    assert!(drain.finished(Duration::from_secs(10)).await);
}
