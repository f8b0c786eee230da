//! The way out, tried against real sockets: a scripted server answers each connection with bytes of our choosing.

#![expect(
    clippy::disallowed_methods,
    clippy::let_underscore_must_use,
    let_underscore_drop,
    reason = "the scripted server runs beside the test, and its peers go when they like"
)]

use super::*;
use crate::base::clock::{ManualClock, SystemClock};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the scripted server does with a connection after it has read the request's head.
#[derive(Clone, Copy)]
enum Script {
    Answer(&'static str),
    Reset,
    Silence,
    Garbage,
}

async fn request_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut byte = [0_u8; 1];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte).await {
            Ok(1) => head.push(byte[0]),
            _ => break,
        }
    }
    String::from_utf8(head).unwrap_or_default()
}

/// Serves connections by script until dropped; the last step repeats. The heads of the requests come out of the channel.
async fn scripted(script: Vec<Script>) -> (SocketAddr, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (heads, received) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut kept = Vec::new();
        for step in 0.. {
            let Ok((mut stream, _)) = listener.accept().await else { break };
            let act = *script.get(step).unwrap_or(script.last().unwrap());
            if matches!(act, Script::Garbage) {
                let _ = stream.write_all(b"\x00\x01not tls at all\r\n\r\n").await;
                continue;
            }
            let _ = heads.send(request_head(&mut stream).await);
            match act {
                Script::Answer(text) => {
                    let _ = stream.write_all(text.as_bytes()).await;
                }
                Script::Reset => drop(stream),
                _ => kept.push(stream),
            }
        }
    });
    (address, received)
}

fn egress() -> Egress {
    Egress::new(Arc::new(SystemClock::starting_at(Timestamp(0)))).unwrap()
}

fn call(address: SocketAddr) -> Call {
    let endpoint = Endpoint::sandbox(&format!("http://{address}")).unwrap();
    Call::new("vendor", "read", &endpoint, Method::GET, "/things?secret=1")
}

fn short(address: SocketAddr, ms: u64) -> Call {
    Call { limits: Limits { total: Duration::from_millis(ms), body: 1_000 }, ..call(address) }
}

