//! What the page and the plots need to write HTML.

/// `text` with the characters escaped that mean something in HTML, also within quotes.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
