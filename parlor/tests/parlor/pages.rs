//! The products' pages: who is shown them, with what policy, and that they cost the log and the
//! store nothing.

use std::path::Path;

use serde_json::json;

use parlor_testbed::{
    client::{
        http::{Answer, Ask},
        visitor::Visitor,
    },
    nodes::Parlor,
};

/// Two tenants of a file: one with two origins, and one that is suspended.
const TENANTS: &str = r#"
[[tenant]]
name = "shop"
origins = ["https://shop.example", "https://www.shop.example:8443"]

[[tenant]]
name = "gone"
origins = ["https://gone.example"]
suspended = true
"#;

async fn with_tenants(folder: &Path) -> Parlor {
    let file = folder.join("tenants.toml");
    std::fs::write(&file, TENANTS).unwrap();
    let named = file.to_str().unwrap().to_owned();
    Parlor::start(folder, None, &[("PARLOR_TENANTS__FILE", named)]).await
}

async fn get(parlor: &Parlor, path: &str) -> Answer {
    Ask::bare("GET", path).send(parlor.listen).await
}

fn directive(answer: &Answer, name: &str) -> String {
    let policy = answer.header("content-security-policy").expect("a policy");
    let found = policy.split("; ").find_map(|part| part.strip_prefix(name));
    found.unwrap_or_else(|| panic!("no {name} in {policy}")).trim().to_owned()
}

/// The addresses of the files that a document names.
fn named(document: &str) -> Vec<String> {
    let parts = document.split("=\"/").skip(1);
    parts.map(|part| format!("/{}", part.split('"').next().unwrap())).collect()
}

#[tokio::test]
async fn each_page_and_file_has_its_type_and_a_strict_policy() {
    let folder = tempfile::tempdir().unwrap();
    let parlor = with_tenants(folder.path()).await;
    for (path, kind) in [
        ("/widget.js", "text/javascript; charset=utf-8"),
        ("/widget/frame?tenant=shop", "text/html; charset=utf-8"),
        ("/widget/frame.js", "text/javascript; charset=utf-8"),
        ("/client/parlor.js", "text/javascript; charset=utf-8"),
        ("/ui/tokens.css", "text/css; charset=utf-8"),
        ("/dashboard", "text/html; charset=utf-8"),
        ("/dashboard/", "text/html; charset=utf-8"),
        ("/dashboard/dashboard.js", "text/javascript; charset=utf-8"),
    ] {
        let page = get(&parlor, path).await.expect(200);
        assert_eq!(page.header("content-type"), Some(kind), "{path}");
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(page.header("referrer-policy"), Some("no-referrer"), "{path}");
        assert_eq!(directive(&page, "default-src"), "'none'", "{path}");
        assert_eq!(directive(&page, "script-src"), "'self'", "{path}");
        assert_eq!(directive(&page, "require-trusted-types-for"), "'script'", "{path}");
        let policy = page.header("content-security-policy").unwrap();
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{path}: {policy}");
    }
    assert!(parlor.stop().await.success());
}

#[tokio::test]
async fn a_tenants_frame_is_for_its_own_pages_and_the_dashboard_for_nobodys() {
    let folder = tempfile::tempdir().unwrap();
    let parlor = with_tenants(folder.path()).await;
    let frame = get(&parlor, "/widget/frame?tenant=shop").await.expect(200);
    assert_eq!(
        directive(&frame, "frame-ancestors"),
        "'self' https://shop.example https://www.shop.example:8443"
    );
    let kept = frame.header("cache-control");
    assert_eq!(kept, Some("no-store"), "who may show it changes with the registry");
    assert_eq!(directive(&get(&parlor, "/dashboard").await, "frame-ancestors"), "'self'");
    assert_eq!(directive(&get(&parlor, "/widget/frame.js").await, "frame-ancestors"), "'none'");
    assert!(parlor.stop().await.success());
}

#[tokio::test]
async fn who_is_no_tenant_has_no_frame() {
    let folder = tempfile::tempdir().unwrap();
    let parlor = with_tenants(folder.path()).await;
    for query in ["", "?tenant=", "?tenant=other", "?tenant=%20%3Bx", "?tenant=gone", "?other=shop"]
    {
        let path = format!("/widget/frame{query}");
        get(&parlor, &path).await.expect(404);
    }
    for path in ["/widget/nothing.js", "/ui/../Cargo.toml", "/dashboard/none", "/v/1/Cargo.toml"] {
        get(&parlor, path).await.expect(404);
    }
    assert!(parlor.stop().await.success());
}

#[tokio::test]
async fn the_loader_is_for_every_site_and_kept_for_minutes() {
    let folder = tempfile::tempdir().unwrap();
    let parlor = with_tenants(folder.path()).await;
    let loader = get(&parlor, "/widget.js").await.expect(200);
    assert_eq!(loader.header("access-control-allow-origin"), Some("*"));
    assert_eq!(loader.header("cross-origin-resource-policy"), Some("cross-origin"));
    assert_eq!(loader.header("cache-control"), Some("public, max-age=300"));
    assert!(parlor.stop().await.success());
}

#[tokio::test]
async fn a_documents_files_are_kept_for_good_and_others_are_asked_for_by_their_tag() {
    let folder = tempfile::tempdir().unwrap();
    let parlor = with_tenants(folder.path()).await;
    for document in ["/widget/frame?tenant=shop", "/dashboard"] {
        let files = named(&get(&parlor, document).await.expect(200).text());
        assert!(!files.is_empty(), "{document} has files");
        for file in files {
            let file = get(&parlor, &file).await.expect(200);
            let kept = file.header("cache-control");
            assert_eq!(kept, Some("public, max-age=31536000, immutable"));
        }
    }
    let other = get(&parlor, "/v/another-version/widget/frame.js").await.expect(200);
    assert_eq!(other.header("cache-control"), Some("no-store"), "it may be another's content");

    let plain = get(&parlor, "/client/parlor.js").await.expect(200);
    assert_eq!(plain.header("cache-control"), Some("no-cache"));
    let tag = plain.header("etag").expect("a tag");
    let asked = |tag: &str| Ask::bare("GET", "/client/parlor.js").header("If-None-Match", tag);
    let same = asked(&format!("\"x\", W/{tag}")).send(parlor.listen).await.expect(304);
    assert_eq!(same.header("etag"), Some(tag));
    asked("\"x\"").send(parlor.listen).await.expect(200);
    assert!(parlor.stop().await.success());
}

#[tokio::test]
async fn a_page_view_leaves_the_log_and_the_store_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let parlor = Parlor::start(folder.path(), None, &[]).await;
    let data = folder.path().join("parlor-data");
    let written = || {
        ["log.db", "log.db-wal", "store.db", "store.db-wal"].map(|file| {
            std::fs::read(data.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
        })
    };
    let before = written();
    for path in ["/widget.js", "/widget/frame?tenant=demo", "/client/parlor.js", "/dashboard"] {
        let page = get(&parlor, path).await.expect(200);
        assert_eq!(page.cookie(), None, "{path}: nobody becomes a visitor by looking");
    }
    assert!(before == written(), "nothing was written");
    // The same look sees a message that is written.
    let mut visitor = Visitor::new("demo");
    visitor.post(parlor.listen, &json!({"text": "hello"})).await.unwrap().expect(201);
    assert!(before != written());
    assert!(parlor.stop().await.success());
}
