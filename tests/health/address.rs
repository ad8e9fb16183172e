//! An address for probes that somebody has already: said before any work begins.

use std::net::TcpListener;

use valuesim_simulator::provider::ProviderOptions;

use crate::process::Fleet;

#[tokio::test]
async fn an_address_that_is_taken_is_the_users_to_mend() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("listens");
    let address = taken.local_addr().expect("has an address").to_string();
    // Nobody is there, and nobody is asked.
    let fleet = Fleet::new("amqp://127.0.0.1:9", "redis://127.0.0.1:9", ProviderOptions::default()).await;
    let url = fleet.provider.base_url();
    let coordinate = ["--synthetic", "60", "--users", "1", "--model", "m", "--base-url", &url];
    for (verb, flags) in [("work", &[][..]), ("coordinate", &coordinate[..])] {
        let mut process = fleet.start(verb, &[flags, &["--http", &address]].concat());
        let ended = process.end().await;
        let said = process.said();
        assert_eq!(ended.code(), Some(2), "{said}");
        assert!(said.contains(&format!("error: listen at {address} for probes and metrics: ")), "{said}");
    }
}
