//! The files of `web/` that the pages are made of, inside the binary.

use std::sync::LazyLock;

/// A table of files of `web/`, each with its address and its text.
macro_rules! files {
    ($($file:literal,)*) => {
        &[$(($file, include_str!(concat!("../../../web/", $file)))),*]
    };
}

/// The folders whose files are served under their own names.
pub(super) const FOLDERS: [&str; 4] = ["client", "ui", "widget", "dashboard"];

/// What visitors and agents speak to the server with.
const CLIENT: &[(&str, &str)] = files![
    "client/agent-client.js",
    "client/agent.js",
    "client/backoff.js",
    "client/client.js",
    "client/clock.js",
    "client/coalesce.js",
    "client/connection.js",
    "client/drafts.js",
    "client/errors.js",
    "client/identity.js",
    "client/insist.js",
    "client/item-list.js",
    "client/items.js",
    "client/link.js",
    "client/marks.js",
    "client/parlor.js",
    "client/poller.js",
    "client/polling.js",
    "client/profile.js",
    "client/proof.js",
    "client/rest.js",
    "client/sender.js",
    "client/timeline.js",
    "client/timelines.js",
    "client/typing.js",
    "client/uuid7.js",
    "client/visitor-client.js",
    "client/wake.js",
];

/// What the products share.
const UI: &[(&str, &str)] = files!["ui/texts/dashboard.en.js", "ui/tokens.css",];

/// The chat that other sites embed: its loader, and its frame.
const WIDGET: &[(&str, &str)] = files![
    "widget/asking.js",
    "widget/bridge.js",
    "widget/composer.js",
    "widget/conversation.js",
    "widget/find.js",
    "widget/frame.css",
    "widget/frame.html",
    "widget/frame.js",
    "widget/icon.svg",
    "widget/loader.js",
    "widget/rating.js",
    "widget/rich-text.js",
    "widget/texts.js",
    "widget/texts/ar.js",
    "widget/texts/de.js",
    "widget/texts/en.js",
    "widget/texts/es.js",
    "widget/texts/fr.js",
    "widget/texts/it.js",
    "widget/texts/ja.js",
    "widget/texts/nl.js",
    "widget/texts/pl.js",
    "widget/texts/pt.js",
    "widget/texts/tr.js",
    "widget/texts/zh.js",
    "widget/thread.js",
    "widget/visitor.js",
];

/// What agents work with.
const DASHBOARD: &[(&str, &str)] = files![
    "dashboard/actions.js",
    "dashboard/api.js",
    "dashboard/app.js",
    "dashboard/base.css",
    "dashboard/bell.js",
    "dashboard/canned-row.js",
    "dashboard/canned.js",
    "dashboard/composer.js",
    "dashboard/connection.js",
    "dashboard/dashboard.js",
    "dashboard/desk.js",
    "dashboard/details.css",
    "dashboard/details.js",
    "dashboard/dialogs.css",
    "dashboard/dom.js",
    "dashboard/entries.js",
    "dashboard/events.js",
    "dashboard/icon.svg",
    "dashboard/icons.js",
    "dashboard/index.html",
    "dashboard/list.css",
    "dashboard/list.js",
    "dashboard/menu.js",
    "dashboard/mount.js",
    "dashboard/palette.js",
    "dashboard/people.js",
    "dashboard/row.js",
    "dashboard/search.js",
    "dashboard/settings.js",
    "dashboard/shell.css",
    "dashboard/shortcuts.js",
    "dashboard/sign-in.js",
    "dashboard/state.js",
    "dashboard/story.js",
    "dashboard/team.js",
    "dashboard/thread.css",
    "dashboard/thread.js",
    "dashboard/times.js",
    "dashboard/toast.js",
    "dashboard/token.js",
    "dashboard/views.js",
];

/// A file, and the tag that browsers keep beside it.
#[derive(Debug)]
pub(super) struct File {
    address: &'static str,
    pub(super) text: &'static str,
    pub(super) tag: String,
}

static FILES: LazyLock<Vec<File>> = LazyLock::new(|| {
    let all = [CLIENT, UI, WIDGET, DASHBOARD].into_iter().flatten();
    all.map(|&(address, text)| {
        let hash = blake3::hash(text.as_bytes());
        File { address, text, tag: format!("\"{}\"", short(&hash)) }
    })
    .collect()
});

/// The file of this address below `web/`.
pub(super) fn find(address: &str) -> Option<&'static File> {
    FILES.iter().find(|file| file.address == address)
}

/// What stands for the content of all files: it is another one when any of them changes.
pub(super) fn version() -> String {
    let mut all = blake3::Hasher::new();
    for file in FILES.iter() {
        all.update(file.address.as_bytes()).update(file.tag.as_bytes());
    }
    short(&all.finalize())
}

/// A document, with its files' addresses under the version. What they import is relative, and so
/// under the same.
pub(super) fn linked(address: &str, version: &str) -> String {
    let text = find(address).map_or("", |file| file.text);
    FOLDERS.into_iter().fold(text.to_owned(), |text, folder| {
        text.replace(&format!("=\"/{folder}/"), &format!("=\"/v/{version}/{folder}/"))
    })
}

/// The type of a file, by the end of its name.
pub(crate) fn kind(address: &str) -> &'static str {
    match address.rsplit('.').next() {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "text/html; charset=utf-8",
    }
}

/// The half of a hash is more than enough to tell files of one project apart.
fn short(hash: &blake3::Hash) -> String {
    hash.to_hex().chars().take(32).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn below(folder: &Path, name: &str, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{name}/{}", entry.file_name().to_str().unwrap());
            if entry.file_type().unwrap().is_dir() {
                below(&entry.path(), &name, found);
            } else if ![".d.ts", ".md", "package.json"].iter().any(|end| name.ends_with(end)) {
                // Types and what describes the package are for editors and registries, and no
                // browser asks for them.
                found.push(name);
            }
        }
    }

    #[test]
    fn every_file_of_the_products_is_served() {
        let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web");
        let mut there = Vec::new();
        for folder in FOLDERS {
            below(&web.join(folder), folder, &mut there);
        }
        let mut served: Vec<_> = FILES.iter().map(|file| file.address.to_owned()).collect();
        there.sort();
        served.sort();
        assert_eq!(served, there);
    }

    #[test]
    fn a_document_names_files_under_the_version_alone() {
        for address in ["widget/frame.html", "dashboard/index.html"] {
            let text = linked(address, "abc");
            let named = text.split("=\"/").skip(1).map(|rest| rest.split('"').next().unwrap());
            for file in named {
                let file = file.strip_prefix("v/abc/").unwrap_or_else(|| panic!("{file}"));
                assert!(find(file).is_some(), "{file}");
            }
        }
    }
}
