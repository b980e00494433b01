//! The accept loop over real sockets. Deadlines are shortened; a test that waits for one says
//! which.

use std::{net::SocketAddr, sync::Mutex, task::Poll, time::Instant};

use axum::{
    extract::{Request as AxumRequest, State},
    response::IntoResponse,
    routing::{any, get, post},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::Notify,
    time::timeout,
};

use super::*;
use parlor_common::{
    metrics::Registry,
    problem::{Code, Problem},
};

const SOON: Duration = Duration::from_secs(10);

struct Fixture {
    address: SocketAddr,
    drain: Drain,
    metrics: Metrics,
    serving: tokio::task::JoinHandle<()>,
}

/// What the handlers share with the test.
#[derive(Clone, Debug, Default)]
struct Shared {
    entered: Arc<Notify>,
    leave: Arc<Notify>,
    sockets: Arc<Mutex<Vec<Socket>>>,
}

async fn fixture(settings: HttpSettings) -> (Fixture, Shared) {
    let shared = Shared::default();
    let app = Router::new()
        .route("/api/chat/messages", get(async || "history"))
        .route("/whoami", get(whoami))
        .route("/echo", post(echo))
        .route("/slow", get(slow))
        .route("/large", get(async || vec![b'x'; 32 * 1024 * 1024]))
        .route("/stream", get(stream))
        .route("/upgrade", any(upgrade))
        .with_state(shared.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let drain = Drain::new();
    let metrics = Metrics::new(&Registry::new()).unwrap();
    let serving = drain.spawn(serve(
        listener,
        app,
        settings,
        Random::seeded(1),
        metrics.clone(),
        drain.clone(),
    ));
    (Fixture { address, drain, metrics, serving }, shared)
}

async fn whoami(request: AxumRequest) -> String {
    let ClientAddr(address) = request.extensions().get().unwrap();
    let id: &RequestId = request.extensions().get().unwrap();
    format!("{address} {id} {}", request.uri())
}

async fn echo(request: AxumRequest) -> Response<Body> {
    let id: RequestId = request.extensions().get().cloned().unwrap();
    match read_body(request.into_body(), 1000, Duration::from_millis(200)).await {
        Ok(bytes) => bytes.into_response(),
        Err(problem) => problem_response(&problem, &id),
    }
}

async fn slow(State(shared): State<Shared>) -> &'static str {
    shared.entered.notify_one();
    shared.leave.notified().await;
    "done"
}

/// An answer whose length is not known.
async fn stream() -> Body {
    struct Two(u8);
    impl hyper::body::Body for Two {
        type Data = bytes::Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> Poll<Option<Result<hyper::body::Frame<bytes::Bytes>, Infallible>>> {
            self.0 += 1;
            let data = bytes::Bytes::from_static(b"part ");
            Poll::Ready((self.0 < 3).then(|| Ok(hyper::body::Frame::data(data))))
        }
    }
    Body::new(Two(0))
}

async fn upgrade(State(shared): State<Shared>, mut request: AxumRequest) -> Response<Body> {
    let upgraded = hyper::upgrade::on(&mut request);
    let task = async move {
        let socket = socket(upgraded.await.unwrap()).unwrap();
        shared.sockets.lock().unwrap().push(socket);
        shared.entered.notify_one();
    };
    #[expect(clippy::disallowed_methods, reason = "the test's own task, which the test waits for")]
    let _task = tokio::spawn(task);
    let headers = [(header::CONNECTION, "upgrade"), (header::UPGRADE, "test")];
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}

impl Fixture {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends the bytes on a connection of their own, and reads until it is closed.
    async fn exchange(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        rest(&mut stream).await
    }

    async fn stop(self) {
        self.drain.begin();
        assert!(self.drain.finished(SOON).await, "every connection ends with the drain");
    }
}

/// All that comes until the connection is closed.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    timeout(SOON, stream.read_to_end(&mut bytes)).await.expect("the server closes").unwrap();
    String::from_utf8(bytes).unwrap()
}

