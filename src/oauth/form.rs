//! Parameters of OAuth requests: each at most once (RFC 6749 section 3.1 and 3.2).

use std::collections::{HashMap, HashSet};

use super::OAuthError;

/// Most parameters that are read.
const MOST: usize = 40;

/// The parameters of a query or of an `application/x-www-form-urlencoded` body.
pub struct Form {
    values: HashMap<String, String>,
    /// Names that were given twice.
    twice: HashSet<String>,
}

impl Form {
    /// Reads them. Names that nobody asks for are passed over, even when they come twice.
    pub fn parse(text: &[u8]) -> Result<Self, OAuthError> {
        let mut form = Self {
            values: HashMap::new(),
            twice: HashSet::new(),
        };
        for (at, (name, value)) in url::form_urlencoded::parse(text).enumerate() {
            if at >= MOST {
                return Err(OAuthError::InvalidRequest("too many parameters"));
            }
            if form
                .values
                .insert(name.clone().into_owned(), value.into_owned())
                .is_some()
            {
                form.twice.insert(name.into_owned());
            }
        }
        Ok(form)
    }

    /// A parameter; one without a value counts as absent (RFC 6749 section 3.1).
    pub fn get(&self, name: &str) -> Option<&str> {
        let value = self.values.get(name)?;
        (!value.is_empty()).then_some(value.as_str())
    }

    /// A parameter that must be there.
    pub fn need(&self, name: &str, missing: &'static str) -> Result<&str, OAuthError> {
        self.get(name).ok_or(OAuthError::InvalidRequest(missing))
    }

    /// Was one of these given twice? Two readers could pick two values.
    pub fn is_twice(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.twice.contains(*name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_and_empty_values_are_seen() {
        let form = Form::parse(b"a=1&b=&c=x%20y&a=2").unwrap();
        assert!(form.is_twice(&["a"]));
        assert!(!form.is_twice(&["b", "c"]));
        assert_eq!(form.get("b"), None);
        assert_eq!(form.get("c"), Some("x y"));
        assert!(form.need("d", "d is missing").is_err());
    }

    #[test]
    fn a_flood_is_refused() {
        let text = "a=1&".repeat(41);
        assert!(Form::parse(text.as_bytes()).is_err());
    }
}
