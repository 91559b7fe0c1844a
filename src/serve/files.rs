//! Has the configuration changed on disk? Asks the file system first and reads only what moved; a
//! link that leads elsewhere, as mounted config maps are exchanged, has moved too.

use std::{
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use crate::config::{content_hash, watched_paths};

/// So often at least the content is read whatever the file system says: its clock is coarse.
const READ_EVERY: u32 = 20;

/// Device, inode, size and both times of a file, its links followed; nothing where there is none.
type Mark = Option<(u64, u64, u64, i64, i64, i64, i64)>;

/// The files as they were last looked at.
pub(super) struct Files {
    path: PathBuf,
    digest: [u8; 32],
    marks: Vec<(PathBuf, Mark)>,
    unread: u32,
}

impl Files {
    /// Looks for the first time. Blocks on files.
    pub(super) fn look(path: &Path) -> Self {
        // Marks first: what changes while the content is read is looked at again.
        let marks = marks(watched_paths(path));
        Self {
            path: path.to_owned(),
            digest: content_hash(path),
            marks,
            unread: 0,
        }
    }

    /// A digest of the content, in hexadecimal.
    pub(super) fn digest(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.digest)
    }

    /// Did the content change since the last look? Blocks on files.
    pub(super) fn changed(&mut self) -> bool {
        let same = self.marks.iter().all(|(path, known)| mark(path) == *known);
        if same && self.unread < READ_EVERY {
            self.unread += 1;
            return false;
        }
        let now = Self::look(&self.path);
        let changed = now.digest != self.digest;
        *self = now;
        changed
    }
}

fn marks(paths: Vec<PathBuf>) -> Vec<(PathBuf, Mark)> {
    paths
        .into_iter()
        .map(|path| {
            let mark = mark(&path);
            (path, mark)
        })
        .collect()
}

fn mark(path: &Path) -> Mark {
    let it = fs::metadata(path).ok()?;
    Some((
        it.dev(),
        it.ino(),
        it.size(),
        it.mtime(),
        it.mtime_nsec(),
        it.ctime(),
        it.ctime_nsec(),
    ))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn content_counts_and_not_who_touched_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("wicketgate.yaml");
        fs::write(&path, "include: [more/*.yaml]\n").unwrap();
        fs::create_dir(dir.path().join("more")).unwrap();
        fs::write(dir.path().join("more/a.yaml"), "upstreams: {}\n").unwrap();
        let mut files = Files::look(&path);
        assert!(!files.changed());

        fs::write(&path, "include: [more/*.yaml]\n").unwrap();
        assert!(!files.changed(), "the same content");
        fs::write(&path, "include: [more/*.yaml]\n# more\n").unwrap();
        assert!(files.changed());
        assert!(!files.changed());
        fs::write(dir.path().join("more/b.yaml"), "upstreams: {}\n").unwrap();
        assert!(files.changed(), "a file joined");
        fs::write(dir.path().join("more/a.yaml"), "upstreams: { }\n").unwrap();
        assert!(files.changed(), "an included file");
        fs::remove_file(dir.path().join("more/b.yaml")).unwrap();
        assert!(files.changed(), "a file left");
    }

    /// As the kubelet does it: `..data` leads to a folder, and then to another.
    #[test]
    fn a_link_that_leads_elsewhere_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for (folder, text) in [("..1", "a: 1\n"), ("..2", "a: 2\n")] {
            fs::create_dir(at(folder)).unwrap();
            fs::write(at(folder).join("wicketgate.yaml"), text).unwrap();
        }
        symlink("..1", at("..data")).unwrap();
        symlink("..data/wicketgate.yaml", at("wicketgate.yaml")).unwrap();
        let mut files = Files::look(&at("wicketgate.yaml"));
        assert!(!files.changed());
        symlink("..2", at("..new")).unwrap();
        fs::rename(at("..new"), at("..data")).unwrap();
        assert!(files.changed());
        assert!(!files.changed());
    }

    #[test]
    fn what_the_file_system_does_not_tell_is_read_in_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("wicketgate.yaml");
        fs::write(&path, "a: 1\n").unwrap();
        let mut files = Files::look(&path);
        // As when it was written twice within one tick of its clock.
        files.digest = [0; 32];
        let looks = (0..=READ_EVERY).filter(|_| files.changed()).count();
        assert_eq!(looks, 1);
    }
}
