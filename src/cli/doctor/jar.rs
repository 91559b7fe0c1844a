//! Cookies of the browser that is played: one origin's, few, and gone with it.

use http::HeaderMap;

/// Most cookies that are kept.
const MOST_COOKIES: usize = 32;

/// The cookies of one browser at the connector's origin.
#[derive(Default)]
pub struct Jar(Vec<(String, String)>);

impl Jar {
    /// Keeps what an answer sets.
    pub fn keep(&mut self, headers: &HeaderMap) {
        for cookie in headers.get_all(http::header::SET_COOKIE) {
            let pair = cookie.to_str().unwrap_or_default().split(';').next();
            let Some((name, value)) = pair.and_then(|pair| pair.split_once('=')) else {
                continue;
            };
            let name = name.trim();
            self.0.retain(|(have, _)| have != name);
            if !value.is_empty() && self.0.len() < MOST_COOKIES {
                self.0.push((name.to_owned(), value.trim().to_owned()));
            }
        }
    }

    /// Is there none?
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As `Cookie` has them.
    pub fn text(&self) -> String {
        let pairs = self.0.iter().map(|(name, value)| format!("{name}={value}"));
        pairs.collect::<Vec<_>>().join("; ")
    }
}