async fn free_port() -> SocketAddr {
    TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn an_answer_comes_back_whole_and_the_request_says_who_asked() {
    let (address, mut heads) =
        scripted(vec![Script::Answer("HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\nx-a: b\r\n\r\nno")]).await;
    let trace = Trace { request_id: "req_1".to_owned(), traceparent: Some("00-aa-bb-01".to_owned()) };
    let answer = egress().send(call(address).trace(trace).bearer("t").unwrap()).await.unwrap();
    assert_eq!((answer.status, &answer.body[..], answer.header("x-a")), (404, &b"no"[..], Some("b")));
    let head = heads.recv().await.unwrap();
    for part in [
        "GET /things?secret=1 HTTP/1.1",
        "x-request-id: req_1",
        "traceparent: 00-aa-bb-01",
        "authorization: Bearer t",
        "user-agent: bodega/",
    ] {
        assert!(head.contains(part), "{part} in {head}");
    }
}

/// D1: what was never sent burns no attempt.
#[tokio::test]
async fn a_refused_connection_is_offline() {
    let error = egress().send(call(free_port().await)).await.unwrap_err();
    assert!(matches!(error, EgressError::Offline { cause: OfflineCause::Connect, .. }), "{error:?}");
}

#[tokio::test]
async fn a_reset_after_the_request_is_unknown() {
    let (address, _heads) = scripted(vec![Script::Reset]).await;
    let error = egress().send(call(address)).await.unwrap_err();
    assert!(matches!(error, EgressError::Unknown { .. }), "{error:?}");
}

#[tokio::test]
async fn a_time_out_after_the_request_is_unknown() {
    let (address, _heads) = scripted(vec![Script::Silence]).await;
    let error = egress().send(short(address, 300)).await.unwrap_err();
    assert!(matches!(error, EgressError::Unknown { .. }), "{error:?}");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_unknown() {
    let (address, _heads) = scripted(vec![Script::Answer("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")]).await;
    let error = egress().send(call(address)).await.unwrap_err();
    assert!(matches!(error, EgressError::Unknown { .. }), "{error:?}");
}

#[tokio::test]
async fn a_server_that_does_not_speak_tls_is_offline() {
    let (address, _heads) = scripted(vec![Script::Garbage]).await;
    let endpoint = Endpoint::sandbox(&format!("https://{address}")).unwrap();
    let error = egress().send(Call::new("vendor", "read", &endpoint, Method::GET, "/")).await.unwrap_err();
    assert!(matches!(error, EgressError::Offline { cause: OfflineCause::Tls, .. }), "{error:?}");
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_during_tls_is_offline() {
    let (address, _heads) = scripted(vec![Script::Silence]).await;
    let endpoint = Endpoint::sandbox(&format!("https://{address}")).unwrap();
    let egress =
        Egress::with_connect_limit(Arc::new(SystemClock::starting_at(Timestamp(0))), Duration::from_millis(200))
            .unwrap();
    let error = egress.send(Call::new("vendor", "read", &endpoint, Method::GET, "/")).await.unwrap_err();
    assert!(matches!(error, EgressError::Offline { cause: OfflineCause::ConnectTimeout, .. }), "{error:?}");
}

#[tokio::test]
async fn an_answer_over_the_cap_is_refused_by_its_header_and_by_its_bytes() {
    let announced = Script::Answer("HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n");
    let chunked = Script::Answer(concat!(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
        "8\r\n12345678\r\n8\r\n12345678\r\n0\r\n\r\n"
    ));
    let (address, _heads) = scripted(vec![announced, chunked]).await;
    let egress = egress();
    assert_eq!(
        egress.send(short(address, 5_000)).await.unwrap_err(),
        EgressError::TooLarge { status: 200, limit: 1_000 }
    );
    let tight = Call { limits: Limits { total: Duration::from_secs(5), body: 15 }, ..call(address) };
    assert_eq!(egress.send(tight).await.unwrap_err(), EgressError::TooLarge { status: 200, limit: 15 });
}

#[tokio::test]
async fn redirects_are_handed_back_and_not_followed() {
    let (address, mut heads) = scripted(vec![Script::Answer(
        "HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
    )])
    .await;
    let answer = egress().send(call(address)).await.unwrap();
    assert_eq!((answer.status, answer.header("location")), (302, Some("http://127.0.0.1:1/")));
    drop(heads.recv().await);
    assert!(heads.try_recv().is_err());
}

/// The guard looks at the address that is connected to, so that a name of `/etc/hosts` or a rebound one does not help.
#[tokio::test]
async fn a_name_that_resolves_to_this_machine_is_blocked_for_vendors() {
    let (address, mut heads) = scripted(vec![Script::Answer("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")]).await;
    for host in ["localhost".to_owned(), address.ip().to_string()] {
        let guarded = Guarded { names: Names::default(), reach: Reach::Public };
        let uri: Uri = format!("https://{host}:{}/", address.port()).parse().unwrap();
        let fault = tower::Service::call(&mut guarded.clone(), uri).await.unwrap_err();
        assert!(matches!(&fault.0, EgressError::Blocked { why: "loopback", .. }), "{host}: {fault:?}");
    }
    assert!(heads.try_recv().is_err(), "nothing was connected");
}

/// RA3.1, over real sockets: five failures, a fast refusal, one probe after a minute; 4xx never count.
#[tokio::test]
async fn the_breaker_opens_after_five_failures_and_probes_after_a_minute() {
    let refused = Script::Answer("HTTP/1.1 422 X\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    let failed = Script::Answer("HTTP/1.1 503 X\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    let good = Script::Answer("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    let script = [vec![refused; 6], vec![failed; 4], vec![Script::Reset], vec![good]].concat();
    let (address, mut heads) = scripted(script).await;
    let clock = Arc::new(ManualClock::at(Timestamp(1_763_690_000_000)));
    let egress = Egress::new(Arc::<ManualClock>::clone(&clock)).unwrap();
    for _ in 0..6 {
        assert_eq!(egress.send(call(address)).await.unwrap().status, 422);
    }
    for _ in 0..4 {
        assert_eq!(egress.send(call(address)).await.unwrap().status, 503);
    }
    assert!(matches!(egress.send(call(address)).await, Err(EgressError::Unknown { .. })));
    let until = clock.now().plus(OPEN_FOR);
    assert_eq!(egress.send(call(address)).await.unwrap_err(), EgressError::BreakerOpen { until });
    assert_eq!(egress.open_breakers().len(), 1);
    let mut seen = 0;
    while heads.try_recv().is_ok() {
        seen += 1;
    }
    assert_eq!(seen, 11, "the refused call was not sent");
    clock.advance(OPEN_FOR);
    assert_eq!(egress.send(call(address)).await.unwrap().status, 200);
    assert!(egress.open_breakers().is_empty());
}

#[test]
fn every_call_is_counted_by_target_and_outcome_and_timed() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let (address, _heads) =
                scripted(vec![Script::Answer("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")]).await;
            egress().send(call(address)).await.unwrap();
            egress().send(call(free_port().await)).await.unwrap_err();
        });
    });
    let page = recorder.handle().render();
    for line in [
        r#"bodega_egress_requests_total{target="vendor",outcome="2xx"} 1"#,
        r#"bodega_egress_requests_total{target="vendor",outcome="offline"} 1"#,
        r#"bodega_egress_duration_seconds_count{target="vendor"} 2"#,
    ] {
        assert!(page.contains(line), "{line} in {page}");
    }
}
