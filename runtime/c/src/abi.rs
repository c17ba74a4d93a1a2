//! The functions of the header, and the only place where a C program's pointers become references.
//!
//! Whatever can be told from a pointer is checked: null, alignment, length, overlap, and whether storage was made by this library
//! and still lies where it was made. What cannot be told is the caller's: that the memory exists, that it stays until the engine
//! is used no more, and that no two calls with the same storage run at once.
#![allow(unsafe_code, reason = "pointers of a C program")]

use core::ffi::{c_char, c_void};
use core::mem::MaybeUninit;
use core::slice;

use tanbo::{Engine, Model, Operator, OperatorList, Parsed, Port, Slot};

use crate::status::{self, Refusal, Status};
use crate::tensor::Tensor;

/// Words (of a pointer's size) of a `tanbo_model`.
pub const TANBO_MODEL_WORDS: usize = 32;
/// Words (of a pointer's size) of a `tanbo_engine`.
pub const TANBO_ENGINE_WORDS: usize = 160;
/// Words (of a pointer's size) of a `tanbo_slot`.
pub const TANBO_SLOT_WORDS: usize = 54;
/// Words (of a pointer's size) of a `tanbo_fault`.
pub const TANBO_FAULT_WORDS: usize = 6;

/// Place for a parsed artifact. Its content is the library's; it must not be copied or moved.
#[repr(C)]
pub struct ModelStorage {
    words: [usize; TANBO_MODEL_WORDS],
}

/// Place for an engine. Its content is the library's; it must not be copied or moved.
#[repr(C)]
pub struct EngineStorage {
    words: [usize; TANBO_ENGINE_WORDS],
}

/// Place for one step made ready to run.
#[repr(C, align(8))]
pub struct SlotStorage {
    words: [usize; TANBO_SLOT_WORDS],
}

/// Place for the reason of a refusal.
#[repr(C)]
pub struct FaultStorage {
    words: [usize; TANBO_FAULT_WORDS],
}

/// What lies in a [`ModelStorage`].
#[derive(Clone, Copy)]
struct Verified {
    model: Model<'static>,
    operators: OperatorList,
}

/// What lies in an [`EngineStorage`].
struct Running {
    engine: Engine<'static, 'static, Parsed<'static, 'static, OperatorList>>,
    arena: *mut u8,
    arena_bytes: usize,
}

/// Place of a C program for a value of this library.
trait Storage: Sized {
    type Value;
    /// What the tag is made of, different for each kind.
    const KIND: usize;
    /// Compiles only if the value fits.
    const FITS: () = assert!(
        size_of::<Stored<Self::Value>>() <= size_of::<Self>()
            && align_of::<Stored<Self::Value>>() <= align_of::<Self>()
    );
}

impl Storage for ModelStorage {
    type Value = Verified;
    const KIND: usize = 0x7a6d_0001;
}

impl Storage for EngineStorage {
    type Value = Running;
    const KIND: usize = 0x7a6d_0002;
}

impl Storage for FaultStorage {
    type Value = Refusal;
    const KIND: usize = 0x7a6d_0003;
}

const _: () =
    assert!(size_of::<Slot<'_>>() <= size_of::<SlotStorage>() && align_of::<Slot<'_>>() <= align_of::<SlotStorage>());

/// A value and a tag that tells its kind and its address: memory of zeros and a copy elsewhere do not pass for it.
#[repr(C)]
struct Stored<T> {
    tag: usize,
    value: MaybeUninit<T>,
}

type Answer<T = Status> = Result<T, Refusal>;

/// Returns an error unless `count` values of `T` can lie at `pointer`.
fn check<T>(pointer: *const T, count: usize) -> Answer<()> {
    if pointer.is_null() {
        return Err(Status::Null.into());
    }
    if !pointer.is_aligned() {
        return Err(Status::Misaligned.into());
    }
    let bytes = count.checked_mul(size_of::<T>()).filter(|&bytes| isize::try_from(bytes).is_ok());
    if bytes.and_then(|bytes| pointer.addr().checked_add(bytes)).is_none() {
        return Err(Status::Length.into());
    }
    Ok(())
}

