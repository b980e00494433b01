//! The fields of a body that changes something: each is taken out, checked, and named where it is
//! wrong.

use std::collections::BTreeMap;

use parlor_common::{
    clock::Timestamp,
    event::{ChangeBody, ProfileBody, RatingBody, StatusSet},
    id::ClientMessageId,
    problem::Problem,
    state::{ConversationState, Register, Status},
};
use serde_json::{Map, Value, json};

use super::body::object;

/// The most characters of an agent's id.
pub(super) const MAX_AGENT: usize = 128;
/// The most characters of a team's or label's name.
const MAX_NAME: usize = 64;
/// The most labels that one request names.
const MAX_LABELS: usize = 20;
/// The most characters of a visitor's name.
const MAX_VISITOR_NAME: usize = 200;
/// RFC 5321 §4.5.3.1.3, less the brackets.
const MAX_EMAIL: usize = 254;
/// RFC 5646 §4.4.1.
const MAX_LOCALE: usize = 35;
/// The most attributes of a visitor that one request names.
const MAX_ATTRIBUTES: usize = 64;
const MAX_ATTRIBUTE_NAME: usize = 64;
const MAX_ATTRIBUTE: usize = 512;
const MAX_COMMENT: usize = 1_000;
/// The longest time for which a conversation is snoozed: a year.
const MAX_SNOOZE_MS: i64 = 366 * 86_400_000;

/// The most last values that a conversation may have: what is kept of it is read with each list.
const MOST_REGISTERS: usize = 300;

/// What a PATCH of a conversation asks for.
#[derive(Debug)]
pub(super) struct Patch {
    pub(super) body: ChangeBody,
    pub(super) client_message_id: Option<ClientMessageId>,
    /// Who must take care of it for the change to be made; an inner `None` for nobody.
    pub(super) if_assignee: Option<Option<String>>,
}

/// The fields of a body, by name. Those that nobody takes are ignored.
#[derive(Debug)]
pub(super) struct Fields(Map<String, Value>);

// === impl Fields ===

impl Fields {
    /// Reads a JSON object.
    pub(super) fn parse(body: &[u8]) -> Result<Self, Problem> {
        object(body).map(Self)
    }

    /// A text that may be `null`; an outer `None` where it is not there.
    fn text(&mut self, name: &'static str, max: usize) -> Result<Option<Option<String>>, Problem> {
        match self.0.remove(name) {
            None => Ok(None),
            Some(Value::Null) => Ok(Some(None)),
            Some(Value::String(text)) => line(name, text, max).map(|text| Some(Some(text))),
            Some(_) => Err(wrong_type(name, "a text or null")),
        }
    }

    /// A cursor that must be there.
    pub(super) fn cursor(&mut self, name: &'static str) -> Result<String, Problem> {
        match self.0.remove(name) {
            Some(Value::String(cursor)) => Ok(cursor),
            Some(_) => Err(wrong_type(name, "a cursor")),
            None => Err(Problem::field(name, "missing", format!("{name} is missing"))),
        }
    }

    /// An object that must be there.
    pub(super) fn object(&mut self, name: &'static str) -> Result<Value, Problem> {
        match self.0.remove(name) {
            Some(object @ Value::Object(_)) => Ok(object),
            Some(_) => Err(wrong_type(name, "an object")),
            None => Err(Problem::field(name, "missing", format!("{name} is missing"))),
        }
    }

    /// What an agent says of itself, as JSON.
    pub(super) fn me(mut self) -> Result<String, Problem> {
        let name = self.text("name", MAX_VISITOR_NAME)?.flatten();
        let availability = match self.0.remove("availability") {
            None | Some(Value::Null) => "online",
            Some(Value::String(text)) if text == "online" => "online",
            Some(Value::String(text)) if text == "away" => "away",
            Some(_) => {
                let message = "availability is online or away";
                return Err(Problem::field("availability", "unknown", message));
            }
        };
        Ok(json!({ "name": name, "availability": availability }).to_string())
    }

    /// What a PATCH of a conversation asks for at `now`; `key` is the `Idempotency-Key`.
    pub(super) fn patch(
        mut self,
        now: Timestamp,
        key: Option<ClientMessageId>,
    ) -> Result<Patch, Problem> {
        let body = ChangeBody {
            status: self.status(now)?,
            assignee: self.text("assignee", MAX_AGENT)?,
            team: self.text("team", MAX_NAME)?,
            labels: self.labels()?,
        };
        if body.is_empty() {
            let names = "status, assignee, team or labels";
            return Err(Problem::field("body", "empty", format!("nothing is changed: {names}")));
        }
        let if_assignee = self.text("ifAssignee", MAX_AGENT)?;
        Ok(Patch { body, client_message_id: self.client_message_id(key)?, if_assignee })
    }

