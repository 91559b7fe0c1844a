//! How the pages look: the operator's name, colours and logo, made ready once at start.

use std::{fs, path::Path};

use bytes::Bytes;
use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use crate::config::{BrandingConfig, Config};

/// Largest logo.
const LARGEST_LOGO: u64 = 256 << 10;
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
    if fs::metadata(path)?.len() > LARGEST_LOGO {
        return Err(LogoFault::Large);
    }
    let bytes = fs::read(path)?;
    let kind = sniff(&bytes).ok_or(LogoFault::Kind)?;
    Ok(Asset::new(bytes.into(), kind))
}

/// The media type by the bytes, whatever the file is called.
fn sniff(bytes: &[u8]) -> Option<&'static str> {
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        return Some("image/png");
    }
    if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        return Some("image/webp");
    }
    let text = std::str::from_utf8(bytes).ok()?;
    let text = text.trim_start_matches('\u{feff}').trim_start();
    (text.starts_with('<') && text.contains("<svg")).then_some("image/svg+xml")
}

fn stylesheet(branding: &BrandingConfig) -> String {
    let colours = |accent: &str| {
        let accent = rgb(accent).unwrap_or([0x1f, 0x5f, 0xbf]);
        let [r, g, b] = accent;
        let on = if luminance(accent) > 0.18 {
            "#111"
        } else {
            "#fff"
        };
        format!("--accent:#{r:02x}{g:02x}{b:02x};--on-accent:{on}")
    };
    format!(
        ":root{{{}}}\n@media (prefers-color-scheme:dark){{:root{{{}}}}}\n{STYLE}",
        colours(&branding.accent),
        colours(&branding.accent_dark)
    )
}

/// `#rrggbb` as three numbers. Nothing else of a colour gets into the stylesheet.
fn rgb(text: &str) -> Option<[u8; 3]> {
    let digits = text.strip_prefix('#')?.to_ascii_lowercase();
    HEXLOWER.decode(digits.as_bytes()).ok()?.try_into().ok()
}

/// Relative luminance (WCAG 2.2). At 0.18 black and white text have about the same contrast.
fn luminance(rgb: [u8; 3]) -> f64 {
    let linear = |channel: u8| {
        let c = f64::from(channel) / 255.0;
        if c <= 0.040_45 {
            c / 12.92
        } else {
            ((c + 0.055) / 1.055).powf(2.4)
        }
    };
    let [r, g, b] = rgb.map(linear);
    0.2126f64.mul_add(r, 0.7152f64.mul_add(g, 0.0722 * b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pictures_are_served() {
        assert_eq!(sniff(b"\x89PNG\r\n\x1a\nrest"), Some("image/png"));
        assert_eq!(sniff(b"RIFF\0\0\0\0WEBPVP8 "), Some("image/webp"));
        let svg = b"<?xml version=\"1.0\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\"/>";
        assert_eq!(sniff(svg), Some("image/svg+xml"));
        for other in [
            &b"<html><script>"[..],
            b"GIF89a",
            b"",
            b"\xff\xd8\xff\xe0",
            b"svg",
        ] {
            assert_eq!(sniff(other), None);
        }
    }

    #[test]
    fn colours_are_colours_and_text_on_them_can_be_read() {
        let style = |accent: &str| {
            stylesheet(&BrandingConfig {
                accent: accent.into(),
                ..BrandingConfig::default()
            })
        };
        assert!(style("#1F5FBF").starts_with(":root{--accent:#1f5fbf;--on-accent:#fff}"));
        assert!(style("#ffee00").starts_with(":root{--accent:#ffee00;--on-accent:#111}"));
        assert!(!style("red;}body{display:none").contains("display:none}"));
    }
}
