//! `branding`: text that can be seen, colours that can be read, a logo that is an image.

use std::{fs::File, io::Read as _, path::Path};

use super::{
    super::{
        Config,
        branding::LogoKind,
        findings::{Findings, Spot},
    },
    Scope, visible,
};

/// What text of normal size needs (WCAG 2.2, success criterion 1.4.3).
const CONTRAST: f64 = 4.5;
/// The text on buttons in the dark scheme.
const DARK_TEXT: [u8; 3] = [0x11; 3];
const LIGHT_TEXT: [u8; 3] = [0xff; 3];
/// Most characters.
const NAME: usize = 60;
const HINT: usize = 200;

pub(super) fn check(config: &Config, scope: &Scope<'_>, findings: &mut Findings) {
    let at = Spot::root(scope.main).key("branding");
    let branding = &config.branding;
    line(&branding.name, NAME, &at.key("name"), findings);
    if let Some(hint) = &branding.key_hint {
        line(hint, HINT, &at.key("key_hint"), findings);
    }
    colour(
        &branding.accent,
        (LIGHT_TEXT, "white"),
        &at.key("accent"),
        findings,
    );
    colour(
        &branding.accent_dark,
        (DARK_TEXT, "dark"),
        &at.key("accent_dark"),
        findings,
    );
    if let Some(logo) = &branding.logo
        && let Err((message, fix)) = image(&scope.base_dir.join(logo))
    {
        findings.error(&at.key("logo"), message, fix);
    }
    if let Some(url) = &branding.support
        && !matches!(url.scheme(), "https" | "mailto")
    {
        findings.error(
            &at.key("support"),
            "neither `https:` nor `mailto:`",
            "write `https://example.com/help` or `mailto:help@example.com`",
        );
    }
}

/// One line that can be seen.
fn line(text: &str, most: usize, at: &Spot<'_>, findings: &mut Findings) {
    let length = text.chars().count();
    if text.trim().is_empty() || length > most || text.contains(['\n', '\t']) {
        findings.error(
            at,
            format!("must be one line of 1 to {most} characters"),
            format!("it has {length}: write a shorter or longer one, without line breaks"),
        );
    }
    visible(text, at, findings);
}

fn colour(
    text: &str,
    (on_it, word): ([u8; 3], &'static str),
    at: &Spot<'_>,
    findings: &mut Findings,
) {
    let Some(colour) = rgb(text) else {
        findings.error(at, "not a colour", "write `#rrggbb`: `#1f5fbf`");
        return;
    };
    let ratio = contrast(colour, on_it);
    if ratio < CONTRAST {
        let (other, fix) = if on_it == LIGHT_TEXT {
            ("darker", "choose a darker colour")
        } else {
            ("lighter", "choose a lighter colour")
        };
        // Cut, not rounded: 4.49 must not be shown as 4.5.
        let shown = (ratio * 100.0).floor() / 100.0;
        findings.error(
            at,
            format!(
                "{word} text on it cannot be read well: its contrast is {shown:.2}:1, and \
                 {CONTRAST}:1 is needed, so it must be {other}"
            ),
            fix,
        );
    }
}

fn rgb(text: &str) -> Option<[u8; 3]> {
    let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6)?;
    let bytes = data_encoding::HEXLOWER_PERMISSIVE
        .decode(digits.as_bytes())
        .ok()?;
    bytes.try_into().ok()
}

/// From 1 to 21 (WCAG 2.2, "contrast ratio").
fn contrast(one: [u8; 3], other: [u8; 3]) -> f64 {
    let (one, other) = (luminance(one), luminance(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

/// From 0 to 1 (WCAG 2.2, "relative luminance").
fn luminance(colour: [u8; 3]) -> f64 {
    let [red, green, blue] = colour.map(|part| {
        let part = f64::from(part) / 255.0;
        if part <= 0.04045 {
            part / 12.92
        } else {
            ((part + 0.055) / 1.055).powf(2.4)
        }
    });
    0.2126_f64.mul_add(red, 0.7152_f64.mul_add(green, 0.0722 * blue))
}

fn image(path: &Path) -> Result<(), (String, &'static str)> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LogoKind::MAX_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| {
            (
                format!("the file cannot be read ({})", error.kind()),
                "check the path; it is relative to this file",
            )
        })?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > LogoKind::MAX_BYTES {
        return Err((
            "the file is larger than 256 KiB".to_owned(),
            "make the image smaller; it is shown 48 pixels high",
        ));
    }
    match LogoKind::of(&bytes) {
        Some(_) => Ok(()),
        None => Err((
            "the file is neither PNG nor SVG nor WebP".to_owned(),
            "save it as one of these",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contrast_is_as_wcag_measures_it() {
        let measured = |text: &str, on_it| contrast(rgb(text).unwrap(), on_it);
        assert!((measured("#000000", LIGHT_TEXT) - 21.0).abs() < 1e-9);
        assert!((measured("#ffffff", LIGHT_TEXT) - 1.0).abs() < 1e-9);
        // The well-known pair on either side of 4.5.
        assert!((measured("#767676", LIGHT_TEXT) - 4.54).abs() < 0.005);
        assert!((measured("#777777", LIGHT_TEXT) - 4.48).abs() < 0.005);
        for odd in ["", "#fff", "#12345g", "1f5fbf", "#1f5fbf0", "#é12345"] {
            assert_eq!(rgb(odd), None, "{odd}");
        }
    }
}