/// # Safety
/// If `pointer` is neither null nor misaligned, `count` values of `T` lie there, which nothing writes during `'a`.
unsafe fn read<'a, T>(pointer: *const T, count: usize) -> Answer<&'a [T]> {
    check(pointer, count)?;
    // SAFETY: null, alignment and length are checked; that the values are there is the caller's promise.
    Ok(unsafe { slice::from_raw_parts(pointer, count) })
}

/// # Safety
/// If `pointer` is neither null nor misaligned, `count` values of `T` lie there, which nothing else touches during `'a`.
unsafe fn write<'a, T>(pointer: *mut T, count: usize) -> Answer<&'a mut [T]> {
    check(pointer, count)?;
    // SAFETY: null, alignment and length are checked; that the values are there is the caller's promise.
    Ok(unsafe { slice::from_raw_parts_mut(pointer, count) })
}

/// Puts `value` where `storage` says.
///
/// # Safety
/// If `storage` is neither null nor misaligned, an `S` lies there that nothing else touches.
unsafe fn put<S: Storage>(storage: *mut S, value: S::Value) -> Answer<()> {
    const { S::FITS }
    check(storage, 1)?;
    let stored = Stored { tag: S::KIND ^ storage.addr(), value: MaybeUninit::new(value) };
    // SAFETY: an `S` lies there by the caller's promise, and `FITS` says that a `Stored` fits and is aligned.
    unsafe { storage.cast::<Stored<S::Value>>().write(stored) };
    Ok(())
}

/// Returns what `storage` holds.
///
/// # Safety
/// If `storage` is neither null nor misaligned, an `S` lies there that was written whole (zeros will do) and that nothing else
/// touches during `'a`.
unsafe fn get<'a, S: Storage>(storage: *mut S) -> Answer<&'a mut S::Value> {
    const { S::FITS }
    check(storage, 1)?;
    // SAFETY: as in `put`; a tag is a plain integer and the value may be uninitialized.
    let stored = unsafe { &mut *storage.cast::<Stored<S::Value>>() };
    if stored.tag != S::KIND ^ storage.addr() {
        return Err(Status::NotReady.into());
    }
    // SAFETY: only `put` writes this tag, and with it the value.
    Ok(unsafe { stored.value.assume_init_mut() })
}

/// Returns the engine in `storage`, its arena borrowed anew: between calls it was the C program's.
///
/// # Safety
/// As [`get`].
unsafe fn running<'a>(storage: *mut EngineStorage) -> Answer<&'a mut Running> {
    // SAFETY: the caller's promise.
    let running = unsafe { get(storage) }?;
    // SAFETY: `tanbo_engine_new` was promised that the arena is the engine's as long as the engine is used.
    running.engine.set_arena(unsafe { write(running.arena, running.arena_bytes) }?)?;
    Ok(running)
}

/// Returns an error if any two of these memories (address, bytes) share a byte.
fn apart<const N: usize>(memories: [(usize, usize); N]) -> Answer<()> {
    for (number, &(start, bytes)) in memories.iter().enumerate() {
        for &(other, length) in memories.iter().skip(number + 1) {
            if start < other.saturating_add(length) && other < start.saturating_add(bytes) {
                return Err(Status::Overlap.into());
            }
        }
    }
    Ok(())
}

fn code(answer: Answer) -> Status {
    answer.unwrap_or_else(|refusal| refusal.status())
}

/// As [`code`], and leaves the reason in `fault` if that is a place for it.
///
/// # Safety
/// As [`put`].
unsafe fn code_with(answer: Answer, fault: *mut FaultStorage) -> Status {
    if let Err(refusal) = &answer {
        // SAFETY: the caller's promise. A fault that is null is not wanted.
        let _ = unsafe { put(fault, *refusal) };
    }
    code(answer)
}

