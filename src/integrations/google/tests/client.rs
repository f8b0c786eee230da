//! What each answer of Google's makes the client say to the job runner (decisions D1, D4, D34).

use super::*;
use crate::infra::egress::OPEN_FOR;

fn configuration(result: Result<impl std::fmt::Debug, PushError>, part: &str) {
    match result {
        Err(PushError::Configuration(text)) => assert!(text.contains(part), "{part} in {text}"),
        other => panic!("expected a configuration error with {part}, got {other:?}"),
    }
}

#[tokio::test]
async fn a_product_and_its_stock_arrive() {
    let rig = rig().await;
    let pushed = rig.product(5).await.unwrap();
    assert_eq!(pushed.remote_name, "accounts/123456789/products/ZW5-VVN-VEVBLzEwMA");
    assert_eq!(pushed.version, 5);
    rig.stock(7).await.unwrap();
    let record = rig.sandbox.inventory("TEA/100", "MAIN-1").unwrap();
    assert_eq!((record.quantity, record.inserts, record.effects.len()), (Some(7), 1, 1));
    assert_eq!(record.effects[0].request_id, "job_1");
    let quotas = rig.client.quotas(&rig.account, &rig.context).await.unwrap();
    assert_eq!((quotas[0].used, quotas[0].per_day, quotas[0].per_minute), (1, 200_000, 1_200));
    assert_eq!(quotas[0].methods, ["productInputs.insert"]);
}

/// D4, APP3: at least once outside, and the vendor's record shows the effect once.
#[tokio::test]
async fn a_lost_answer_is_unknown_and_its_repeat_has_no_second_effect() {
    let rig = rig().await;
    rig.product(1).await.unwrap();
    rig.faults(Faults { lose_answers: true, ..Faults::default() }).await;
    assert!(matches!(rig.stock(3).await, Err(PushError::Unknown(_))));
    rig.faults(Faults::default()).await;
    rig.stock(3).await.unwrap();
    rig.stock(2).await.unwrap();
    let record = rig.sandbox.inventory("TEA/100", "MAIN-1").unwrap();
    let quantities: Vec<Option<i64>> = record.effects.iter().map(|effect| effect.quantity).collect();
    assert_eq!((record.inserts, quantities), (3, vec![Some(3), Some(2)]));
}

/// D1: no line burns no attempt, and work goes on when it is back.
#[tokio::test]
async fn a_closed_port_is_offline_and_the_next_push_after_it_opens_arrives() {
    let rig = rig().await;
    rig.product(1).await.unwrap();
    for _ in 0..3 {
        rig.faults(Faults { offline: true, ..Faults::default() }).await;
        assert!(matches!(rig.stock(4).await, Err(PushError::Offline { until: None, .. })));
        rig.faults(Faults::default()).await;
        rig.stock(4).await.unwrap();
    }
}

#[tokio::test]
async fn without_a_token_service_a_push_is_offline_because_nothing_was_sent() {
    let rig = rig().await;
    rig.faults(Faults { lose_answers: true, ..Faults::default() }).await;
    assert!(matches!(rig.product(1).await, Err(PushError::Offline { .. })));
    assert_eq!(rig.sandbox.snapshot()["counters"]["products"], 0);
}

#[tokio::test]
async fn an_unregistered_project_is_a_configuration_error_until_it_is_registered() {
    let rig = rig().await;
    rig.faults(Faults { not_registered: true, ..Faults::default() }).await;
    configuration(rig.product(1).await, "register it");
    assert_eq!(rig.exchanges(), 1, "no fresh token helps, so none is asked for");
    rig.client.register(&rig.account, "dev@example.com", &rig.context).await.unwrap();
    rig.product(1).await.unwrap();
}

#[tokio::test]
async fn what_is_set_up_wrong_is_said_and_pauses_the_feed() {
    let rig = rig().await;
    let with = |change: fn(&mut FeedAccount)| {
        let mut account = rig.account.clone();
        change(&mut account);
        account
    };
    let (client, tea, context) = (&rig.client, tea(), &rig.context);
    configuration(
        client.push_product(&with(|a| a.account_id = "987654321".into()), &tea, 1, context).await,
        "403 PERMISSION_DENIED",
    );
    configuration(client.push_product(&with(|a| a.data_source = "1".into()), &tea, 1, context).await, "data source");
    configuration(
        client.push_product(&with(|a| a.account_id = "../x".into()), &tea, 1, context).await,
        "not a Merchant account number",
    );
    let lower = client.push_product(&with(|a| a.feed_label = "us".into()), &tea, 1, context).await;
    assert!(matches!(lower, Err(PushError::Invalid(_))));
}

#[tokio::test]
async fn an_older_version_is_stale_and_the_same_one_is_not() {
    let rig = rig().await;
    rig.product(8).await.unwrap();
    rig.product(8).await.unwrap();
    assert_eq!(rig.product(7).await, Err(PushError::StaleVersion));
    rig.faults(Faults { abort_version: true, ..Faults::default() }).await;
    assert_eq!(rig.product(9).await, Err(PushError::StaleVersion));
}

