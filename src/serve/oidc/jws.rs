//! Signed tokens in the compact form (RFC 7515, section 7.1).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use serde::Deserialize;
use serde_json::Value;

/// No token is longer, bytes; those of GitHub have about 2,000.
const LONGEST: usize = 16 << 10;

/// A token with an unverified signature.
#[derive(Debug)]
pub(super) struct SignedToken<'a> {
    pub key_id: String,
    /// What was signed: the first two parts with the dot between them.
    pub signed: &'a str,
    pub signature: Vec<u8>,
    /// The claims as JSON.
    pub payload: Vec<u8>,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: String,
    /// Extensions that must be understood (RFC 7515, section 4.1.11); none is here.
    #[serde(default)]
    crit: Option<Value>,
}

const FORM: &str = "it is not a signed token";

fn decode(part: &str) -> Result<Vec<u8>, &'static str> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| FORM)
}

/// Takes a token apart.
///
/// # Errors
/// What is wrong with it.
pub(super) fn parse(text: &str) -> Result<SignedToken<'_>, &'static str> {
    if text.len() > LONGEST {
        return Err("it is too long");
    }
    let (signed, signature) = text.rsplit_once('.').ok_or(FORM)?;
    let (header, payload) = signed.split_once('.').ok_or(FORM)?;
    let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| "its header has no `alg` and `kid`")?;
    if header.alg != "RS256" {
        return Err("its `alg` is not RS256");
    }
    if header.crit.is_some() {
        return Err("its header has `crit`");
    }
    Ok(SignedToken {
        key_id: header.kid,
        signed,
        signature: decode(signature)?,
        payload: decode(payload)?,
    })
}

/// A public key of RSA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RsaKey {
    /// Big-endian.
    pub modulus: Vec<u8>,
    pub exponent: Vec<u8>,
}

impl RsaKey {
    /// Whether a text is signed with the private half (RS256: PKCS #1 v1.5 with SHA-256, RFC 7518, section 3.3). Keys below 2048 bits sign
    /// nothing.
    pub(super) fn has_signed(&self, text: &str, signature: &[u8]) -> bool {
        let key = RsaPublicKeyComponents {
            n: &self.modulus,
            e: &self.exponent,
        };
        key.verify(&RSA_PKCS1_2048_8192_SHA256, text.as_bytes(), signature).is_ok()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

    use super::*;

    fn token(header: &str) -> String {
        format!(
            "{}.{}.{}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode("{}"),
            URL_SAFE_NO_PAD.encode("x")
        )
    }

    #[test]
    fn other_algorithms_and_forms_are_refused() {
        for (text, words) in [
            (token(r#"{"alg":"none","kid":"1"}"#), "RS256"),
            (token(r#"{"alg":"None","kid":"1"}"#), "RS256"),
            (token(r#"{"alg":"HS256","kid":"1"}"#), "RS256"),
            (token(r#"{"alg":"rs256","kid":"1"}"#), "RS256"),
            (token(r#"{"alg":["RS256"],"kid":"1"}"#), "`alg` and `kid`"),
            (token(r#"{"alg":"none","alg":"RS256","kid":"1"}"#), "`alg` and `kid`"),
            (token(r#"{"alg":"RS256"}"#), "`alg` and `kid`"),
            (token(r#"{"alg":"RS256","kid":"1","crit":["exp"]}"#), "crit"),
            ("a.b".to_owned(), "not a signed token"),
            ("....".to_owned(), "`alg` and `kid`"),
            (format!("{}=", token(r#"{"alg":"RS256","kid":"1"}"#)), "not a signed token"),
            ("e".repeat(LONGEST + 1), "too long"),
        ] {
            assert!(parse(&text).unwrap_err().contains(words), "{text}");
        }
        let text = token(r#"{"alg":"RS256","kid":"1","jku":"https://evil.example/keys"}"#);
        let parsed = parse(&text).unwrap();
        assert_eq!((parsed.key_id.as_str(), parsed.payload.as_slice()), ("1", b"{}".as_slice()));
    }
}
