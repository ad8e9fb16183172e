//! A provider behind the proxy that the environment names, as in a company's network.

use std::io::{BufRead as _, BufReader, Write as _, copy};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::support::place::Place;

/// A proxy that makes a tunnel to one address, whatever it is asked for, and remembers how it was asked.
struct Proxy {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn to(provider: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&asked);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (provider, heard) = (provider.clone(), Arc::clone(&heard));
                thread::spawn(move || tunnel(client, &provider, &heard));
            }
        });
        Self { address, asked }
    }
}

fn tunnel(client: TcpStream, provider: &str, heard: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(client.try_clone().unwrap());
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap() > 0 {}
    heard.lock().unwrap().push(head);
    let mut client = client;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").unwrap();
    let provider = TcpStream::connect(provider).unwrap();
    let (mut there, mut back) = (provider.try_clone().unwrap(), provider);
    let up = thread::spawn(move || {
        // Either side may end first.
        let _ = copy(&mut reader, &mut there);
        let _ = there.shutdown(Shutdown::Write);
    });
    let _ = copy(&mut back, &mut client);
    let _ = client.shutdown(Shutdown::Both);
    up.join().unwrap();
}

#[test]
fn calls_go_through_the_proxy_that_the_environment_names() {
    let place = Place::new();
    let mut server = place.start(&["simulate-provider", "--listen", "127.0.0.1:0"]);
    let line = server.wait_for_output("SIMULATED provider at http://");
    let provider = line.trim().split("http://").last().unwrap().trim_end_matches("/v1");
    let proxy = Proxy::to(provider.to_owned());

    let variable = format!("http://name:word@{}", proxy.address);
    let who = ["run", "--synthetic", "60", "--users", "1", "--folds", "1", "--model", "m"];
    let arguments = [&who[..], &["--base-url", "http://provider.test/v1"]].concat();
    place.run_with(("http_proxy", &variable), &arguments).well();

    let asked = proxy.asked.lock().unwrap();
    assert!(!asked.is_empty());
    for head in &*asked {
        assert!(head.starts_with("CONNECT provider.test:80 HTTP/1.1\r\n"), "{head}");
        // The base64 of name:word.
        assert!(head.to_ascii_lowercase().contains("proxy-authorization: basic bmftztp3b3jk"), "{head}");
    }
    server.interrupt();
    server.end().well();
}
