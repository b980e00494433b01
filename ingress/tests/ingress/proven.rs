//! Visitors whom their tenant proves: by a JWT of its server, which the page hands over.

use std::{path::Path, time::Duration};

use jsonwebtoken::{EncodingKey, Header};
use parlor_auth::Tenants;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    client::{Answer, Ask, ORIGIN},
    node::Node,
};

const SECRETS: [(&str, &[u8]); 2] =
    [("a", b"the secret of the first tenant's server"), ("b", b"the secret of the other tenant's")];

/// Tenants `a` and `b`, whose servers sign for agents and visitors.
fn tenants(folder: &Path) -> Tenants {
    let mut file = String::new();
    for (name, secret) in SECRETS {
        std::fs::write(folder.join(name), secret).unwrap();
        let key = format!("kid = \"1\"\nalgorithm = \"HS256\"\nsecret_file = \"{name}\"\n");
        file += &format!(
            "[[tenant]]\nname = \"{name}\"\norigins = [\"{ORIGIN}\"]\n[[tenant.visitor_key]]\n\
             {key}[[tenant.agent_key]]\nissuer = \"{name}\"\n{key}"
        );
    }
    std::fs::write(folder.join("tenants.toml"), file).unwrap();
    Tenants::from_file(&folder.join("tenants.toml")).unwrap()
}

async fn start() -> (Node, TempDir) {
    let folder = TempDir::new().unwrap();
    let tenants = tenants(folder.path());
    (Node::with(|setup| setup.tenants = tenants).await, folder)
}

fn sign(tenant: &str, claims: &Value) -> String {
    let (_, secret) = SECRETS.iter().find(|(name, _)| *name == tenant).unwrap();
    let header = Header { kid: Some("1".to_owned()), ..Header::default() };
    jsonwebtoken::encode(&header, claims, &EncodingKey::from_secret(secret)).unwrap()
}

fn seconds(node: &Node) -> i64 {
    node.clock.clock().now().as_millis() / 1000
}

/// What the server of tenant `a` says of a visitor.
fn identity(node: &Node, subject: &str, claims: &Value) -> String {
    let mut all = json!({ "sub": subject, "aud": "parlor.visitor", "exp": seconds(node) + 600 });
    all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
    sign("a", &all)
}

fn session(identity: &str) -> Ask {
    Ask::session().json(&json!({ "identity": identity }))
}

/// A session's token and conversation.
fn known(answer: &Answer) -> (String, String) {
    let body = answer.json();
    let text = |name: &str| body[name].as_str().unwrap().to_owned();
    (text("token"), text("conversationId"))
}

async fn state(node: &Node, conversation: &str) -> Value {
    let claims = json!({
        "iss": "a", "sub": "ann", "aud": "parlor", "role": "agent", "exp": seconds(node) + 600,
    });
    let ask = Ask::bare("GET", &format!("/api/agent/conversations/{conversation}"));
    ask.bearer(&sign("a", &claims)).send(node).await.expect(200).json()["conversation"].clone()
}

#[tokio::test]
async fn a_proven_visitor_has_one_conversation_in_every_browser() {
    let (node, _folder) = start().await;
    let vera = identity(&node, "vera", &json!({}));
    let first = session(&vera).send(&node).await.expect(200);
    assert_eq!(first.cookie(), None, "the browser's next user would have it");
    let (token, conversation) = known(&first);
    Ask::say("hello").bearer(&token).send(&node).await.expect(201);
    let again = session(&identity(&node, "vera", &json!({}))).send(&node).await.expect(200);
    let (elsewhere, same) = known(&again);
    assert_eq!(same, conversation);
    let page = Ask::messages().bearer(&elsewhere).send(&node).await.expect(200);
    assert_eq!(page.texts(), ["hello"]);
    let (_, others) =
        known(&session(&identity(&node, "ben", &json!({}))).send(&node).await.expect(200));
    assert_ne!(others, conversation);
    // An app or a server has no Origin.
    session(&vera).without("Origin").send(&node).await.expect(200);
}

#[tokio::test]
async fn what_does_not_prove_is_refused() {
    let (node, _folder) = start().await;
    let now = seconds(&node);
    let claims = |change: Value| {
        let mut all = json!({ "sub": "vera", "aud": "parlor.visitor", "exp": now + 600 });
        all.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        all
    };
    let fine = sign("a", &claims(json!({})));
    let forged = format!("{}x", fine.rsplit_once('.').unwrap().0.to_owned() + ".AAAA");
    for wrong in [
        forged,
        sign("b", &claims(json!({}))),
        sign("a", &claims(json!({ "aud": "parlor" }))),
        sign("a", &claims(json!({ "exp": now - 10 }))),
        sign("a", &claims(json!({ "exp": now + 2 * 86_400 }))),
        sign("a", &claims(json!({ "sub": "" }))),
    ] {
        let answer = session(&wrong).send(&node).await.expect(401);
        assert_eq!(answer.json()["error"]["details"][0]["field"], "identity");
    }
    session(&fine).header("Origin", "https://elsewhere.example").send(&node).await.expect(403);
    let wrong = session(&sign("a", &claims(json!({ "email": "nobody" }))));
    assert_eq!(wrong.send(&node).await.expect(422).json()["error"]["details"][0]["field"], "email");
    // Another tenant's page makes nothing of this one's token.
    let (token, _) = known(&session(&fine).send(&node).await.expect(200));
    Ask::messages().tenant("b").bearer(&token).send(&node).await.expect(401);
    Ask::messages().bearer(&token).send(&node).await.expect(200);
}

