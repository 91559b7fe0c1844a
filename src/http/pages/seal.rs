//! What a browser carries for us between two requests: who signed in, and that a form was ours.
//! Authenticated by [`FormKey`]; nothing is kept here, so every process understands every other's.

use data_encoding::BASE64URL_NOPAD as BASE64;
use http::{HeaderMap, HeaderValue, header::COOKIE};
use subtle::ConstantTimeEq as _;

use crate::{
    clock::Timestamp,
    crypto::{FormKey, TokenDigest},
    entropy::Entropy,
    ids::LicenseId,
};

/// How long a form may lie open.
const FORM: std::time::Duration = std::time::Duration::from_mins(10);
/// How far the clocks of two replicas may be apart.
const APART: std::time::Duration = std::time::Duration::from_mins(1);
/// License 16, reference to the key 16, issued 8, expires 8, MAC 32.
const LOGIN_BYTES: usize = 80;
const SIGNED: usize = LOGIN_BYTES - 32;

/// Makes and reads them.
pub(super) struct Seals {
    key: FormKey,
    /// `__Host-` cookies need https; a gateway on loopback has http.
    cookies: Cookies,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cookies {
    Secure,
    Plain,
}

/// A browser that signed in, as its cookie says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Login {
    pub(super) license: LicenseId,
    /// Names the key it signed in with, to whoever has that key's digest.
    pub(super) key: [u8; 16],
    pub(super) issued: Timestamp,
    pub(super) expires: Timestamp,
    /// The cookie's whole value, to which forms are tied.
    pub(super) text: String,
}

/// What a form does, and with what: tokens of one never pass for another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Purpose<'a> {
    pub(super) form: &'static str,
    pub(super) about: &'a str,
}

impl Seals {
    pub(super) const fn new(key: FormKey, cookies: Cookies) -> Self {
        Self { key, cookies }
    }

    /// How a login names a license key.
    pub(super) fn reference(&self, digest: &TokenDigest) -> [u8; 16] {
        let mac = self.mac(&[b"key", digest.as_bytes()]);
        let mut reference = [0; 16];
        reference.copy_from_slice(&mac[..16]);
        reference
    }

    /// A login that begins now.
    pub(super) fn login(
        &self,
        license: LicenseId,
        key: &TokenDigest,
        (issued, expires): (Timestamp, Timestamp),
    ) -> Login {
        let key = self.reference(key);
        let mut bytes = Vec::with_capacity(LOGIN_BYTES);
        bytes.extend_from_slice(license.as_bytes());
        bytes.extend_from_slice(&key);
        bytes.extend_from_slice(&issued.as_millis().to_be_bytes());
        bytes.extend_from_slice(&expires.as_millis().to_be_bytes());
        let mac = self.mac(&[b"login", &bytes]);
        bytes.extend_from_slice(&mac);
        Login {
            license,
            key,
            issued,
            expires,
            text: BASE64.encode(&bytes),
        }
    }

    /// The login that the request's cookie holds, if it is ours and not over.
    pub(super) fn read_login(&self, headers: &HeaderMap, now: Timestamp) -> Option<Login> {
        let text = cookie(headers, self.login_name())?;
        let bytes = BASE64.decode(text.as_bytes()).ok()?;
        if bytes.len() != LOGIN_BYTES {
            return None;
        }
        let (signed, mac) = bytes.split_at(SIGNED);
        if !bool::from(self.mac(&[b"login", signed]).ct_eq(mac)) {
            return None;
        }
        let array = |at: usize| -> Option<[u8; 16]> { signed.get(at..at + 16)?.try_into().ok() };
        let time = |at: usize| -> Option<Timestamp> {
            let bytes = signed.get(at..at + 8)?.try_into().ok()?;
            Some(Timestamp::from_millis(i64::from_be_bytes(bytes)))
        };
        let login = Login {
            license: LicenseId::from_bytes(array(0)?),
            key: array(16)?,
            issued: time(32)?,
            expires: time(40)?,
            text: text.to_owned(),
        };
        (login.issued <= now.plus(APART) && now < login.expires).then_some(login)
    }