    /// The tenant's JWT, where a profile is that.
    pub(super) fn identity(&mut self) -> Result<Option<String>, Problem> {
        super::body::identity(&mut self.0)
    }

    /// What the claims of a tenant's JWT say of a visitor; `None` where they say nothing.
    pub(super) fn claims(mut claims: Map<String, Value>) -> Result<Option<ProfileBody>, Problem> {
        claims.retain(|name, _| ["name", "email", "locale", "attributes"].contains(&&**name));
        match claims.is_empty() {
            true => Ok(None),
            false => Ok(Some(ProfileBody { proven: true, ..Self(claims).said()? }))
                .map(|profile| profile.filter(|profile| !profile.is_empty())),
        }
    }

    /// What is said of a visitor.
    pub(super) fn profile(self) -> Result<ProfileBody, Problem> {
        let profile = self.said()?;
        match profile.is_empty() {
            true => Err(Problem::field("body", "empty", "nothing is said of the visitor")),
            false => Ok(profile),
        }
    }

    fn said(mut self) -> Result<ProfileBody, Problem> {
        let email = self.text("email", MAX_EMAIL)?;
        if let Some(Some(email)) = &email
            && !is_email(email)
        {
            return Err(Problem::field("email", "malformed", "email is not an e-mail address"));
        }
        Ok(ProfileBody {
            name: self.text("name", MAX_VISITOR_NAME)?,
            email,
            locale: self.text("locale", MAX_LOCALE)?,
            attributes: self.attributes()?,
            proven: false,
        })
    }

    /// How the visitor found it.
    pub(super) fn rating(mut self) -> Result<RatingBody, Problem> {
        let score = self.0.remove("score");
        let score = score.ok_or_else(|| Problem::field("score", "missing", "score is missing"))?;
        let score = score.as_u64().and_then(|score| u8::try_from(score).ok());
        let score = score.filter(|score| (1..=5).contains(score));
        let score = score
            .ok_or_else(|| Problem::field("score", "out_of_range", "score is 1, 2, 3, 4 or 5"))?;
        let comment = match self.0.remove("comment") {
            None | Some(Value::Null) => None,
            Some(Value::String(comment)) => Some(bounded("comment", comment, MAX_COMMENT)?)
                .filter(|comment| !comment.is_empty()),
            Some(_) => return Err(wrong_type("comment", "a text")),
        };
        Ok(RatingBody { score, comment })
    }

    fn client_message_id(
        &mut self,
        key: Option<ClientMessageId>,
    ) -> Result<Option<ClientMessageId>, Problem> {
        super::body::one_id(self.0.remove("clientMessageId"), key)
    }

    fn status(&mut self, now: Timestamp) -> Result<Option<StatusSet>, Problem> {
        let until = match self.0.remove("until") {
            None | Some(Value::Null) => None,
            Some(Value::String(until)) => Some(Timestamp::parse(&until).ok_or_else(|| {
                Problem::field("until", "malformed", "until is a time of ISO 8601 with its zone")
            })?),
            Some(_) => return Err(wrong_type("until", "a time of ISO 8601")),
        };
        let Some(status) = self.0.remove("status") else {
            return match until {
                Some(_) => {
                    Err(Problem::field("until", "excluded", "until goes with the status snoozed"))
                }
                None => Ok(None),
            };
        };
        let is = status.as_str().and_then(Status::parse).ok_or_else(|| {
            Problem::field("status", "unknown", "status is open, snoozed or closed")
        })?;
        match (is, until) {
            (Status::Snoozed, None) => {
                Err(Problem::field("until", "missing", "snoozed until when? until is missing"))
            }
            (Status::Open | Status::Closed, Some(_)) => {
                Err(Problem::field("until", "excluded", "until goes with the status snoozed"))
            }
            (_, Some(until))
                if until <= now || until.as_millis() - now.as_millis() > MAX_SNOOZE_MS =>
            {
                Err(Problem::field("until", "out_of_range", "until lies within the next year"))
            }
            _ => Ok(Some(StatusSet { is, until })),
        }
    }

    fn labels(&mut self) -> Result<BTreeMap<String, bool>, Problem> {
        let mut all = BTreeMap::new();
        let mut given = match self.0.remove("labels") {
            None => return Ok(all),
            Some(Value::Object(given)) => given,
            Some(_) => return Err(wrong_type("labels", "an object with add and remove")),
        };
        for (name, is_there) in [("remove", false), ("add", true)] {
            let labels = match given.remove(name) {
                None => continue,
                Some(Value::Array(labels)) => labels,
                Some(_) => return Err(wrong_type("labels", "an object of two lists")),
            };
            for label in labels {
                let Value::String(label) = label else {
                    return Err(wrong_type("labels", "an object of two lists of texts"));
                };
                all.insert(line("labels", label, MAX_NAME)?, is_there);
            }
        }
        match all.len() > MAX_LABELS {
            true => Err(Problem::field("labels", "too_many", "there are more than 20 labels")),
            false => Ok(all),
        }
    }

