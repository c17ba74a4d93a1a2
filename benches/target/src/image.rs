//! An image for one model and nothing else: what the engine and this model's operators take of flash and RAM.
//!
//! The environment names the artifact when the image is built: `TANBO_IMAGE=/path/model.tnb`. It runs one inference over
//! zeros, so that nothing is left out by the linker, and exits with 0 (1 if the engine refused).
#![cfg_attr(target_os = "none", no_std, no_main)]

tanbo_emulated::entry!(image);

#[cfg(tanbo_image)]
const ARTIFACT: &[u8] = &tanbo::Aligned(*include_bytes!(env!("TANBO_IMAGE"))).0;
#[cfg(tanbo_image)]
tanbo::include_model!(mod model = ARTIFACT);

#[cfg(tanbo_image)]
fn image() -> u8 {
    use tanbo_emulated::{count::counted, ram};
    let run = || {
        let model = model::OPS.parse(model::BYTES).ok()?;
        // Not a static: the arena is not to be counted as the program's.
        let arena = ram::take()?.get_mut(..model::ARENA_BYTES)?;
        let mut engine = tanbo::Engine::new(&model, &model::OPS, arena).ok()?;
        for i in 0..model.inputs().len() {
            engine.input_bytes_mut(i).ok()?.fill(0);
        }
        counted(|| engine.run()).ok()?;
        core::hint::black_box(engine.output_bytes(0).ok()?);
        Some(())
    };
    u8::from(run().is_none())
}

#[cfg(not(tanbo_image))]
fn image() -> u8 {
    tanbo_emulated::println!("built without a model: set TANBO_IMAGE=/path/model.tnb and build again");
    2
}

/// Without texts: printing would be a good part of the image.
#[cfg(all(target_os = "none", not(feature = "handlers")))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    tanbo_emulated::exit(101)
}
