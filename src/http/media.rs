//! What a body says it is, for every endpoint that reads one.

use http::{
    HeaderMap, HeaderName,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
};

/// A type of body that is read somewhere here; in UTF-8 and without content coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Media {
    /// `application/x-www-form-urlencoded`
    Form,
    /// `application/json`
    Json,
}

/// None for what is not read: another type, none, two, another charset, or a coding.
pub(super) fn media(headers: &HeaderMap) -> Option<Media> {
    if headers.contains_key(CONTENT_ENCODING)
        && only(headers, &CONTENT_ENCODING) != Some("identity")
    {
        return None;
    }
    let text = only(headers, &CONTENT_TYPE)?;
    let mut pieces = text.split(';').map(str::trim);
    let name = pieces.next()?;
    let media = if name.eq_ignore_ascii_case("application/json") {
        Media::Json
    } else if name.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        Media::Form
    } else {
        return None;
    };
    let utf8 = |parameter: &str| {
        parameter.is_empty()
            || parameter.eq_ignore_ascii_case("charset=utf-8")
            || parameter.eq_ignore_ascii_case("charset=\"utf-8\"")
    };
    pieces.all(utf8).then_some(media)
}

/// The one value of a field; none when it is given twice, since two readers could pick two.
pub(super) fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    value.to_str().ok().map(str::trim)
}
