//! Turns the tables of boards and sensors into constants.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// A table: numbers, each with its source.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    about: String,
    values: BTreeMap<String, u32>,
    sources: BTreeMap<String, String>,
}

/// Reads `folder/*.toml` and returns a module of constants of `type_name`, each with exactly `fields`, and a static slice of them all.
fn tables(folder: &str, type_name: &str, fields: &[&str]) -> String {
    println!("cargo::rerun-if-changed={folder}");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut text = format!("/// Each of `{folder}/`.\npub mod {folder} {{\nuse super::{type_name};\n");
    let mut all = String::new();
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "toml")) {
        let read = std::fs::read_to_string(file).unwrap();
        let table: Table = toml::from_str(&read).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let mut expected: Vec<&str> = fields.to_vec();
        expected.sort_unstable();
        let given: Vec<&str> = table.values.keys().map(String::as_str).collect();
        assert_eq!(given, expected, "{}: [values] must hold these", file.display());
        let sources: Vec<&str> = table.sources.keys().map(String::as_str).collect();
        assert_eq!(sources, expected, "{}: [sources] must name one for each value", file.display());
        let name = file.file_stem().unwrap().to_str().unwrap();
        let constant = name.to_uppercase().replace('-', "_");
        let about = &table.about;
        write!(
            text,
            "/// {about}.\npub const {constant}: {type_name} = {type_name} {{ name: {name:?}, about: {about:?}"
        )
        .unwrap();
        for (field, value) in &table.values {
            write!(text, ", {field}: {value}").unwrap();
        }
        text.push_str(" };\n");
        write!(all, "{folder}::{constant}, ").unwrap();
    }
    let plural = folder.to_uppercase();
    writeln!(text, "}}\n/// All of `{folder}/`, by name.\npub static {plural}: &[{type_name}] = &[{all}];").unwrap();
    text
}

fn main() {
    let board = ["clock_mhz", "least_mv", "run_ua", "stop_na", "transmit_ua", "receive_ua"];
    let sensor = ["measure_na", "convert_ua", "convert_us", "standby_na", "watch_na"];
    let text = tables("boards", "Board", &board) + &tables("sensors", "Part", &sensor);
    let out = std::env::var("OUT_DIR").unwrap();
    std::fs::write(Path::new(&out).join("tables.rs"), text).unwrap();
}
