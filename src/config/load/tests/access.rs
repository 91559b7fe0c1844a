//! `auth` and `branding`: who may call, and pages that can be read.

use super::*;

/// The good file with this as line 3.
#[track_caller]
fn third_line(text: &str, message: &str) {
    one("plans:", &format!("{text}\nplans:"), 3, message);
}

#[track_caller]
fn fine(text: &str) {
    let whole = GOOD.replacen("plans:", &format!("{text}\nplans:"), 1);
    assert_eq!(problems(&whole), [], "{text}");
}

#[test]
fn spans_of_sessions_have_bounds() {
    let oauth = |inner: &str| format!("auth: {{ oauth: {{ {inner} }} }}");
    third_line(&oauth("access_token: 4min"), "must be at least 5min");
    third_line(&oauth("access_token: 25h"), "must be at most 1d");
    third_line(&oauth("idle: 91d"), "longer than `absolute`, which is 90d");
    third_line(&oauth("idle: 0s"), "must be at least 1min");
    third_line(&oauth("absolute: 401d"), "must be at most 400d");
    third_line(&oauth("browser: 31d"), "must be at most 30d");
    let tokens = |span: &str| format!("auth: {{ session_tokens: {{ lifetime: {span} }} }}");
    third_line(&tokens("59s"), "must be at least 1min");
    third_line(&tokens("2d"), "must be at most 1d");
    fine(&oauth(
        "access_token: 5min, idle: 400d, absolute: 400d, browser: 30d",
    ));
    fine(&tokens("24h"));
}

#[test]
fn schemes_and_hosts_are_some() {
    let schemes =
        |list: &str| format!("auth: {{ oauth: {{ registration: {{ schemes: [{list}] }} }} }}");
    for browsers_own in [
        "http",
        "HTTPS",
        "javascript",
        "data",
        "file",
        "blob",
        "about",
        "vbscript",
    ] {
        third_line(&schemes(browsers_own), "browsers act on themselves");
    }
    for odd in ["\"\"", "1a", "\"cursor:\"", "\"a b\"", "ä", "\"a/b\""] {
        third_line(&schemes(odd), "not a scheme");
    }
    fine(&schemes("cursor, com.example.app, vscode-insiders"));

    let documents =
        |inner: &str| format!("auth: {{ oauth: {{ client_documents: {{ {inner} }} }} }}");
    third_line(&documents("accept: listed"), "no host is");
    for odd in [
        "\"https://claude.ai\"",
        "\"claude.ai:443\"",
        "\"claude.ai:0\"",
        "\"claude.ai:08443\"",
        "\"claude.ai:x\"",
        "\"*.claude.ai\"",
        "Claude.ai",
        "\"\"",
        "claude.ai.",
        "10.0.0.1",
    ] {
        third_line(&documents(&format!("hosts: [{odd}]")), "not a host name");
    }
    third_line(
        &documents("allow_special_use: [0.0.0.0/0]"),
        "every address would be allowed",
    );
    fine(&documents(
        "accept: listed, hosts: [claude.ai, \"inner.test:8443\"]",
    ));
}

#[test]
fn somebody_can_call_and_finds_the_sign_in_page() {
    let off = "license_keys: false, oauth: { enabled: false }";
    third_line(
        &format!("auth: {{ {off}, session_tokens: {{ enabled: false }} }}"),
        "nobody can call",
    );
    fine(&format!("auth: {{ {off} }}"));
    fine("auth: { license_keys: false }");

    let public = GOOD.replace("127.0.0.1:8080", "0.0.0.0:8080");
    let found = problems(&public);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0].severity, Severity::Error);
    assert!(found[0].message.contains("`public_url` is missing"));
    assert!(found[0].fix.contains("sign-in needs it"));
    let without = public.replace("plans:", "auth: { oauth: { enabled: false } }\nplans:");
    let found = problems(&without);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0].severity, Severity::Warning);
}

