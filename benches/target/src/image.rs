//! An image for one model and nothing else: what the engine and this model's operators take of flash and RAM.
//!
//! The environment names the artifact when the image is built: `TANBO_IMAGE=/path/model.tnb`. It runs one inference over
//! zeros, so that nothing is left out by the linker, and exits with 0 (1 if the engine refused). With the feature `handlers`
//! it also tells the stack that the inference took, and a checksum of the outputs.
#![cfg_attr(target_os = "none", no_std, no_main)]

tanbo_emulated::entry!(image);

#[cfg(tanbo_image)]
tanbo_include::include_model!(mod model = env!("TANBO_IMAGE"));

#[cfg(tanbo_image)]
fn image() -> u8 {
    let run = || {
        // Not a static: the arena is not to be counted as the program's.
        let arena = tanbo_emulated::ram::take()?.get_mut(..model::ARENA_BYTES)?;
        let mut engine = model::engine(arena).ok()?;
        for i in 0..model::MODEL.inputs.len() {
            engine.input_bytes_mut(i).ok()?.fill(0);
        }
        infer(&mut engine)
    };
    u8::from(run().is_none())
}

/// One inference over zeros, given row by row where the model takes them so.
#[cfg(tanbo_image)]
fn run(engine: &mut model::Engine<'_>) -> Result<(), tanbo::EngineError> {
    const FIRST: &tanbo::Port<'_> = &model::MODEL.inputs[0];
    static ROW: [i8; (FIRST.elements / FIRST.rows) as usize] = [0; (FIRST.elements / FIRST.rows) as usize];
    if FIRST.ring_rows == 0 {
        return engine.run();
    }
    while engine.input_row(&ROW)? != tanbo::Progress::Done {}
    Ok(())
}

#[cfg(all(tanbo_image, not(all(target_os = "none", feature = "handlers"))))]
fn infer(engine: &mut model::Engine<'_>) -> Option<()> {
    tanbo_emulated::count::counted(|| run(engine)).ok()?;
    core::hint::black_box(engine.output_bytes(0).ok()?);
    Some(())
}

/// As it is measured, and with what it came to.
#[cfg(all(tanbo_image, target_os = "none", feature = "handlers"))]
fn infer(engine: &mut model::Engine<'_>) -> Option<()> {
    let counted = || tanbo_emulated::count::counted(|| run(engine));
    let (result, stack) = tanbo_emulated::stack::Stack::current().measure(counted).ok()?;
    result.ok()?;
    let crc = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC);
    let mut digest = crc.digest();
    for i in 0..model::MODEL.outputs.len() {
        digest.update(engine.output_bytes(i).ok()?);
    }
    tanbo_emulated::println!("stack {stack} outputs {:08x}", digest.finalize());
    Some(())
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
