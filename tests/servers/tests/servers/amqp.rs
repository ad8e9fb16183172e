//! A RabbitMQ client with one quorum queue.

use lapin::options::{BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, PublisherConfirm};

pub(crate) const QUEUE: &str = "work";

const PERSISTENT: u8 = 2;

pub(crate) struct Client {
    pub(crate) connection: Connection,
    channel: Channel,
}

impl Client {
    pub(crate) async fn connect(url: &str) -> lapin::Result<Self> {
        let connection = Connection::connect(url, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(Self { connection, channel })
    }

    /// Declares the queue, and returns the number of its messages.
    pub(crate) async fn declare(&self) -> lapin::Result<u32> {
        let mut arguments = FieldTable::default();
        arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
        let queue = self.channel.queue_declare(QUEUE.into(), QueueDeclareOptions::durable(), arguments).await?;
        Ok(queue.message_count())
    }

    pub(crate) async fn send(&self, text: &str) -> lapin::Result<PublisherConfirm> {
        let properties = BasicProperties::default().with_delivery_mode(PERSISTENT);
        let options = BasicPublishOptions::default();
        self.channel.basic_publish("".into(), QUEUE.into(), options, text.as_bytes(), properties).await
    }

    pub(crate) async fn publish(&self, text: &str) {
        assert_eq!(self.send(text).await.unwrap().await.unwrap(), Confirmation::Ack(None));
    }

    /// The first message of the queue. It is requeued when the connection ends.
    pub(crate) async fn peek(&self) -> lapin::Result<Option<String>> {
        let got = self.channel.basic_get(QUEUE.into(), BasicGetOptions::default()).await?;
        Ok(got.map(|message| String::from_utf8(message.delivery.data).unwrap()))
    }
}
