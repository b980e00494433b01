//! What the nodes of the topology are told: their settings, as variables, and their tenants.

use std::{fmt::Write as _, path::PathBuf};

use super::{Tiers, node::Tier};

impl Tiers {
    /// The environment of a role, for a node of it or for a command. The binary refuses settings
    /// that it does not know.
    pub(super) fn environment(
        &self,
        role: &str,
        node: Option<(Tier, u16)>,
    ) -> anyhow::Result<Vec<(String, String)>> {
        let (nats, cql) = self.backends(node)?;
        let quoted = |urls: &str| format!("[\"{}\"]", urls.replace(',', "\",\""));
        let path = |path: PathBuf| path.display().to_string();
        let mut variables = if self.settings.development {
            vec![
                ("PARLOR_HTTP__TRUSTED_PROXIES", "[\"127.0.0.0/8\"]".to_owned()),
                // For browsers on a machine that may be many times slower than a visitor's.
                ("PARLOR_SOCKETS__LOAD_WITHIN", "4s".to_owned()),
                ("PARLOR_SOCKETS__LOAD_AHEAD", "800ms".to_owned()),
            ]
        } else {
            vec![
                ("PARLOR_SETTINGS", path(self.place.root.join("deploy/parlor.toml"))),
                ("PARLOR_TENANTS__FILE", path(self.tenants_file())),
            ]
        };
        let many = "{per_second=100000,burst=100000}".to_owned();
        variables.extend([
            ("PARLOR_SECRETS__CURRENT_FILE", path(self.secret("installation"))),
            ("PARLOR_NATS__URLS", quoted(&nats)),
            ("PARLOR_NATS__USER", role.to_owned()),
            ("PARLOR_SECRETS__NATS_PASSWORD_FILE", path(self.secret(&format!("nats-{role}")))),
            ("PARLOR_CQL__NODES", quoted(&cql)),
            ("PARLOR_CQL__REPLICATION_FACTOR", "1".to_owned()),
            ("PARLOR_LIMITS__ADDRESS_REQUESTS", many.clone()),
            ("PARLOR_LIMITS__ADDRESS_UPGRADES", many),
        ]);
        Ok(variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// The file that the nodes read their tenants from.
    pub fn tenants_file(&self) -> PathBuf {
        self.settings.folder.join("tenants.toml")
    }

    /// The tenants it names.
    pub fn tenant_names(&self) -> Vec<String> {
        let names = (1..=self.settings.tenants).map(|number| format!("t-{number}"));
        std::iter::once("demo".to_owned()).chain(names).collect()
    }

    /// What it says when nothing is wrong with it.
    pub fn tenants(&self) -> String {
        let (front, secret) = (self.front(), self.secret("agents"));
        let mut text = String::new();
        for name in self.tenant_names() {
            let origins = format!("\"http://localhost:{}\", \"http://{front}\"", front.port());
            writeln!(text, "[[tenant]]\nname = \"{name}\"\norigins = [{origins}]").ok();
            writeln!(
                text,
                "[[tenant.agent_key]]\nissuer = \"{name}\"\nkid = \"1\"\nalgorithm = \"HS256\"\n\
                secret_file = {secret:?}\n"
            )
            .ok();
        }
        text
    }
}
