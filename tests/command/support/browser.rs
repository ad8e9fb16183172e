//! Asks a process over HTTP as a browser does, with the headers that a browser sends by itself.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// A limit for hangs.
const TIMEOUT: Duration = Duration::from_mins(2);

/// A browser at one address.
pub(crate) struct Browser {
    /// Host and port.
    pub(crate) host: String,
    /// The cookie that it was given.
    pub(crate) cookie: Option<String>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Browser {
    pub(crate) fn at(url: &str) -> Self {
        Self { host: url.trim_start_matches("http://").trim_end_matches('/').to_owned(), cookie: None }
    }

    pub(crate) fn get(&self, path: &str) -> Response {
        self.ask("GET", path, &[], "")
    }

    /// Sends JSON from one of the process's own pages.
    pub(crate) fn post(&self, path: &str, json: &serde_json::Value) -> Response {
        let origin = format!("http://{}", self.host);
        self.ask("POST", path, &[("Origin", &origin), ("Content-Type", "application/json")], &json.to_string())
    }

    /// Sends a request; a `Host` among the headers replaces the browser's own.
    pub(crate) fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Response {
        let mut connection = self.open(method, path, headers, body);
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?} is no response"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Response { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }

    /// The lines of server-sent events, as they come until the process ends the stream.
    pub(crate) fn events(&self) -> impl Iterator<Item = String> {
        let connection = self.open("GET", "/api/events", &[], "");
        BufReader::new(connection).lines().map(|line| line.expect("the stream ends in good order"))
    }

    fn open(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> TcpStream {
        let mut connection = TcpStream::connect(&self.host).unwrap();
        connection.set_read_timeout(Some(TIMEOUT)).unwrap();
        let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
        if !headers.iter().any(|(name, _)| *name == "Host") {
            head += &format!("Host: {}\r\n", self.host);
        }
        if let Some(cookie) = &self.cookie {
            head += &format!("Cookie: {cookie}\r\n");
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        write!(connection, "{head}\r\n{body}").unwrap();
        connection
    }
}

impl Response {
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}
