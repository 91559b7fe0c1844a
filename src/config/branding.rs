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

    /// A PNG, SVG or WebP file of at most 256 KiB, shown 48 pixels high.
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
