//! Whatever a client of either dialect says, it is understood or refused.

use parlor_auth::{CookieSettings, VisitorTokens};
use parlor_common::{
    clock::Clock,
    keys::{InstallationKeys, Secret},
    message::Text,
    tenant::TenantId,
};
use parlor_testbed::defaults;
use proptest::{prelude::*, string::string_regex};

use super::{parlor1::Parlor1, widget::Widget, *};

/// What these texts mean to a client's speaker, one after the other.
fn means(speaker: &mut dyn Speaker, texts: &[String]) -> Vec<Vec<Means>> {
    let (settings, random) = (defaults::section("sockets"), Random::seeded(1));
    let session = SessionId::from_bytes([1; 16]);
    let moment =
        Moment { session, now: Timestamp::default(), settings: &settings, random: &random };
    texts.iter().map(|text| speaker.text(text, &moment)).collect()
}

/// A client of protocol 1 that has said hello.
fn greeted() -> Box<dyn Speaker> {
    let keys = InstallationKeys::new(Secret::new(vec![1; 32]).unwrap(), None);
    let (clock, random) = (Clock::new(Timestamp::default), Random::seeded(1));
    let tokens = VisitorTokens::new(&keys, clock, random, CookieSettings::default());
    let (cookie, tenant) = (Some(tokens.issue()), TenantId::parse("a").unwrap());
    let Identity::Frame(speaker) = Parlor1.identity() else { unreachable!() };
    let login = Login::Visitor { tokens, tenant, cookie };
    let mut speaker = speaker(login, &defaults::section("sockets"));
    let hello = "{\"type\":\"hello\",\"protocol\":1}".to_owned();
    let said = means(&mut *speaker, &[hello]);
    assert!(matches!(said[0][..], [Means::Enter(_), Means::Say(_)]), "{said:?}");
    speaker
}

/// Texts that are nearly frames.
fn nearly_a_frame() -> impl Strategy<Value = String> {
    let word = "(type|message|subscribe|hello|text|since|clientMessageId|protocol|token|1|null)";
    prop_oneof![
        "\\PC{0,80}",
        string_regex(&format!(
            "\\{{(\"{word}\":(\"{word}\"|[0-9]{{1,30}}|null|\\[|\\{{)[,}}]?){{0,5}}"
        ))
        .unwrap(),
        Just("[".repeat(60_000)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn no_text_panics(texts in prop::collection::vec(nearly_a_frame(), 1..6)) {
        let Identity::Upgrade(widget) = Widget.identity() else { unreachable!() };
        for said in means(&mut *widget(), &texts) {
            prop_assert!(matches!(said[..], [Means::Nothing | Means::Act(_)]), "{:?}", said);
        }
        for said in means(&mut *greeted(), &texts) {
            prop_assert!((1..=2).contains(&said.len()), "{:?}", said);
        }
    }

    #[test]
    fn what_is_said_is_kept_as_it_came(said in "\\PC{0,100}", id in "[A-Za-z0-9_-]{1,64}") {
        let text = serde_json::json!({"type": "message", "text": said, "clientMessageId": id});
        let texts = [text.to_string()];
        let Identity::Upgrade(widget) = Widget.identity() else { unreachable!() };
        for mut speaker in [widget(), greeted()] {
            let acted = means(&mut *speaker, &texts);
            match (&acted[0][..], Text::parse(said.clone())) {
                ([Means::Act(Action::Send(draft))], Ok(text)) => {
                    prop_assert_eq!(&draft.text, &text);
                }
                ([Means::Nothing | Means::Refuse(..)], Err(_)) => {}
                (other, text) => prop_assert!(false, "{other:?} of {text:?}"),
            }
        }
    }
}
