//! Reads the files of the project as they lie on disk. Follows no links and leaves out what is
//! built or fetched.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use crate::words::{Word, words};

static TREE: LazyLock<Vec<File>> = LazyLock::new(read);

/// One text file of the project.
pub(crate) struct File {
    /// Relative to the project, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
    /// Its words, if it is Rust; else none.
    pub(crate) words: Vec<Word>,
}

impl File {
    pub(crate) fn lines(&self) -> usize {
        self.text.lines().count()
    }

    /// A file of unit tests beside the file that it tests.
    pub(crate) fn is_unit_tests(&self) -> bool {
        self.path.starts_with("src/") && self.path.ends_with("/tests.rs")
    }

    /// Its words up to the unit tests at its foot.
    pub(crate) fn words_before_tests(&self) -> &[Word] {
        if self.is_unit_tests() {
            return &[];
        }
        let foot = self
            .words
            .windows(2)
            .position(|two| two[0].is_name("mod") && two[1].is_name("tests"));
        &self.words[..foot.unwrap_or(self.words.len())]
    }

    /// `src/foo/bar.rs` is `["foo", "bar"]`.
    pub(crate) fn module(&self) -> Vec<&str> {
        let inside = self.path.strip_prefix("src/").unwrap_or(&self.path);
        inside
            .strip_suffix(".rs")
            .unwrap_or(inside)
            .split('/')
            .collect()
    }
}

/// Every text file of the project, sorted by path. Read once.
pub(crate) fn everything() -> &'static [File] {
    &TREE
}

fn read() -> Vec<File> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    visit(root, root, &mut files);
    files.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(
        files.iter().any(|file| file.path == "src/lib.rs"),
        "the project is not at {}",
        root.display()
    );
    files
}

/// The Rust files below `folder`, which ends with a slash.
pub(crate) fn rust(folder: &str) -> impl Iterator<Item = &'static File> {
    everything()
        .iter()
        .filter(move |file| file.path.starts_with(folder) && is_rust(&file.path))
}

fn is_rust(path: &str) -> bool {
    Path::new(path).extension().is_some_and(|e| e == "rs")
}

fn visit(root: &Path, folder: &Path, files: &mut Vec<File>) {
    let Ok(entries) = fs::read_dir(folder) else {
        panic!("cannot read {}", folder.display());
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_symlink() || left_out(&path) {
            continue;
        }
        if path.is_dir() {
            visit(root, &path, files);
        } else if let Ok(text) = fs::read_to_string(&path) {
            let path = relative(root, &path);
            let words = if is_rust(&path) {
                words(&text)
            } else {
                Vec::new()
            };
            files.push(File { path, text, words });
        }
    }
}

fn relative(root: &Path, path: &Path) -> String {
    let inside: PathBuf = path.strip_prefix(root).unwrap_or(path).into();
    inside.to_string_lossy().replace('\\', "/")
}

/// Version control, build folders, fetched packages, and what a gateway that ran here left.
fn left_out(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("wicketgate.yaml");
    matches!(
        name.as_ref(),
        ".git" | "target" | "node_modules" | "data" | ".cache" | "__pycache__"
    ) || path == own
        || path.extension().is_some_and(|e| e == "log")
        || path.join("CACHEDIR.TAG").exists()
}
