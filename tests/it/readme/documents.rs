//! Reading documents: their blocks, links and commands.

use std::{fs, path::Path};

/// The text of a file of the repository.
pub(crate) fn read(document: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(document);
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{document}: {error}"))
}

/// The fenced blocks of a document that are marked with this language.
pub(crate) fn blocks(document: &str, language: &str) -> Vec<String> {
    blocks_of(&read(document), language)
}

/// The first such block after a heading.
#[track_caller]
pub(crate) fn block_after(document: &str, heading: &str, language: &str) -> String {
    let text = read(document);
    let (_, after) = text
        .split_once(&format!("\n{heading}\n"))
        .unwrap_or_else(|| panic!("{document} lacks {heading}"));
    blocks_of(after, language).swap_remove(0)
}

fn blocks_of(text: &str, language: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Option<(bool, String)> = None;
    for line in text.lines() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(kind)) => open = Some((kind == language, String::new())),
            (Some(_), Some(_)) => {
                found.extend(
                    open.take()
                        .and_then(|(wanted, body)| wanted.then_some(body)),
                );
            }
            (Some((_, body)), None) => {
                body.push_str(line);
                body.push('\n');
            }
            (None, None) => {}
        }
    }
    found
}

/// Every `wicketgate …` in code, as words without the program's name and `-c FILE`.
pub(crate) fn commands(document: &str) -> Vec<Vec<String>> {
    let text = read(document);
    let mut lines: Vec<String> = blocks_of(&text, "sh")
        .iter()
        .flat_map(|block| block.lines())
        .map(|line| line.split("  #").next().unwrap_or_default().to_owned())
        .collect();
    let inline = text
        .lines()
        .flat_map(|line| line.split('`').skip(1).step_by(2));
    lines.extend(inline.map(str::to_owned));
    lines
        .iter()
        .filter_map(|line| {
            let line = line.trim();
            let at = if line.starts_with("wicketgate ") {
                0
            } else {
                line.find("| wicketgate ")? + 2
            };
            let mut words = words_of(&line[at..]).split_off(1);
            while words.first().is_some_and(|word| word == "-c") {
                words.drain(..2);
            }
            let is_command = words.first()?.chars().all(|c| c.is_ascii_lowercase());
            is_command.then_some(words)
        })
        .collect()
}

/// Splits a command line as a shell does, as far as the documents need.
pub(crate) fn words_of(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, ' ') => words.extend((!word.is_empty()).then(|| std::mem::take(&mut word))),
            (None, '<' | '>' | '|') => break,
            (_, c) => word.push(c),
        }
    }
    words.extend((!word.is_empty()).then_some(word));
    words
}

/// The targets of the links that stay in the repository.
pub(crate) fn links(document: &str) -> Vec<String> {
    let text = read(document);
    text.split("](")
        .skip(1)
        .filter_map(|rest| Some(rest.split_once(')')?.0.to_owned()))
        .chain(
            text.split("src=\"")
                .skip(1)
                .filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())),
        )
        .filter(|target| !target.contains("://"))
        .collect()
}

/// Is there such a file, and such a heading in it?
pub(crate) fn leads_somewhere(document: &str, target: &str) -> bool {
    let (file, heading) = target.split_once('#').unwrap_or((target, ""));
    let folder = Path::new(document).parent().unwrap();
    let path = match file {
        "" => Path::new(document).to_owned(),
        file => folder.join(file),
    };
    let Ok(text) = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)) else {
        return false;
    };
    let anchor = |line: &str| {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = title
            .chars()
            .filter(|c| c.is_alphanumeric() || *c == ' ' || *c == '-');
        kept.map(|c| if c == ' ' { '-' } else { c })
            .collect::<String>()
    };
    heading.is_empty()
        || text
            .lines()
            .any(|line| line.starts_with('#') && anchor(line) == heading)
}

/// A whole configuration around a block: a tool, an upstream's keys, or sections.
pub(crate) fn completed(block: &str) -> String {
    let keys = "keys: [{ id: k1, file: data/master.key }]\n";
    let indented = |spaces: usize| {
        let pad = " ".repeat(spaces);
        let lines: Vec<String> = block.lines().map(|line| format!("{pad}{line}")).collect();
        lines.join("\n") + "\n"
    };
    let rest = "upstreams:\n  crm:\n    rest:\n";
    let base = "      base_url: https://crm.example.com/v1\n      limit: 5/s\n";
    let tool = "      tools:\n        - name: ping\n          description: Says pong.\n          read_only: true\n          request: { path: /ping }\n          input: { type: object, additionalProperties: false, properties: {} }\n";
    if block.starts_with("- name:") {
        format!("{keys}{rest}{base}      tools:\n{}", indented(8))
    } else if block.starts_with("upstreams:") && block.contains("keys:") {
        block.to_owned()
    } else if block.starts_with("upstreams:") {
        format!("{keys}{block}")
    } else if block.starts_with("keys:") {
        block.to_owned()
    } else if block.starts_with("base_url:") {
        format!("{keys}{rest}{}{tool}", indented(6))
    } else if block.starts_with("credential:") {
        format!("{keys}{rest}{base}{}{tool}", indented(6))
    } else {
        format!("{keys}{block}")
    }
}
