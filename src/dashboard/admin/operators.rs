//! Who may order.
//!
//! Of tokens there are only digests: they are of one length, so that comparing them takes as long for a token that is
//! nearly right as for any other, and nobody who reads this memory can use them.

use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::settings::{self, SettingsError};

/// 128 bits, if a token is random: more than can be guessed. (RFC 6750, 5.2, asks for no number.)
const SHORTEST_TOKEN: usize = 16;
/// Servers refuse longer headers.
const LONGEST_TOKEN: usize = 4_096;
/// For what people read in events and logs.
const LONGEST_NAME: usize = 64;

#[derive(Clone, Default)]
pub(super) struct Operators(Vec<Operator>);

#[derive(Clone)]
struct Operator {
    name: String,
    token: Sum,
}

type Sum = [u8; 32];

impl Operators {
    /// Adds a token of somebody, who may have another one already.
    pub(super) fn add(&mut self, name: String, token: &str) -> Result<(), SettingsError> {
        let letters = name.chars().count();
        if letters == 0 || letters > LONGEST_NAME || name.chars().any(char::is_control) {
            let allowed = format!("from 1 to {LONGEST_NAME} characters that are not controls");
            return Err(SettingsError::new("operator", name, allowed));
        }
        // Errors are logged, so they do not have it.
        settings::within("token.length", token.len(), SHORTEST_TOKEN..=LONGEST_TOKEN)?;
        let secret = format_args!("secret");
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            let allowed = "visible ASCII without blanks, as a header has it";
            return Err(SettingsError::new("token", secret, allowed));
        }
        let token = sum(token.as_bytes());
        if self
            .0
            .iter()
            .any(|known| known.token == token && known.name != name)
        {
            let allowed = "one that no other operator has";
            return Err(SettingsError::new("token", secret, allowed));
        }
        self.0.push(Operator { name, token });
        Ok(())
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|operator| &*operator.name)
    }

    /// Returns whose token a request has.
    pub(super) fn of(&self, headers: &HeaderMap) -> Option<&str> {
        let token = sum(bearer(headers)?);
        let mut found = None;
        // All of them, so that the time does not tell which.
        for operator in &self.0 {
            if bool::from(operator.token.ct_eq(&token)) {
                found = Some(&*operator.name);
            }
        }
        found
    }
}

/// Returns the token of `Bearer <token>` (RFC 6750, 2.1), if there is just one.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let value = the_only(headers, &AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked(b"bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"bearer ").then_some(token)
}

/// Returns the value of a header that must not be there twice: of two, this server might believe one and a proxy the
/// other.
pub(super) fn the_only(
    headers: &HeaderMap,
    name: impl http::header::AsHeaderName,
) -> Option<&HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    values.next().is_none().then_some(first)
}

fn sum(token: &[u8]) -> Sum {
    Sha256::digest(token).into()
}
