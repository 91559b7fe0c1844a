//! The vectors that AWS publishes: its Signature Version 4 test suite, and the examples of the S3 API
//! reference ("Signature calculations for the authorization header").

use super::*;

const SUITE: Signer<'_> = Signer {
    access_key_id: "AKIDEXAMPLE",
    secret_key: b"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    session_token: None,
    region: "us-east-1",
    service: "service",
};

const S3: Signer<'_> = Signer {
    access_key_id: "AKIAIOSFODNN7EXAMPLE",
    secret_key: b"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    session_token: None,
    region: "us-east-1",
    service: "s3",
};

/// 2015-08-30T12:36:00Z
const SUITE_TIME: Timestamp = Timestamp::from_millis(1_440_938_160_000);

/// 2013-05-24T00:00:00Z
const S3_TIME: Timestamp = Timestamp::from_millis(1_369_353_600_000);

fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        map.append(*name, HeaderValue::from_static(value));
    }
    map
}

fn signed(
    signer: &Signer<'_>,
    now: Timestamp,
    method: &Method,
    url: &str,
    fields: &[(&'static str, &'static str)],
    body: &str,
) -> HeaderMap {
    let request = Signable {
        method,
        url: &url.parse().unwrap(),
        headers: &headers(fields),
        body: body.as_bytes(),
    };
    signer.sign(&request, now).unwrap().into_headers()
}

fn authorization(headers: &HeaderMap) -> &str {
    headers[header::AUTHORIZATION].to_str().unwrap()
}

fn assert_signature(headers: &HeaderMap, names: &str, signature: &str, case: &str) {
    let text = authorization(headers);
    let rest = format!(", SignedHeaders={names}, Signature={signature}");
    assert!(text.ends_with(&rest), "{case}: {text}");
}

#[test]
fn get_vanilla_is_the_published_header() {
    let headers = signed(
        &SUITE,
        SUITE_TIME,
        &Method::GET,
        "https://example.amazonaws.com/",
        &[],
        "",
    );
    assert_eq!(
        authorization(&headers),
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
         SignedHeaders=host;x-amz-date, \
         Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
    );
    assert_eq!(headers["x-amz-date"], "20150830T123600Z");
    assert_eq!(headers.len(), 2);
    assert!(headers[header::AUTHORIZATION].is_sensitive());
}

#[test]
fn queries_are_those_of_the_suite() {
    for (case, query, signature) in [
        (
            "get-vanilla-query-order-key-case",
            "Param2=value2&Param1=value1",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            "get-vanilla-query-order-value",
            "Param1=value2&Param1=value1",
            "5772eed61e12b33fae39ee5e7012498b51d56abc0abb7c60486157bd471c4694",
        ),
        (
            "get-vanilla-query-order-encoded",
            "Param-3=Value3&Param=Value2&%E1%88%B4=Value1",
            "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac",
        ),
        (
            "get-vanilla-empty-query-key",
            "Param1=value1",
            "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb",
        ),
        (
            "get-vanilla-query-unreserved",
            "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz=-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
            "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
        ),
        (
            "get-vanilla-utf8-query",
            "\u{1234}=bar",
            "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
        ),
    ] {
        let url = format!("https://example.amazonaws.com/?{query}");
        let headers = signed(&SUITE, SUITE_TIME, &Method::GET, &url, &[], "");
        assert_signature(&headers, "host;x-amz-date", signature, case);
    }
}

#[test]
fn paths_are_those_of_the_suite() {
    let vanilla = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
    for (case, path, signature) in [
        ("normalize-path/get-slash", "//", vanilla),
        ("normalize-path/get-slash-dot-slash", "/./", vanilla),
        ("normalize-path/get-relative", "/example/..", vanilla),
        (
            "normalize-path/get-relative-relative",
            "/example1/example2/../..",
            vanilla,
        ),
        (
            "normalize-path/get-slashes",
            "//example//",
            "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84",
        ),
        (
            "get-unreserved",
            "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
            "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
        ),
    ] {
        let url = format!("https://example.amazonaws.com{path}");
        let headers = signed(&SUITE, SUITE_TIME, &Method::GET, &url, &[], "");
        assert_signature(&headers, "host;x-amz-date", signature, case);
    }
}

/// The suite gives some paths before any encoding and encodes them once; on the wire they are
/// encoded already, and only S3 signs that.
#[test]
fn a_path_is_encoded_once_for_s3_and_twice_for_others() {
    let path = |signer: &Signer<'_>, path: &str| {
        let url: Url = format!("https://example.amazonaws.com{path}")
            .parse()
            .unwrap();
        signer.canonical_path(url.path())
    };
    for (raw, once, twice) in [
        ("/\u{1234}", "/%E1%88%B4", "/%25E1%2588%25B4"),
        (
            "/example space/",
            "/example%20space/",
            "/example%2520space/",
        ),
        ("/a%2Fb/c", "/a%2Fb/c", "/a%252Fb/c"),
        (
            "/foo:bar/(x)",
            "/foo%3Abar/%28x%29",
            "/foo%253Abar/%2528x%2529",
        ),
        ("//example//", "//example//", "/example/"),
    ] {
        assert_eq!(path(&S3, raw), once);
        assert_eq!(path(&SUITE, raw), twice);
    }
}

