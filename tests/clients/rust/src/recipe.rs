//! A client that follows the recipe of the README: LISTEN, read, then handle what comes.

use std::future::poll_fn;
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio_postgres::{AsyncMessage, Client, NoTls};
use uuid::Uuid;

const PAGE: i32 = 100;
/// How long nothing may come before the inbox is looked into all the same.
const IDLE: Duration = Duration::from_millis(500);
/// Acknowledge after so many events.
const OFTEN: u64 = 50;

/// What the recipe needs of an event; the rest is for whoever handles it.
#[derive(Deserialize)]
struct Event {
    cursor: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    truncated: bool,
    key: Option<serde_json::Value>,
}

#[derive(Default)]
struct Follower {
    session: Uuid,
    /// Of the last event that was handled. It outlives connections.
    cursor: Option<String>,
    acknowledged: u64,
    ended: bool,
    connections: u64,
    read: u64,
    heard: u64,
}

/// Why a connection was given up.
enum Lost {
    Server(tokio_postgres::Error),
    Closed,
}

impl From<tokio_postgres::Error> for Lost {
    fn from(error: tokio_postgres::Error) -> Self {
        Lost::Server(error)
    }
}

/// Prints each event as it is handled, after `read` or `heard`, until the one of the key `the end`; then counts.
pub async fn run(config: &str, session: &str) {
    let mut follower = Follower {
        session: session.parse().expect("the session is a uuid"),
        ..Follower::default()
    };
    while !follower.ended || follower.acknowledged < follower.read + follower.heard {
        match follower.follow(config).await {
            Ok(()) | Err(Lost::Closed) => {}
            Err(Lost::Server(error)) => {
                eprintln!("{error}: {:?}", error.code());
                // A server that refuses connections for a moment is not asked a thousand times.
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
    println!(
        "counts {{\"connections\":{},\"read\":{},\"heard\":{}}}",
        follower.connections, follower.read, follower.heard
    );
}

impl Follower {
    /// On one connection: LISTEN first, then read; what commits in between is heard twice, and the cursor tells.
    async fn follow(&mut self, config: &str) -> Result<(), Lost> {
        let (client, mut notifications) = connect(config).await?;
        self.connections += 1;
        client
            .batch_execute(&format!("listen \"{}\"", self.session))
            .await?;
        self.read(&client).await?;
        while !self.ended {
            match tokio::time::timeout(IDLE, notifications.recv()).await {
                Ok(Some(payload)) => self.notified(&client, &payload).await?,
                Ok(None) => return Err(Lost::Closed),
                Err(_) => self.read(&client).await?,
            }
        }
        self.acknowledge(&client).await
    }

    async fn read(&mut self, client: &Client) -> Result<(), Lost> {
        let page = "select event::text from event.events($1, $2, $3)";
        loop {
            let rows = client
                .query(page, &[&self.session, &self.cursor, &PAGE])
                .await?;
            if rows.is_empty() {
                return Ok(());
            }
            for row in rows {
                let text: String = row.get(0);
                self.read += 1;
                self.handle("read", &text, parse(&text));
            }
            self.acknowledge(client).await?;
        }
    }

    async fn notified(&mut self, client: &Client, payload: &str) -> Result<(), Lost> {
        let event = parse(payload);
        if self
            .cursor
            .as_ref()
            .is_some_and(|last| &event.cursor <= last)
        {
            return Ok(());
        }
        if event.kind == "nudge" || event.truncated {
            return self.read(client).await;
        }
        self.heard += 1;
        self.handle("heard", payload, event);
        if (self.read + self.heard).is_multiple_of(OFTEN) {
            self.acknowledge(client).await?;
        }
        Ok(())
    }

    fn handle(&mut self, how: &str, text: &str, event: Event) {
        println!("{how} {text}");
        self.ended = event.key.is_some_and(|key| key["id"] == "the end");
        self.cursor = Some(event.cursor);
    }

    async fn acknowledge(&mut self, client: &Client) -> Result<(), Lost> {
        if self.read + self.heard > self.acknowledged {
            client
                .query_one("select event.ack($1, $2)", &[&self.cursor, &self.session])
                .await?;
            self.acknowledged = self.read + self.heard;
        }
        Ok(())
    }
}

fn parse(text: &str) -> Event {
    serde_json::from_str(text).expect("a payload is an event")
}

/// A connection and the payloads that come on it; the channel closes when the connection does.
async fn connect(
    config: &str,
) -> Result<(Client, UnboundedReceiver<String>), tokio_postgres::Error> {
    let (client, mut connection) = tokio_postgres::connect(config, NoTls).await?;
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
            if let AsyncMessage::Notification(notification) = message
                && sender.send(notification.payload().to_owned()).is_err()
            {
                return;
            }
        }
    });
    Ok((client, receiver))
}
