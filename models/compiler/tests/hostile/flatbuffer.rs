//! Where the parts of a TensorFlow Lite file lie, so that a test can spoil a named one.
//!
//! Reads sound files only: the tests' own models. Source: flatbuffers.dev, "FlatBuffer internals"; the schema of
//! TensorFlow Lite, version 3.

use std::collections::BTreeMap;

/// What lies at a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Distance to a table or vector, 4 bytes.
    Offset,
    /// Distance back to the list of fields, 4 bytes.
    FieldList,
    /// Entry of a list of fields, 2 bytes.
    Field,
    /// Number of elements of a vector, 4 bytes.
    Length,
    /// Index of a tensor, buffer or operator code, 4 bytes.
    Index,
    /// Extent of a shape, 4 bytes.
    Extent,
    /// Any other number of 4 bytes.
    Word,
    /// Any other number of 1 byte.
    Byte,
}

/// The parts of a file by name, such as `operator 0 input 1`.
pub struct Layout {
    pub parts: BTreeMap<String, (usize, Part)>,
}

fn word(file: &[u8], at: usize) -> usize {
    u32::from_le_bytes(file[at..at + 4].try_into().unwrap()) as usize
}

struct Walk<'a> {
    file: &'a [u8],
    parts: BTreeMap<String, (usize, Part)>,
}

impl Walk<'_> {
    fn add(&mut self, name: &str, at: usize, part: Part) {
        self.parts.insert(name.into(), (at, part));
    }

    /// Returns the position of each field of the table at `at`, and notes the list of them.
    fn table(&mut self, name: &str, at: usize) -> Vec<Option<usize>> {
        self.add(&format!("{name} field list"), at, Part::FieldList);
        let list = at.wrapping_add_signed(-(word(self.file, at) as u32 as i32 as isize));
        let half = |at: usize| usize::from(u16::from_le_bytes(self.file[at..at + 2].try_into().unwrap()));
        let count = half(list) / 2 - 2;
        let fields: Vec<_> = (0..count).map(|i| half(list + 4 + 2 * i)).collect();
        self.add(&format!("{name} field list length"), list, Part::Field);
        for i in 0..count {
            self.add(&format!("{name} field {i}"), list + 4 + 2 * i, Part::Field);
        }
        fields.iter().map(|&distance| (distance != 0).then_some(at + distance)).collect()
    }

    fn follow(&mut self, name: &str, at: usize) -> usize {
        self.add(&format!("{name} offset"), at, Part::Offset);
        at + word(self.file, at)
    }

    /// Notes a vector of numbers of `size` bytes.
    fn numbers(&mut self, name: &str, field: Option<usize>, size: usize, part: Part) {
        let Some(field) = field else { return };
        let at = self.follow(name, field);
        self.add(&format!("{name} length"), at, Part::Length);
        for i in 0..word(self.file, at) {
            self.add(&format!("{name} {i}"), at + 4 + size * i, part);
        }
    }

    /// Returns the positions of the tables of a vector.
    fn tables(&mut self, name: &str, field: Option<usize>) -> Vec<usize> {
        let Some(field) = field else { return vec![] };
        let at = self.follow(name, field);
        self.add(&format!("{name} length"), at, Part::Length);
        (0..word(self.file, at)).map(|i| self.follow(&format!("{name} {i}"), at + 4 + 4 * i)).collect()
    }
}

impl Layout {
    pub fn of(file: &[u8]) -> Self {
        let mut walk = Walk { file, parts: BTreeMap::new() };
        let root = walk.follow("root", 0);
        let get = |fields: &[Option<usize>], i: usize| fields.get(i).copied().flatten();
        let model = walk.table("model", root);
        if let Some(at) = get(&model, 0) {
            walk.add("version", at, Part::Word);
        }
        for (i, at) in walk.tables("code", get(&model, 1)).into_iter().enumerate() {
            let code = walk.table(&format!("code {i}"), at);
            for (field, name) in [(0, "short"), (3, "number")] {
                if let Some(at) = get(&code, field) {
                    walk.add(&format!("code {i} {name}"), at, if field == 0 { Part::Byte } else { Part::Word });
                }
            }
        }
        for (i, at) in walk.tables("buffer", get(&model, 4)).into_iter().enumerate() {
            let buffer = walk.table(&format!("buffer {i}"), at);
            walk.numbers(&format!("buffer {i} data"), get(&buffer, 0), 1, Part::Byte);
        }
        for at in walk.tables("graph", get(&model, 2)) {
            let graph = walk.table("graph", at);
            for (i, at) in walk.tables("tensor", get(&graph, 0)).into_iter().enumerate() {
                walk.tensor(&format!("tensor {i}"), at);
            }
            walk.numbers("input", get(&graph, 1), 4, Part::Index);
            walk.numbers("output", get(&graph, 2), 4, Part::Index);
            for (i, at) in walk.tables("operator", get(&graph, 3)).into_iter().enumerate() {
                let name = format!("operator {i}");
                let operator = walk.table(&name, at);
                if let Some(at) = get(&operator, 0) {
                    walk.add(&format!("{name} code"), at, Part::Index);
                }
                walk.numbers(&format!("{name} input"), get(&operator, 1), 4, Part::Index);
                walk.numbers(&format!("{name} output"), get(&operator, 2), 4, Part::Index);
                if let Some(at) = get(&operator, 3) {
                    walk.add(&format!("{name} kind of options"), at, Part::Byte);
                }
                if let Some(at) = get(&operator, 4) {
                    let at = walk.follow(&format!("{name} options"), at);
                    for (i, at) in walk.table(&format!("{name} options"), at).into_iter().enumerate() {
                        if let Some(at) = at {
                            walk.add(&format!("{name} option {i}"), at, Part::Word);
                        }
                    }
                }
            }
        }
        Self { parts: walk.parts }
    }

    /// Returns where the part of this name is.
    pub fn at(&self, name: &str) -> usize {
        self.parts.get(name).unwrap_or_else(|| panic!("no {name} in {:?}", self.parts.keys())).0
    }
}

impl Walk<'_> {
    fn tensor(&mut self, name: &str, at: usize) {
        let get = |fields: &[Option<usize>], i: usize| fields.get(i).copied().flatten();
        let tensor = self.table(name, at);
        self.numbers(&format!("{name} shape"), get(&tensor, 0), 4, Part::Extent);
        for (field, what, part) in [(1, "type", Part::Byte), (2, "buffer", Part::Index), (5, "variable", Part::Byte)] {
            if let Some(at) = get(&tensor, field) {
                self.add(&format!("{name} {what}"), at, part);
            }
        }
        if let Some(field) = get(&tensor, 3) {
            let at = self.follow(&format!("{name} name"), field);
            self.add(&format!("{name} name length"), at, Part::Length);
        }
        if let Some(field) = get(&tensor, 4) {
            let at = self.follow(&format!("{name} quantization"), field);
            let quantization = self.table(&format!("{name} quantization"), at);
            self.numbers(&format!("{name} scale"), get(&quantization, 2), 4, Part::Word);
            self.numbers(&format!("{name} zero point"), get(&quantization, 3), 8, Part::Word);
        }
    }
}
