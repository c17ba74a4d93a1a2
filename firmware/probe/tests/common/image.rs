//! Images made by hand: what a linker writes, in little.
#![allow(dead_code, reason = "each test program takes what it needs")]

/// Where RAM begins.
pub const RAM: u32 = 0x2000_0000;

/// A loaded part of an image.
#[derive(Clone)]
pub struct Part {
    /// Where it is written, and where it is used.
    pub from: u32,
    pub at: u32,
    pub bytes: Vec<u8>,
    /// Bytes that it takes when it is used.
    pub used: u32,
    pub executable: bool,
}

/// An image with a vector table, some code and some variables.
#[derive(Clone)]
pub struct Image {
    pub machine: u16,
    pub entry: u32,
    pub parts: Vec<Part>,
    /// Without `__tanbo_`.
    pub symbols: Vec<(&'static str, u32)>,
}

pub fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

impl Image {
    /// One that fits: the stack at the end of 256 KB of RAM, a reset vector, variables with and without values.
    pub fn good() -> Self {
        let mut code = words(&[RAM + 0x4_0000, 0x101]);
        code.resize(0x400, 0);
        Self {
            machine: 40,
            entry: 0x101,
            parts: vec![
                Part { from: 0, at: 0, used: 0x400, bytes: code, executable: true },
                Part { from: 0x400, at: RAM, used: 16, bytes: vec![1; 16], executable: false },
                Part { from: RAM + 16, at: RAM + 16, used: 0x1000, bytes: vec![], executable: false },
            ],
            symbols: Vec::new(),
        }
    }

    /// The same with a flash map behind it.
    pub fn mapped() -> Self {
        let symbols = vec![
            ("flash", 0),
            ("slots", 0x8_0000),
            ("selection", 0xA_0000),
            ("last_words", 0xA_2000),
            ("identity", 0xA_3000),
            ("store", 0xA_4000),
            ("flash_end", 0x10_0000),
        ];
        Self { symbols, ..Self::good() }
    }

    /// The image as an ELF file: header, program headers, bytes, symbols.
    pub fn elf(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let start = 52 + 32 * self.parts.len() as u32;
        let mut headers = Vec::new();
        for part in &self.parts {
            let offset = start + bytes.len() as u32;
            let flags = if part.executable { 5 } else { 6 };
            headers.extend(words(&[1, offset, part.at, part.from, part.bytes.len() as u32, part.used, flags, 4]));
            bytes.extend(&part.bytes);
        }
        let mut names = vec![0];
        let mut symbols = vec![0; 16];
        for (name, value) in &self.symbols {
            let place = names.len() as u32;
            names.extend(format!("__tanbo_{name}\0").bytes());
            // Global, absolute.
            symbols.extend(words(&[place, *value, 0, 0xFFF1_0010]));
        }
        while (names.len() + bytes.len()) % 4 != 0 {
            names.push(0);
        }
        let names_at = start + bytes.len() as u32;
        let symbols_at = names_at + names.len() as u32;
        let sections_at = symbols_at + symbols.len() as u32;
        let sections = [
            words(&[0; 10]),
            words(&[0, 3, 0, 0, names_at, names.len() as u32, 0, 0, 1, 0]),
            words(&[0, 2, 0, 0, symbols_at, symbols.len() as u32, 1, 1, 4, 16]),
        ]
        .concat();
        let halves = |halves: &[u16]| halves.iter().flat_map(|half| half.to_le_bytes()).collect::<Vec<u8>>();
        [
            vec![0x7F, b'E', b'L', b'F', 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            halves(&[2, self.machine]),
            words(&[1, self.entry, 52, sections_at, 0]),
            halves(&[52, 32, self.parts.len() as u16, 40, 3, 1]),
            headers,
            bytes,
            names,
            symbols,
            sections,
        ]
        .concat()
    }
}
