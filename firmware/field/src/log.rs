//! What ends a node, in the log. The log's texts are symbols of the ELF file; those of `Display`, and the code that puts them together, would take
//! 8 KB of flash.

use defmt::error;
use embedded_storage_async::nor_flash::NorFlashError;
use tanbo_board_api::FaultKind;
use tanbo_drivers::DriverError;
use tanbo_flash_map::IdentityError;
use tanbo_node::Stop;
use tanbo_store::StoreError;

/// Tells why there is no identity.
pub(crate) fn identity(why: IdentityError) {
    match why {
        IdentityError::Missing => error!("the node has no identity: `tanbo provision write` gives it one"),
        IdentityError::Corrupt => {
            error!("the node's identity is damaged: `tanbo provision write` gives it one again")
        }
        IdentityError::Version(version) => error!(
            "the node's identity has version {}, which this firmware does not read: `tanbo provision write` gives it one",
            version
        ),
    }
}

/// Tells why a sensor cannot be used.
pub(crate) fn sensor(name: &'static str, why: DriverError) {
    match why {
        DriverError::Identity { expected, found } => {
            error!("{}: another chip answers: it says {:#x}, this one says {:#x}", name, found, expected)
        }
        DriverError::Bus(FaultKind::NotFound) => error!("{}: nobody answers: wiring, supply?", name),
        DriverError::Bus(kind) => error!("{}: the bus fails ({})", name, kind as u8),
        DriverError::Corrupt => error!("{}: what was read cannot be, or its checksum is wrong", name),
        DriverError::Timeout => error!("{}: not ready in the time that its datasheet gives it", name),
        DriverError::Range => error!("{}: a setting or address out of range", name),
        DriverError::Unsupported => error!("{}: the chip cannot do that", name),
    }
}

/// Tells why the node stopped.
pub(crate) fn stop<E: NorFlashError>(why: &Stop<E>) {
    match why {
        Stop::Restart => error!("the gateway asks for a restart"),
        Stop::Store(why) => store(why),
        Stop::Pipeline(_) => {
            error!("the model does not go with the sensor, or carries no front end: `tanbo inspect` tells both")
        }
        Stop::Parameter(_) => error!("a parameter of the application's method is out of range"),
        Stop::Sensor { number, needs } => error!("sensor {} of the application must give {}", number, needs),
    }
}

fn store<E: NorFlashError>(why: &StoreError<E>) {
    match why {
        StoreError::Geometry { needed, room } => {
            error!("the store has room for {} bytes, and {} may be kept at once", room, needed)
        }
        StoreError::Full => error!("every place for events is taken by one that is not acknowledged"),
        StoreError::TooLong { bytes } => error!("a record of {} bytes does not fit", bytes),
        StoreError::NoSetting { key } => error!("there is no setting {}", key),
        StoreError::NumbersUsedUp => error!("all frame numbers of this key are used: the node needs a new key"),
        StoreError::Corrupt => error!("what lies in flash was not written by this store: format it"),
        StoreError::Flash(_) => error!("the flash does not do what it is told"),
    }
}
