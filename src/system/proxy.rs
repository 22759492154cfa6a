//! The proxy that the environment names for a URL: `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, in upper or lower case, as
//! curl reads them. Servers on this machine are reached directly, even if `NO_PROXY` does not list them: a proxy would be measured with
//! the server, or would not find it.

use std::net::IpAddr;

use hyper_util::client::proxy::matcher::{Intercept, Matcher};

use crate::model::{Proxy, Secret};

/// The environment's proxy cannot be used. Its URL may contain a password, so messages do not quote it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// The value is not the URL of a proxy.
    #[error(
        "the environment variable {variable} is not the URL of a proxy, expected http://host:port; correct it, or list the server in NO_PROXY"
    )]
    Invalid {
        /// Name of the variable.
        variable: String,
    },
    /// Proxies of this kind are not supported.
    #[error("the environment variable {variable} names a proxy with {scheme}, expected http; use another, or list the server in NO_PROXY")]
    Scheme {
        /// Name of the variable.
        variable: String,
        /// The scheme of the proxy's URL.
        scheme: String,
    },
}

/// The proxy for a server, by these variables; `None` if it is reached directly.
///
/// # Errors
/// [`ProxyError`] if the environment's proxy cannot be used. It is not bypassed: that might be forbidden, or fail with a misleading
/// error.
pub fn proxy_for(host: &str, tls: bool, variable: &dyn Fn(&str) -> Option<String>) -> Result<Option<Proxy>, ProxyError> {
    let named = if tls { "HTTPS_PROXY" } else { "HTTP_PROXY" };
    let Some((name, value)) = first(&[named, "ALL_PROXY"], variable) else {
        return Ok(None);
    };
    let exceptions = first(&["NO_PROXY"], variable).map_or_else(String::new, |(_, value)| value);
    if is_this_machine(host) || is_excepted(host, &exceptions) {
        return Ok(None);
    }
    let found = Matcher::builder().all(value).build().intercept(&uri_of(host));
    let Some(found) = found else {
        return Err(ProxyError::Invalid { variable: name });
    };
    match found.uri().scheme_str() {
        Some("http") | None => Ok(Some(proxy(&found, &name)?)),
        Some(scheme) => Err(ProxyError::Scheme {
            variable: name,
            scheme: scheme.to_owned(),
        }),
    }
}

/// The first variable with a value. As in curl, the lower-case name takes precedence.
fn first(names: &[&str], variable: &dyn Fn(&str) -> Option<String>) -> Option<(String, String)> {
    let cases = names.iter().flat_map(|name| [name.to_ascii_lowercase(), (*name).to_owned()]);
    let mut values = cases.filter_map(|name| Some((variable(&name)?, name)));
    let (value, name) = values.find(|(value, _)| !value.trim().is_empty())?;
    Some((name, value.trim().to_owned()))
}

fn is_this_machine(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(address) => address.is_loopback() || address.is_unspecified(),
        Err(_) => host.eq_ignore_ascii_case("localhost") || host.to_ascii_lowercase().ends_with(".localhost"),
    }
}

fn is_excepted(host: &str, exceptions: &str) -> bool {
    let matcher = Matcher::builder().all("http://any.invalid:1").no(exceptions).build();
    matcher.intercept(&uri_of(host)).is_none()
}

/// A URI with this host. An invalid host name matches no exception; the connection fails later.
fn uri_of(host: &str) -> http::Uri {
    let authority = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let uri = http::Uri::builder().scheme("http").authority(authority).path_and_query("/").build();
    uri.unwrap_or_else(|_| http::Uri::from_static("http://unknown.invalid/"))
}

fn proxy(found: &Intercept, name: &str) -> Result<Proxy, ProxyError> {
    let host = found.uri().host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() {
        return Err(ProxyError::Invalid { variable: name.to_owned() });
    }
    let authorization = found.basic_auth().and_then(|value| value.to_str().ok());
    Ok(Proxy {
        host: host.to_owned(),
        port: found.uri().port_u16().unwrap_or(80),
        authorization: authorization.map(|value| Secret::new(value.to_owned())),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;

    fn found(host: &str, tls: bool, variables: &[(&str, &str)]) -> Result<Option<String>, ProxyError> {
        let variable = |name: &str| {
            let (_, value) = variables.iter().find(|(key, _)| *key == name)?;
            Some((*value).to_owned())
        };
        Ok(proxy_for(host, tls, &variable)?.map(|proxy| proxy.url()))
    }

    #[test]
    fn variables_name_the_proxy_of_a_server() {
        let plain = ("HTTP_PROXY", "http://p:3128");
        for (host, tls, variables, expected) in [
            ("model.example", false, vec![], None),
            ("model.example", false, vec![plain], Some("http://p:3128")),
            ("model.example", true, vec![plain], None),
            ("model.example", true, vec![("https_proxy", "p2:1")], Some("http://p2:1")),
            ("model.example", true, vec![("all_proxy", "http://p3")], Some("http://p3:80")),
            (
                "model.example",
                false,
                vec![plain, ("http_proxy", "http://q:1")],
                Some("http://q:1"),
            ),
            ("model.example", false, vec![plain, ("no_proxy", "example")], None),
            ("model.example", false, vec![plain, ("NO_PROXY", "other, *")], None),
            ("10.1.2.3", false, vec![plain, ("NO_PROXY", "10.0.0.0/8")], None),
            ("11.1.2.3", false, vec![plain, ("NO_PROXY", "10.0.0.0/8")], Some("http://p:3128")),
            ("fd00::1", false, vec![plain], Some("http://p:3128")),
            ("127.0.0.1", false, vec![plain], None),
            ("localhost", false, vec![plain], None),
            ("::1", false, vec![plain], None),
            ("model.example", false, vec![("HTTP_PROXY", " ")], None),
        ] {
            assert_eq!(found(host, tls, &variables).unwrap().as_deref(), expected, "{host} {variables:?}");
        }
    }

    #[test]
    fn unusable_proxies_are_refused_without_their_password() {
        for (value, message) in [
            ("socks5://user:pass@p:1080", "names a proxy with socks5, expected http"),
            ("https://user:pass@p:3129", "names a proxy with https, expected http"),
            ("ftp://user:pass@p", "HTTP_PROXY is not the URL of a proxy"),
        ] {
            let error = found("model.example", false, &[("HTTP_PROXY", value)]).unwrap_err().to_string();
            assert!(error.contains(message) && !error.contains("pass"), "{error}");
        }
        // The proxy of another scheme is not checked.
        assert_eq!(found("localhost", false, &[("HTTP_PROXY", "socks5://p")]), Ok(None));
    }

    #[test]
    fn user_and_password_become_a_header() {
        let variable = |name: &str| (name == "http_proxy").then(|| "http://user:p%40ss@p:3128".to_owned());
        let proxy = proxy_for("model.example", false, &variable).unwrap().unwrap();
        assert_eq!(proxy.authorization.unwrap().expose(), "Basic dXNlcjpwQHNz");
    }
}