#[test]
fn issuers_are_checked() {
    let issuer = |inner: &str| format!("auth: {{ issuers: [{{ {inner} }}] }}");
    let named =
        |address: &str| issuer(&format!("issuer: \"{address}\", license: {{ claim: org }}"));
    for (address, message) in [
        ("login", "not a URL"),
        ("ftp://login.example.com", "neither `https:` nor `http:`"),
        ("http://login.example.com", "not encrypted"),
        ("https://login.example.com/?a=b", "query or a fragment"),
        ("https://login.example.com/#a", "query or a fragment"),
        ("https://u@login.example.com/", "has a user"),
        ("https://10.1.2.3/", "private, loopback or reserved"),
        (" https://login.example.com", "a space"),
    ] {
        third_line(&named(address), message);
    }
    let with = |more: &str| {
        issuer(&format!(
            "issuer: \"https://login.example.com\", license: {{ claim: org }}, {more}"
        ))
    };
    third_line(&with("algorithms: []"), "no signature would be accepted");
    third_line(&with("algorithms: [HS256]"), "must be one of");
    third_line(&with("algorithms: [none]"), "must be one of");
    third_line(&with("audiences: [\"\"]"), "must not be empty");
    third_line(&with("scopes: [\"a b\"]"), "not a scope");
    third_line(
        &with("jwks_url: \"http://login.example.com/k\""),
        "not encrypted",
    );
    third_line(
        &with("jwks_url: \"http://10.0.0.1/k\", allow_special_use: [10.0.0.0/8]"),
        "whoever is on the way could sign",
    );
    let claim = |license: &str| {
        issuer(&format!(
            "issuer: \"https://a.example\", license: {license}"
        ))
    };
    third_line(&claim("{ claim: \"\" }"), "must not be empty");
    let map = "{ claim: org, map: { \"\": lic_01jd0000000000000000000000 } }";
    third_line(&claim(map), "an empty value");
    for odd in [
        "acme",
        "lic_01JD0000000000000000000000",
        "lic_01jd0000000000000000000001",
        "lic_01jd",
    ] {
        let map = format!("{{ claim: org, map: {{ acme: {odd} }} }}");
        third_line(&claim(&map), "is not spelled right");
    }
    let twice = "{ issuer: \"https://a.example\", license: { claim: org } }";
    third_line(
        &format!("auth: {{ issuers: [{twice}, {twice}] }}"),
        "stands here twice",
    );
    fine(&with(
        "audiences: [api], algorithms: [EdDSA], jwks_url: \"https://k.example.com/keys\"",
    ));
    fine(&issuer(
        "issuer: \"http://127.0.0.1:9\", allow_special_use: [127.0.0.0/8], license: { claim: org }",
    ));
}

#[test]
fn pages_can_be_read() {
    let branding = |inner: &str| format!("branding: {{ {inner} }}");
    third_line(&branding("name: \"\""), "1 to 60 characters");
    let long = branding(&format!("name: {}", "x".repeat(61)));
    third_line(&long, "1 to 60 characters");
    third_line(&branding("name: \"a\\u202Eb\""), "U+202E");
    third_line(&branding("key_hint: \"a\\nb\""), "one line");
    let long = branding(&format!("key_hint: {}", "x".repeat(201)));
    third_line(&long, "1 to 200 characters");
    third_line(&branding("accent: blue"), "not a colour");
    third_line(&branding("accent: \"#8ab4f8\""), "its contrast is 2.10:1");
    third_line(&branding("accent: \"#777777\""), "its contrast is 4.47:1");
    third_line(&branding("accent_dark: \"#1f5fbf\""), "dark text on it");
    third_line(&branding("support: \"http://example.com\""), "neither");
    third_line(&branding("support: \"javascript:alert(1)\""), "neither");
    fine(&branding(
        "name: Acme, accent: \"#767676\", support: \"mailto:help@example.com\", key_hint: In your account.",
    ));
}

#[test]
fn a_logo_is_an_image_by_its_first_bytes() {
    let text = GOOD.replacen("plans:", "branding: { logo: logo.png }\nplans:", 1);
    let with_logo = |bytes: &[u8]| {
        let folder = Folder::new(&[("w.yaml", &text)]);
        fs::write(folder.path("logo.png"), bytes).unwrap();
        let loaded = folder.load().map_err(|error| error.problems);
        loaded.map(|loaded| {
            assert_eq!(
                loaded.config.branding.logo.as_deref(),
                Some(folder.path("logo.png").as_path())
            );
        })
    };
    let mut webp = b"RIFF\x01\x02\x03\x04WEBP".to_vec();
    for good in [
        &b"\x89PNG\r\n\x1a\n..."[..],
        &webp,
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"\xef\xbb\xbf\n<?xml version='1.0'?><!-- by hand --><svg/>",
    ] {
        with_logo(good).unwrap();
    }
    for bad in [
        &b"GIF89a"[..],
        b"<html><svg/></html>",
        b"<?xml?><html/>",
        b"",
    ] {
        let found = with_logo(bad).unwrap_err();
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].message.contains("neither PNG nor SVG nor WebP"));
        assert_eq!(found[0].line, Some(3));
    }
    webp.resize((256 << 10) + 1, 0);
    let found = with_logo(&webp).unwrap_err();
    assert!(
        found[0].message.contains("larger than 256 KiB"),
        "{found:#?}"
    );
    assert!(problems(&text)[0].message.contains("cannot be read"));
}