#[tokio::test]
async fn a_minute_limit_waits_a_minute_and_a_daily_one_until_midday_utc() {
    let rig = rig().await;
    rig.faults(Faults { minute_limit: Some(1), ..Faults::default() }).await;
    rig.product(1).await.unwrap();
    assert_eq!(rig.product(2).await, Err(PushError::RateLimited { retry_after: Duration::from_mins(1) }));
    rig.clock.advance(Duration::from_mins(1));
    rig.product(2).await.unwrap();
    rig.faults(Faults { daily_limit: Some(2), ..Faults::default() }).await;
    let midday = Timestamp::parse("2026-11-21T12:00:00Z").unwrap();
    assert_eq!(rig.product(3).await, Err(PushError::DailyQuota { until: midday }));
    rig.clock.advance(midday.since(rig.clock.now()).saturating_sub(Duration::from_millis(1)));
    assert_eq!(rig.product(3).await, Err(PushError::DailyQuota { until: midday }));
    rig.clock.advance(Duration::from_millis(1));
    rig.product(3).await.unwrap();
}

/// RA3.1: five server faults open the breaker, and then a push fails fast as offline, with the time of the probe.
#[tokio::test]
async fn a_failing_vendor_burns_attempts_until_the_breaker_opens() {
    let rig = rig().await;
    rig.product(1).await.unwrap();
    rig.faults(Faults { error_503: true, ..Faults::default() }).await;
    for _ in 0..5 {
        assert!(matches!(rig.stock(1).await, Err(PushError::Server(_))));
    }
    let until = rig.clock.now().plus(OPEN_FOR);
    assert!(matches!(rig.stock(1).await, Err(PushError::Offline { until: Some(at), .. }) if at == until));
    assert!(matches!(rig.product(2).await, Err(PushError::Server(_))), "another operation class has its own breaker");
    rig.faults(Faults::default()).await;
    rig.clock.advance(OPEN_FOR);
    rig.stock(1).await.unwrap();
}

/// D34 with contract section 2: a 404 on stock soon after the product insert is "later", for an hour at most.
#[tokio::test]
async fn a_product_that_is_not_visible_yet_is_later_for_an_hour_and_then_invalid() {
    let rig = rig().await;
    rig.faults(Faults { visible_after_ms: 90 * 60_000, ..Faults::default() }).await;
    rig.product(1).await.unwrap();
    let give_up_at = rig.clock.now().plus(Duration::from_hours(1));
    let later = Err(PushError::NotYetVisible { offer_id: "TEA/100".to_owned(), give_up_at });
    assert_eq!(rig.stock(1).await, later);
    rig.clock.advance(Duration::from_secs(3_599));
    assert_eq!(rig.stock(1).await, later);
    rig.clock.advance(Duration::from_secs(1));
    assert!(matches!(rig.stock(1).await, Err(PushError::Invalid(text)) if text.contains("does not exist")));
    rig.clock.advance(Duration::from_mins(30));
    rig.stock(1).await.unwrap();
}

#[tokio::test]
async fn a_stock_push_for_a_product_that_was_never_pushed_is_invalid() {
    let rig = rig().await;
    let push = StockPush { first_pushed_at: None, ..shelf() };
    assert!(matches!(rig.client.push_stock(&rig.account, &push, &rig.context).await, Err(PushError::Invalid(_))));
    let push = StockPush { store_code: String::new(), ..shelf() };
    assert!(
        matches!(rig.client.push_stock(&rig.account, &push, &rig.context).await, Err(PushError::Invalid(text)) if text.contains("store code"))
    );
}

#[test]
fn an_aborted_push_for_a_reason_we_do_not_know_is_repeated_rather_than_dropped() {
    let answer =
        |json: Value| Answer { status: 409, headers: hyper::HeaderMap::default(), body: json.to_string().into() };
    let detail = |word: &str| serde_json::json!({"error": {"status": "ABORTED", "details": [{"reason": "aborted", "metadata": {"REASON": word}}]}});
    let now = Timestamp(0);
    assert_eq!(push_error(&answer(detail("VERSION_NUMBER_TOO_LOW")), Operation::Product, now), PushError::StaleVersion);
    assert_eq!(push_error(&answer(serde_json::json!({})), Operation::Product, now), PushError::StaleVersion);
    assert!(matches!(push_error(&answer(detail("CONCURRENT_UPDATE")), Operation::Product, now), PushError::Server(_)));
    assert!(matches!(
        push_error(&answer(detail("VERSION_NUMBER_TOO_LOW")), Operation::Stock, now),
        PushError::Server(_)
    ));
}

/// D25: live and sandbox do not mix.
#[tokio::test]
async fn the_sandboxs_key_is_refused_live_and_a_live_key_in_the_sandbox() {
    let rig = rig().await;
    let clock = || -> Arc<dyn Clock> { Arc::<ManualClock>::clone(&rig.clock) };
    let other = fixture("other_service_account").to_string();
    let live = GoogleClient::new(rig.egress.clone(), GoogleEndpoints::live().unwrap(), SANDBOX_KEY, clock());
    assert_eq!(live.err(), Some(GoogleSetupError::SandboxKeyLive));
    let endpoints = GoogleEndpoints::sandbox(&rig.sandbox.url).unwrap();
    let demo = GoogleClient::new(rig.egress.clone(), endpoints, &other, clock());
    assert_eq!(demo.err(), Some(GoogleSetupError::LiveKeyInSandbox));
    assert!(GoogleClient::new(rig.egress.clone(), GoogleEndpoints::live().unwrap(), &other, clock()).is_ok());
    assert!(GoogleEndpoints::sandbox("https://merchantapi.googleapis.com").is_err());
}