    fn attributes(&mut self) -> Result<BTreeMap<String, Option<String>>, Problem> {
        const NAME: &str = "attributes";
        let given = match self.0.remove(NAME) {
            None => return Ok(BTreeMap::new()),
            Some(Value::Object(given)) => given,
            Some(_) => return Err(wrong_type(NAME, "an object of texts")),
        };
        if given.len() > MAX_ATTRIBUTES {
            return Err(Problem::field(NAME, "too_many", "there are more than 64 attributes"));
        }
        let attribute = |(name, value)| {
            let name = line(NAME, name, MAX_ATTRIBUTE_NAME)?;
            match value {
                Value::Null => Ok((name, None)),
                Value::String(value) => Ok((name, Some(bounded(NAME, value, MAX_ATTRIBUTE)?))),
                _ => Err(wrong_type(NAME, "an object of texts")),
            }
        };
        given.into_iter().map(attribute).collect()
    }
}

/// Refuses what would make a conversation's last values too many. Those that it has already can be
/// changed and emptied, however many there are.
pub(super) fn has_room(
    state: &ConversationState,
    written: impl IntoIterator<Item = Register>,
) -> Result<(), Problem> {
    let known = state.registers();
    let new = written.into_iter().filter(|register| !known.contains_key(register)).count();
    match new > 0 && known.len() + new > MOST_REGISTERS {
        true => Err(Problem::field(
            "body",
            "too_many",
            "this conversation has had too many labels and attributes",
        )),
        false => Ok(()),
    }
}

/// The registers of a profile's attributes: the other fields are four at most.
pub(super) fn attributes_of(profile: &ProfileBody) -> impl Iterator<Item = Register> {
    let register = |name: &String| match profile.proven {
        true => Register::Attribute(name.clone()).proven(),
        false => Register::Attribute(name.clone()),
    };
    profile.attributes.keys().map(register)
}

/// A text of one line: 1 to `max` characters, more than white space, no control characters.
pub(super) fn line(name: &'static str, text: String, max: usize) -> Result<String, Problem> {
    if text.trim().is_empty() {
        return Err(Problem::field(name, "empty", format!("{name} is empty")));
    }
    if text.chars().any(char::is_control) {
        return Err(Problem::field(name, "malformed", format!("{name} has control characters")));
    }
    bounded(name, text, max)
}

/// A text of `max` characters at most, without NUL.
fn bounded(name: &'static str, text: String, max: usize) -> Result<String, Problem> {
    if text.contains('\0') {
        return Err(Problem::field(name, "nul", format!("{name} has a NUL")));
    }
    match text.chars().count() > max {
        true => {
            Err(Problem::field(name, "too_long", format!("{name} has more than {max} characters")))
        }
        false => Ok(text),
    }
}

/// What may be one: whether mail arrives there only mail can tell.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let is_plain = |part: &str| !part.is_empty() && !part.contains([' ', '@', '<', '>', ',', ';']);
    is_plain(local) && is_plain(domain)
}

