use serde_json::json;

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_795_305_600_000);

type Said = Option<(Concern, Option<u64>)>;

const ALL: Concern = Concern::Upstream;
const ONE: Concern = Concern::Credential;

fn headers(fields: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        let name: http::HeaderName = name.parse().unwrap();
        headers.append(name, value.parse().unwrap());
    }
    headers
}

fn said(signal: Option<Signal>) -> Said {
    signal.map(|signal| {
        let span = signal.retry_after.map(|span| span.as_secs());
        (signal.concerns, span)
    })
}

fn failure(status: u16, fields: &[(&str, &str)], body: &Value) -> Said {
    let status = StatusCode::from_u16(status).unwrap();
    let body = body.to_string();
    said(of_failure(status, &headers(fields), body.as_bytes(), NOW))
}

/// Status, header fields, body, and what is to be heard.
type Case<'a> = (u16, &'a [(&'a str, &'a str)], Value, Said);

fn check(cases: &[Case<'_>]) {
    for (status, fields, body, expected) in cases {
        let found = failure(*status, fields, body);
        assert_eq!(found, *expected, "{status} {fields:?} {body}");
    }
}

#[test]
fn r_16_retry_after_is_read_and_clamped() {
    let of = |value| failure(503, &[("retry-after", value)], &json!({}));
    assert_eq!(of("7"), Some((ALL, Some(7))));
    assert_eq!(of("0"), Some((ALL, Some(1))));
    assert_eq!(of("-5"), Some((ALL, Some(1))));
    assert_eq!(of("99999999"), Some((ALL, Some(3_600))));
    assert_eq!(of("99999999999999999999999999"), Some((ALL, Some(3_600))));
    assert_eq!(of("Sun, 22 Nov 2026 00:00:10 GMT"), Some((ALL, Some(10))));
    assert_eq!(of("Sun, 06 Nov 1994 08:49:27 GMT"), Some((ALL, Some(1))));
    assert_eq!(
        of("Fri, 31 Dec 9999 23:59:59 GMT"),
        Some((ALL, Some(3_600)))
    );
    for nonsense in ["soon", "", "-", "1e9", "0x10", "7 seconds", "NaN", "٧"] {
        let value = http::HeaderValue::from_bytes(nonsense.as_bytes()).unwrap();
        let mut fields = HeaderMap::new();
        fields.insert("retry-after", value);
        let heard = of_failure(StatusCode::SERVICE_UNAVAILABLE, &fields, b"", NOW);
        assert_eq!(heard, None, "{nonsense}");
    }
}

#[test]
fn a_status_says_whom_it_means() {
    let after = &[("retry-after", "5")];
    check(&[
        (429, &[], json!({}), Some((ONE, None))),
        (429, after, json!(null), Some((ONE, Some(5)))),
        (403, after, json!({}), Some((ONE, Some(5)))),
        (503, &[], json!({}), None),
        (400, after, json!({}), None),
        (404, after, json!({}), None),
        (500, after, json!({}), None),
        (403, &[], json!({ "error": "forbidden" }), None),
    ]);
}

#[test]
fn ietf_fields_of_every_draft() {
    let of = |fields: &[(&str, &str)]| said(of_answer(&headers(fields), NOW));
    let current = r#""burst";r=5;t=1, "day";r=0;t=40;pk=:c2VjcmV0:, "hour";r=0;t=9"#;
    assert_eq!(of(&[("ratelimit", current)]), Some((ONE, Some(40))));
    assert_eq!(of(&[("ratelimit", r#""default";r=1;t=40"#)]), None);
    assert_eq!(of(&[("ratelimit", r#""default";r=0"#)]), None);
    assert_eq!(of(&[("ratelimit", r#""default";r=0;t=0"#)]), None);
    let seventh = "limit=100, remaining=0, reset=30";
    assert_eq!(of(&[("ratelimit", seventh)]), Some((ONE, Some(30))));
    let three = |left, reset| of(&[("ratelimit-remaining", left), ("ratelimit-reset", reset)]);
    assert_eq!(three("0", "12"), Some((ONE, Some(12))));
    assert_eq!(three("3", "12"), None);
    assert_eq!(three("0", "999999999"), Some((ONE, Some(3_600))));
    for (left, reset) in [("", "9"), ("0", ""), ("0", "x"), ("-1", "9"), ("0", "-9")] {
        assert_eq!(three(left, reset), None, "{left} {reset}");
    }
    let window = [
        ("ratelimit", r#""day";r=0"#),
        ("ratelimit-policy", r#""burst";q=9;w=1, "day";q=99;w=600"#),
    ];
    assert_eq!(failure(429, &window, &json!({})), Some((ONE, Some(600))));
}

#[test]
fn x_rate_limit_resets_are_spans_or_points_in_time() {
    let fields = |reset| [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", reset)];
    let of = |reset| said(of_answer(&headers(&fields(reset)), NOW));
    for (reset, seconds) in [
        ("1795305660", 60),
        ("1795305660000", 60),
        ("60", 60),
        ("59.5", 59),
        ("1795399999", 3_600),
        ("18446744073709551615", 3_600),
        ("99999999999999999999999", 3_600),
    ] {
        assert_eq!(of(reset), Some((ONE, Some(seconds))), "{reset}");
    }
    for over in ["1795305600", "1000000000", "0", "-1", "soon", ""] {
        assert_eq!(of(over), None, "{over}");
    }
    let refused = failure(403, &fields("1795305660"), &json!({}));
    assert_eq!(refused, Some((ONE, Some(60))), "as GitHub refuses");
    let mut search = fields("30").to_vec();
    search.push(("x-ratelimit-resource", "search"));
    assert_eq!(said(of_answer(&headers(&search), NOW)), None);
    assert_eq!(failure(403, &search, &json!({})), Some((ONE, Some(30))));
}

#[test]
fn googles_errors() {
    let reason = |reason| {
        json!({ "error": { "code": 403, "errors": [
        { "domain": "usageLimits", "reason": reason, "message": "CANARY" } ] } })
    };
    let status = |details| {
        json!({ "error": {
        "code": 429, "status": "RESOURCE_EXHAUSTED", "details": details } })
    };
    let retry = json!({ "@type": "type.googleapis.com/google.rpc.RetryInfo",
        "retryDelay": "34.074824224s" });
    let info = |limit| {
        json!({ "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "RATE_LIMIT_EXCEEDED", "metadata": { "quota_limit": limit } })
    };
    let quota = json!({ "@type": "type.googleapis.com/google.rpc.QuotaFailure",
        "violations": [{ "quotaId": "RequestsPerMinutePerUser" }] });
    let ads = |scope| {
        json!([{ "error": { "status": "RESOURCE_EXHAUSTED", "details": [{
        "@type": "type.googleapis.com/google.ads.googleads.v21.errors.GoogleAdsFailure",
        "errors": [{ "details": { "quotaErrorDetails": {
            "rateScope": scope, "retryDelay": "30s" } } }] }] } }])
    };
    check(&[
        (403, &[], reason("userRateLimitExceeded"), Some((ONE, None))),
        (403, &[], reason("rateLimitExceeded"), Some((ALL, None))),
        (403, &[], reason("quotaExceeded"), Some((ALL, Some(60)))),
        (
            403,
            &[],
            reason("dailyLimitExceeded"),
            Some((ALL, Some(60))),
        ),
        (403, &[], reason("insufficientPermissions"), None),
        (429, &[], status(json!([])), Some((ALL, None))),
        (
            429,
            &[],
            status(json!([retry, info("PerMinute")])),
            Some((ALL, Some(34))),
        ),
        (
            429,
            &[],
            status(json!([info("ReadsPerMinutePerUser")])),
            Some((ONE, None)),
        ),
        (
            429,
            &[],
            status(json!([retry, quota])),
            Some((ONE, Some(34))),
        ),
        (
            429,
            &[("retry-after", "3")],
            status(json!([retry])),
            Some((ALL, Some(3))),
        ),
        (429, &[], ads("ACCOUNT"), Some((ONE, Some(30)))),
        (429, &[], ads("DEVELOPER"), Some((ALL, Some(30)))),
        (400, &[], status(json!([retry])), None),
    ]);
}

#[test]
fn metas_errors() {
    let error = |code: u64| {
        json!({ "error": {
        "message": "CANARY", "type": "OAuthException", "code": code, "fbtrace_id": "A" } })
    };
    let business = r#"{"66":[{"type":"ads_management","estimated_time_to_regain_access":7},
        {"estimated_time_to_regain_access":3}],"67":[{}]}"#
        .replace('\n', "");
    let business = &[("x-business-use-case-usage", business.as_str())][..];
    let account = &[(
        "x-ad-account-usage",
        r#"{"acc_id_util_pct":100,"reset_time_duration":100}"#,
    )];
    let hostile = &[(
        "x-business-use-case-usage",
        r#"{"1":[{"estimated_time_to_regain_access":18446744073709551615}]}"#,
    )];
    let broken = &[("x-business-use-case-usage", "{\"1\":[")];
    check(&[
        (400, &[], error(4), Some((ALL, Some(60)))),
        (403, &[], error(17), Some((ONE, Some(60)))),
        (400, &[], error(32), Some((ONE, Some(60)))),
        (400, account, error(613), Some((ONE, Some(100)))),
        (400, business, error(80_000), Some((ONE, Some(420)))),
        (400, business, error(80_014), Some((ONE, Some(420)))),
        (400, hostile, error(80_004), Some((ONE, Some(3_600)))),
        (400, broken, error(80_004), Some((ONE, Some(60)))),
        (400, business, error(80_015), None),
        (400, business, error(190), None),
        (400, &[], json!({ "error": { "code": 4 } }), None),
        (
            400,
            &[],
            json!({ "error": { "code": -4, "fbtrace_id": "A" } }),
            None,
        ),
        (
            400,
            &[],
            json!({ "error": { "code": "4", "fbtrace_id": "A" } }),
            None,
        ),
    ]);
}

#[test]
fn amazons_errors() {
    let quota = json!({ "errors": [{ "code": "QuotaExceeded", "message": "CANARY" }] });
    let rate = |rate| [("x-amzn-ratelimit-limit", rate)];
    let throttled = &[(
        "x-amzn-errortype",
        "ThrottlingException:http://internal.amazon.com/",
    )];
    let typed = json!({ "__type": "com.amazon.coral.availability#ThrottlingException" });
    check(&[
        (429, &rate("0.0167"), quota.clone(), Some((ONE, Some(59)))),
        (429, &rate("5.0"), quota.clone(), Some((ONE, Some(1)))),
        (
            429,
            &rate("0.0000000001"),
            quota.clone(),
            Some((ONE, Some(3_600))),
        ),
        (
            429,
            &[("retry-after", "2")],
            json!({}),
            Some((ONE, Some(2))),
        ),
        (400, throttled, json!({}), Some((ONE, None))),
        (400, &[], typed, Some((ONE, None))),
        (400, &[], json!({ "__type": "ValidationException" }), None),
        (400, &[], quota.clone(), None),
    ]);
    for odd in ["0", "-1", "NaN", "inf", "1e-400", "", "x"] {
        let heard = failure(429, &rate(odd), &quota);
        assert_eq!(heard, Some((ONE, None)), "{odd}");
    }
}

#[test]
fn hostile_bodies_and_fields_say_nothing_and_end() {
    let of = |body: &[u8]| {
        said(of_failure(
            StatusCode::FORBIDDEN,
            &HeaderMap::new(),
            body,
            NOW,
        ))
    };
    let deep = "[".repeat(LONGEST_BODY);
    let reason = r#"{"error":{"errors":[{"reason":"rateLimitExceeded"}]}}"#;
    let long = format!("{reason}{}", " ".repeat(LONGEST_BODY));
    let many = format!(
        r#"{{"error":{{"errors":[{}{{"reason":"rateLimitExceeded"}}]}}}}"#,
        "{},".repeat(16)
    );
    for body in [deep.as_str(), "", "{", "[]", "null", "\u{0}", &long, &many] {
        assert_eq!(of(body.as_bytes()), None);
    }
    assert_eq!(of(b"\xff\xfe{}"), None);
    assert_eq!(of(reason.as_bytes()), Some((ALL, None)));
    let long = format!("\"a\";r=0;t=9{}", ", \"b\";r=1".repeat(1_000));
    assert_eq!(
        said(of_answer(&headers(&[("ratelimit", &long)]), NOW)),
        None
    );
    let commas = ",;=".repeat(500);
    assert_eq!(
        said(of_answer(&headers(&[("ratelimit", &commas)]), NOW)),
        None
    );
}
