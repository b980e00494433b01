//! Agents of an issuer whose keys are at an address, with a real server there and a clock that is
//! moved by hand.

use std::sync::{
    Mutex,
    atomic::{AtomicI64, AtomicUsize, Ordering},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey};
use parlor_common::{clock::Timestamp, metrics::registry};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    },
};

use super::*;
use crate::{
    agent::{Agent, Agents, Refused, Role},
    test_keys::{
        EC_PRIVATE, EC_X, EC_Y, ED_PRIVATE, ED_X, LOCALHOST, LOCALHOST_PRIVATE, ROOT, RSA_N,
        RSA_PRIVATE,
    },
};

const START: i64 = 1_700_000_000;
const ISSUER: &str = "https://login.shop.example/";

/// What the server does with a request.
#[derive(Clone)]
enum Answer {
    /// Answers this.
    Says(String),
    /// Answers nothing.
    Silence,
    /// Begins to answer, and does not end.
    Endless,
}

/// An issuer's server.
struct Provider {
    port: u16,
    answer: Arc<Mutex<Answer>>,
    asked: Arc<AtomicUsize>,
}

/// A node's part that verifies agents' tokens, and the issuer of tenant `shop`.
struct World {
    provider: Provider,
    agents: Agents,
    jwks: Jwks,
    tenants: Tenants,
    seconds: Arc<AtomicI64>,
    folder: TempDir,
}

fn keys(keys: &[Value]) -> Answer {
    ok(&json!({ "keys": keys }).to_string())
}

fn ok(body: &str) -> Answer {
    Answer::Says(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()))
}

fn ed(kid: &str) -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": ED_X})
}

fn ec(kid: &str) -> Value {
    json!({"kty": "EC", "crv": "P-256", "kid": kid, "x": EC_X, "y": EC_Y, "use": "sig"})
}

fn rsa(kid: &str) -> Value {
    json!({"kty": "RSA", "kid": kid, "alg": "RS256", "n": RSA_N, "e": "AQAB"})
}

fn claims(now: i64) -> Value {
    json!({"iss": ISSUER, "sub": "ann", "aud": "parlor", "role": "agent", "exp": now + 3600})
}

fn sign(kid: &str, claims: &Value, algorithm: Algorithm) -> String {
    let key = match algorithm {
        Algorithm::EdDSA => EncodingKey::from_ed_pem(ED_PRIVATE.as_bytes()).unwrap(),
        Algorithm::ES256 => EncodingKey::from_ec_pem(EC_PRIVATE.as_bytes()).unwrap(),
        Algorithm::RS256 => EncodingKey::from_rsa_pem(RSA_PRIVATE.as_bytes()).unwrap(),
        // A forger's, who takes what the issuer publishes for a secret.
        _ => EncodingKey::from_secret(RSA_N.as_bytes()),
    };
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(&json!({"alg": algorithm, "kid": kid})), part(claims));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, algorithm).unwrap();
    format!("{message}.{signature}")
}

/// The connector of tests: it gives up sooner.
fn connector() -> Connector {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ROOT.as_bytes()).unwrap()).unwrap();
    Connector::trusting(roots, Duration::from_millis(500))
}

// === impl Provider ===

impl Provider {
    async fn start(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (answer, asked) = (Arc::new(Mutex::new(keys(&[]))), Arc::new(AtomicUsize::new(0)));
        let (says, counts) = (answer.clone(), asked.clone());
        let drain = Drain::new();
        let accepts = drain.clone();
        drain.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (says, counts) = (says.clone(), counts.clone());
                match tls.clone() {
                    None => drop(accepts.spawn(serve(stream, says, counts))),
                    Some(tls) => drop(accepts.spawn(async move {
                        if let Ok(stream) = tls.accept(stream).await {
                            serve(stream, says, counts).await;
                        }
                    })),
                }
            }
        });
        Self { port, answer, asked }
    }

    fn answers(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    says: Arc<Mutex<Answer>>,
    counts: Arc<AtomicUsize>,
) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    counts.fetch_add(1, Ordering::SeqCst);
    let answer = says.lock().unwrap().clone();
    match answer {
        Answer::Says(text) => {
            // A client that has heard enough does not wait for the rest.
            if stream.write_all(text.as_bytes()).await.is_ok() {
                drop(stream.shutdown().await);
            }
        }
        Answer::Silence => drop(stream.read_u8().await),
        Answer::Endless => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n{\"keys\":[").await.unwrap();
            while stream.write_all(&[b' '; 4096]).await.is_ok() {}
        }
    }
}