fn wrong_type(name: &'static str, is: &str) -> Problem {
    Problem::field(name, "wrong_type", format!("{name} is {is}"))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

    fn refused<T: std::fmt::Debug>(answer: Result<T, Problem>) -> String {
        let problem = answer.unwrap_err();
        assert_eq!(problem.code.status().as_u16(), 422);
        let detail = &problem.details[0];
        format!("{}/{}", detail.field, detail.code)
    }

    fn patch(body: &str) -> Result<Patch, Problem> {
        Fields::parse(body.as_bytes())?.patch(NOW, None)
    }

    fn profile(body: &str) -> Result<ProfileBody, Problem> {
        Fields::parse(body.as_bytes())?.profile()
    }

    #[test]
    fn a_patch_is_what_it_says() {
        let until = NOW.plus(Duration::from_secs(60));
        let body = format!(
            r#"{{"status":"snoozed","until":"{until}","assignee":null,"team":"sales",
                "labels":{{"add":["vip"],"remove":["new"]}},"ifAssignee":"ann","other":[1]}}"#
        );
        let Patch { body, client_message_id, if_assignee } = patch(&body).unwrap();
        let status = Some(StatusSet { is: Status::Snoozed, until: Some(until) });
        let labels = [("vip".to_owned(), true), ("new".to_owned(), false)].into();
        let team = Some(Some("sales".to_owned()));
        assert_eq!(body, ChangeBody { status, assignee: Some(None), team, labels });
        assert_eq!((client_message_id, if_assignee), (None, Some(Some("ann".to_owned()))));
    }

    #[test]
    fn a_wrong_field_of_a_patch_is_named() {
        let long = "x".repeat(129);
        let labels: Vec<_> = (0..21).map(|n| format!("\"l{n}\"")).collect();
        let labels = labels.join(",");
        let past = NOW.minus(Duration::from_secs(1));
        let far = NOW.plus(Duration::from_secs(400 * 86_400));
        for (body, wrong) in [
            ("{}", "body/empty"),
            (r#"{"ifAssignee":"ann"}"#, "body/empty"),
            (r#"{"status":"pending"}"#, "status/unknown"),
            (r#"{"status":1}"#, "status/unknown"),
            (r#"{"status":"snoozed"}"#, "until/missing"),
            (r#"{"status":"snoozed","until":"tomorrow"}"#, "until/malformed"),
            (r#"{"status":"snoozed","until":5}"#, "until/wrong_type"),
            (r#"{"until":"2026-01-01T00:00:00Z"}"#, "until/excluded"),
            (r#"{"status":"closed","until":"2099-01-01T00:00:00Z"}"#, "until/excluded"),
            (&format!(r#"{{"status":"snoozed","until":"{past}"}}"#), "until/out_of_range"),
            (&format!(r#"{{"status":"snoozed","until":"{far}"}}"#), "until/out_of_range"),
            (r#"{"assignee":""}"#, "assignee/empty"),
            (r#"{"assignee":7}"#, "assignee/wrong_type"),
            (&format!(r#"{{"assignee":"{long}"}}"#), "assignee/too_long"),
            (r#"{"team":"a\nb"}"#, "team/malformed"),
            (r#"{"labels":["vip"]}"#, "labels/wrong_type"),
            (r#"{"labels":{"add":"vip"}}"#, "labels/wrong_type"),
            (r#"{"labels":{"add":[1]}}"#, "labels/wrong_type"),
            (&format!(r#"{{"labels":{{"add":[{labels}]}}}}"#), "labels/too_many"),
        ] {
            assert_eq!(refused(patch(body)), wrong, "{body}");
        }
    }

    #[test]
    fn a_wrong_field_of_a_profile_is_named() {
        let attributes: Vec<_> = (0..65).map(|n| format!("\"a{n}\":\"\"")).collect();
        let attributes = attributes.join(",");
        let long = "x".repeat(513);
        for (body, wrong) in [
            ("{}", "body/empty"),
            (r#"{"name":" "}"#, "name/empty"),
            (r#"{"email":"nobody"}"#, "email/malformed"),
            (r#"{"email":"a@b@c"}"#, "email/malformed"),
            (r#"{"email":"@b"}"#, "email/malformed"),
            (r#"{"email":"a b@c"}"#, "email/malformed"),
            (r#"{"attributes":[]}"#, "attributes/wrong_type"),
            (r#"{"attributes":{"a":1}}"#, "attributes/wrong_type"),
            (r#"{"attributes":{"":"a"}}"#, "attributes/empty"),
            (&format!(r#"{{"attributes":{{"a":"{long}"}}}}"#), "attributes/too_long"),
            (&format!(r#"{{"attributes":{{{attributes}}}}}"#), "attributes/too_many"),
        ] {
            assert_eq!(refused(profile(body)), wrong, "{body}");
        }
        let odd = r#"{"name":"\u202e<b>","email":"o'brien+x@sub.example","attributes":{"a":null}}"#;
        let known = profile(odd).unwrap();
        assert_eq!(known.name, Some(Some("\u{202e}<b>".to_owned())));
        assert_eq!(known.attributes["a"], None);
    }

    #[test]
    fn a_score_is_one_of_five() {
        let rating = |body: &str| Fields::parse(body.as_bytes()).unwrap().rating();
        for (body, wrong) in [
            ("{}", "score/missing"),
            (r#"{"score":0}"#, "score/out_of_range"),
            (r#"{"score":6}"#, "score/out_of_range"),
            (r#"{"score":4.5}"#, "score/out_of_range"),
            (r#"{"score":"4"}"#, "score/out_of_range"),
            (r#"{"score":4,"comment":1}"#, "comment/wrong_type"),
        ] {
            assert_eq!(refused(rating(body)), wrong, "{body}");
        }
        let fine = rating(r#"{"score":4,"comment":""}"#).unwrap();
        assert_eq!(fine, RatingBody { score: 4, comment: None });
    }
}
