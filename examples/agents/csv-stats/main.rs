//! csv-stats: what is in the columns of a table.
//!
//! ```text
//! in   {"csv": "…", "delimiter"?: ",", "header"?: true}
//! out  {"rows": 3, "columns": [
//!        {"name", "type": "number", "count", "missing", "min", "max", "mean", "median", "standard_deviation"},
//!        {"name", "type": "text", "count", "missing", "distinct", "most_common": [{"value", "count"}]},
//!        {"name", "type": "empty", "count", "missing"}]}
//! ```
//!
//! A column is numeric when every field that is not empty is a finite decimal number. `count` leaves out empty fields,
//! which are `missing`. The deviation is that of a sample (n - 1), null for a single value.

#[path = "../lib/rust/agent.rs"]
mod agent;
mod csv;
#[path = "../lib/rust/json.rs"]
mod json;

use std::borrow::Cow;
use std::cmp::Reverse;
use std::process::ExitCode;

use csv::Records;
use json::Json;

/// Keeps the answer to a line of nothing but commas within reason.
const MOST_COLUMNS: usize = 1000;
/// Values listed of a text column.
const MOST_COMMON: usize = 5;

fn main() -> ExitCode {
    agent::run(describe_table)
}

fn describe_table(task: &Json) -> Result<Json, String> {
    let text = task.required_string("csv")?;
    let delimiter = delimiter_of(task)?;
    let has_header = match task.member("header") {
        None | Some(Json::Null | Json::Bool(true)) => true,
        Some(Json::Bool(false)) => false,
        Some(_) => return Err("\"header\" must be true or false.".into()),
    };

    let (columns, rows) = read_columns(Records::new(text, delimiter), has_header)?;
    agent::log(&format!("Read {rows} rows of {} columns.", columns.len()));
    let columns: Vec<Json> = columns.into_iter().map(describe_column).collect();
    Ok(Json::object([("rows", rows.into()), ("columns", columns.into())]))
}

fn delimiter_of(task: &Json) -> Result<char, String> {
    let wanted = match task.member("delimiter") {
        None | Some(Json::Null) => ",",
        Some(Json::String(text)) => text,
        Some(_) => "",
    };
    match wanted.as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\r' | b'\n') => Ok(*byte as char),
        _ => Err("\"delimiter\" must be one ASCII character, such as \",\" or \";\".".into()),
    }
}

struct Column<'a> {
    name: String,
    /// Without the empty ones.
    fields: Vec<Cow<'a, str>>,
    missing: usize,
}

/// The columns and the number of rows below the header.
fn read_columns(mut records: Records, has_header: bool) -> Result<(Vec<Column>, usize), String> {
    let first = records.read()?.ok_or("\"csv\" is empty: there is no table to describe.")?;
    let width = first.fields.len();
    if width > MOST_COLUMNS {
        return Err(format!("The table has {width} columns; {MOST_COLUMNS} is the most."));
    }
    let name = |i: usize| if has_header { first.fields[i].trim().to_owned() } else { format!("column_{}", i + 1) };
    let mut columns: Vec<Column> =
        (0..width).map(|i| Column { name: name(i), fields: Vec::new(), missing: 0 }).collect();

    let mut rows = 0;
    let mut next = if has_header { records.read()? } else { Some(first) };
    while let Some(record) = next {
        if record.fields.len() != width {
            return Err(format!("Line {} has {} fields, the first has {width}.", record.line, record.fields.len()));
        }
        add_row(&mut columns, record.fields);
        rows += 1;
        next = records.read()?;
    }
    Ok((columns, rows))
}

fn add_row<'a>(columns: &mut [Column<'a>], fields: Vec<Cow<'a, str>>) {
    for (column, field) in columns.iter_mut().zip(fields) {
        if field.trim().is_empty() {
            column.missing += 1;
        } else {
            column.fields.push(field);
        }
    }
}

fn describe_column(column: Column) -> Json {
    let numbers: Option<Vec<f64>> = column.fields.iter().map(|field| parse_number(field)).collect();
    let (kind, details) = match numbers {
        Some(numbers) if numbers.is_empty() => ("empty", Vec::new()),
        Some(numbers) => ("number", describe_numbers(numbers)),
        None => ("text", describe_texts(&column.fields)),
    };
    let mut members = vec![
        ("name".to_owned(), Json::String(column.name)),
        ("type".to_owned(), kind.into()),
        ("count".to_owned(), column.fields.len().into()),
        ("missing".to_owned(), column.missing.into()),
    ];
    members.extend(details.into_iter().map(|(name, value)| (name.to_owned(), value)));
    Json::Object(members)
}

/// A finite decimal number, blanks around it allowed. Rust alone would take `NaN` and `infinity` for numbers too.
fn parse_number(field: &str) -> Option<f64> {
    let field = field.trim();
    let is_decimal = field.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    field.parse().ok().filter(|number: &f64| is_decimal && number.is_finite())
}

/// `numbers` is not empty.
fn describe_numbers(mut numbers: Vec<f64>) -> Vec<(&'static str, Json)> {
    numbers.sort_by(f64::total_cmp);
    let count = numbers.len();
    let middle = count / 2;
    let median = if count % 2 == 1 { numbers[middle] } else { numbers[middle - 1] / 2.0 + numbers[middle] / 2.0 };
    let (mean, deviation) = mean_and_deviation(&numbers);
    vec![
        ("min", numbers[0].into()),
        ("max", numbers[count - 1].into()),
        ("mean", mean.into()),
        ("median", median.into()),
        ("standard_deviation", deviation.map_or(Json::Null, Json::from)),
    ]
}

/// Welford's method: one pass that neither overflows nor cancels where sums of squares would.
fn mean_and_deviation(numbers: &[f64]) -> (f64, Option<f64>) {
    let mut mean = 0.0;
    let mut squares = 0.0;
    for (i, number) in numbers.iter().enumerate() {
        let from_old_mean = number - mean;
        mean += from_old_mean / (i + 1) as f64;
        squares += from_old_mean * (number - mean);
    }
    let freedom = numbers.len() - 1;
    (mean, (freedom > 0).then(|| (squares / freedom as f64).sqrt()))
}

/// Counts equal values by sorting, which no choice of values can slow down.
fn describe_texts(fields: &[Cow<str>]) -> Vec<(&'static str, Json)> {
    let mut values: Vec<&str> = fields.iter().map(|field| field.as_ref()).collect();
    values.sort_unstable();
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for value in values {
        match counts.last_mut() {
            Some((last, count)) if *last == value => *count += 1,
            _ => counts.push((value, 1)),
        }
    }
    let distinct = counts.len();
    // The sort is stable: equally common values stay in alphabetical order.
    counts.sort_by_key(|&(_, count)| Reverse(count));
    let most_common: Vec<Json> = counts
        .iter()
        .take(MOST_COMMON)
        .map(|&(value, count)| Json::object([("value", value.into()), ("count", count.into())]))
        .collect();
    vec![("distinct", distinct.into()), ("most_common", most_common.into())]
}
