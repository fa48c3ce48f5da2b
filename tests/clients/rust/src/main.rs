//! What the client tests ask of tokio-postgres: `recipe` follows a session, `calls` makes calls with bound parameters.

mod calls;
mod recipe;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime needs nothing special");
    match arguments.as_slice() {
        ["recipe", config, session] => runtime.block_on(recipe::run(config, session)),
        ["calls", config] => runtime.block_on(calls::run(config)),
        _ => {
            eprintln!("usage: reldiff-client recipe CONFIG SESSION | calls CONFIG");
            std::process::exit(2);
        }
    }
}
