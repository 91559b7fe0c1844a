//! How the pages look: the operator's name, colours and logo, made ready once at start.

use std::{fs, path::Path};

use bytes::Bytes;
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use crate::config::{BrandingConfig, Config, branding::LogoKind};

/// The stylesheet but for the operator's colours.
const STYLE: &str = include_str!("../../../templates/style.css");

/// Why a logo cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum LogoFault {
    /// It cannot be read.
    #[error("branding.logo cannot be read: {0}")]
    Read(#[from] std::io::Error),
    /// It is too large.
    #[error("branding.logo is larger than 256 KiB")]
    Large,
    /// It is something else.
    #[error("branding.logo is neither PNG, SVG nor WebP")]
    Kind,
}

/// What every page shows.
#[derive(Debug)]
pub(super) struct Brand {
    pub(super) name: String,
    /// The address of the stylesheet; changes with its text.
    pub(super) style: String,
    /// The address of the logo; changes with its bytes.
    pub(super) logo: Option<String>,
    pub(super) support: Option<String>,
    pub(super) key_hint: Option<String>,
}

/// A file as it is served.
#[derive(Debug, Clone)]
pub(super) struct Asset {
    pub(super) bytes: Bytes,
    pub(super) media_type: &'static str,
    /// A strong entity tag, quotes included.
    pub(super) tag: String,
}

/// Everything about the looks.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) brand: Brand,
    pub(super) style: Asset,
    pub(super) logo: Option<Asset>,
}

impl Look {
    pub(super) fn of(config: &Config) -> Result<Self, LogoFault> {
        let branding = &config.branding;
        let style = Asset::new(stylesheet(branding).into(), "text/css; charset=utf-8");
        let logo = branding.logo.as_deref().map(read_logo).transpose()?;
        let address = |path: &str, asset: &Asset| format!("{path}?v={}", asset.version());
        Ok(Self {
            brand: Brand {
                name: branding.name.clone(),
                style: address("/style.css", &style),
                logo: logo.as_ref().map(|logo| address("/logo", logo)),
                support: branding.support.as_ref().map(ToString::to_string),
                key_hint: branding.key_hint.clone(),
            },
            style,
            logo,
        })
    }
}

impl Asset {
    fn new(bytes: Bytes, media_type: &'static str) -> Self {
        let digest = HEXLOWER.encode(&Sha256::digest(&bytes)[..8]);
        Self {
            bytes,
            media_type,
            tag: format!("\"{digest}\""),
        }
    }

    fn version(&self) -> &str {
        self.tag.trim_matches('"')
    }
}

fn read_logo(path: &Path) -> Result<Asset, LogoFault> {
    if fs::metadata(path)?.len() > LogoKind::MAX_BYTES {
        return Err(LogoFault::Large);
    }
    let bytes = fs::read(path)?;
    let kind = LogoKind::of(&bytes).ok_or(LogoFault::Kind)?;
    Ok(Asset::new(bytes.into(), kind.media_type()))
}

fn stylesheet(branding: &BrandingConfig) -> String {
    // The configuration is only accepted with colours that carry this text well.
    let colours = |accent: &str, on: &str| {
        let accent = plain(accent);
        format!("--accent:{accent};--on-accent:{on}")
    };
    format!(
        ":root{{{}}}\n@media (prefers-color-scheme:dark){{:root{{{}}}}}\n{STYLE}",
        colours(&branding.accent, "#fff"),
        colours(&branding.accent_dark, "#111")
    )
}

/// Nothing but `#rrggbb` gets into the stylesheet.
fn plain(colour: &str) -> &str {
    let is_colour = colour
        .strip_prefix('#')
        .is_some_and(|digits| digits.len() == 6 && digits.bytes().all(|b| b.is_ascii_hexdigit()));
    if is_colour { colour } else { "currentColor" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_colours_get_into_the_stylesheet() {
        let style = |accent: &str| {
            stylesheet(&BrandingConfig {
                accent: accent.into(),
                ..BrandingConfig::default()
            })
        };
        assert!(style("#123456").starts_with(":root{--accent:#123456;--on-accent:#fff}"));
        assert!(!style("red;}body{display:none").contains("display:none}"));
        assert!(!style("#12345é").contains('é'));
    }
}