#[tokio::test]
async fn a_token_ends_with_the_proof_and_another_proof_goes_on() {
    let (node, _folder) = start().await;
    let anonymous = Ask::session().json(&json!({ "credential": "token" }));
    let (anonymous, _) = known(&anonymous.send(&node).await.expect(200));
    Ask::say("who is there").bearer(&anonymous).send(&node).await.expect(201);
    let proven = session(&identity(&node, "vera", &json!({}))).bearer(&anonymous);
    let (token, conversation) = known(&proven.send(&node).await.expect(200));
    node.clock.advance(Duration::from_secs(606));
    let over = Ask::messages().bearer(&token).send(&node).await.expect(401);
    assert_eq!(over.problem(), "unauthorized");
    let again = session(&identity(&node, "vera", &json!({}))).bearer(&token);
    let (token, same) = known(&again.send(&node).await.expect(200));
    assert_eq!(same, conversation);
    let page = Ask::messages().bearer(&token).send(&node).await.expect(200);
    assert_eq!(page.texts(), ["who is there"], "what it had absorbed is still there");
}

#[tokio::test]
async fn an_anonymous_conversation_becomes_the_proven_visitors_and_not_the_other_way() {
    let (node, _folder) = start().await;
    let anonymous = Ask::session().json(&json!({ "credential": "token" }));
    let (anonymous, theirs) = known(&anonymous.send(&node).await.expect(200));
    Ask::say("before").bearer(&anonymous).send(&node).await.expect(201);
    let vera = identity(&node, "vera", &json!({ "name": "Vera" }));
    let proven = session(&vera).bearer(&anonymous).send(&node).await.expect(200);
    let (token, own) = known(&proven);
    assert_ne!(own, theirs);
    assert_eq!(state(&node, &theirs).await["visitor"]["name"], "Vera", "the agents know who it is");
    Ask::say("after").bearer(&token).send(&node).await.expect(201);
    let texts =
        async |token: &str| Ask::messages().bearer(token).send(&node).await.expect(200).texts();
    assert_eq!(texts(&token).await, ["before", "after"]);
    assert_eq!(texts(&anonymous).await, ["before"], "its holder may be the next user");

    // Vera's token beside another's proof gives nothing of Vera's away.
    let ben = session(&identity(&node, "ben", &json!({}))).bearer(&token);
    let (bens, _) = known(&ben.send(&node).await.expect(200));
    assert_eq!(texts(&bens).await, Vec::<String>::new());
    session(&vera).bearer("vt_forged").send(&node).await.expect(401);
}

#[tokio::test]
async fn the_browsers_next_user_sees_nothing() {
    let (node, _folder) = start().await;
    let earlier = Ask::say("by cookie").send(&node).await.expect(201);
    let cookie = earlier.cookie().unwrap();
    let vera = session(&identity(&node, "vera", &json!({}))).cookie(&cookie);
    let answer = vera.send(&node).await.expect(200);
    assert_eq!(answer.cookie(), None);
    let (token, _) = known(&answer);
    Ask::say("secret").cookie(&cookie).bearer(&token).send(&node).await.expect(201);
    let mine = Ask::messages().bearer(&token).send(&node).await.expect(200);
    assert_eq!(mine.texts(), ["secret"], "a cookie may be the last user's");
    let next = Ask::messages().cookie(&cookie).send(&node).await.expect(200);
    assert_eq!(next.texts(), ["by cookie"]);
    let in_a_cookie = format!("__Host-parlor_v_1={token}");
    let forged = Ask::messages().cookie(&in_a_cookie).send(&node).await.expect(200);
    assert_eq!(forged.texts(), Vec::<String>::new());
}

#[tokio::test]
async fn what_the_tenant_says_goes_before_what_the_visitor_claims() {
    let (node, _folder) = start().await;
    let said = json!({ "name": "Vera", "email": "v@example.com", "attributes": { "plan": "pro" } });
    let vera = identity(&node, "vera", &said);
    let (token, conversation) = known(&session(&vera).send(&node).await.expect(200));
    let put = |body: Value| Ask::of_page("PUT", "/api/chat/profile").bearer(&token).json(&body);
    let end = node.end().await;
    put(json!({ "identity": vera })).send(&node).await.expect(404);
    assert_eq!(node.end().await, end, "there is no conversation yet");

    Ask::say("hello").bearer(&token).send(&node).await.expect(201);
    put(json!({ "identity": vera })).send(&node).await.expect(200);
    put(json!({ "name": "Mallory", "locale": "de", "attributes": { "plan": "gold" } }))
        .send(&node)
        .await
        .expect(200);
    let visitor = state(&node, &conversation).await["visitor"].clone();
    assert_eq!((&visitor["name"], &visitor["email"]), (&said["name"], &said["email"]));
    assert_eq!((&visitor["locale"], &visitor["attributes"]["plan"]), (&json!("de"), &json!("pro")));
    assert_eq!(visitor["proven"], json!(["name", "email", "attributes.plan"]));

    let end = node.end().await;
    put(json!({ "identity": vera })).send(&node).await.expect(200);
    session(&vera).send(&node).await.expect(200);
    assert_eq!(node.end().await, end, "the same is noted once");
    let name = async || state(&node, &conversation).await["visitor"]["name"].clone();
    for (changed, shown) in [("Vera B", "Vera B"), ("Vera", "Vera")] {
        let said = identity(&node, "vera", &json!({ "name": changed }));
        session(&said).send(&node).await.expect(200);
        assert_eq!(name().await, shown, "what was said before may come back");
    }

    let bens = identity(&node, "ben", &json!({ "name": "Ben" }));
    put(json!({ "identity": bens })).send(&node).await.expect(403);
    put(json!({ "identity": "a.b.c" })).send(&node).await.expect(401);
    assert_eq!(name().await, "Vera");
}
