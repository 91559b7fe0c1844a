//! Files as a whole: several problems, pasted secrets, includes, the environment, size.

use super::*;

#[test]
fn several_problems_come_at_once_in_file_order() {
    let broken = GOOD
        .replace("listen:", "listne: CANARY\nlisten:")
        .replace("\"127.0.0.1:9090\"", "\"0.0.0.0:9090\"")
        .replace("{ tools: [\"*\"] }", "{ tools: CANARY, per_day: CANARY }")
        .replace(
            "https://api.example.com/v1",
            "https://api.example.com/?CANARY",
        )
        .replace("type: string, maxLength: 9", "type: string");
    let folder = Folder::new(&[("w.yaml", &broken)]);
    let error = folder.load().unwrap_err();
    let lines: Vec<u32> = error.problems.iter().filter_map(|p| p.line).collect();
    assert_eq!(lines, [2, 3, 5, 5, 9, 24], "{error}");
    assert!(!error.to_string().contains("CANARY"), "{error}");
    assert!(!format!("{error:?}").contains("CANARY"), "{error}");
}

#[test]
fn planted_secrets_are_never_repeated() {
    // Every value of the good file in turn becomes a secret somebody pasted in the wrong place.
    let mut loud = 0;
    for (at, _) in GOOD.match_indices(": ") {
        let (head, tail) = GOOD.split_at(at + 2);
        let end = tail.find([',', '}', '\n', ']']).unwrap_or(tail.len());
        for paste in ["\"CANARY \\u202e\"", "[CANARY]"] {
            let text = format!("{head}{paste}{}", &tail[end..]);
            let shown = match Folder::new(&[("w.yaml", &text)]).load() {
                Ok(_) => continue,
                Err(error) => format!("{error} {error:?}"),
            };
            // Names of tools, variables and files are names: they may be repeated.
            let is_name = ["name", "env", "file", "path", "id", "view"];
            let key = head[..at]
                .rsplit([' ', '{', '\n'])
                .next()
                .unwrap_or_default();
            assert!(
                is_name.contains(&key) || !shown.contains("CANARY"),
                "{key}: {shown}"
            );
            loud += 1;
        }
    }
    assert!(loud > 30, "{loud}");
}

#[test]
fn included_files_hold_upstreams_and_problems_name_them() {
    let (head, upstream) = GOOD.split_at(GOOD.find("upstreams:").unwrap());
    let main = format!("include: [\"u-*.yaml\"]\n{head}");
    let folder = Folder::new(&[("w.yaml", &main), ("u-crm.yaml", upstream)]);
    let loaded = folder.load().unwrap();
    assert_eq!(
        loaded.files,
        [folder.path("w.yaml"), folder.path("u-crm.yaml")]
    );
    assert!(loaded.config.upstreams.contains_key("crm"));
    assert_eq!(loaded.warnings, []);

    let broken = upstream.replace("10/s", "fast") + "keys: []\n";
    let folder = Folder::new(&[
        ("w.yaml", &main),
        ("u-crm.yaml", &broken),
        ("u-two.yaml", upstream),
    ]);
    let error = folder.load().unwrap_err();
    let found: Vec<_> = error
        .problems
        .iter()
        .map(|p| (p.file.file_name().unwrap().to_str().unwrap(), p.line))
        .collect();
    assert!(found.contains(&("u-crm.yaml", Some(6))), "{error}");
    assert!(found.contains(&("u-crm.yaml", Some(21))), "{error}");

    for (pattern, message) in [
        ("../x.yaml", "must be relative"),
        ("/etc/passwd", "must be relative"),
        ("*/x.yaml", "only stand in the file's name"),
        ("none-*.yaml", "no file matches"),
        ("none.yaml", "cannot be read"),
    ] {
        let text = format!("include: [\"{pattern}\"]\n{GOOD}");
        let found = problems(&text);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].message.contains(message), "{found:#?}");
    }
}

#[test]
fn the_environment_replaces_what_it_names() {
    let folder = Folder::new(&[("w.yaml", GOOD)]);
    let environment = Environment::from_map([
        ("KEY", "k"),
        ("WICKETGATE_PUBLIC_URL", "https://mcp.example.com"),
        ("WICKETGATE_LISTEN", "127.0.0.1:1234"),
        ("DATABASE_URL", "postgres://u:CANARY@h/d"),
    ]);
    let config = load(&folder.path("w.yaml"), &environment).unwrap().config;
    assert_eq!(config.public_origin(), "https://mcp.example.com");
    assert_eq!(config.listen.public.port(), 1234);
    assert!(matches!(&config.store, StoreConfig::Postgres(p) if p.max_connections == 16));
    assert!(!format!("{config:?}").contains("CANARY"));

    let bad = Environment::from_map([("KEY", "k"), ("WICKETGATE_LISTEN", "CANARY")]);
    let error = load(&folder.path("w.yaml"), &bad).unwrap_err().to_string();
    assert!(
        error.contains("WICKETGATE_LISTEN") && !error.contains("CANARY"),
        "{error}"
    );
}

#[test]
fn a_03_large_missing_and_foreign_files_are_refused() {
    let large = format!("# {}\n{GOOD}", "x".repeat(4 << 20));
    assert!(problems(&large)[0].message.contains("larger than 4 MiB"));
    let folder = Folder::new(&[]);
    assert!(
        folder.load().unwrap_err().problems[0]
            .message
            .contains("cannot be read")
    );
    for text in ["", "- a", "just text", "null", "{}"] {
        assert!(!problems(text).is_empty(), "{text}");
    }
}
