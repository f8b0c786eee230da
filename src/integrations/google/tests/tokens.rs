//! Signing, caching and renewing of access tokens (requirement RV9).

use super::super::token::GRANT;
use super::*;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

#[test]
fn an_assertion_verifies_and_says_what_google_asks_for() {
    let account = ServiceAccount::parse(SANDBOX_KEY).unwrap();
    let now = Timestamp::parse(START).unwrap();
    let jwt = account.assertion("https://oauth2.googleapis.com/token", now).unwrap();
    let (input, signature) = jwt.rsplit_once('.').unwrap();
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, account.public_key());
    key.verify(input.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
    let (header, claims) = input.split_once('.').unwrap();
    let json = |part: &str| -> Value { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap() };
    assert_eq!(json(header), serde_json::json!({"alg": "RS256", "typ": "JWT", "kid": account.key_id}));
    let expected = serde_json::json!({
        "iss": account.client_email,
        "scope": "https://www.googleapis.com/auth/content",
        "aud": "https://oauth2.googleapis.com/token",
        "iat": now.seconds(),
        "exp": now.seconds() + 3_600,
    });
    assert_eq!(json(claims), expected);
    assert!(!format!("{account:?}").contains("PRIVATE"), "a key is never printed");
}

#[test]
fn a_file_that_is_no_key_is_refused() {
    assert!(matches!(ServiceAccount::parse("{}"), Err(KeyFileError::Format(_))));
    let broken = SANDBOX_KEY.replace("BEGIN PRIVATE KEY-----\\n", "BEGIN PRIVATE KEY-----\\nAAAA");
    assert!(matches!(ServiceAccount::parse(&broken), Err(KeyFileError::Key)));
}

#[tokio::test]
async fn a_token_is_kept_and_renewed_225_seconds_before_it_ends() {
    let rig = rig().await;
    let renewal = Duration::from_secs(3_599 - 225);
    rig.product(1).await.unwrap();
    rig.clock.advance(renewal.saturating_sub(Duration::from_millis(1)));
    rig.product(2).await.unwrap();
    assert_eq!(rig.exchanges(), 1);
    rig.clock.advance(Duration::from_millis(1));
    rig.product(3).await.unwrap();
    assert_eq!(rig.exchanges(), 2);
}

#[tokio::test]
async fn many_pushes_at_once_ask_for_one_token() {
    let rig = rig().await;
    let trace = Trace::default();
    let asked = futures_util::future::join_all((0..20).map(|_| rig.client.tokens.token(&trace))).await;
    assert!(asked.iter().all(Result::is_ok));
    assert_eq!(rig.exchanges(), 1);
}

#[tokio::test]
async fn many_pushes_at_once_share_one_refusal_and_the_next_asks_again() {
    let rig = rig().await;
    rig.faults(Faults { invalid_grant: true, ..Faults::default() }).await;
    let trace = Trace::default();
    let asked = futures_util::future::join_all((0..20).map(|_| rig.client.tokens.token(&trace))).await;
    assert!(asked.iter().all(|answer| matches!(answer, Err(PushError::Configuration(_)))));
    assert_eq!(rig.sandbox.snapshot()["counters"]["requests"], 1);
    rig.faults(Faults::default()).await;
    rig.client.tokens.token(&trace).await.unwrap();
}

#[tokio::test]
async fn a_refused_token_is_renewed_once_within_the_push() {
    let rig = rig().await;
    rig.product(1).await.unwrap();
    rig.sandbox.revoke_tokens();
    rig.product(2).await.unwrap();
    assert_eq!(rig.exchanges(), 2);
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_named_with_its_distance() {
    let rig = rig().await;
    for (minutes, words) in [(90_i64, "90 min ahead of Google's"), (-90, "90 min behind Google's")] {
        let wrong = Arc::new(ManualClock::at(Timestamp(rig.clock.now().0 + minutes * 60_000)));
        let client = client(&rig.sandbox, &rig.egress, &wrong);
        match client.push_product(&rig.account, &tea(), 1, &rig.context).await {
            Err(PushError::Configuration(text)) => {
                assert!(text.contains("invalid_grant") && text.contains("clock") && text.contains(words), "{text}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn the_sandbox_gives_tokens_for_good_assertions_only() {
    let rig = rig().await;
    let now = rig.clock.now();
    let audience = format!("{}/token", rig.sandbox.url);
    let account = ServiceAccount::parse(SANDBOX_KEY).unwrap();
    let good = account.assertion(&audience, now).unwrap();
    let mut stranger = ServiceAccount::parse(&fixture("other_service_account").to_string()).unwrap();
    stranger.key_id.clone_from(&account.key_id);
    stranger.client_email.clone_from(&account.client_email);
    let parts: Vec<&str> = good.split('.').collect();
    let claims = String::from_utf8(URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
    let tampered = claims.replace("auth/content", "auth/business");
    let none = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"none","typ":"JWT","kid":"{}"}}"#, account.key_id));
    let bad = [
        stranger.assertion(&audience, now).unwrap(),
        account.assertion("https://oauth2.googleapis.com/token", now).unwrap(),
        account.assertion(&audience, now.minus(Duration::from_secs(4_000))).unwrap(),
        format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode(tampered), parts[2]),
        format!("{none}.{}.", parts[1]),
        format!("{}.{}", parts[0], parts[1]),
        String::new(),
        "..".to_owned(),
    ];
    let ask = async |grant: &str, assertion: &str| {
        let form = format!("grant_type={}&assertion={assertion}", grant.replace(':', "%3A"));
        rig.plain(Method::POST, "/token", &form, None).await
    };
    for assertion in &bad {
        let answer = ask(GRANT, assertion).await;
        assert_eq!((answer.status, &body(&answer)["error"]), (400, &Value::from("invalid_grant")), "{assertion}");
    }
    assert_eq!(body(&ask(GRANT, &bad[2]).await), fixture("oauth_invalid_grant_clock"));
    assert_eq!(body(&ask("password", &good).await)["error"], "unsupported_grant_type");
    let answer = body(&ask(GRANT, &good).await);
    assert_eq!((&answer["token_type"], &answer["expires_in"]), (&Value::from("Bearer"), &Value::from(3_599)));
}
