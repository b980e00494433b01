//! Names of streams and subjects, and what can be read back from them.

use parlor_common::{
    conversation::{ConversationKey, tenant_subjects},
    position::Epoch,
    shard::Shard,
};

use crate::Filter;

/// How this installation's streams and subjects are called. Cheap to clone.
///
/// | | without a namespace | in namespace `ns` |
/// |---|---|---|
/// | a shard's stream | `CHAT_07_3` | `ns_CHAT_07_3` |
/// | an event's subject | `chat.07.<tenant>.<conversation>` | `ns.chat.07.…` |
/// | what a moved-aside stream listens to | `old.3.chat.07.*.*` | `ns.old.3.chat.07.*.*` |
/// | the stream of the dead letters | `DEAD_LETTERS` | `ns_DEAD_LETTERS` |
/// | a dead letter's subject | `dead_letters.07.…` | `ns.dead_letters.07.…` |
#[derive(Clone, Debug)]
pub(super) struct Names {
    stream_prefix: String,
    subject_prefix: String,
}

/// The stream a shard lives in; another epoch is another stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StreamRef {
    pub(super) shard: Shard,
    pub(super) epoch: Epoch,
    pub(super) name: String,
}

// === impl Names ===

impl Names {
    pub(super) fn new(namespace: &str) -> Self {
        let prefix = |separator| {
            if namespace.is_empty() { String::new() } else { format!("{namespace}{separator}") }
        };
        Self { stream_prefix: prefix('_'), subject_prefix: prefix('.') }
    }

    pub(super) fn stream(&self, shard: Shard, epoch: Epoch) -> StreamRef {
        StreamRef { shard, epoch, name: format!("{}CHAT_{shard}_{epoch}", self.stream_prefix) }
    }

    /// Reads back what [`stream`](Self::stream) wrote; `None` for any other name.
    pub(super) fn parse_stream(&self, name: &str) -> Option<StreamRef> {
        let (shard, epoch) =
            name.strip_prefix(&self.stream_prefix)?.strip_prefix("CHAT_")?.split_once('_')?;
        let stream = self.stream(Shard::new(shard.parse().ok()?), Epoch::new(epoch.parse().ok()?)?);
        (stream.name == name && stream.epoch >= Epoch::FIRST).then_some(stream)
    }

    /// What a shard's stream listens to.
    pub(super) fn subjects(&self, shard: Shard) -> String {
        format!("{}chat.{shard}.*.*", self.subject_prefix)
    }

    /// What a shard's stream of an earlier epoch listens to: nobody publishes there.
    pub(super) fn old_subjects(&self, stream: &StreamRef) -> String {
        format!("{}old.{}.chat.{}.*.*", self.subject_prefix, stream.epoch, stream.shard)
    }

    pub(super) fn subject(&self, conversation: &ConversationKey, shard: Shard) -> String {
        format!("{}{}", self.subject_prefix, conversation.subject(shard))
    }

    pub(super) fn filter(&self, filter: &Filter, shard: Shard) -> String {
        match filter {
            Filter::Conversation(key) => self.subject(key, shard),
            Filter::Tenant(tenant) => {
                format!("{}{}", self.subject_prefix, tenant_subjects(tenant, shard))
            }
        }
    }

    /// Whose event lies under `subject`; `None` for a foreign one.
    pub(super) fn conversation(&self, subject: &str) -> Option<ConversationKey> {
        ConversationKey::from_subject(subject.strip_prefix(&self.subject_prefix)?).ok()
    }

    pub(super) fn dead_letter_stream(&self) -> String {
        format!("{}DEAD_LETTERS", self.stream_prefix)
    }

    pub(super) fn dead_letter_subjects(&self) -> String {
        format!("{}dead_letters.>", self.subject_prefix)
    }

    /// Where a dead letter of `shard` goes: beside its conversation's others, or under
    /// `foreign`.
    pub(super) fn dead_letter_subject(
        &self,
        conversation: Option<&ConversationKey>,
        shard: Shard,
    ) -> String {
        let of = conversation.map(|key| key.subject(shard));
        let rest = of.as_deref().and_then(|subject| subject.strip_prefix("chat."));
        match rest {
            Some(rest) => format!("{}dead_letters.{rest}", self.subject_prefix),
            None => format!("{}dead_letters.{shard}.foreign", self.subject_prefix),
        }
    }
}

#[cfg(test)]
mod tests {
    use parlor_common::{id::ConversationId, tenant::TenantId};

    use super::*;

    #[test]
    fn a_streams_name_holds_shard_and_epoch_and_reads_back() {
        for (namespace, expected) in [("", "CHAT_07_3"), ("ns", "ns_CHAT_07_3")] {
            let names = Names::new(namespace);
            let stream = names.stream(Shard::new(7), Epoch::new(3).unwrap());
            assert_eq!(stream.name, expected);
            assert_eq!(names.parse_stream(expected), Some(stream));
        }
    }

    #[test]
    fn no_other_name_is_taken_for_a_stream_of_ours() {
        let names = Names::new("");
        for name in [
            "CHAT",
            "CHAT_7_3",
            "CHAT_07_03",
            "CHAT_07_0",
            "CHAT_07_+3",
            "CHAT_07_",
            "ns_CHAT_07_3",
            "CHAT_07_3_1",
            "DEAD_LETTERS",
        ] {
            assert_eq!(names.parse_stream(name), None, "{name}");
        }
    }

    #[test]
    fn a_namespace_precedes_every_subject() {
        let key = ConversationKey {
            tenant: TenantId::parse("a.b").unwrap(),
            id: ConversationId::from_bytes([1; 16]),
        };
        let names = Names::new("ns");
        let subject = names.subject(&key, Shard::new(2));
        assert_eq!(subject, "ns.chat.02.a~b.01010101010101010101010101010101");
        assert_eq!(names.conversation(&subject), Some(key.clone()));
        assert_eq!(Names::new("").conversation(&subject), None);
        assert_eq!(
            names.filter(&Filter::Tenant(key.tenant.clone()), Shard::new(2)),
            "ns.chat.02.a~b.*"
        );
        assert_eq!(
            names.dead_letter_subject(Some(&key), Shard::new(2)),
            "ns.dead_letters.02.a~b.01010101010101010101010101010101"
        );
        assert_eq!(names.dead_letter_subject(None, Shard::new(2)), "ns.dead_letters.02.foreign");
    }
}