/// One answer with a body of known length, from a connection that stays open.
async fn answer(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    loop {
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let mut lengths = head.lines().filter_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= lengths.next_back().map_or(0, |length| length.parse().unwrap()) {
                return text;
            }
        }
        let mut bytes = [0; 4096];
        let read = timeout(SOON, stream.read(&mut bytes)).await.expect("an answer comes").unwrap();
        assert!(read > 0, "closed after {text:?}");
        text.push_str(std::str::from_utf8(&bytes[..read]).unwrap());
    }
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

fn quick() -> HttpSettings {
    HttpSettings {
        first_byte: Duration::from_millis(150),
        head: Duration::from_millis(300),
        idle: Duration::from_secs(60),
        write_stall: Duration::from_millis(300),
        ..HttpSettings::default()
    }
}

#[tokio::test]
async fn a_silent_connection_is_cut_after_the_first_bytes_deadline() {
    let (fixture, _) = fixture(HttpSettings { head: SOON, ..quick() }).await;
    let started = Instant::now();
    assert_eq!(fixture.exchange("").await, "");
    assert!(
        started.elapsed() >= Duration::from_millis(150)
            && started.elapsed() < Duration::from_secs(3)
    );
    assert_eq!(fixture.metrics.connections.get(), 0);
    fixture.stop().await;
}

#[tokio::test]
async fn a_dribbled_head_is_cut_after_its_deadline() {
    let (fixture, _) = fixture(quick()).await;
    let mut stream = fixture.connect().await;
    let started = Instant::now();
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    let cut = timeout(SOON, async {
        stream.write_all(b"GET /whoami HTTP/1.1\r\n").await.unwrap();
        loop {
            ticks.tick().await;
            if stream.write_all(b"a: b\r\n").await.is_err()
                || matches!(stream.try_read(&mut [0; 64]), Ok(0))
            {
                return;
            }
        }
    });
    cut.await.expect("each byte must not buy more time");
    assert!(
        started.elapsed() >= Duration::from_millis(300)
            && started.elapsed() < Duration::from_secs(3)
    );
    fixture.stop().await;
}

#[tokio::test]
async fn a_kept_alive_connection_may_be_silent_for_longer_than_a_new_one() {
    let (fixture, _) = fixture(HttpSettings { idle: Duration::from_millis(900), ..quick() }).await;
    let mut stream = fixture.connect().await;
    let request = b"GET /api/chat/messages HTTP/1.1\r\nHost: a\r\n\r\n";
    stream.write_all(request).await.unwrap();
    assert!(answer(&mut stream).await.ends_with("history"));
    // Longer than a new connection may be silent, and than a head may take.
    tokio::time::sleep(Duration::from_millis(500)).await;
    stream.write_all(request).await.unwrap();
    assert!(answer(&mut stream).await.ends_with("history"));
    // The next head has begun: from here its own deadline counts, not the idle one.
    stream.write_all(b"GET / HT").await.unwrap();
    let started = Instant::now();
    assert_eq!(rest(&mut stream).await, "");
    assert!(started.elapsed() < Duration::from_millis(800), "{:?}", started.elapsed());
    let mut idle = fixture.connect().await;
    idle.write_all(request).await.unwrap();
    answer(&mut idle).await;
    assert_eq!(rest(&mut idle).await, "", "and is cut after its own deadline");
    fixture.stop().await;
}

#[tokio::test]
async fn over_the_cap_a_connection_is_told_before_it_is_closed() {
    let (fixture, _) =
        fixture(HttpSettings { max_connections: 2, ..HttpSettings::default() }).await;
    let request = "GET /api/chat/messages HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = fixture.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        answer(&mut stream).await;
        held.push(stream);
    }
    let refused = fixture.exchange(request).await;
    assert_eq!(status(&refused), "503");
    assert!(refused.contains("retry-after: 1\r\n"), "{refused}");
    let body: serde_json::Value =
        serde_json::from_str(refused.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(
        (&body["error"]["code"], &body["error"]["retryable"]),
        (&"busy".into(), &true.into())
    );
    assert_eq!(fixture.metrics.refused_all.get(), 1);
    held.pop();
    let again = timeout(SOON, async {
        while fixture.metrics.connections.get() > 1 {
            tokio::task::yield_now().await;
        }
    });
    again.await.expect("the permit is given back");
    let mut stream = fixture.connect().await;
    stream.write_all(request.as_bytes()).await.unwrap();
    assert_eq!(status(&answer(&mut stream).await), "200");
    fixture.stop().await;
}