// === impl World ===

impl World {
    /// The tenants' file says this more of the issuer.
    async fn saying(more: &str) -> Self {
        let provider = Provider::start(None).await;
        let folder = TempDir::new().unwrap();
        let url = format!("http://127.0.0.1:{}/jwks.json?v=1", provider.port);
        write(&folder, &url, &format!("loopback_http = true\n{more}"));
        Self::of(provider, folder)
    }

    fn of(provider: Provider, folder: TempDir) -> Self {
        let tenants = Tenants::from_file(&folder.path().join("tenants.toml")).unwrap();
        let seconds = Arc::new(AtomicI64::new(START));
        let told = seconds.clone();
        let millis = move || Timestamp::from_millis(told.load(Ordering::SeqCst) * 1000);
        let clock = Clock::new(millis);
        let metrics = Metrics::new(&registry().unwrap()).unwrap();
        let (drain, connector) = (Drain::new(), connector());
        let jwks = Jwks::new(tenants.clone(), connector, clock.clone(), metrics, drain);
        Self {
            provider,
            agents: Agents::new(tenants.clone(), clock),
            jwks,
            tenants,
            seconds,
            folder,
        }
    }

    /// One whose issuer has this key, which was fetched at the start.
    async fn with(key: Value) -> Self {
        let world = Self::saying("").await;
        world.provider.answers(keys(&[key]));
        world.fetch().await;
        world
    }

    fn later(&self, seconds: i64) {
        self.seconds.fetch_add(seconds, Ordering::SeqCst);
    }

    /// Fetches what is due; tells how many that were.
    async fn fetch(&self) -> usize {
        let begun = self.jwks.begin_due();
        let count = begun.len();
        for fetch in begun {
            fetch.await.unwrap();
        }
        count
    }

    fn claims(&self) -> Value {
        claims(self.seconds.load(Ordering::SeqCst))
    }

    /// Who a token signed by this key is.
    fn verify(&self, kid: &str, algorithm: Algorithm) -> Result<Agent, Refused> {
        self.agents.verify(&sign(kid, &self.claims(), algorithm))
    }

    fn fetches(&self, outcome: Outcome) -> u64 {
        self.jwks.metrics.fetches(outcome)
    }
}

fn write(folder: &TempDir, url: &str, more: &str) {
    let file = format!(
        "[[tenant]]\nname = \"shop\"\norigins = []\n[[tenant.agent_issuer]]\nissuer = \
         \"{ISSUER}\"\njwks_url = \"{url}\"\n{more}\n"
    );
    std::fs::write(folder.path().join("tenants.toml"), file).unwrap();
}

#[tokio::test]
async fn a_token_of_each_algorithm_is_the_tenants_agent_once_the_keys_are_fetched() {
    let world = World::saying("").await;
    world.provider.answers(keys(&[rsa("rsa"), ec("ec"), ed("ed")]));
    assert_eq!(world.verify("rsa", Algorithm::RS256), Err(Refused::KeysPending));
    assert_eq!(world.fetch().await, 1);
    for (kid, algorithm) in
        [("rsa", Algorithm::RS256), ("ec", Algorithm::ES256), ("ed", Algorithm::EdDSA)]
    {
        let agent = world.verify(kid, algorithm).unwrap();
        assert_eq!((agent.tenant.as_str(), agent.id.as_str()), ("shop", "ann"));
    }
    assert_eq!(world.fetches(Outcome::Fetched), 1);
}

#[tokio::test]
async fn a_wrong_token_is_refused_whatever_its_header_says() {
    let world = World::with(rsa("k")).await;
    for algorithm in [Algorithm::EdDSA, Algorithm::ES256, Algorithm::HS256, Algorithm::RS512] {
        let signed = match algorithm {
            Algorithm::RS512 => {
                let token = sign("k", &world.claims(), Algorithm::RS256);
                let rest = token.split_once('.').unwrap().1.to_owned();
                let header = json!({"alg": "RS512", "kid": "k"}).to_string();
                format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header))
            }
            algorithm => sign("k", &world.claims(), algorithm),
        };
        assert_eq!(world.agents.verify(&signed), Err(Refused::Signature), "{algorithm:?}");
    }
    let now = START;
    for (claim, value, refused) in [
        ("aud", json!("other"), Refused::Audience),
        ("exp", json!(now - 60), Refused::Ended),
        ("exp", json!(now + 2 * 86_400), Refused::TooLong),
        ("nbf", json!(now + 60), Refused::NotBegun),
        ("role", json!("visitor"), Refused::Claims),
        ("role", json!(null), Refused::Claims),
        ("sub", json!(""), Refused::Claims),
        ("iss", json!("https://login.other.example/"), Refused::UnknownKey),
    ] {
        let mut claims = world.claims();
        claims[claim] = value;
        let token = sign("k", &claims, Algorithm::RS256);
        assert_eq!(world.agents.verify(&token), Err(refused), "{claim}");
    }
    let mut endless = world.claims();
    endless.as_object_mut().unwrap().remove("exp");
    let token = sign("k", &endless, Algorithm::RS256);
    assert_eq!(world.agents.verify(&token), Err(Refused::Claims), "exp is required");
}