    /// What a form of somebody who has not signed in is tied to, if the browser has one.
    pub(super) fn read_visit<'h>(&self, headers: &'h HeaderMap) -> Option<&'h str> {
        cookie(headers, self.visit_name()).filter(|text| text.len() == 22)
    }

    /// A new one.
    pub(super) fn visit(entropy: &dyn Entropy) -> String {
        let mut bytes = [0; 16];
        entropy.fill(&mut bytes);
        BASE64.encode(&bytes)
    }

    /// The hidden field of a form: it is ours, for this browser and this purpose, for ten minutes.
    pub(super) fn token(&self, browser: &str, purpose: Purpose<'_>, now: Timestamp) -> String {
        let until = now.plus(FORM).as_millis();
        let mac = BASE64.encode(&self.form_mac(browser, purpose, until));
        format!("{until}.{mac}")
    }

    /// Is this such a field?
    pub(super) fn is_ours(
        &self,
        token: Option<&str>,
        browser: &str,
        purpose: Purpose<'_>,
        now: Timestamp,
    ) -> bool {
        let Some((until, mac)) = token.and_then(|token| token.split_once('.')) else {
            return false;
        };
        let (Ok(until), Ok(mac)) = (until.parse::<i64>(), BASE64.decode(mac.as_bytes())) else {
            return false;
        };
        let ours = self.form_mac(browser, purpose, until);
        bool::from(ours.ct_eq(mac.as_slice())) && now < Timestamp::from_millis(until)
    }

    fn form_mac(&self, browser: &str, purpose: Purpose<'_>, until: i64) -> [u8; 32] {
        self.mac(&[
            b"form",
            browser.as_bytes(),
            purpose.form.as_bytes(),
            purpose.about.as_bytes(),
            &until.to_be_bytes(),
        ])
    }

    /// What tries to sign in are counted by.
    pub(super) fn counted(&self, what: &str, which: &[u8]) -> [u8; 16] {
        let mut key = [0; 16];
        key.copy_from_slice(&self.mac(&[b"tries", what.as_bytes(), which])[..16]);
        key
    }

    /// Over parts with their lengths, so that no two lists of parts read alike.
    fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut bytes = Vec::new();
        for part in parts {
            bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bytes.extend_from_slice(part);
        }
        self.key.digest(&bytes)
    }

    const fn login_name(&self) -> &'static str {
        match self.cookies {
            Cookies::Secure => "__Host-login",
            Cookies::Plain => "login",
        }
    }

    const fn visit_name(&self) -> &'static str {
        match self.cookies {
            Cookies::Secure => "__Host-visit",
            Cookies::Plain => "visit",
        }
    }

    /// `Set-Cookie` for a login.
    pub(super) fn remember(&self, login: &Login) -> Option<HeaderValue> {
        let seconds = login.expires.since(login.issued).as_secs();
        self.set(self.login_name(), &login.text, Some(seconds))
    }

    /// `Set-Cookie` that ends a login.
    pub(super) fn forget(&self) -> Option<HeaderValue> {
        self.set(self.login_name(), "", Some(0))
    }

    /// `Set-Cookie` for a visit: until the browser closes.
    pub(super) fn begin(&self, visit: &str) -> Option<HeaderValue> {
        self.set(self.visit_name(), visit, None)
    }

    fn set(&self, name: &str, value: &str, seconds: Option<u64>) -> Option<HeaderValue> {
        let age = seconds.map_or(String::new(), |seconds| format!("; Max-Age={seconds}"));
        let secure = match self.cookies {
            Cookies::Secure => "; Secure",
            Cookies::Plain => "",
        };
        let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{age}");
        HeaderValue::from_str(&text).ok()
    }
}

/// The first cookie of a name (RFC 6265 section 5.4).
fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let fields = headers.get_all(COOKIE).iter();
    fields
        .filter_map(|field| field.to_str().ok())
        .flat_map(|field| field.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(known, value)| (known == name).then_some(value))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::entropy::SeededEntropy;

    const NOW: Timestamp = Timestamp::from_millis(1_000_000);

    fn seals(key: u8) -> Seals {
        Seals::new(FormKey::new([key; 32]), Cookies::Secure)
    }

    fn headers(text: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, format!("a=b; __Host-login={text}").parse().unwrap());
        headers
    }

    #[test]
    fn a_login_is_read_back_until_it_is_over() {
        let seals = seals(1);
        let digest = TokenDigest::from_bytes([3; 32]);
        let span = (NOW, NOW.plus(Duration::from_mins(1)));
        let login = seals.login(LicenseId::from_bytes([7; 16]), &digest, span);
        let read = |text: &str, at| seals.read_login(&headers(text), at);
        assert_eq!(read(&login.text, NOW), Some(login.clone()));
        assert_eq!(read(&login.text, span.1), None);
        // Another replica's clock may be behind by a minute.
        let behind = |millis| Timestamp::from_millis(NOW.as_millis() - millis);
        assert_eq!(read(&login.text, behind(60_000)), Some(login.clone()));
        assert_eq!(read(&login.text, behind(60_001)), None);
        let mut bytes = BASE64.decode(login.text.as_bytes()).unwrap();
        for at in 0..bytes.len() {
            bytes[at] ^= 1;
            assert_eq!(read(&BASE64.encode(&bytes), NOW), None, "byte {at}");
            bytes[at] ^= 1;
        }
        assert_eq!(self::seals(2).read_login(&headers(&login.text), NOW), None);
        let set = seals.remember(&login).unwrap();
        let set = set.to_str().unwrap();
        assert!(set.starts_with("__Host-login="));
        assert!(
            set.ends_with("; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=60"),
            "{set}"
        );
    }

    #[test]
    fn a_form_is_for_one_browser_one_purpose_and_ten_minutes() {
        let seals = seals(1);
        let purpose = |form, about| Purpose { form, about };
        let token = seals.token("me", purpose("consent", "a=1"), NOW);
        let is_ours = |browser: &str, form, about, at| {
            seals.is_ours(Some(&token), browser, purpose(form, about), at)
        };
        assert!(is_ours("me", "consent", "a=1", NOW));
        assert!(!is_ours("you", "consent", "a=1", NOW));
        assert!(!is_ours("me", "sign-in", "a=1", NOW));
        assert!(!is_ours("me", "consent", "a=2", NOW));
        assert!(!is_ours("me", "consent", "a=1", NOW.plus(FORM)));
        let later = token.replacen("16", "17", 1);
        assert!(!seals.is_ours(Some(&later), "me", purpose("consent", "a=1"), NOW));
        for bad in [
            None,
            Some(""),
            Some("."),
            Some("9999999999999.AAAA"),
            Some("x.y"),
        ] {
            assert!(!seals.is_ours(bad, "me", purpose("consent", "a=1"), NOW));
        }
    }

    #[test]
    fn visits_differ() {
        let entropy = SeededEntropy::new(1);
        assert_ne!(Seals::visit(&entropy), Seals::visit(&entropy));
        assert_eq!(Seals::visit(&entropy).len(), 22);
    }
}