#[tokio::test]
async fn one_address_cannot_take_every_place_unless_it_is_a_trusted_proxy() {
    let capped = HttpSettings { max_connections_per_address: 1, ..HttpSettings::default() };
    let (one, _) = fixture(capped.clone()).await;
    let request = "GET /api/chat/messages HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut held = one.connect().await;
    held.write_all(request.as_bytes()).await.unwrap();
    answer(&mut held).await;
    assert_eq!(status(&one.exchange(request).await), "503");
    assert_eq!(one.metrics.refused_address.get(), 1);
    one.stop().await;

    let trusted = HttpSettings { trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()], ..capped };
    let (proxied, _) = fixture(trusted).await;
    let mut held = Vec::new();
    for _ in 0..5 {
        let mut stream = proxied.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        assert_eq!(status(&answer(&mut stream).await), "200");
        held.push(stream);
    }
    proxied.stop().await;
}

#[tokio::test]
async fn an_upgraded_connection_keeps_its_place_and_what_was_read_ahead() {
    let (fixture, shared) = fixture(quick()).await;
    let mut stream = fixture.connect().await;
    let request = b"GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: \
        test\r\n\r\nfirst bytes";
    stream.write_all(request).await.unwrap();
    assert_eq!(status(&answer(&mut stream).await), "101");
    timeout(SOON, shared.entered.notified()).await.unwrap();
    let Socket { stream: mut theirs, read_ahead, permit } =
        shared.sockets.lock().unwrap().pop().unwrap();
    let mut seen = read_ahead.to_vec();
    while seen.len() < 11 {
        timeout(SOON, theirs.read_buf(&mut seen)).await.unwrap().unwrap();
    }
    assert_eq!(seen, b"first bytes");
    assert_eq!(fixture.metrics.connections.get(), 1);
    theirs.write_all(b"pushed").await.unwrap();
    drop((theirs, permit));
    assert_eq!(rest(&mut stream).await, "pushed");
    assert_eq!(fixture.metrics.connections.get(), 0);
    fixture.stop().await;
}

#[tokio::test]
async fn a_length_together_with_chunks_is_refused_and_closed() {
    let (fixture, _) = fixture(HttpSettings::default()).await;
    for headers in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "content-length:5\r\nTRANSFER-ENCODING:chunked",
    ] {
        let smuggled = "0\r\n\r\nGET /whoami HTTP/1.1\r\nHost: a\r\n\r\n";
        let request = format!("POST /echo HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\n{smuggled}");
        let answers = fixture.exchange(&request).await;
        assert_eq!(
            (status(&answers), answers.matches("HTTP/1.1 ").count()),
            ("400", 1),
            "{headers}: {answers}"
        );
        assert!(
            answers.contains("connection: close\r\n") && answers.contains("\"requestId\""),
            "{answers}"
        );
    }
    assert_eq!(fixture.metrics.ambiguous.get(), 3);
    fixture.stop().await;
}

#[tokio::test]
async fn a_refused_framing_is_noticed_behind_other_requests() {
    let (fixture, _) = fixture(HttpSettings::default()).await;
    let plain = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";
    let both = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: \
        chunked\r\n\r\n0\r\n\r\n";
    let answers = fixture.exchange(&format!("{plain}{plain}{both}{plain}")).await;
    let statuses: Vec<_> = answers.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    assert_eq!(statuses, ["200", "200", "400"], "{answers}");
    fixture.stop().await;
}

#[tokio::test]
async fn chunks_alone_are_read_and_end_the_connection() {
    let (fixture, _) = fixture(HttpSettings::default()).await;
    let request = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \
        chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    let answer = fixture.exchange(request).await;
    assert_eq!(status(&answer), "200");
    assert!(answer.contains("connection: close\r\n") && answer.ends_with("hello"), "{answer}");
    fixture.stop().await;
}

