//! Where requests may come from.

use http::{
    HeaderMap, Uri,
    header::{HOST, HeaderName, ORIGIN},
    request::Parts,
    uri::Authority,
};

use super::operators::the_only;
use crate::settings::SettingsError;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What pages may ask, besides whatever is no page and so has no origin.
#[derive(Clone, Default)]
pub(super) struct Origins(Vec<Origin>);

/// A web origin (RFC 6454): scheme, host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Origin {
    scheme: Scheme,
    host: String,
    port: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
}

impl Origins {
    pub(super) fn add(&mut self, origin: &str) -> Result<(), SettingsError> {
        let parsed = Origin::parse(origin).ok_or_else(|| {
            let allowed = "a scheme, http or https, a host, and a port if it is not the usual one";
            SettingsError::new("origin", origin, allowed)
        })?;
        self.0.push(parsed);
        Ok(())
    }

    /// Returns whether a request may come from where it comes from.
    ///
    /// A browser says so in two headers, which no page can set or leave out (Fetch standard); a client that is no
    /// browser need not.
    pub(super) fn allow(&self, request: &Parts) -> bool {
        let headers = &request.headers;
        let mut sites = headers.get_all(&SEC_FETCH_SITE).iter();
        sites.all(|site| site == "same-origin" || site == "none")
            && (!headers.contains_key(ORIGIN) || self.allow_origin(request))
    }

    fn allow_origin(&self, request: &Parts) -> bool {
        let origin = the_only(&request.headers, ORIGIN).and_then(|value| value.to_str().ok());
        let Some(origin) = origin.and_then(Origin::parse) else {
            return false;
        };
        match self.0.is_empty() {
            true => {
                own_authority(&request.uri, &request.headers).is_some_and(|own| origin.is_at(&own))
            }
            false => self.0.contains(&origin),
        }
    }
}

/// Returns which host a request is for (RFC 9110, 7.2; in HTTP/2 the URI has it).
fn own_authority(uri: &Uri, headers: &HeaderMap) -> Option<Authority> {
    let of_uri = uri.authority().cloned();
    of_uri.or_else(|| the_only(headers, HOST)?.to_str().ok()?.parse().ok())
}

impl Origin {
    /// Reads an origin as browsers write it; `null` is none.
    fn parse(text: &str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        let scheme = Scheme::of(scheme)?;
        let authority: Authority = authority.parse().ok()?;
        Self::at(scheme, &authority)
    }

    fn at(scheme: Scheme, authority: &Authority) -> Option<Self> {
        let (host, rest) = (authority.host(), authority.as_str());
        let port = rest.strip_prefix(host)?;
        let port = match port.strip_prefix(':') {
            Some(port) => port.parse().ok()?,
            None if port.is_empty() => scheme.usual_port(),
            None => return None,
        };
        (!host.is_empty()).then(|| Self {
            scheme,
            host: host.to_ascii_lowercase(),
            port,
        })
    }

    /// Returns whether this is where a host is. Of the scheme a host says nothing: it may be that of a proxy.
    fn is_at(&self, own: &Authority) -> bool {
        Self::at(self.scheme, own).as_ref() == Some(self)
    }
}

impl Scheme {
    fn of(text: &str) -> Option<Self> {
        match text {
            _ if text.eq_ignore_ascii_case("http") => Some(Self::Http),
            _ if text.eq_ignore_ascii_case("https") => Some(Self::Https),
            _ => None,
        }
    }

    const fn usual_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}
