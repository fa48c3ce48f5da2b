//! Calls with bound parameters: a line of JSON on standard input is a call, a line on standard output its outcome.

use std::error::Error as _;
use std::io::BufRead;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio_postgres::types::{ToSql, Type, WrongType};
use tokio_postgres::{Client, Error, NoTls};
use uuid::Uuid;

#[derive(Deserialize)]
struct Call {
    sql: String,
    parameters: Vec<Parameter>,
    /// Whether the types of the parameters are told to the server, which chooses them otherwise.
    declared: bool,
}

#[derive(Deserialize)]
struct Parameter {
    #[serde(rename = "type")]
    kind: String,
    value: Value,
}

type Bound = Box<dyn ToSql + Sync>;

pub async fn run(config: &str) {
    let (client, connection) = tokio_postgres::connect(config, NoTls)
        .await
        .expect("the test's server is there");
    tokio::spawn(connection);
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("standard input is text");
        let call: Call = serde_json::from_str(&line).expect("a line is a call");
        println!("{}", outcome(make(&client, &call).await));
    }
}

async fn make(client: &Client, call: &Call) -> Result<Option<Uuid>, Error> {
    let (types, values): (Vec<Type>, Vec<Bound>) = call.parameters.iter().map(bound).unzip();
    let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| &**value).collect();
    let types: &[Type] = if call.declared { &types } else { &[] };
    let statement = client.prepare_typed(&call.sql, types).await?;
    Ok(client.query_one(&statement, &values).await?.get(0))
}

fn outcome(made: Result<Option<Uuid>, Error>) -> Value {
    match made {
        Ok(id) => json!({"id": id.map(|id| id.to_string())}),
        Err(error) => match (error.code(), error.source()) {
            (Some(state), _) => json!({"sqlstate": state.code()}),
            // The driver does not send a value of another type than the server has chosen.
            (None, Some(cause)) if cause.is::<WrongType>() => {
                json!({"refused": cause.to_string()})
            }
            _ => panic!("{error}"),
        },
    }
}

/// The value as a program in Rust would hold it.
fn bound(parameter: &Parameter) -> (Type, Bound) {
    let value = &parameter.value;
    match parameter.kind.as_str() {
        "text" => (Type::TEXT, Box::new(read::<Option<String>>(value))),
        "uuid" => (
            Type::UUID,
            Box::new(read::<Option<String>>(value).map(uuid)),
        ),
        "int4" => (Type::INT4, Box::new(read::<Option<i32>>(value))),
        "int8" => (Type::INT8, Box::new(read::<Option<i64>>(value))),
        "text[]" => (
            Type::TEXT_ARRAY,
            Box::new(read::<Option<Vec<String>>>(value)),
        ),
        "int4[]" => (Type::INT4_ARRAY, Box::new(read::<Option<Vec<i32>>>(value))),
        "jsonb" => (Type::JSONB, Box::new(value.clone())),
        kind => panic!("no value of type {kind} is bound here"),
    }
}

fn uuid(text: String) -> Uuid {
    text.parse().expect("a uuid")
}

fn read<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).expect("a value of its type")
}
