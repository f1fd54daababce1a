//! The frame of an agent: read one JSON document from standard input, write one to standard output, exit 0. Every line
//! on standard error becomes a log event of the task. An agent that cannot do its work says why in one sentence and
//! exits 1.

use std::io::{self, Read, Write};
use std::process::ExitCode;

use crate::json::{self, Json};

const INPUT_LIMIT: u64 = 4 << 20;

/// Runs the agent: `work` turns the task's input into its result, or says in one sentence why it cannot.
pub fn run(work: fn(&Json) -> Result<Json, String>) -> ExitCode {
    match read_input().and_then(|input| work(&json::parse(&input)?)).and_then(write_output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            log(&sentence);
            ExitCode::FAILURE
        }
    }
}

/// Writes one line to the task's log.
pub fn log(line: &str) {
    // A log that cannot be written is no reason to fail.
    let _ = writeln!(io::stderr(), "{line}");
}

fn read_input() -> Result<String, String> {
    let mut bytes = Vec::new();
    let read = io::stdin().take(INPUT_LIMIT + 1).read_to_end(&mut bytes);
    read.map_err(|_| "The input could not be read.")?;
    if bytes.len() as u64 > INPUT_LIMIT {
        return Err(format!("The input is larger than {INPUT_LIMIT} bytes."));
    }
    String::from_utf8(bytes).map_err(|_| "The input is not valid UTF-8.".into())
}

fn write_output(result: Json) -> Result<(), String> {
    let mut text = result.to_string();
    text.push('\n');
    let mut stdout = io::stdout();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    written.map_err(|_| "The output could not be written.".into())
}
