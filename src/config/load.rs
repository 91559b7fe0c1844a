//! Reading a configuration: every problem at once, each with its file and line.
//!
//! Never repeats a value of the file, because somebody may have pasted a secret there.

use std::{
    fs::File,
    io::Read as _,
    path::{Component, Path, PathBuf},
};

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::{
    Config, ConfigError, Environment, Problem, RedisConfig, SecretSource, Severity, StoreConfig,
    UpstreamConfig, check,
    environment::{DATABASE_URL, REDIS_URL},
    findings::{Findings, Source, Spot},
    published::{config_schema, included_schema},
    shape::Shape,
    store::PostgresConfig,
    tree::{Place, Step, Tree},
};

/// Largest file.
const MAX_BYTES: u64 = 4 << 20;
/// Most files named by `include`.
const MAX_FILES: usize = 1_000;

/// A configuration without errors.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration, overrides of the environment applied.
    pub config: Config,
    /// The files it was read from, the main one first.
    pub files: Vec<PathBuf>,
    /// What works but is likely not meant.
    pub warnings: Vec<Problem>,
}

/// Reads, checks and merges the file and its includes.
pub fn load(path: &Path, environment: &Environment) -> Result<Loaded, ConfigError> {
    let mut findings = Findings::default();
    let loaded = read_all(path, environment, &mut findings);
    let mut problems = findings.0;
    let files = loaded.as_ref().map(|(_, files)| files.clone());
    let order = |problem: &Problem| {
        let place = files
            .iter()
            .flatten()
            .position(|file| *file == problem.file);
        (place, problem.line)
    };
    problems.sort_by_key(order);
    match loaded {
        Some((Some(config), files)) if problems.iter().all(|p| p.severity > Severity::Error) => {
            Ok(Loaded {
                config,
                files,
                warnings: problems,
            })
        }
        _ => Err(ConfigError { problems }),
    }
}

/// SHA-256 over the bytes of the file and of all it includes: changes when any of them does.
/// Unreadable files count as empty.
pub fn content_hash(path: &Path) -> [u8; 32] {
    let mut hash = Sha256::new();
    let files = files_of(path).into_iter().map(|(file, _)| file);
    for file in files {
        let bytes = read_text(&file).unwrap_or_default();
        let name = file.to_string_lossy();
        for part in [name.as_bytes(), bytes.as_bytes()] {
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part);
        }
    }
    hash.finalize().into()
}

/// The file, all that it includes, and the folders they are in: whoever changes what is read changes
/// one of them, also where a link leads elsewhere or a file joins.
pub fn watched_paths(path: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = files_of(path)
        .into_iter()
        .flat_map(|(file, folder)| [file, folder])
        .collect();
    all.sort();
    all.dedup();
    all
}

/// The file and all that it includes, each with its folder.
fn files_of(path: &Path) -> Vec<(PathBuf, PathBuf)> {
    let mut files = vec![path.to_owned()];
    if let Ok(tree) = Tree::parse(&read_text(path).unwrap_or_default()) {
        let source = Source {
            path: path.to_owned(),
            tree,
        };
        files.extend(included_files(&source, &mut Findings::default()));
    }
    let folder = |file: &PathBuf| match file.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        _ => PathBuf::from("."),
    };
    files
        .into_iter()
        .map(|file| (file.clone(), folder(&file)))
        .collect()
}

type ReadAll = (Option<Config>, Vec<PathBuf>);

