//! The way to the gateway: over LoRaWAN with the feature `lora`, over the UART without.

use tanbo_flash_map::Identity;
#[cfg(feature = "lora")]
use tanbo_parts::lora::{self, LoraUplink};
use tanbo_wire::Link;

use crate::{Chip, Start};

/// What carries the frames.
pub(crate) const LINK: Link = if cfg!(feature = "lora") { Link::LoraWan } else { Link::Stream };

/// The part that carries them.
#[cfg(feature = "lora")]
pub(crate) type Part<C> = <C as Chip>::Radio;
#[cfg(not(feature = "lora"))]
pub(crate) type Part<C> = <C as Chip>::Uart;

/// The uplink of a board.
#[cfg(feature = "lora")]
pub type Uplink<C> = LoraUplink<<Part<C> as Start>::Started>;
/// The uplink of a board.
#[cfg(not(feature = "lora"))]
pub type Uplink<C> = <Part<C> as Start>::Started;

/// Starts the part. `seed` must be random, another one after each reset.
pub(crate) async fn start<C: Chip>(
    part: Part<C>,
    identity: &Identity,
    seed: u64,
) -> Result<Uplink<C>, <Part<C> as Start>::Error> {
    let uplink = part.start().await?;
    #[cfg(feature = "lora")]
    let uplink = LoraUplink::new(uplink, seed, identity.region, lora::join(identity));
    #[cfg(not(feature = "lora"))]
    let _ = (identity, seed);
    Ok(uplink)
}
