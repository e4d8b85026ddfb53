//! The page: one document that brings its style and its script along.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::HeaderValue;
use sha2::{Digest, Sha256};

const HTML: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

/// Put together once.
#[derive(Clone)]
pub(super) struct Page {
    pub(super) html: Bytes,
    /// What the browser may do with it: run this script, apply this style, ask where it comes from. (Content
    /// Security Policy 3, by hashes; Trusted Types.)
    pub(super) policy: HeaderValue,
}

impl Page {
    /// Creates the page, which looks for the routes of the admin at a path, unless it is empty.
    pub(super) fn new(admin_at: &str) -> Self {
        let admin = format!(
            "name=\"portcullis-admin\" content=\"{}\"",
            escaped(admin_at)
        );
        // The path comes first: what it could bring of the other places, it brings escaped.
        let html = HTML
            .replacen("name=\"portcullis-admin\" content=\"\"", &admin, 1)
            .replacen("<style>/*STYLE*/", &["<style>", STYLE].concat(), 1)
            .replacen("<script>/*SCRIPT*/", &["<script>", SCRIPT].concat(), 1);
        Self {
            html: html.into(),
            policy: policy(),
        }
    }
}

fn policy() -> HeaderValue {
    let policy = format!(
        "default-src 'none'; script-src {}; style-src {}; connect-src 'self'; img-src data:; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'",
        hash(SCRIPT),
        hash(STYLE)
    );
    HeaderValue::try_from(policy).expect("it is ASCII")
}

/// Returns the source expression that allows an inline text.
fn hash(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)))
}

/// Escapes what would end an attribute in double quotes, or begin markup.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('"', "&quot;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_cannot_leave_its_attribute() {
        let html = Page::new("\"><script>/*SCRIPT*/&").html;
        let html = str::from_utf8(&html).unwrap();
        assert!(html.contains(r#"content="&quot;&gt;&lt;script&gt;/*SCRIPT*/&amp;""#));
        assert_eq!(html.matches("<script>").count(), 1);
    }

    #[test]
    fn all_places_are_filled_and_nothing_ends_them_early() {
        let html = Page::new("admin").html;
        let html = str::from_utf8(&html).unwrap();
        for text in [
            STYLE,
            SCRIPT,
            r#"<meta name="portcullis-admin" content="admin">"#,
        ] {
            assert!(html.contains(text));
        }
        // `<!--` would begin a comment that hides the end.
        let ends = ["</style", "</script", "<!--"];
        assert!(
            ends.iter()
                .all(|end| !STYLE.contains(end) && !SCRIPT.contains(end))
        );
    }
}
