//! Forms of a page: a small reader of HTML that is bounded and believes nothing. It finds the form
//! that asks for a key and the one whose button allows; it runs no script and fetches nothing.

/// Longest page that is read.
const LONGEST: usize = 512 * 1024;
/// Most forms of a page, fields of a form, attributes of a tag.
const MOST: usize = 64;

/// A form.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Form {
    /// Where it goes, as it is written.
    pub action: String,
    /// Its fields that are sent: name and value.
    pub fields: Vec<(String, String)>,
    /// The field that a person fills in.
    pub asks: Option<String>,
    /// Its buttons.
    pub buttons: Vec<Button>,
}

/// A button.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Button {
    /// Its name and value, which are sent when it is pressed.
    pub field: Option<(String, String)>,
    /// What a person reads on it.
    pub label: String,
}

/// What stands on a button that lets the client in, and on one that does not.
const YES: &[&str] = &[
    "allow", "approve", "accept", "authoriz", "authoris", "grant", "connect", "confirm",
    "continue", "sign in", "log in", "login", "yes",
];
const NO: &[&str] = &[
    "deny",
    "reject",
    "cancel",
    "refuse",
    "don't",
    "not ",
    "other",
    "disconnect",
    "sign out",
    "log out",
];

impl Form {
    /// The button that allows.
    pub fn allows(&self) -> Option<&Button> {
        self.buttons.iter().find(|button| {
            let value = button.field.as_ref().map_or("", |(_, value)| value);
            let text = format!("{} {value}", button.label).to_lowercase();
            YES.iter().any(|word| text.contains(word)) && !NO.iter().any(|word| text.contains(word))
        })
    }
}

/// The forms of a page that post.
pub fn forms(page: &str) -> Vec<Form> {
    let mut end = page.len().min(LONGEST);
    while !page.is_char_boundary(end) {
        end -= 1;
    }
    let mut reader = Reader::default();
    let mut rest = &page[..end];
    while let Some(at) = rest.find('<') {
        reader.text(&rest[..at]);
        rest = &rest[at..];
        rest = if let Some(comment) = rest.strip_prefix("<!--") {
            comment.find("-->").map_or("", |end| &comment[end + 3..])
        } else {
            let Some((tag, after)) = tag(rest) else {
                break;
            };
            let after = match tag.name.as_str() {
                // What stands inside is text, whatever it looks like.
                "script" | "style" | "textarea" | "title" | "template" => skip(after, &tag.name),
                _ => after,
            };
            reader.tag(&tag);
            after
        };
        if reader.forms.len() >= MOST {
            break;
        }
    }
    reader.forms
}

struct Tag {
    /// In lower case; closing tags begin with a slash.
    name: String,
    attributes: Vec<(String, String)>,
}

impl Tag {
    fn get(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(have, _)| have == name);
        found.map(|(_, value)| value.as_str())
    }
}

#[derive(Default)]
struct Reader {
    forms: Vec<Form>,
    open: Option<Form>,
    button: Option<Button>,
}

impl Reader {
    fn text(&mut self, text: &str) {
        if let Some(button) = &mut self.button
            && button.label.len() < 200
        {
            let text = unescaped(text);
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            button
                .label
                .push_str(&text.chars().take(100).collect::<String>());
        }
    }

    fn tag(&mut self, tag: &Tag) {
        match tag.name.as_str() {
            "form" if self.open.is_none() => {
                let posts = tag
                    .get("method")
                    .is_some_and(|m| m.eq_ignore_ascii_case("post"));
                self.open = posts.then(|| Form {
                    action: tag.get("action").unwrap_or_default().to_owned(),
                    ..Form::default()
                });
            }
            "/form" => {
                self.close_button();
                self.forms.extend(self.open.take());
            }
            "input" => self.input(tag),
            "button" => {
                self.close_button();
                let kind = tag.get("type").unwrap_or("submit");
                if kind.eq_ignore_ascii_case("submit") {
                    self.button = Some(Button {
                        field: field_of(tag),
                        label: String::new(),
                    });
                }
            }
            "/button" => self.close_button(),
            _ => {}
        }
    }