#[tokio::test]
async fn the_file_says_which_claim_is_the_role_and_what_it_means() {
    let more = "audience = \"client-7\"\nrole_claim = \"https://shop.example/groups\"\n\
                roles = { support = \"agent\", chief = \"admin\" }";
    let world = World::saying(more).await;
    world.provider.answers(keys(&[ed("k")]));
    world.fetch().await;
    let role = |said: Value| {
        let mut claims = world.claims();
        claims["aud"] = json!(["other", "client-7"]);
        claims["https://shop.example/groups"] = said;
        world.agents.verify(&sign("k", &claims, Algorithm::EdDSA)).map(|agent| agent.role)
    };
    assert_eq!(role(json!("support")), Ok(Role::Agent));
    assert_eq!(role(json!(["everybody", "chief", "support"])), Ok(Role::Admin));
    for nobody in [json!("agent"), json!([]), json!(["everybody"]), json!({"support": true})] {
        assert_eq!(role(nobody.clone()), Err(Refused::Claims), "{nobody}");
    }
    assert_eq!(world.verify("k", Algorithm::EdDSA), Err(Refused::Audience));
}

#[tokio::test]
async fn an_unknown_kid_is_asked_for_once_in_30_seconds_whatever_strangers_make_up() {
    let world = World::with(ed("old")).await;
    let token = sign("?", &world.claims(), Algorithm::EdDSA);
    let storm = || {
        for number in 0..300 {
            let header = json!({"alg": "EdDSA", "kid": format!("made-up-{number}")}).to_string();
            let (_, rest) = token.split_once('.').unwrap();
            let made_up = format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header));
            let refused = world.agents.verify(&made_up);
            assert!(matches!(refused, Err(Refused::UnknownKey | Refused::KeysPending)));
        }
    };
    for second in 1..=90 {
        world.later(1);
        storm();
        assert_eq!(world.fetch().await, usize::from(second % 30 == 0), "after {second} s");
    }
    assert_eq!(world.provider.asked(), 4);
    assert!(world.verify("old", Algorithm::EdDSA).is_ok());
}

#[tokio::test]
async fn a_rotated_key_lets_in_within_30_seconds_and_the_one_before_no_more() {
    let world = World::with(ed("old")).await;
    world.provider.answers(keys(&[ec("new")]));
    world.later(10);
    let pending = world.verify("new", Algorithm::ES256);
    assert_eq!(pending, Err(Refused::KeysPending), "its client is told to come back");
    assert_eq!(world.fetch().await, 0, "they were fetched 10 s ago");
    world.later(20);
    assert_eq!(world.fetch().await, 1);
    assert!(world.verify("new", Algorithm::ES256).is_ok());
    assert_eq!(world.verify("old", Algorithm::EdDSA), Err(Refused::KeysPending));
    world.later(30);
    world.fetch().await;
    let unknown = world.verify("old", Algorithm::EdDSA);
    assert_eq!(unknown, Err(Refused::UnknownKey), "the issuer was asked, and has it no more");
}

#[tokio::test]
async fn keys_are_fetched_each_10_minutes_without_anybody_asking() {
    let world = World::with(ed("old")).await;
    world.provider.answers(keys(&[ed("old"), ec("new")]));
    world.later(599);
    assert_eq!(world.fetch().await, 0);
    world.later(1);
    assert_eq!(world.fetch().await, 1);
    assert!(world.verify("new", Algorithm::ES256).is_ok());
    assert_eq!(world.jwks.metrics.oldest_keys.get(), 600, "as it was before that fetch");
    world.later(-86_400);
    assert_eq!(world.fetch().await, 1, "a clock that was set back keeps no fetch away");
}