/// Returns the version of the library, such as "0.1.0".
#[unsafe(no_mangle)]
pub extern "C" fn tanbo_version() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}

/// Returns the text of a status.
#[unsafe(no_mangle)]
pub extern "C" fn tanbo_status_text(status: i32) -> *const c_char {
    status::text(status).as_ptr()
}

/// Writes what `fault` tells, with the place in the artifact and the remedy, and a zero byte to `buffer`, as much as there is
/// room for; returns the length of the whole text in bytes, without the zero byte. Links the formatting of numbers, some kilobytes.
///
/// # Safety
/// `fault` was given to a call that refused; `buffer` has `bytes` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tanbo_fault_text(fault: *mut FaultStorage, buffer: *mut c_char, bytes: usize) -> usize {
    // SAFETY: the caller's promise; characters are bytes.
    let Ok(buffer) = (unsafe { write(buffer.cast::<u8>(), bytes) }) else { return 0 };
    // SAFETY: the caller's promise.
    match unsafe { get(fault) } {
        Ok(refusal) => crate::text::write(refusal, buffer),
        Err(refusal) => crate::text::write(refusal, buffer),
    }
}

/// Verifies the artifact of `artifact_bytes` bytes, which must begin at a 16-byte boundary and stay as it is while the model or an engine of it
/// is used, with `operator_count` operators, and leaves what was found in `model`. Whatever the bytes are, nothing but a refusal
/// comes of them. `fault` may be null.
///
/// # Safety
/// Every pointer that is not null points to as much as is said; each operator is one of this library's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tanbo_model_parse(
    model: *mut ModelStorage,
    artifact: *const c_void,
    artifact_bytes: usize,
    operators: *const *const Operator,
    operator_count: usize,
    fault: *mut FaultStorage,
) -> Status {
    let parse = || {
        check(model, 1)?;
        // SAFETY: the caller's promise.
        let artifact: &'static [u8] = unsafe { read(artifact.cast::<u8>(), artifact_bytes) }?;
        // Every operator in every family would be more than any model has.
        if operator_count > usize::from(u8::MAX) {
            return Err(Status::OperatorList.into());
        }
        // SAFETY: the caller's promise; a null pointer is `None`.
        let list: &'static [Option<&'static Operator>] = unsafe { read(operators.cast(), operator_count) }?;
        if list.iter().any(Option::is_none) {
            return Err(Status::OperatorList.into());
        }
        // SAFETY: as above, and none is null.
        let operators = OperatorList(unsafe { read(operators.cast(), operator_count) }?);
        apart([(model.addr(), size_of::<ModelStorage>()), (artifact.as_ptr().addr(), artifact_bytes)])?;
        let model_of = Model::parse_for(artifact, &operators)?;
        // SAFETY: the caller's promise.
        unsafe { put(model, Verified { model: model_of, operators }) }?;
        Ok(Status::Done)
    };
    // SAFETY: the caller's promise.
    unsafe { code_with(parse(), fault) }
}

/// Writes how many arena bytes an engine of `model` needs, exactly.
///
/// # Safety
/// Every pointer that is not null points to what its type says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tanbo_model_arena_bytes(model: *mut ModelStorage, bytes: *mut usize) -> Status {
    let answer = || {
        // SAFETY: the caller's promise.
        let (verified, bytes) = unsafe { (get(model)?, write(bytes, 1)?) };
        bytes.fill(verified.model.arena_bytes());
        Ok(Status::Done)
    };
    code(answer())
}