    fn close_button(&mut self) {
        if let (Some(form), Some(button)) = (&mut self.open, self.button.take())
            && form.buttons.len() < MOST
        {
            form.buttons.push(button);
        }
    }

    fn input(&mut self, tag: &Tag) {
        let Some(form) = &mut self.open else { return };
        if form.fields.len() >= MOST || form.buttons.len() >= MOST || tag.get("disabled").is_some()
        {
            return;
        }
        let kind = tag.get("type").unwrap_or("text").to_ascii_lowercase();
        let value = tag.get("value").unwrap_or_default().to_owned();
        match (kind.as_str(), tag.get("name")) {
            ("submit", _) => form.buttons.push(Button {
                field: field_of(tag),
                label: value,
            }),
            ("checkbox" | "radio", Some(name)) if tag.get("checked").is_some() => {
                let value = tag.get("value").unwrap_or("on");
                form.fields.push((name.to_owned(), value.to_owned()));
            }
            ("password" | "text", Some(name)) if form.asks.is_none() && value.is_empty() => {
                form.asks = Some(name.to_owned());
            }
            ("hidden" | "text" | "password" | "email", Some(name)) => {
                form.fields.push((name.to_owned(), value));
            }
            _ => {}
        }
    }
}

fn field_of(tag: &Tag) -> Option<(String, String)> {
    let value = tag.get("value").unwrap_or_default();
    Some((tag.get("name")?.to_owned(), value.to_owned()))
}

/// The text behind the end tag of a raw element.
fn skip<'p>(rest: &'p str, name: &str) -> &'p str {
    let end = format!("</{name}");
    rest.char_indices()
        .filter(|(_, c)| *c == '<')
        .find(|(at, _)| {
            let start = rest.get(*at..at + end.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(&end))
        })
        .map_or("", |(at, _)| &rest[at..])
}

/// The tag at the beginning, and what follows it. None: it does not end.
fn tag(text: &str) -> Option<(Tag, &str)> {
    let inner = text.strip_prefix('<')?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '/' || c == '-' || c == '!';
    let end = inner.find(|c| !is_name(c))?;
    let name = inner[..end].trim_end_matches('/');
    let mut found = Tag {
        name: name.to_ascii_lowercase(),
        attributes: Vec::new(),
    };
    let mut rest = &inner[end..];
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
        if let Some(after) = rest.strip_prefix('>') {
            return Some((found, after));
        }
        let end = rest.find(|c: char| c.is_ascii_whitespace() || matches!(c, '=' | '>' | '/'))?;
        let (name, after) = rest.split_at(end);
        let spaced = after.trim_start();
        let (value, after) = match spaced.strip_prefix('=') {
            Some(value) => value_of(value.trim_start())?,
            None => ("", after),
        };
        if found.attributes.len() < MOST {
            let name = name.to_ascii_lowercase();
            // The first of two counts, as in browsers.
            if found.get(&name).is_none() {
                found.attributes.push((name, unescaped(value)));
            }
        }
        // `<a ="">`: a name that is empty would never end.
        rest = if end == 0 && spaced.is_empty() {
            ""
        } else {
            after
        };
        if rest.is_empty() {
            return None;
        }
    }
}

fn value_of(text: &str) -> Option<(&str, &str)> {
    if let Some(quote @ ('"' | '\'')) = text.chars().next() {
        return text[1..].split_once(quote);
    }
    let end = text.find(|c: char| c.is_ascii_whitespace() || c == '>')?;
    Some(text.split_at(end))
}

/// Character references that pages use for their own punctuation.
fn unescaped(text: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.bytes().take(12).position(|byte| byte == b';');
        let known = end.and_then(|end| Some((reference(&rest[1..end])?, end)));
        let (c, length) = known.map_or(('&', 1), |(c, end)| (c, end + 1));
        out.push(c);
        rest = &rest[length..];
    }
    out.push_str(rest);
    out
}

fn reference(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}

#[cfg(test)]
mod tests;
