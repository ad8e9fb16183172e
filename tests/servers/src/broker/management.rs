//! The requests to RabbitMQ's management API that tests need: much faster than `rabbitmqctl`.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::{ServerError, eventually};

/// `guest:guest`, which RabbitMQ accepts from this machine only.
const CREDENTIALS: &str = "Z3Vlc3Q6Z3Vlc3Q=";

const ALL_PERMISSIONS: &str = r#"{"configure":".*","write":".*","read":".*"}"#;

/// A ceiling for what hangs.
const REQUEST_LIMIT: Duration = Duration::from_mins(1);

/// After a start, the API answers a little later than the broker's own port, and not at all while tables are synced.
const READY_LIMIT: Duration = Duration::from_mins(2);

/// The management API of one node.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Management(pub(crate) SocketAddr);

impl Management {
    /// Creates a virtual host, unless it exists.
    pub(crate) async fn put_vhost(self, name: &str) -> Result<(), ServerError> {
        let put = async || {
            self.ask_aside("PUT", format!("vhosts/{name}"), "").await.ok()?;
            // A broker that is interrupted between the two requests has a virtual host without permissions.
            self.ask_aside("PUT", format!("permissions/{name}/guest"), ALL_PERMISSIONS).await.ok()
        };
        eventually(&format!("virtual host {name}"), READY_LIMIT, put).await.map(|_| ())
    }

    /// Starts a virtual host at a node that missed its creation.
    pub(crate) async fn start_vhost(self, name: &str, node: &str) -> Result<(), ServerError> {
        self.ask_aside("POST", format!("vhosts/{name}/start/{node}"), "").await.map(|_| ())
    }

    /// Deletes a virtual host and its content. Blocks the thread for about ten milliseconds.
    pub(crate) fn delete_vhost(self, name: &str) -> Result<(), ServerError> {
        self.ask("DELETE", &format!("vhosts/{name}"), "").map(|_| ())
    }

    /// The API's answer to a GET request.
    pub(crate) async fn get(self, path: &str) -> Result<Value, ServerError> {
        let body = self.ask_aside("GET", path.to_owned(), "").await?;
        let refused = |error| ServerError::Refused { request: format!("GET /api/{path}"), answer: format!("{error}") };
        serde_json::from_str(&body).map_err(refused)
    }

    /// Makes or changes what is at `path`.
    pub(crate) async fn put(self, path: String, body: &Value) -> Result<(), ServerError> {
        self.ask_aside("PUT", path, body.to_string()).await.map(|_| ())
    }

    async fn ask_aside(
        self,
        method: &'static str,
        path: String,
        body: impl Into<String>,
    ) -> Result<String, ServerError> {
        let body = body.into();
        let asked = tokio::task::spawn_blocking(move || self.ask(method, &path, &body)).await;
        asked.expect("a request does not panic, and the runtime outlives it")
    }

    fn ask(self, method: &str, path: &str, body: &str) -> Result<String, ServerError> {
        let request = format!("{method} /api/{path}");
        let answer = self.exchange(&request, body).map_err(ServerError::io(request.clone()))?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).unwrap_or_default();
        let done = status.starts_with('2');
        if done { Ok(body.to_owned()) } else { Err(ServerError::Refused { request, answer: answer.clone() }) }
    }

    /// Uses HTTP 1.0, where the answer ends with the connection.
    fn exchange(self, request: &str, body: &str) -> std::io::Result<String> {
        let mut connection = TcpStream::connect_timeout(&self.0, REQUEST_LIMIT)?;
        connection.set_read_timeout(Some(REQUEST_LIMIT))?;
        let headers = format!("authorization: Basic {CREDENTIALS}\r\ncontent-length: {}\r\n", body.len());
        connection.write_all(format!("{request} HTTP/1.0\r\nhost: {}\r\n{headers}\r\n{body}", self.0).as_bytes())?;
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }
}