/// Makes an engine of `model` in `engine`, with an arena at a 16-byte boundary, and gives states their first content. The model may
/// be thrown away then. `fault` may be null.
///
/// # Safety
/// Every pointer that is not null points to as much as is said; the arena is the engine's as long as the engine is used,
/// but for what `tanbo_engine_input` hands out.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tanbo_engine_new(
    engine: *mut EngineStorage,
    model: *mut ModelStorage,
    arena: *mut c_void,
    arena_bytes: usize,
    fault: *mut FaultStorage,
) -> Status {
    let make = || {
        check(engine, 1)?;
        // SAFETY: the caller's promise.
        let Verified { model: parsed, operators } = *unsafe { get(model) }?;
        let arena = arena.cast::<u8>();
        check(arena, arena_bytes)?;
        apart([
            (arena.addr(), arena_bytes),
            (engine.addr(), size_of::<EngineStorage>()),
            (model.addr(), size_of::<ModelStorage>()),
            (parsed.bytes().as_ptr().addr(), parsed.bytes().len()),
        ])?;
        // SAFETY: the caller's promise.
        let made = Engine::new(&parsed, operators, unsafe { write(arena, arena_bytes) }?)?;
        // SAFETY: the caller's promise.
        unsafe { put(engine, Running { engine: made, arena, arena_bytes }) }?;
        Ok(Status::Done)
    };
    // SAFETY: the caller's promise.
    unsafe { code_with(make(), fault) }
}

/// Gives `engine` room to keep what it decoded of the first `count` steps; without it every run decodes every step again, about a
/// thousand instructions each.
///
/// # Safety
/// Every pointer that is not null points to as much as is said; the slots are the engine's as long as it is used.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tanbo_engine_set_cache(
    engine: *mut EngineStorage,
    slots: *mut SlotStorage,
    count: usize,
) -> Status {
    let set = || {
        // SAFETY: the caller's promise.
        let running = unsafe { running(engine) }?;
        check(slots, count)?;
        apart([
            (slots.addr(), count * size_of::<SlotStorage>()),
            (running.arena.addr(), running.arena_bytes),
            (engine.addr(), size_of::<EngineStorage>()),
        ])?;
        let slots = slots.cast::<Slot<'static>>();
        for number in 0..count {
            // SAFETY: a slot is no longer than its storage (asserted above), so that `count` of them lie there.
            unsafe { slots.add(number).write(Slot::EMPTY) };
        }
        // SAFETY: as above, and all of them are written.
        running.engine.set_cache(unsafe { write(slots, count) }?);
        Ok(Status::Done)
    };
    code(set())
}

/// Describes input `index`, counted from 0; `TANBO_STATUS_NO_SUCH_TENSOR` behind the last. Inputs must be written before every run: the
/// arena is reused.
///
/// # Safety
/// Every pointer that is not null points to what its type says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tanbo_engine_input(engine: *mut EngineStorage, index: usize, tensor: *mut Tensor) -> Status {
    let describe = || {
        // SAFETY: the caller's promise.
        let running = unsafe { running(engine) }?;
        let number = running.engine.model().inputs().get(index).copied();
        let at = running.engine.input_bytes_mut(index).map(|bytes| bytes.as_ptr().addr());
        // SAFETY: the caller's promise.
        unsafe { describe(running, number, at?, tensor) }
    };
    code(describe())
}

/// Describes output `index`, counted from 0; `TANBO_STATUS_NO_SUCH_TENSOR` behind the last. Its values hold from the end of a run to the
/// beginning of the next.
///
/// # Safety
/// Every pointer that is not null points to what its type says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tanbo_engine_output(engine: *mut EngineStorage, index: usize, tensor: *mut Tensor) -> Status {
    let describe = || {
        // SAFETY: the caller's promise.
        let running = unsafe { running(engine) }?;
        let number = running.engine.model().outputs().get(index).copied();
        let at = running.engine.output_bytes(index).map(|bytes| bytes.as_ptr().addr());
        // SAFETY: the caller's promise.
        unsafe { describe(running, number, at?, tensor) }
    };
    code(describe())
}

