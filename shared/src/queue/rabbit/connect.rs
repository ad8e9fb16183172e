//! Opens one connection, or explains why that failed and what to do.

use std::time::Duration;

use lapin::protocol::{AMQPErrorKind, AMQPHardError, AMQPSoftError};
use lapin::{Connection, ConnectionBuilder, ConnectionProperties, Error, ErrorKind};

use super::address::Address;
use crate::certificate_advice;

/// How long one attempt may take: a connection that stalls in the handshake is useless.
const ATTEMPT: Duration = Duration::from_secs(10);

/// What a process needs of a broker that limits connections or channels.
pub(super) const LIMITS: &str = "each process of valuesim needs two connections, and on them two channels and one more for each queue that it \
    reads: raise the limit (`rabbitmqctl set_vhost_limits`, `set_user_limits`; connection_max, channel_max), or run fewer processes";

/// Why a connection was not made.
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) reason: String,
    pub(super) advice: &'static str,
    /// Whether a retry is pointless until somebody changes something.
    pub(super) lasting: bool,
}

/// Connects to the broker. The connection does not reconnect by itself.
pub(super) async fn connect(address: &Address, name: &str) -> Result<Connection, Refusal> {
    let runtime = lapin::runtime::default_runtime().map_err(|error| refusal(&error))?;
    let builder = ConnectionBuilder::new_with_runtime(runtime)
        .with_uri(address.uri.clone())
        .with_tls_config(address.tls.clone())
        .with_properties(ConnectionProperties::default().with_connection_name(name.into()));
    match tokio::time::timeout(ATTEMPT, builder.connect()).await {
        Ok(connected) => connected.map_err(|error| refusal(&error)),
        Err(_) => Err(Refusal {
            reason: format!("no answer within {} s", ATTEMPT.as_secs()),
            advice: "check that RabbitMQ listens at this address and that no firewall or proxy on the way stalls the connection",
            lasting: false,
        }),
    }
}

fn refusal(error: &Error) -> Refusal {
    let (advice, lasting) = match error.kind() {
        ErrorKind::ProtocolError(error) => match error.kind() {
            AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => (
                "check the user and the password, in which special characters are escaped (/ is %2F, # %23, @ %40, % %25); `guest` can log in only from the broker's own machine",
                true,
            ),
            // Somebody else may leave, or raise it.
            AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED) if error.get_message().as_str().contains("limit") => {
                (LIMITS, false)
            }
            AMQPErrorKind::Hard(AMQPHardError::NOTALLOWED) => {
                ("check that the virtual host exists and that the user has permissions in it", true)
            }
            AMQPErrorKind::Soft(_) | AMQPErrorKind::Hard(_) => ("see the broker's log", false),
        },
        ErrorKind::IOError(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            (certificate_advice::advice(&error.to_string()), true)
        }
        _ => ("check the host and the port, and that RabbitMQ is running there", false),
    };
    Refusal { reason: words(error), advice, lasting }
}

fn words(error: &Error) -> String {
    match error.kind() {
        ErrorKind::ProtocolError(error) => error.get_message().to_string(),
        ErrorKind::IOError(error) => error.to_string(),
        _ => error.to_string(),
    }
}
