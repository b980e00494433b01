//! Opening sockets.

use std::time::Duration;

use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{
        Error,
        client::IntoClientRequest,
        handshake::client::Request,
        http::{HeaderName, HeaderValue, StatusCode},
        protocol::WebSocketConfig,
    },
};

use crate::{address::Address, http::connect};

/// A client's end.
pub(crate) type Socket = WebSocketStream<TcpStream>;

/// Why there is no socket.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotOpened {
    /// The server answered with another status than 101.
    #[error("the upgrade was answered with {0}")]
    Refused(StatusCode),
    #[error("{0}")]
    Failed(String),
}

/// How much the kernel takes in for a client that does not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Window {
    /// What the system gives, which grows to megabytes.
    Usual,
    /// As little as the system allows, so that the server notices a slow reader soon.
    Small,
}

const DEADLINE: Duration = Duration::from_secs(15);

/// Thousands share a machine: buffers are small, and a message has 64 KiB at most.
fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(4096)
        .write_buffer_size(0)
        .max_write_buffer_size(1 << 20)
        .max_message_size(Some(1 << 18))
        .max_frame_size(Some(1 << 18))
}

/// Opens a socket at `path`; gives it and the answer's `Set-Cookie` headers.
pub(crate) async fn open(
    address: &Address,
    path: &str,
    headers: &[(&'static str, String)],
    window: Window,
) -> Result<(Socket, Vec<String>), NotOpened> {
    let failed = |error: &dyn std::fmt::Display| NotOpened::Failed(error.to_string());
    let request = request(address, path, headers).map_err(|error| failed(&error))?;
    let stream = connect(address, DEADLINE, window == Window::Small)
        .await
        .map_err(|error| failed(&format_args!("{error:#}")))?;
    let upgrade = Box::pin(client_async_with_config(request, stream, Some(config())));
    match timeout(DEADLINE, upgrade).await {
        Ok(Ok((socket, answer))) => {
            let cookies = answer.headers().get_all("set-cookie").iter();
            Ok((
                socket,
                cookies.filter_map(|cookie| cookie.to_str().ok().map(str::to_owned)).collect(),
            ))
        }
        Ok(Err(Error::Http(answer))) => Err(NotOpened::Refused(answer.status())),
        Ok(Err(error)) => Err(failed(&error)),
        Err(_) => Err(failed(&"the upgrade was not answered in time")),
    }
}

fn request(
    address: &Address,
    path: &str,
    headers: &[(&'static str, String)],
) -> Result<Request, Error> {
    let mut request = format!("ws://{}{path}", address.host).into_client_request()?;
    for (name, value) in headers {
        let value =
            HeaderValue::from_str(value).map_err(|error| Error::HttpFormat(error.into()))?;
        request.headers_mut().insert(HeaderName::from_static(name), value);
    }
    Ok(request)
}
