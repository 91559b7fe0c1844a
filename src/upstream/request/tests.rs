use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::upstream::RequestFault;

fn base() -> BaseUrl {
    BaseUrl::parse("https://up1.test:8443/v1/").unwrap()
}

fn template(request: Value, input: &Value) -> Result<Template, TemplateFault> {
    let request: RequestConfig = serde_json::from_value(request).unwrap();
    Template::compile(&request, &base(), input)
}

fn object(properties: &Value) -> Value {
    let required: Vec<_> = properties.as_object().unwrap().keys().cloned().collect();
    json!({ "type": "object", "properties": properties.clone(), "required": required })
}

fn item() -> Template {
    let input = object(&json!({ "id": { "type": ["string", "number"] } }));
    template(json!({ "method": "DELETE", "path": "/items/{id}" }), &input).unwrap()
}

fn path(id: impl Into<Value>) -> Result<String, RequestFault> {
    let filled = item().fill(&json!({ "id": id.into() }))?;
    Ok(filled.url.path().to_owned())
}

fn refused(id: impl Into<Value>) {
    let id = id.into();
    let fault = path(id.clone()).unwrap_err();
    assert_eq!(fault.argument, "id", "{id}");
}

fn search(arguments: &Value) -> Result<String, RequestFault> {
    let input = json!({ "properties": {
        "q": { "type": "string" },
        "tag": { "type": "array" },
        "id": { "type": "array" },
        "page": { "type": "integer", "default": 1 },
    } });
    let request = json!({ "path": "/search", "query": {
        "q": "$q", "page": "$page", "fixed": "$$a b",
        "tag": { "argument": "tag" },
        "id": { "argument": "id", "style": "comma" },
    } });
    let filled = template(request, &input).unwrap().fill(arguments)?;
    Ok(filled.url.query().unwrap_or_default().to_owned())
}

fn note(value: &str) -> Result<Option<String>, RequestFault> {
    let input = json!({ "properties": { "note": { "type": "string" } } });
    let request = json!({ "path": "/n", "headers": { "X-Note": "$note" } });
    let filled = template(request, &input)
        .unwrap()
        .fill(&json!({ "note": value }))?;
    let value = filled.headers.get("x-note");
    Ok(value.map(|v| v.to_str().unwrap().to_owned()))
}

fn create(arguments: &Value) -> String {
    let input = json!({ "properties": {
        "name": { "type": "string" }, "meta": { "type": "object" },
        "qty": { "type": "integer" }, "note": { "type": "string" },
    } });
    let request = json!({ "method": "POST", "path": "/items", "body": {
        "name": "$name", "meta": "$meta", "qty": "$qty", "kind": "$$fixed",
        "more": [1.0, "$note"],
    } });
    let filled = template(request, &input).unwrap().fill(arguments).unwrap();
    assert_eq!(filled.headers["content-type"], "application/json");
    String::from_utf8(filled.body.unwrap().to_vec()).unwrap()
}

#[test]
fn u_01_to_u_04_dot_segments_are_refused() {
    for id in [
        "..",
        ".",
        "",
        "../../admin",
        "%2e%2e%2fadmin",
        "%2E",
        "..;a=b",
        "%2e%2e",
    ] {
        refused(id);
    }
}

#[test]
fn u_05_double_encoding_is_refused() {
    refused("%252e%252e%252f");
    refused("%25252525252e");
    assert_eq!(path("100%").unwrap(), "/v1/items/100%25");
    assert_eq!(path("50%25").unwrap(), "/v1/items/50%2525");
}

#[test]
fn u_06_and_u_07_separators_and_control_characters_are_refused() {
    for id in [
        "a/b", "a\\b", "a%2fb", "a%5Cb", "a\0.json", "a%00", "a\nb", "a\u{85}b", "%c0%ae",
    ] {
        refused(id);
    }
}

#[test]
fn u_08_look_alikes_stay_bytes() {
    assert_eq!(path("‥").unwrap(), "/v1/items/%E2%80%A5");
    for id in ["．．／admin", "..∕x"] {
        let path = path(id).unwrap();
        assert!(path.starts_with("/v1/items/"), "{path}");
        assert_eq!(path.matches('/').count(), 3);
    }
}

#[test]
fn u_09_delimiters_are_encoded() {
    assert_eq!(path("a?admin=1").unwrap(), "/v1/items/a%3Fadmin%3D1");
    assert_eq!(path("a#frag").unwrap(), "/v1/items/a%23frag");
    assert_eq!(
        path("a;jsessionid=1").unwrap(),
        "/v1/items/a%3Bjsessionid%3D1"
    );
}

