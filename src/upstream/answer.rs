//! An upstream's response made safe to pass on.

/// What a tool answers with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The content.
    pub content: AnswerContent,
    /// The upstream's HTTP status, for the log.
    pub status: u16,
    /// How often the request was sent.
    pub attempts: u32,
}

/// The content of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AnswerContent {
    /// One JSON value, checked: well-formed, bounded in nesting.
    Json {
        /// The value as text, ready to be written into a result.
        text: String,
        /// What the value is.
        kind: JsonKind,
    },
    /// Text that is no JSON.
    Text(String),
}

/// Objects may be structured content in every revision since 2025-06-18, other values only in
/// 2026-07-28.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonKind {
    /// `{…}`
    Object,
    /// Anything else.
    Other,
}