fn read_all(path: &Path, environment: &Environment, findings: &mut Findings) -> Option<ReadAll> {
    let main = read_source(path, findings)?;
    let mut broken = Shape::new(config_schema()).check(&main, findings);
    let files = included_files(&main, findings);
    let included: Vec<Source> = files
        .iter()
        .filter_map(|file| read_source(file, findings))
        .collect();
    let shape = (!included.is_empty()).then(|| Shape::new(included_schema()));
    let mut all = vec![path.to_owned()];
    all.extend(files);

    let mut value = main.tree.to_value();
    if !value.is_object() {
        return Some((None, all));
    }
    let mut whole = !prune(&mut value, &broken);
    let mut homes: Vec<(String, &Source)> = names(&value).map(|name| (name, &main)).collect();
    for source in &included {
        broken = shape
            .iter()
            .flat_map(|shape| shape.check(source, findings))
            .collect();
        let mut part = source.tree.to_value();
        whole &= !prune(&mut part, &broken);
        for (name, upstream) in take_upstreams(&mut part) {
            let root = Spot::root(source);
            if homes.iter().any(|(known, _)| *known == name) {
                findings.error(
                    &root.key("upstreams").key(&name),
                    "an upstream of this name stands in another file too",
                    "rename one of them",
                );
                continue;
            }
            homes.push((name.clone(), source));
            add_upstream(&mut value, name, upstream);
        }
    }
    whole &= remove_untyped(&mut value, &homes, findings);
    let Ok(mut config) = serde_json::from_value::<Config>(value) else {
        if findings.0.iter().all(|p| p.severity > Severity::Error) {
            findings.error(
                &Spot::root(&main),
                "the file is valid YAML and yet cannot be read as a configuration",
                "compare it with the published schema: `wicketgate config schema`",
            );
        }
        return Some((None, all));
    };
    apply(environment, &mut config, path, findings);
    if let Some(file) = config
        .shared
        .redis
        .as_mut()
        .and_then(|redis| redis.ca_file.as_mut())
    {
        *file = path.parent().unwrap_or(Path::new(".")).join(&*file);
    }
    if let Some(file) = &mut config.auth.oauth.client_documents.ca_file {
        *file = path.parent().unwrap_or(Path::new(".")).join(&*file);
    }
    let scope = check::Scope {
        main: &main,
        homes: &homes,
        base_dir: path.parent().unwrap_or(Path::new(".")),
        environment,
        coverage: if whole {
            check::Coverage::Whole
        } else {
            check::Coverage::Parts
        },
    };
    check::config(&config, &scope, findings);
    if let Some(logo) = &mut config.branding.logo {
        *logo = scope.base_dir.join(&*logo);
    }
    Some((Some(config), all))
}

fn read_text(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("the file cannot be read ({})", error.kind()))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_BYTES {
        return Err("the file is larger than 4 MiB".to_owned());
    }
    String::from_utf8(bytes).map_err(|_| "the file is not UTF-8".to_owned())
}

fn read_source(path: &Path, findings: &mut Findings) -> Option<Source> {
    let text = read_text(path)
        .map_err(|message| findings.whole(path, None, message, "check the path and the file"))
        .ok()?;
    match Tree::parse(&text) {
        Ok(tree) => Some(Source {
            path: path.to_owned(),
            tree,
        }),
        Err(wrong) => {
            findings.whole(
                path,
                wrong.line,
                wrong.message,
                "check indentation, quotes and brackets there",
            );
            None
        }
    }
}

fn included_files(main: &Source, findings: &mut Findings) -> Vec<PathBuf> {
    let value = main.tree.to_value();
    let list = value.get("include").and_then(Value::as_array);
    let base = main.path.parent().unwrap_or(Path::new("."));
    let mut files: Vec<PathBuf> = Vec::new();
    for (i, pattern) in list.into_iter().flatten().enumerate() {
        let at = Spot::root(main).key("include").index(i);
        let Some(pattern) = pattern.as_str() else {
            continue;
        };
        match expand(base, Path::new(pattern)) {
            Ok(found) if found.is_empty() => {
                findings.warning(&at, "no file matches", "create one, or remove this entry");
            }
            Ok(found) => files.extend(found),
            Err(message) => {
                findings.error(&at, message, "name files below this file's folder");
            }
        }
    }
    files.sort();
    files.dedup();
    files.retain(|file| *file != main.path);
    if files.len() > MAX_FILES {
        let at = Spot::root(main).key("include");
        findings.error(
            &at,
            "more than 1000 files are included",
            "join some of them",
        );
        files.truncate(MAX_FILES);
    }
    files
}

fn expand(base: &Path, pattern: &Path) -> Result<Vec<PathBuf>, &'static str> {
    let is_below = pattern
        .components()
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if !is_below {
        return Err("the path must be relative, without `..`");
    }
    let name = pattern
        .file_name()
        .and_then(|name| name.to_str())
        .ok_or("the path names no file")?;
    let folder = base.join(pattern.parent().unwrap_or(Path::new("")));
    if folder.to_string_lossy().contains('*') {
        return Err("`*` may only stand in the file's name");
    }
    if !name.contains('*') {
        return Ok(vec![folder.join(name)]);
    }
    let entries = std::fs::read_dir(&folder).map_err(|_| "the folder cannot be read")?;
    let mut found: Vec<PathBuf> = entries
        .take(10 * MAX_FILES)
        .filter_map(Result::ok)
        .filter(|entry| matches_star(name, &entry.file_name().to_string_lossy()))
        .map(|entry| entry.path())
        .filter(|path| path.is_file())
        .collect();
    found.sort();
    Ok(found)
}

