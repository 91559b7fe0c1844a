//! `WWW-Authenticate` as clients read it: the first word is the scheme, parameters are found by
//! pattern (RFC 9110 section 11.6.1, RFC 9728 section 5.1). Judges nothing.

use http::HeaderMap;

/// What a client takes from the header.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Challenge {
    /// The first word, in lower case.
    pub scheme: String,
    /// How many challenges there are.
    pub count: usize,
    /// Where the protected-resource document is.
    pub resource_metadata: Option<String>,
    /// Which scope to ask for.
    pub scope: Option<String>,
    /// The header as it came.
    pub text: String,
}

/// The challenge of an answer. None: there is none.
pub fn challenge(headers: &HeaderMap) -> Option<Challenge> {
    let values = headers.get_all(http::header::WWW_AUTHENTICATE).iter();
    let texts: Vec<&str> = values.filter_map(|value| value.to_str().ok()).collect();
    if texts.is_empty() {
        return None;
    }
    // Clients see repeated fields joined by a comma.
    let text = texts.join(", ");
    let scheme = text.split_whitespace().next().unwrap_or_default();
    Some(Challenge {
        scheme: scheme.trim_end_matches(',').to_ascii_lowercase(),
        count: count(&text),
        resource_metadata: parameter(&text, "resource_metadata"),
        scope: parameter(&text, "scope"),
        text,
    })
}

/// The name of another header that holds a challenge.
pub fn elsewhere(headers: &HeaderMap) -> Option<String> {
    let found = headers.iter().find(|(name, value)| {
        let text = value.to_str().unwrap_or_default();
        **name != http::header::WWW_AUTHENTICATE
            && text
                .get(..7)
                .is_some_and(|start| start.eq_ignore_ascii_case("bearer "))
    });
    found.map(|(name, _)| name.to_string())
}

/// `name="value"` or `name=value`, the first that fits.
fn parameter(text: &str, name: &str) -> Option<String> {
    let pattern = format!("{name}=");
    text.match_indices(&pattern).find_map(|(at, _)| {
        let rest = &text[at + pattern.len()..];
        let value = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split('"').next()?,
            None => rest.split([' ', ',']).next()?,
        };
        (!value.is_empty()).then(|| value.to_owned())
    })
}

/// How many challenges: a part that begins with a word without `=` opens one.
fn count(text: &str) -> usize {
    let (mut quoted, mut escaped, mut part, mut parts) = (false, false, String::new(), Vec::new());
    for c in text.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted => parts.push(std::mem::take(&mut part)),
            _ => {}
        }
        if quoted || c != ',' {
            part.push(c);
        }
    }
    parts.push(part);
    let opens = |part: &&String| {
        let first = part.split_whitespace().next();
        first.is_some_and(|word| !word.contains('='))
    };
    parts.iter().filter(opens).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(values: &[&str]) -> Challenge {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append("www-authenticate", value.parse().unwrap());
        }
        challenge(&headers).unwrap()
    }

    #[test]
    fn a_challenge_is_read_as_clients_do() {
        let one = read(&[
            r#"Bearer error="invalid_token", resource_metadata="https://a.test/x", scope="a b""#,
        ]);
        assert_eq!((one.scheme.as_str(), one.count), ("bearer", 1));
        assert_eq!(one.resource_metadata.as_deref(), Some("https://a.test/x"));
        assert_eq!(one.scope.as_deref(), Some("a b"));
        let bare = read(&["Bearer scope=mcp, resource_metadata=https://a.test/y"]);
        assert_eq!(bare.resource_metadata.as_deref(), Some("https://a.test/y"));
        assert_eq!(bare.scope.as_deref(), Some("mcp"));
    }

    #[test]
    fn a_second_challenge_is_seen_in_one_field_and_in_two() {
        assert_eq!(read(&["Bearer", "Basic realm=\"a, b\""]).count, 2);
        let mixed = read(&[r#"Basic realm="x", Bearer resource_metadata="https://a.test/""#]);
        assert_eq!((mixed.scheme.as_str(), mixed.count), ("basic", 2));
        assert_eq!(read(&[r#"Bearer realm="a, Basic b""#]).count, 1);
        assert_eq!(read(&[""]).count, 0);
        assert_eq!(challenge(&HeaderMap::new()), None);
    }

    #[test]
    fn a_renamed_header_is_found() {
        let mut headers = HeaderMap::new();
        headers.insert(
            "x-amzn-remapped-www-authenticate",
            "bearer a=b".parse().unwrap(),
        );
        assert_eq!(
            elsewhere(&headers).as_deref(),
            Some("x-amzn-remapped-www-authenticate")
        );
    }
}
