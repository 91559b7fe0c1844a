//! `branding:` — how the gateway's pages look.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

/// How the sign-in, consent and account pages look: your name, not ours.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BrandingConfig {
    /// Whose service this is, as your customers know it.
    pub name: String,

    /// A PNG, SVG or WebP file of at most 256 KiB, shown 48 pixels high. Relative to the
    /// configuration file.
    pub logo: Option<PathBuf>,

    /// The colour of buttons and links, `#rrggbb`; dark enough for white text on it.
    pub accent: String,

    /// The same on a dark background; light enough for dark text on it.
    pub accent_dark: String,

    /// Where a customer gets help: a page or `mailto:` address.
    pub support: Option<Url>,

    /// Where a customer finds the license key; one sentence under the field.
    pub key_hint: Option<String>,
}

/// What a logo file holds, by its first bytes: the name of a file proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogoKind {
    /// A PNG image.
    Png,
    /// An SVG drawing.
    Svg,
    /// A WebP image.
    WebP,
}

impl LogoKind {
    /// Largest logo file, in bytes.
    pub const MAX_BYTES: u64 = 256 << 10;

    /// How far into a text the `<svg` tag is looked for.
    const SVG_HEAD: usize = 4 << 10;

    /// None when it is none of the three.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
            return Some(Self::Png);
        }
        if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
            return Some(Self::WebP);
        }
        let head = &bytes[..bytes.len().min(Self::SVG_HEAD)];
        let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
        let text = text.trim_ascii_start();
        let opens = |word: &[u8]| text.starts_with(word);
        let is_markup = opens(b"<?xml") || opens(b"<!--") || opens(b"<!DOCTYPE svg");
        let has_tag = || memchr::memmem::find(text, b"<svg").is_some();
        (opens(b"<svg") || (is_markup && has_tag())).then_some(Self::Svg)
    }

    /// Its media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Svg => "image/svg+xml",
            Self::WebP => "image/webp",
        }
    }
}

impl Default for BrandingConfig {
    fn default() -> Self {
        Self {
            name: "Wicketgate".into(),
            logo: None,
            accent: "#1f5fbf".into(),
            accent_dark: "#8ab4f8".into(),
            support: None,
            key_hint: None,
        }
    }
}
