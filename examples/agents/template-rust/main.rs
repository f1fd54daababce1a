//! The template: greets whoever the task names. Replace `greet`.
//!
//! ```text
//! in   {"name": "…"}
//! out  {"greeting": "…"}
//! ```

#[path = "../lib/rust/agent.rs"]
mod agent;
#[allow(dead_code)] // a template uses little of it
#[path = "../lib/rust/json.rs"]
mod json;

use std::process::ExitCode;

use json::Json;

fn main() -> ExitCode {
    agent::run(greet)
}

fn greet(task: &Json) -> Result<Json, String> {
    let name = task.required_string("name")?;
    agent::log(&format!("Greeting {name}."));
    Ok(Json::object([("greeting", Json::String(format!("Hello, {name}!")))]))
}
