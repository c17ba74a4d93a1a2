//! Log lines: defmt on the board, text on a desktop. Both take the same format strings.

/// Logs what happened.
#[cfg(target_os = "none")]
#[macro_export]
macro_rules! info {
    ($($arg:tt)*) => { defmt::info!($($arg)*) };
}
/// Logs what happened.
#[cfg(not(target_os = "none"))]
#[macro_export]
macro_rules! info {
    ($($arg:tt)*) => { std::println!($($arg)*) };
}

/// Logs why the program stops.
#[cfg(target_os = "none")]
#[macro_export]
macro_rules! error {
    ($error:expr) => {
        defmt::error!("{}", defmt::Display2Format(&$error))
    };
}
/// Logs why the program stops.
#[cfg(not(target_os = "none"))]
#[macro_export]
macro_rules! error {
    ($error:expr) => {
        std::eprintln!("{}", $error)
    };
}