#[tokio::test]
async fn whatever_is_wrong_with_the_address_the_keys_of_before_verify_for_a_day() {
    let to = |status: &str| Answer::Says(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n"));
    let moved = "302 Found\r\nlocation: http://127.0.0.1:9/jwks.json";
    let large = format!("{{\"keys\":[{}{}]}}", " ".repeat(256 << 10), ed("k"));
    for (answer, outcome) in [
        (to("500 Oh"), Outcome::Status),
        (to("404 Not Found"), Outcome::Status),
        (to(moved), Outcome::Redirect),
        (ok(&large), Outcome::Large),
        (Answer::Endless, Outcome::Large),
        (Answer::Silence, Outcome::Slow),
        (ok("<html>"), Outcome::Malformed),
        (keys(&[]), Outcome::Malformed),
        (Answer::Says("SSH-2.0-x\r\n".to_owned()), Outcome::Unreachable),
        (
            Answer::Says("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{".into()),
            Outcome::Unreachable,
        ),
    ] {
        let world = World::with(ed("k")).await;
        world.provider.answers(answer);
        world.later(86_399);
        assert_eq!(world.fetch().await, 1);
        assert_eq!(world.fetches(outcome), 1, "{outcome:?}");
        assert!(world.verify("k", Algorithm::EdDSA).is_ok(), "{outcome:?}");
        world.later(1);
        let over = world.verify("k", Algorithm::EdDSA);
        assert_eq!(over, Err(Refused::KeysPending), "{outcome:?}");
        // Once it answers again, it takes no longer than a kid that is not known.
        world.provider.answers(keys(&[ed("k")]));
        world.later(29);
        assert_eq!(world.fetch().await, 1);
        assert!(world.verify("k", Algorithm::EdDSA).is_ok(), "{outcome:?}");
    }
}

#[tokio::test]
async fn an_issuer_that_is_slow_keeps_no_other_waiting_and_has_one_fetch_at_a_time() {
    let world = World::with(ed("k")).await;
    world.provider.answers(Answer::Silence);
    world.later(600);
    let slow = world.jwks.begin_due();
    assert_eq!(slow.len(), 1);
    world.later(600);
    assert_eq!(world.jwks.begin_due().len(), 0, "the last one has not ended");
    for fetch in slow {
        fetch.await.unwrap();
    }
    assert_eq!(world.fetch().await, 1);
}

#[tokio::test]
async fn nobody_is_trusted_but_whom_a_root_has_signed() {
    let chain = vec![CertificateDer::from_pem_slice(LOCALHOST.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(LOCALHOST_PRIVATE.as_bytes()).unwrap();
    let server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let provider = Provider::start(Some(TlsAcceptor::from(Arc::new(server)))).await;
    provider.answers(keys(&[ed("k")]));
    let folder = TempDir::new().unwrap();
    write(&folder, &format!("https://localhost:{}/", provider.port), "");
    let mut world = World::of(provider, folder);
    world.fetch().await;
    assert!(world.verify("k", Algorithm::EdDSA).is_ok());

    world.later(600);
    let strangers = Connector::trusting(RootCertStore::empty(), Duration::from_secs(5));
    let trusted = std::mem::replace(&mut world.jwks.connector, strangers);
    world.fetch().await;
    assert_eq!(world.fetches(Outcome::Unreachable), 1);

    let by_another_name = format!("https://127.0.0.1:{}/", world.provider.port);
    write(&world.folder, &by_another_name, "");
    world.tenants.reload_if_changed().unwrap();
    world.jwks.connector = trusted;
    world.fetch().await;
    assert_eq!(world.fetches(Outcome::Unreachable), 2, "the certificate is another host's");
    assert_eq!(world.verify("k", Algorithm::EdDSA), Err(Refused::KeysPending));
}

#[tokio::test]
async fn another_tenants_file_begins_and_ends_fetching_and_keeps_what_was_fetched() {
    let world = World::with(ed("k")).await;
    let file = world.folder.path().join("tenants.toml");
    let before = std::fs::read_to_string(&file).unwrap();
    let other = Provider::start(None).await;
    other.answers(keys(&[ec("o")]));
    let with_other = before.clone()
        + &format!(
            "[[tenant]]\nname = \"other\"\norigins = []\n[[tenant.agent_issuer]]\nissuer = \
             \"other\"\njwks_url = \"http://localhost:{}/\"\nloopback_http = true\n",
            other.port
        );
    std::fs::write(&file, &with_other).unwrap();
    assert_eq!(world.tenants.reload_if_changed(), Ok(true));
    assert!(world.verify("k", Algorithm::EdDSA).is_ok(), "what was fetched verifies on");
    assert_eq!(world.fetch().await, 1, "the new one's alone");
    let mut claims = world.claims();
    claims["iss"] = json!("other");
    let token = sign("o", &claims, Algorithm::ES256);
    assert_eq!(world.agents.verify(&token).unwrap().tenant.as_str(), "other");

    let moved = with_other.replace("jwks.json?v=1", "elsewhere.json");
    std::fs::write(&file, &moved).unwrap();
    world.tenants.reload_if_changed().unwrap();
    let pending = world.verify("k", Algorithm::EdDSA);
    assert_eq!(pending, Err(Refused::KeysPending), "keys of another address are none");
    assert_eq!(world.fetch().await, 1);

    let removed = before + "[[tenant]]\nname = \"other\"\nremoved = true\n";
    std::fs::write(&file, removed).unwrap();
    world.tenants.reload_if_changed().unwrap();
    world.later(600);
    world.fetch().await;
    assert_eq!(world.agents.verify(&token), Err(Refused::UnknownKey));
    assert_eq!(other.asked(), 1, "it is asked no more");
}

#[tokio::test]
async fn the_task_fetches_at_once_and_ends_with_the_drain() {
    let world = World::saying("").await;
    world.provider.answers(keys(&[ed("k")]));
    let drain = world.jwks.drain.clone();
    let running = drain.spawn(world.jwks.run());
    let fetched = async {
        let token = sign("k", &claims(START), Algorithm::EdDSA);
        while world.agents.verify(&token).is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), fetched).await.expect("they are fetched");
    drain.begin();
    running.await.unwrap();
    assert!(drain.finished(Duration::from_secs(5)).await);
}

#[test]
fn an_address_is_https_or_http_to_this_machine_by_a_switch() {
    let trouble = |url: &str, more: &str| {
        let folder = TempDir::new().unwrap();
        write(&folder, url, more);
        let read = Tenants::from_file(&folder.path().join("tenants.toml"));
        read.err().map(|bad| bad.to_string().split_once("agent issuer").unwrap().1.to_owned())
    };
    for fine in ["https://login.example/a?b=c", "https://login.example:8443", "https://[::1]/"] {
        assert_eq!(trouble(fine, ""), None, "{fine}");
    }
    for fine in ["http://127.0.0.1:8080/", "http://[::1]/", "http://localhost/jwks"] {
        assert!(trouble(fine, "").unwrap().contains("is not https"), "{fine}");
        assert_eq!(trouble(fine, "loopback_http = true"), None, "{fine}");
    }
    for (url, says) in [
        ("http://login.example/", "is http to another machine"),
        ("ftp://127.0.0.1/", "is not https"),
        ("/jwks.json", "is https://, a host and a path"),
        ("https://", "is no address"),
        ("https://me@login.example/", "has a user or a fragment"),
        ("https://login.example/#a", "has a user or a fragment"),
    ] {
        let said = trouble(url, "loopback_http = true").expect(url);
        assert!(said.contains(says), "{url}: {said}");
    }
    let nobody = trouble("https://a/", "roles = {}").unwrap();
    assert!(nobody.contains("nobody is an agent"), "{nobody}");
}

#[test]
fn an_issuer_is_one_tenants_and_has_its_keys_in_one_place() {
    let folder = TempDir::new().unwrap();
    let issuer = |name: &str| {
        format!(
            "[[tenant]]\nname = \"{name}\"\norigins = []\n[[tenant.agent_issuer]]\nissuer = \
             \"i\"\njwks_url = \"https://a/\"\naudience = \"{name}\"\n"
        )
    };
    let key = "[[tenant]]\nname = \"keys\"\norigins = []\n[[tenant.agent_key]]\nissuer = \
               \"i\"\nkid = \"1\"\nalgorithm = \"HS256\"\nsecret_file = \"s\"\n";
    std::fs::write(folder.path().join("s"), "s".repeat(32)).unwrap();
    let trouble = |text: String| {
        std::fs::write(folder.path().join("tenants.toml"), text).unwrap();
        Tenants::from_file(&folder.path().join("tenants.toml")).unwrap_err().to_string()
    };
    let twice = trouble(issuer("one") + &issuer("two"));
    assert!(twice.contains("tenant one names this issuer already"), "{twice}");
    assert!(trouble(issuer("one") + key).contains("at a jwks_url"));
    assert!(trouble(key.to_owned() + &issuer("one")).contains("an agent_key of this issuer"));
}
