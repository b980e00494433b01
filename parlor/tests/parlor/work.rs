//! Agents at work: who is shown what on sockets, and one winner of each claim on whichever nodes.

use parlor_testbed::{
    client::{
        http::{Answer, Ask},
        socket::{Socket, upgrade},
        visitor::Visitor,
    },
    nodes::{Parlor, run},
};
use serde_json::{Value, json};

use crate::installation::{Installation, Servers};

const ALL: &str = "/api/agent/conversations";

fn kinds(frames: &[Value]) -> Vec<&str> {
    frames.iter().map(|frame| frame["type"].as_str().unwrap()).collect()
}

async fn change(to: std::net::SocketAddr, token: &str, id: &str, change: &Value) -> Answer {
    Ask::bare("PATCH", &format!("{ALL}/{id}")).bearer(token).json(change).send(to).await
}

#[tokio::test]
async fn sockets_are_shown_what_is_for_them_also_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let mut parlor = Parlor::start(folder.path(), None, &[]).await;
    let minted = run(folder.path(), &["token", "--tenant", "demo", "--agent", "ann"], &[]);
    let token = minted.stdout.trim().to_owned();
    let mut agent = Socket::agent(parlor.listen, "demo", &token, None).await;
    let begin = agent.next().await["cursor"].as_str().unwrap().to_owned();

    let mut visitor = Visitor::new("demo");
    let said = visitor.post(parlor.listen, &json!({ "text": "hello" })).await.unwrap().expect(201);
    let message = said.json()["message"].clone();
    let (id, cookie) = (message["conversationId"].as_str().unwrap(), visitor.cookie.unwrap());
    let mut widget = Socket::widget(parlor.listen, "demo", Some(&cookie)).await;
    let path = "/ws/chat?tenantId=demo";
    let mut page = upgrade(path).origin().parlor1().cookie(&cookie).open(parlor.listen).await;
    page.hello(None).await;
    page.subscribe(None).await;
    widget.frames_until_pong().await;

    let ask = |method, rest| Ask::bare(method, &format!("{ALL}/{id}/{rest}")).bearer(&token);
    let note = ask("POST", "notes").json(&json!({ "text": "psst" }));
    note.send(parlor.listen).await.expect(201);
    change(parlor.listen, &token, id, &json!({ "assignee": "ann" })).await.expect(200);
    let mark = ask("PUT", "mark").json(&json!({ "read": message["cursor"] }));
    mark.send(parlor.listen).await.expect(200);
    change(parlor.listen, &token, id, &json!({ "status": "closed" })).await.expect(200);
    page.send(json!({ "type": "mark", "read": message["cursor"] })).await;

    let mut shown = Vec::new();
    for _ in 0..6 {
        shown.push(agent.next().await);
    }
    assert_eq!(kinds(&shown), ["message", "note", "change", "read", "change", "read"]);
    assert_eq!(shown[1]["note"]["text"], "psst");
    assert_eq!(shown[2]["change"]["assignee"], "ann");
    assert_eq!(shown[3]["read"]["id"], "ann");
    assert_eq!(shown[3]["read"]["upTo"], message["cursor"]);
    assert_eq!(shown[5]["read"]["by"], "user");

    let told = [page.next().await, page.next().await];
    assert_eq!(kinds(&told), ["read", "change"], "no note, and not whose it is");
    assert_eq!((&told[0]["read"]["by"], told[0]["read"].get("id")), (&json!("agent"), None));
    assert_eq!(told[1]["change"]["status"], "closed");
    for unknown in ["author", "by", "assignee"] {
        assert_eq!(told[1]["change"].get(unknown), None);
    }
    let only_messages = widget.frames_until_pong().await;
    assert!(only_messages.is_empty(), "the released widget knows messages alone: {shown:?}");

    parlor.kill_and_start_again().await;
    let mut again = Socket::agent(parlor.listen, "demo", &token, Some(&begin)).await;
    let mut replayed = Vec::new();
    loop {
        let frame = again.next().await;
        if frame["type"] == "subscribed" {
            assert_eq!(frame["recovered"], true);
            break;
        }
        replayed.push(frame);
    }
    assert_eq!(replayed, shown);
    assert!(parlor.stop().await.success());
}

#[tokio::test]
async fn of_two_who_claim_on_two_nodes_exactly_one_wins() {
    const ROUNDS: usize = 25;
    let tiers = Installation::start(&Servers::given()).await;
    let mut visitor = Visitor::new("demo");
    let [first, second] = [&tiers.ingress[0], &tiers.ingress[1]].map(|node| node.listen);
    let said = visitor.post(first, &json!({ "text": "hello" })).await.unwrap().expect(201);
    let id = said.json()["message"]["conversationId"].as_str().unwrap().to_owned();
    let [ann, ben] = ["ann", "ben"].map(|agent| tiers.token_of(&visitor.tenant, agent));
    for round in 0..ROUNDS {
        change(first, &ann, &id, &json!({ "assignee": null })).await.expect(200);
        let claim = |name: &str| json!({ "assignee": name, "ifAssignee": null });
        let (by_ann, by_ben) = (claim("ann"), claim("ben"));
        let (by_ann, by_ben) =
            tokio::join!(change(first, &ann, &id, &by_ann), change(second, &ben, &id, &by_ben));
        let (winner, loser) = match (by_ann.status, by_ben.status) {
            (200, 409) => ("ann", by_ben),
            (409, 200) => ("ben", by_ann),
            other => panic!("round {round}: {other:?}"),
        };
        assert_eq!(loser.json()["conversation"]["assignee"], winner);
        for node in [first, second] {
            let ask = Ask::bare("GET", &format!("{ALL}/{id}")).bearer(&ann);
            let conversation = ask.send(node).await.expect(200).json()["conversation"].clone();
            assert_eq!(conversation["assignee"], winner, "round {round}");
        }
    }
}
