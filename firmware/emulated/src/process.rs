//! The end of the program where there is an operating system.

/// Ends the process with `code`.
pub fn exit(code: u8) -> ! {
    std::process::exit(i32::from(code))
}