/// Writes what there is to know of tensor `number`, whose bytes lie at address `at`, to `tensor`.
///
/// # Safety
/// If `tensor` is neither null nor misaligned, a `Tensor` lies there.
unsafe fn describe(running: &Running, number: Option<u16>, at: usize, tensor: *mut Tensor) -> Answer {
    check(tensor, 1)?;
    let model = running.engine.model();
    let described = number.and_then(|number| Some((Port::of(model, number)?, model.tensor(number)?)));
    let (port, record) = described.ok_or(Status::NoSuchTensor)?;
    // Made of the C program's own pointer, so that it stays good when the engine borrows the arena again.
    let data = match at.checked_sub(running.arena.addr()).filter(|&start| start < running.arena_bytes) {
        Some(start) => running.arena.wrapping_add(start),
        None => model.bytes().as_ptr().wrapping_add(at.wrapping_sub(model.bytes().as_ptr().addr())).cast_mut(),
    };
    // SAFETY: null and alignment are checked; that there is room is the caller's promise.
    unsafe { tensor.write(Tensor::of(&port, &record, data.cast())) };
    Ok(Status::Done)
}

/// Runs one inference from the beginning, with the states as they are.
///
/// # Safety
/// If `engine` is not null, it points to what its type says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tanbo_engine_run(engine: *mut EngineStorage) -> Status {
    let run = || {
        // SAFETY: the caller's promise.
        unsafe { running(engine) }?.engine.run()?;
        Ok(Status::Done)
    };
    code(run())
}

/// Goes on with the inference until `budget` rows (at least one) are written or a chain of steps is finished: `TANBO_STATUS_MORE`, or
/// `TANBO_STATUS_DONE` when the outputs are ready; the next call then begins the next inference.
///
/// # Safety
/// If `engine` is not null, it points to what its type says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tanbo_engine_step(engine: *mut EngineStorage, budget: u32) -> Status {
    // SAFETY: the caller's promise.
    let step = || Ok(unsafe { running(engine) }?.engine.step(budget)?.into());
    code(step())
}

/// Gives the next row of the first input, `elements` int8 values, where it comes row by row, and runs what can be run with it:
/// `TANBO_STATUS_INPUT` until the last row, with which the inference ends, `TANBO_STATUS_DONE`.
///
/// # Safety
/// Every pointer that is not null points to as much as is said.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tanbo_engine_input_row(engine: *mut EngineStorage, row: *const i8, elements: usize) -> Status {
    let give = || {
        // SAFETY: the caller's promise.
        let (running, row) = unsafe { (running(engine)?, read(row, elements)?) };
        apart([(row.as_ptr().addr(), elements), (running.arena.addr(), running.arena_bytes)])?;
        Ok(running.engine.input_row(row)?.into())
    };
    code(give())
}

/// Forgets how far the current inference has come; states stay as they are.
///
/// # Safety
/// If `engine` is not null, it points to what its type says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tanbo_engine_restart(engine: *mut EngineStorage) -> Status {
    let restart = || {
        // SAFETY: the caller's promise.
        unsafe { running(engine) }?.engine.restart();
        Ok(Status::Done)
    };
    code(restart())
}

/// Returns to the beginning of the first inference: every state holds its first content again.
///
/// # Safety
/// If `engine` is not null, it points to what its type says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn tanbo_engine_reset(engine: *mut EngineStorage) -> Status {
    let reset = || {
        // SAFETY: the caller's promise.
        unsafe { running(engine) }?.engine.reset();
        Ok(Status::Done)
    };
    code(reset())
}

/// Stops the core with a trap, which the firmware's fault handler sees, as it does any other fault: nothing can be returned from a panic, and
/// nothing is to be run on. No input leads here: whatever the engine finds wrong it returns.
#[cfg(target_os = "none")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    #[cfg(target_arch = "arm")]
    // SAFETY: an undefined instruction touches nothing.
    unsafe {
        core::arch::asm!("udf #0", options(noreturn, nomem, nostack))
    }
    #[cfg(target_arch = "riscv32")]
    // SAFETY: an undefined instruction touches nothing.
    unsafe {
        core::arch::asm!("unimp", options(noreturn, nomem, nostack))
    }
    #[cfg(not(any(target_arch = "arm", target_arch = "riscv32")))]
    loop {}
}