#[test]
fn headers_are_those_of_the_suite() {
    for (case, fields, names, signature) in [
        (
            "get-header-key-duplicate",
            &[
                ("my-header1", "value2"),
                ("my-header1", "value2"),
                ("my-header1", "value1"),
            ][..],
            "host;my-header1;x-amz-date",
            "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
        ),
        (
            "get-header-value-order",
            &[
                ("my-header1", "value4"),
                ("my-header1", "value1"),
                ("my-header1", "value3"),
                ("my-header1", "value2"),
            ],
            "host;my-header1;x-amz-date",
            "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01",
        ),
        (
            "get-header-value-trim",
            &[("my-header1", " value1"), ("my-header2", " \"a   b   c\"")],
            "host;my-header1;my-header2;x-amz-date",
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
        ),
    ] {
        let url = "https://example.amazonaws.com/";
        let headers = signed(&SUITE, SUITE_TIME, &Method::GET, url, fields, "");
        assert_signature(&headers, names, signature, case);
    }
}

#[test]
fn bodies_are_those_of_the_suite() {
    for (case, content_type, signature) in [
        (
            "post-x-www-form-urlencoded",
            "application/x-www-form-urlencoded",
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        ),
        (
            "post-x-www-form-urlencoded-parameters",
            "application/x-www-form-urlencoded; charset=utf8",
            "1a72ec8f64bd914b0e42e42607c7fbce7fb2c7465f63e3092b3b0d39fa77a6fe",
        ),
    ] {
        let headers = signed(
            &SUITE,
            SUITE_TIME,
            &Method::POST,
            "https://example.amazonaws.com/",
            &[("content-type", content_type)],
            "Param1=value1",
        );
        assert_signature(&headers, "content-type;host;x-amz-date", signature, case);
    }
}

#[test]
fn a_session_token_is_sent_signed_and_sensitive() {
    let token = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267";
    let signer = Signer {
        session_token: Some(token.as_bytes()),
        ..SUITE
    };
    let url = "https://example.amazonaws.com/";
    let headers = signed(&signer, SUITE_TIME, &Method::GET, url, &[], "");
    assert_signature(
        &headers,
        "host;x-amz-date;x-amz-security-token",
        "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8",
        "get-vanilla-with-session-token",
    );
    assert!(headers["x-amz-security-token"].is_sensitive());
    assert!(!format!("{headers:?} {signer:?}").contains("6e86291e"));
}

#[test]
fn s3_examples_hold_and_carry_the_digest_of_the_body() {
    for (case, query, fields, names, signature) in [
        (
            "GET object",
            "test.txt",
            &[("range", "bytes=0-9")][..],
            "host;range;x-amz-content-sha256;x-amz-date",
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        (
            "GET bucket lifecycle",
            "?lifecycle",
            &[],
            "host;x-amz-content-sha256;x-amz-date",
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
        (
            "GET bucket",
            "?prefix=J&max-keys=2",
            &[],
            "host;x-amz-content-sha256;x-amz-date",
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ] {
        let url = format!("https://examplebucket.s3.amazonaws.com/{query}");
        let headers = signed(&S3, S3_TIME, &Method::GET, &url, fields, "");
        assert_signature(&headers, names, signature, case);
        assert_eq!(
            headers["x-amz-content-sha256"],
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }
}

#[test]
fn signing_again_replaces_what_is_there() {
    let url: Url = "https://example.amazonaws.com:8443/".parse().unwrap();
    let mut fields = headers(&[("user-agent", "wicketgate")]);
    let mut seen = Vec::new();
    for now in [
        SUITE_TIME,
        SUITE_TIME.plus(std::time::Duration::from_secs(1)),
    ] {
        let request = Signable {
            method: &Method::GET,
            url: &url,
            headers: &fields,
            body: b"",
        };
        let signature = SUITE.sign(&request, now).unwrap();
        signature.put_on(&mut fields);
        seen.push(authorization(&fields).to_owned());
    }
    assert_eq!(fields.len(), 3);
    assert!(seen.iter().all(|text| text.contains("=host;x-amz-date,")));
    assert_ne!(seen[0], seen[1]);
    assert_eq!(fields["x-amz-date"], "20150830T123601Z");
}

#[test]
fn what_cannot_be_sent_is_refused() {
    let url = "https://example.amazonaws.com/".parse().unwrap();
    let request = Signable {
        method: &Method::GET,
        url: &url,
        headers: &HeaderMap::new(),
        body: b"",
    };
    for signer in [
        Signer {
            access_key_id: "AKID\nX",
            ..SUITE
        },
        Signer {
            session_token: Some(b"a\r\nb"),
            ..SUITE
        },
    ] {
        let refused = signer.sign(&request, SUITE_TIME).map(|_| ());
        assert_eq!(refused, Err(SignError::Credential));
    }
    let endless = Timestamp::from_millis(i64::MAX);
    let refused = SUITE.sign(&request, endless).map(|_| ());
    assert_eq!(refused, Err(SignError::Time));
}
