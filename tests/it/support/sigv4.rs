//! Judges AWS signatures (Signature Version 4) by the documented steps, with nothing of our code.

use aws_lc_rs::{digest, hmac};
use data_encoding::HEXLOWER;

/// A request as it arrived. Its path and query need no encoding.
pub(crate) struct Signed<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    pub(crate) header: &'a dyn Fn(&str) -> Option<String>,
    pub(crate) body: &'a [u8],
}

impl Signed<'_> {
    /// The header fields under the signature, if it is one of this key, for `region` and `service`,
    /// dated as the request is.
    pub(crate) fn by(
        &self,
        (id, secret): (&str, &str),
        region: &str,
        service: &str,
    ) -> Option<Vec<String>> {
        let authorization = (self.header)("authorization")?;
        let rest = authorization.strip_prefix("AWS4-HMAC-SHA256 ")?;
        let part = |name: &str| rest.split(", ").find_map(|part| part.strip_prefix(name));
        let (credential, names) = (part("Credential=")?, part("SignedHeaders=")?);
        let date = (self.header)("x-amz-date")?;
        let scope = format!("{}/{region}/{service}/aws4_request", date.get(..8)?);
        let signed: Vec<String> = names.split(';').map(str::to_owned).collect();
        let mut pairs: Vec<&str> = self.query.split('&').collect();
        pairs.sort_unstable();
        let mut fields = String::new();
        for name in &signed {
            let value = (self.header)(name).unwrap_or_default();
            fields.extend([name, ":", value.trim(), "\n"]);
        }
        let hex = |bytes: &[u8]| HEXLOWER.encode(digest::digest(&digest::SHA256, bytes).as_ref());
        let (method, path, query) = (self.method, self.path, pairs.join("&"));
        let body = hex(self.body);
        let canonical = format!("{method}\n{path}\n{query}\n{fields}\n{names}\n{body}");
        let hash = hex(canonical.as_bytes());
        let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{hash}");
        let mut key = format!("AWS4{secret}").into_bytes();
        for part in scope.split('/') {
            key = mac(&key, part);
        }
        let right = credential == format!("{id}/{scope}")
            && signed.is_sorted()
            && part("Signature=")? == HEXLOWER.encode(&mac(&key, &text));
        right.then_some(signed)
    }
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
}