/// `*` stands for any run of characters, but not for the dot a hidden file begins with.
fn matches_star(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = name.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    if pattern.starts_with('*') && name.starts_with('.') {
        return false;
    }
    let mut parts: Vec<&str> = parts.collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Removes what has the wrong shape, so that the rest can still be checked. Was there anything?
fn prune(value: &mut Value, broken: &[Place]) -> bool {
    for place in broken {
        let (parent, key) = match place.0.as_slice() {
            [Step::Key(top), Step::Key(name), ..]
                if matches!(top.as_str(), "upstreams" | "plans" | "providers") =>
            {
                (value.get_mut(top), name)
            }
            [Step::Key(top), ..] => (Some(&mut *value), top),
            _ => continue,
        };
        if let Some(map) = parent.and_then(Value::as_object_mut) {
            map.remove(key);
        }
    }
    if let Some(map) = value.as_object_mut() {
        map.entry("keys")
            .or_insert_with(|| Value::Array(Vec::new()));
    }
    !broken.is_empty()
}

fn names(value: &Value) -> impl Iterator<Item = String> + '_ {
    let upstreams = value.get("upstreams").and_then(Value::as_object);
    upstreams.into_iter().flat_map(Map::keys).cloned()
}

fn take_upstreams(part: &mut Value) -> Map<String, Value> {
    match part.get_mut("upstreams").map(Value::take) {
        Some(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

fn add_upstream(value: &mut Value, name: String, upstream: Value) {
    if let Some(map) = value.as_object_mut() {
        let upstreams = map
            .entry("upstreams")
            .or_insert_with(|| Value::Object(Map::new()));
        if let Some(upstreams) = upstreams.as_object_mut() {
            upstreams.insert(name, upstream);
        }
    }
}

/// Removes upstreams whose shape is right and whose types are not. Were there none?
fn remove_untyped(value: &mut Value, homes: &[(String, &Source)], findings: &mut Findings) -> bool {
    let Some(upstreams) = value.get_mut("upstreams").and_then(Value::as_object_mut) else {
        return true;
    };
    let before = upstreams.len();
    upstreams.retain(|name, upstream| {
        let fine = serde_json::from_value::<UpstreamConfig>(upstream.clone()).is_ok();
        if let (false, Some((_, source))) = (fine, homes.iter().find(|(known, _)| known == name)) {
            findings.error(
                &Spot::root(source).key("upstreams").key(name),
                "a value below cannot be read",
                "compare it with `docs/config.md`",
            );
        }
        fine
    });
    before == upstreams.len()
}

fn apply(env: &Environment, config: &mut Config, file: &Path, findings: &mut Findings) {
    const FIX: &str = "correct the variable, or unset it";
    match env.public_url() {
        Ok(Some(url)) => config.public_url = Some(url),
        Ok(None) => {}
        Err(error) => findings.whole(file, None, error.to_string(), FIX),
    }
    match env.listen() {
        Ok(Some(address)) => config.listen.public = address,
        Ok(None) => {}
        Err(error) => findings.whole(file, None, error.to_string(), FIX),
    }
    if env.has_database_url() {
        let max_connections = match &config.store {
            StoreConfig::Postgres(postgres) => postgres.max_connections,
            StoreConfig::Sqlite(_) => super::store::default_connections(),
        };
        config.store = StoreConfig::Postgres(PostgresConfig {
            url: SecretSource::Env(DATABASE_URL.to_owned()),
            max_connections,
        });
    }
    if env.has_redis_url() {
        let url = SecretSource::Env(REDIS_URL.to_owned());
        match &mut config.shared.redis {
            Some(redis) => redis.url = url,
            None => config.shared.redis = Some(RedisConfig::at(url)),
        }
    }
}

#[cfg(test)]
mod tests;