#[test]
fn u_10_the_host_is_out_of_reach() {
    for id in ["@evil.test/", "//evil.test", "https://evil.test"] {
        refused(id);
    }
    let filled = item().fill(&json!({ "id": ":80@evil" })).unwrap();
    assert_eq!(
        filled.url.as_str(),
        "https://up1.test:8443/v1/items/%3A80%40evil"
    );
}

#[test]
fn u_11_several_segments_are_each_checked() {
    let input = object(&json!({ "path": { "type": "string" } }));
    let files = template(json!({ "path": "/files/{path*}" }), &input).unwrap();
    let fill = |path: &str| files.fill(&json!({ "path": path }));
    for path in [
        "a/../../secret",
        "a//b",
        "/etc/passwd",
        "a/./b",
        "a/",
        "a/%2e%2e/b",
    ] {
        assert!(fill(path).is_err(), "{path}");
    }
    let url = fill("a/b.txt").unwrap().url;
    assert_eq!(url.as_str(), "https://up1.test:8443/v1/files/a/b.txt");
}

#[test]
fn u_12_and_u_24_query_values_are_encoded() {
    let query = |q: &str| search(&json!({ "q": q }));
    assert_eq!(
        query("x&admin=true").unwrap(),
        "fixed=%24a%20b&page=1&q=x%26admin%3Dtrue"
    );
    assert!(query("x#+y z").unwrap().ends_with("q=x%23%2By%20z"));
    assert!(query("x\r\ny").is_err());
    for inert in ["'; DROP TABLE--", "{{7*7}}", "${jndi:ldap://evil}"] {
        let text = query(inert).unwrap();
        let pairs = url::form_urlencoded::parse(text.as_bytes());
        assert_eq!(
            pairs
                .filter(|(key, value)| key == "q" && value == inert)
                .count(),
            1
        );
    }
}

#[test]
fn u_13_lists_are_written_as_declared() {
    let query = search(&json!({ "tag": ["a", "b&c"], "id": [1, "x,y"] })).unwrap();
    assert_eq!(query, "fixed=%24a%20b&id=1,x%2Cy&page=1&tag=a&tag=b%26c");
    let many: Vec<_> = (0..10_000).collect();
    assert!(search(&json!({ "tag": many })).is_err());
    assert!(search(&json!({ "q": ["a"] })).is_err());
    assert_eq!(
        search(&json!({ "page": 1e2, "q": null })).unwrap(),
        "fixed=%24a%20b&page=100"
    );
}

#[test]
fn u_14_and_u_15_header_values_are_visible_ascii() {
    for value in [
        "a\r\nX-Admin: 1",
        "a\nb",
        "a\0b",
        "\u{7f}",
        "é",
        " a",
        "a ",
        "a\tb",
    ] {
        assert!(note(value).is_err(), "{value:?}");
    }
    assert_eq!(note("a b").unwrap().as_deref(), Some("a b"));
}

#[test]
fn u_16_only_listed_headers_exist() {
    let headers = item().fill(&json!({ "id": "a" })).unwrap().headers;
    let mut names: Vec<_> = headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["accept-encoding", "user-agent"]);
    let input = object(&json!({}));
    for name in [
        "Host",
        "Content-Length",
        "Cookie",
        "transfer-encoding",
        "bad name",
    ] {
        let request = json!({ "path": "/", "headers": { name: "x" } });
        assert!(template(request, &input).is_err(), "{name}");
    }
}

