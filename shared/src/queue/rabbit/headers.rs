//! Reads from the headers of a message how often it was delivered before.

use lapin::BasicProperties;
use lapin::types::AMQPValue;

/// Our own count, for messages that were handed back as copies: the broker counts a copy from zero.
pub(super) const DELIVERIES_BEFORE: &str = "x-valuesim-deliveries-before";

/// What quorum queues count: returns, and since RabbitMQ 4.3 apart from them every time a consumer got the message.
const COUNTED_BY_BROKER: [&str; 2] = ["x-delivery-count", "x-acquired-count"];

/// Why the broker itself made the message a dead letter the first time, and in which queue that was.
const FIRST_DEATH: [&str; 2] = ["x-first-death-reason", "x-first-death-queue"];

/// The name in the broker of the queue in which nobody took the message in time, if the broker made it a dead letter for that.
pub(super) fn expired_in(properties: &BasicProperties) -> Option<String> {
    let headers = properties.headers().as_ref()?.inner();
    let [reason, queue] = FIRST_DEATH.map(|name| match headers.get(name) {
        Some(AMQPValue::LongString(text)) => Some(String::from_utf8_lossy(text.as_bytes()).into_owned()),
        _ => None,
    });
    queue.filter(|_| reason.as_deref() == Some("expired"))
}

/// How often the message was delivered before.
pub(super) fn deliveries_before(properties: &BasicProperties) -> u32 {
    let Some(headers) = properties.headers() else { return 0 };
    let read = |name: &str| headers.inner().get(name).map_or(0, count);
    let by_broker = COUNTED_BY_BROKER.map(read).into_iter().max().unwrap_or(0);
    by_broker.saturating_add(read(DELIVERIES_BEFORE))
}

fn count(value: &AMQPValue) -> u32 {
    let number = match value {
        AMQPValue::ShortShortInt(number) => i64::from(*number),
        AMQPValue::ShortShortUInt(number) => i64::from(*number),
        AMQPValue::ShortInt(number) => i64::from(*number),
        AMQPValue::ShortUInt(number) => i64::from(*number),
        AMQPValue::LongInt(number) => i64::from(*number),
        AMQPValue::LongUInt(number) => i64::from(*number),
        AMQPValue::LongLongInt(number) => *number,
        _ => 0,
    };
    u32::try_from(number.max(0)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use lapin::types::FieldTable;

    use super::*;

    fn check(headers: &[(&'static str, AMQPValue)], expected: u32) {
        let mut table = FieldTable::default();
        for (name, value) in headers {
            table.insert((*name).into(), value.clone());
        }
        assert_eq!(deliveries_before(&BasicProperties::default().with_headers(table)), expected, "{headers:?}");
    }

    #[test]
    fn a_message_that_expired_says_where() {
        let check = |reason: &str| {
            let mut table = FieldTable::default();
            for (name, value) in FIRST_DEATH.into_iter().zip([reason, "valuesim.r1.0.story"]) {
                table.insert(name.into(), AMQPValue::LongString(value.into()));
            }
            expired_in(&BasicProperties::default().with_headers(table))
        };
        assert_eq!(check("expired").as_deref(), Some("valuesim.r1.0.story"));
        assert_eq!(check("delivery_limit"), None);
        assert_eq!(expired_in(&BasicProperties::default()), None);
    }

    #[test]
    fn counts_of_the_broker_and_our_own_add_up() {
        assert_eq!(deliveries_before(&BasicProperties::default()), 0);
        check(&[], 0);
        check(&[("x-delivery-count", AMQPValue::LongLongInt(3))], 3);
        check(&[("x-delivery-count", AMQPValue::LongInt(1)), ("x-acquired-count", AMQPValue::LongUInt(2))], 2);
        check(&[("x-delivery-count", AMQPValue::ShortUInt(3)), (DELIVERIES_BEFORE, AMQPValue::LongLongInt(4))], 7);
        check(&[("x-delivery-count", AMQPValue::LongLongInt(-1))], 0);
        check(&[(DELIVERIES_BEFORE, AMQPValue::LongLongInt(i64::MAX)), ("x-delivery-count", 1_i64.into())], u32::MAX);
        check(&[("x-delivery-count", AMQPValue::Void)], 0);
    }
}