#[tokio::test]
async fn other_broken_framing_is_refused() {
    let (fixture, _) = fixture(HttpSettings::default()).await;
    for headers in [
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5, 5",
        "Content-Length: +5",
        "Content-Length : 5",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: chunked, gzip",
    ] {
        let answer = fixture
            .exchange(&format!("POST /echo HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\nhello"))
            .await;
        assert_eq!(status(&answer), "400", "{headers}: {answer}");
    }
    fixture.stop().await;
}

#[tokio::test]
async fn a_head_over_the_limit_is_refused() {
    let (fixture, _) = fixture(HttpSettings::default()).await;
    let large = format!("GET /whoami HTTP/1.1\r\nHost: a\r\nx: {}\r\n\r\n", "x".repeat(20_000));
    assert_eq!(status(&fixture.exchange(&large).await), "431");
    let many = format!("GET /whoami HTTP/1.1\r\nHost: a\r\n{}\r\n", "x: y\r\n".repeat(150));
    assert_eq!(status(&fixture.exchange(&many).await), "431");
    fixture.stop().await;
}

#[tokio::test]
async fn a_second_leading_slash_is_passed_over() {
    let (fixture, _) = fixture(HttpSettings::default()).await;
    let answer = fixture
        .exchange("GET //api/chat/messages HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .await;
    assert!(status(&answer) == "200" && answer.ends_with("history"), "{answer}");
    fixture.stop().await;
}

#[tokio::test]
async fn http_1_0_gets_no_chunks() {
    let (fixture, _) = fixture(HttpSettings::default()).await;
    let answer = fixture.exchange("GET /stream HTTP/1.0\r\nHost: a\r\n\r\n").await;
    assert!(!answer.to_ascii_lowercase().contains("transfer-encoding"), "{answer}");
    assert!(answer.ends_with("\r\n\r\npart part "), "{answer}");
    let answer =
        fixture.exchange("GET /stream HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert!(answer.contains("transfer-encoding: chunked"), "{answer}");
    fixture.stop().await;
}

#[tokio::test]
async fn a_request_knows_its_client_and_its_id() {
    let trusted = HttpSettings {
        trusted_proxies: vec!["127.0.0.1".parse().unwrap()],
        ..HttpSettings::default()
    };
    let (fixture, _) = fixture(trusted).await;
    let request = "GET /whoami?a=b HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Forwarded-For: \
        203.0.113.9\r\n\
        X-Request-Id: from-the-proxy\r\n\r\n";
    let answer = fixture.exchange(request).await;
    assert!(answer.ends_with("203.0.113.9 from-the-proxy /whoami?a=b"), "{answer}");
    assert!(answer.contains("x-request-id: from-the-proxy\r\n"), "{answer}");
    let odd = "GET /whoami HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Request-Id: <b>\r\n\r\n";
    let answer = fixture.exchange(odd).await;
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    let id = body.split(' ').nth(1).unwrap();
    assert!(id.len() == 16 && id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{body}");
    fixture.stop().await;
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_unread() {
    let (fixture, _) = fixture(HttpSettings::default()).await;
    // Nothing of the body is ever sent.
    let answer = fixture
        .exchange("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999999\r\n\r\n")
        .await;
    assert_eq!(status(&answer), "413");
    let sent = format!(
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n{}",
        "x".repeat(200_000)
    );
    assert_eq!(
        status(&fixture.exchange(&sent).await),
        "413",
        "and the answer arrives though nobody read the body"
    );
    let chunks = format!("{:x}\r\n{}\r\n", 600, "x".repeat(600)).repeat(2);
    let chunked = format!(
        "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n"
    );
    assert_eq!(status(&fixture.exchange(&chunked).await), "413");
    fixture.stop().await;
}

#[tokio::test]
async fn who_is_refused_may_send_on_for_a_while_and_is_not_reset() {
    let (fixture, _) = fixture(HttpSettings::default()).await;
    let mut stream = fixture.connect().await;
    stream
        .write_all(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 999999\r\n\r\n")
        .await
        .unwrap();
    // Up to the end of the answer and of the server's side, from where a closed connection would
    // answer with a reset.
    assert_eq!(status(&rest(&mut stream).await), "413");
    for _ in 0..4 {
        stream.write_all(&[b'x'; 1000]).await.expect("the server reads on");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop(stream);
    fixture.stop().await;
}

#[tokio::test]
async fn a_stalled_body_is_answered_and_a_broken_one_is_not_a_request() {
    let (fixture, _) = fixture(HttpSettings::default()).await;
    let answer =
        fixture.exchange("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf").await;
    assert_eq!(status(&answer), "408");
    assert!(answer.contains("\"retryable\":true"), "{answer}");
    fixture.stop().await;
}

#[tokio::test]
async fn a_client_that_takes_nothing_of_its_answer_is_cut() {
    let (fixture, _) = fixture(quick()).await;
    let mut stream = fixture.connect().await;
    stream.write_all(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let gone = timeout(SOON, async {
        stream.readable().await.unwrap();
        while fixture.metrics.connections.get() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    gone.await.expect("the connection is cut while its client still holds it");
    assert_eq!(fixture.metrics.broken.get(), 1);
    drop(stream);
    fixture.stop().await;
}

#[tokio::test]
async fn the_drain_lets_a_request_in_flight_finish_and_ends_idle_connections() {
    let (fixture, shared) = fixture(HttpSettings::default()).await;
    let mut idle = fixture.connect().await;
    idle.write_all(b"GET /api/chat/messages HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    answer(&mut idle).await;
    let mut busy = fixture.connect().await;
    busy.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    timeout(SOON, shared.entered.notified()).await.unwrap();
    fixture.drain.begin();
    assert_eq!(rest(&mut idle).await, "");
    timeout(SOON, fixture.serving).await.expect("accepting stops").unwrap();
    assert!(TcpStream::connect(fixture.address).await.is_err(), "the port is closed");
    shared.leave.notify_one();
    let answer = rest(&mut busy).await;
    assert!(status(&answer) == "200" && answer.ends_with("done"), "{answer}");
    drop((idle, busy));
    assert!(fixture.drain.finished(SOON).await);
}

#[tokio::test]
async fn who_connected_before_the_end_of_accepting_is_served() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut waiting = TcpStream::connect(address).await.unwrap();
    waiting.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let drain = Drain::new();
    let app = Router::new().route("/", get(async || "in time"));
    let metrics = Metrics::new(&Registry::new()).unwrap();
    let told = drain.clone();
    drain.spawn(async move {
        told.begin();
        serve(listener, app, HttpSettings::default(), Random::seeded(1), metrics, told).await;
    });
    assert!(rest(&mut waiting).await.ends_with("in time"));
    drop(waiting);
    assert!(drain.finished(SOON).await);
}

#[tokio::test]
async fn who_waits_in_a_service_managers_socket_is_left_to_the_next_process() {
    let manager = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    manager.set_nonblocking(true).unwrap();
    let handed = TcpListener::from_std(manager.try_clone().unwrap()).unwrap();
    let waiting = TcpStream::connect(manager.local_addr().unwrap()).await.unwrap();
    let drain = Drain::new();
    drain.begin();
    let (app, settings) = (Router::new(), HttpSettings::default());
    let metrics = Metrics::new(&Registry::new()).unwrap();
    serve(Listener::Handed(handed), app, settings, Random::seeded(1), metrics, drain).await;
    let (_, peer) = manager.accept().expect("the connection waits for the next process");
    assert_eq!(peer, waiting.local_addr().unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_body_may_not_dribble_for_ever() {
    struct Dribble(std::pin::Pin<Box<tokio::time::Sleep>>);
    impl hyper::body::Body for Dribble {
        type Data = bytes::Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: std::pin::Pin<&mut Self>,
            context: &mut std::task::Context<'_>,
        ) -> Poll<Option<Result<hyper::body::Frame<bytes::Bytes>, Infallible>>> {
            std::task::ready!(self.0.as_mut().poll(context));
            self.0 = Box::pin(tokio::time::sleep(Duration::from_secs(10)));
            Poll::Ready(Some(Ok(hyper::body::Frame::data(bytes::Bytes::from_static(b"x")))))
        }
    }
    let body = Body::new(Dribble(Box::pin(tokio::time::sleep(Duration::from_secs(10)))));
    let read = read_body(body, 1000, Duration::from_secs(15)).await;
    assert_eq!(read.map_err(|problem: Problem| problem.code), Err(Code::RequestTimeout));
}
