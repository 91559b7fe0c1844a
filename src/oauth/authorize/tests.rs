use super::*;
use crate::{config::auth::RegistrationConfig, entropy::SeededEntropy};

const CODE: std::time::Duration = std::time::Duration::from_mins(1);

fn settings() -> Settings {
    Settings {
        issuer: "https://gw.test".into(),
        resource: "https://gw.test/mcp".into(),
        access: CODE,
        idle: CODE,
        absolute: CODE,
        browser: CODE,
        exchange: CODE,
        documents: crate::config::auth::ClientDocumentsConfig::default(),
        registration: RegistrationConfig::default(),
    }
}

fn back(redirect_uri: &str, state: Option<&str>) -> Back {
    Back {
        redirect_uri: redirect_uri.into(),
        state: state.map(str::to_owned),
    }
}

#[test]
fn o_15_the_resource_is_ours_however_it_is_spelled() {
    let settings = settings();
    for good in [
        "https://gw.test/mcp",
        "https://GW.test/mcp",
        "HTTPS://gw.test/mcp/",
    ] {
        assert!(settings.is_resource(good), "{good}");
    }
    for bad in [
        "https://evil.test/mcp",
        "https://gw.test/mcp#f",
        "https://gw.test/mcp?x=1",
        "https://gw.test/MCP",
        "https://gw.test/mcp//",
        "https://u@gw.test/mcp",
        "http://gw.test/mcp",
        "https://gw.test",
        "gw.test/mcp",
        "",
    ] {
        assert!(!settings.is_resource(bad), "{bad}");
    }
}

#[test]
fn o_11_only_s256_of_the_right_length() {
    let challenge = "c".repeat(43);
    let of = |text: String| wanted(&Form::parse(text.as_bytes()).unwrap(), &settings());
    let good = format!("response_type=code&code_challenge={challenge}&code_challenge_method=S256");
    assert_eq!(of(good.clone()), Ok((challenge.clone(), Scope::Tools)));
    for bad in [
        good.replace("S256", "plain"),
        good.replace("&code_challenge_method=S256", ""),
        good.replace(&challenge, "c"),
        good.replace(&challenge, &"c".repeat(129)),
        good.replace(&challenge, &"%0a".repeat(43)),
        good.replace("response_type=code&", ""),
        format!("{good}&response_mode=fragment"),
        format!("{good}&scope=mcp:read&scope=mcp:tools"),
    ] {
        let error = of(bad.clone()).unwrap_err();
        assert_eq!(error.code(), "invalid_request", "{bad}");
    }
    let code = |text: &str| of(format!("{good}{text}")).unwrap_err().code();
    assert_eq!(code("&scope=openid"), "invalid_scope");
    assert_eq!(code("&resource=https://evil.test/mcp"), "invalid_target");
    let two = "&resource=https://gw.test/mcp&resource=https://gw.test/mcp";
    assert_eq!(code(two), "invalid_target");
}

#[test]
fn the_way_back_keeps_what_was_registered() {
    let code = AuthorizationCode::generate(&SeededEntropy::new(1));
    let text = code.expose();
    let tail = format!("code={text}&state=a%26b+%22%3C&iss=https%3A%2F%2Fgw.test");
    for (uri, joint) in [
        ("https://a.test/cb", "?"),
        ("https://a.test", "?"),
        ("https://a.test/cb?x=%7e", "&"),
        ("https://a.test/cb?", ""),
        ("cursor://host/oauth/callback", "?"),
        ("http://127.0.0.1:80/", "?"),
    ] {
        let address = back(uri, Some("a&b \"<")).approved("https://gw.test", &code);
        assert_eq!(address, format!("{uri}{joint}{tail}"));
    }
    let refused = back("https://a.test/cb", None).refused(
        "https://gw.test",
        OAuthError::AccessDenied("the person said no"),
    );
    assert_eq!(
        refused,
        "https://a.test/cb?error=access_denied&error_description=the+person+said+no\
         &iss=https%3A%2F%2Fgw.test"
    );
}