#[test]
fn u_17_and_u_18_the_body_is_a_tree() {
    let evil = "\",\"admin\":true,\"x\":\"";
    let body = create(&json!({ "name": evil, "meta": { "qty": 999 }, "qty": 1.0 }));
    let read: Value = serde_json::from_str(&body).unwrap();
    let expected = json!({
        "name": evil, "meta": { "qty": 999 }, "qty": 1, "kind": "$fixed", "more": [1],
    });
    assert_eq!(read, expected);
    assert_eq!(
        create(&json!({ "qty": 1e2 })),
        r#"{"qty":100,"kind":"$fixed","more":[1]}"#
    );
    assert!(create(&json!({ "qty": -0.0 })).starts_with(r#"{"qty":0,"#));
    assert!(create(&json!({ "qty": 0.1 })).starts_with(r#"{"qty":0.1,"#));
}

#[test]
fn u_19_and_u_20_base_urls_are_only_an_origin_and_a_path() {
    for text in [
        "http://up1:80@evil/",
        "https://up1\\@evil",
        "https://a/?x=1",
        "https://a/#x",
        "https://{host}/",
        "{scheme}://a/",
        "https:///x",
        "ftp://a/",
        "https://a b/",
        "https://a/../b",
        "https://a/%2e%2e/b",
        "https://a//b",
        "https://",
        "https://a:0/",
        "https://a\t.test/",
        "https://ａ.test/",
        "https:/a",
        "//a",
        "",
    ] {
        assert!(BaseUrl::parse(text).is_err(), "{text:?}");
    }
    assert_eq!(
        BaseUrl::parse("https://A.test:443/v1/").unwrap().as_str(),
        "https://a.test/v1"
    );
}

#[test]
fn u_21_placeholders_and_properties_match() {
    let input = object(&json!({ "id": { "type": "string" }, "spare": {} }));
    let fault = template(json!({ "path": "/{id}" }), &input).unwrap_err();
    assert_eq!(fault, TemplateFault::UnusedProperty("spare".into()));
    let fault = template(
        json!({ "path": "/{id}/{host}", "query": { "s": "$spare" } }),
        &input,
    );
    assert!(fault.unwrap_err().to_string().contains("`host`"));
    let optional = json!({ "properties": { "id": { "type": "string" } } });
    let fault = template(json!({ "path": "/{id}" }), &optional).unwrap_err();
    assert_eq!(fault, TemplateFault::OptionalInPath("id".into()));
    for path in [
        "x",
        "/a?b=1",
        "/a//b",
        "/../b",
        "/%2e%2e/b",
        "/a b",
        "/{id",
        "/%zz",
        "/a\\b",
    ] {
        assert!(
            template(json!({ "path": path }), &object(&json!({}))).is_err(),
            "{path}"
        );
    }
}

#[test]
fn u_22_numbers_in_a_path_are_canonical() {
    assert_eq!(path(7).unwrap(), "/v1/items/7");
    assert_eq!(path(-0.0).unwrap(), "/v1/items/0");
    assert_eq!(path(1e2).unwrap(), "/v1/items/100");
    assert_eq!(path(0.1).unwrap(), "/v1/items/0.1");
    assert_eq!(path(u64::MAX).unwrap(), "/v1/items/18446744073709551615");
    refused(1e21);
    refused(f64::MAX);
}

#[test]
fn u_23_only_scalars_in_a_path() {
    refused(true);
    refused(json!({}));
    refused(json!(["a"]));
    refused(Value::Null);
    assert!(item().fill(&json!({})).is_err());
    let input = object(&json!({ "id": { "type": "boolean" } }));
    assert!(template(json!({ "path": "/{id}" }), &input).is_err());
}

#[test]
fn a_template_without_a_path_calls_the_base() {
    let request: RequestConfig = serde_json::from_value(json!({ "path": "" })).unwrap();
    for (base, url) in [
        ("https://a", "https://a/"),
        ("https://a/v1", "https://a/v1"),
    ] {
        let base = BaseUrl::parse(base).unwrap();
        let template = Template::compile(&request, &base, &json!({})).unwrap();
        assert_eq!(template.fill(&json!({})).unwrap().url.as_str(), url);
    }
}

proptest! {
    #[test]
    fn no_text_leaves_the_origin_or_the_prefix(id in ".*", rest in ".*", q in ".*") {
        let input = object(&json!({ "id": {}, "rest": {}, "q": {} }));
        let request = json!({ "path": "/items/{id}/of/{rest*}", "query": { "q": "$q" } });
        let template = template(request, &input).unwrap();
        if let Ok(filled) = template.fill(&json!({ "id": id, "rest": rest, "q": q })) {
            let url = filled.url;
            prop_assert_eq!(url.scheme(), "https");
            prop_assert_eq!(url.host_str(), Some("up1.test"));
            prop_assert_eq!(url.port(), Some(8443));
            prop_assert!(url.path().starts_with("/v1/items/"));
            prop_assert!(url.fragment().is_none());
            prop_assert_eq!(url.path().split('/').count(), 5 + rest.split('/').count());
            let pairs: Vec<_> = url.query_pairs().collect();
            prop_assert_eq!(pairs, vec![("q".into(), q.into())]);
        }
    }
}
