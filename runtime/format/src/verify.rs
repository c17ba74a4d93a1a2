//! The verifier: after it, nothing in an artifact can lead an engine out of bounds, into an
//! overflow, or onto bytes another tensor owns. Linear in the artifact's size, except for the
//! pairwise comparison of at most [`MAX_STORAGES`] storages.

use crate::check::{self, FindCheck};
use crate::error::{FormatError, FormatErrorKind as Kind, Place};
use crate::model::{Model, Step, Tensor};
use crate::op::{ElementType, Op};
use crate::record::*;
use crate::schedule::{self, Done, Schedule};

type Verified = Result<(), FormatError>;

fn error(kind: Kind, at: Place) -> FormatError {
    FormatError { kind, at }
}

pub(crate) fn verify(model: &Model<'_>, checks: &impl FindCheck) -> Verified {
    storages(model)?;
    tensors(model)?;
    hops(model)?;
    each_step(model, checks)?;
    chains(model)?;
    summary(model)
}

/// A streamed model takes in whole rows of its one input, fewer than a window has.
fn hops(model: &Model<'_>) -> Verified {
    let Header { window_rows, hop_rows, window_macs, .. } = *model.header;
    let Some(hops) = model.hops() else {
        return if window_rows == 0 && window_macs == [0; 2] { Ok(()) } else { Err(error(Kind::Hops, Place::Header)) };
    };
    let &[input] = model.inputs else { return Err(error(Kind::Hops, Place::Header)) };
    let elements = model.tensor(input).map_or(0, |tensor| tensor.elements());
    if hop_rows >= hops.window_rows || !elements.is_multiple_of(hop_rows as usize) {
        return Err(error(Kind::Hops, Place::Input(0)));
    }
    Ok(())
}

fn storages(model: &Model<'_>) -> Verified {
    if model.storages.len() > MAX_STORAGES {
        return Err(error(Kind::TooMany, Place::Section(Section::Storages as u8)));
    }
    if model.header.arena_bytes > MAX_ARENA_BYTES {
        return Err(error(Kind::TooMany, Place::Header));
    }
    for (index, storage) in model.storages.iter().enumerate() {
        let at = Place::Storage(index as u16);
        let end = storage.offset.checked_add(storage.bytes).ok_or(error(Kind::Extent, at))?;
        let state = storage.kind == STORAGE_STATE;
        let no_start = storage.image == NO_IMAGE && storage.image_bytes == 0 && storage.fill == 0;
        let one_start = state && if storage.image == NO_IMAGE { storage.image_bytes == 0 } else { storage.fill == 0 };
        if storage.kind > STORAGE_STATE || !(no_start || one_start) {
            return Err(error(Kind::Reserved, at));
        }
        if storage.kind == STORAGE_CONSTANT {
            if end as usize > model.constants.len() || storage.ring_rows != 0 {
                return Err(error(Kind::Extent, at));
            }
            continue;
        }
        if end > model.header.arena_bytes || !storage.offset.is_multiple_of(4) {
            return Err(error(Kind::Extent, at));
        }
        if storage.image != NO_IMAGE {
            let image_end = storage.image.checked_add(storage.image_bytes).ok_or(error(Kind::Extent, at))?;
            if image_end as usize > model.constants.len() || storage.image_bytes == 0 {
                return Err(error(Kind::Extent, at));
            }
            if !storage.bytes.is_multiple_of(storage.image_bytes) {
                return Err(error(Kind::Constant, at));
            }
        }
        // A state is in use in every chain, so that nothing else ever writes its bytes.
        let always = (0, model.chains.len().saturating_sub(1));
        if state && ((storage.first_chain, usize::from(storage.last_chain)) != always || storage.ring_rows != 0) {
            return Err(error(Kind::Lifetime, at));
        }
        if storage.first_chain > storage.last_chain
            || (usize::from(storage.last_chain) >= model.chains.len() && !model.chains.is_empty())
            || (storage.ring_rows != 0 && storage.first_chain != storage.last_chain)
        {
            return Err(error(Kind::Lifetime, at));
        }
        for other in model.storages.iter().take(index).filter(|o| o.in_arena()) {
            let in_time = storage.first_chain <= other.last_chain && other.first_chain <= storage.last_chain;
            let in_space = storage.offset < other.offset.saturating_add(other.bytes) && other.offset < end;
            if in_time && in_space {
                return Err(error(Kind::Overlap, at));
            }
        }
    }
    Ok(())
}

fn tensors(model: &Model<'_>) -> Verified {
    let mut names = 0usize;
    for (index, record) in model.tensors.iter().enumerate() {
        let at = Place::Tensor(index as u16);
        // Names follow one another, so that looking at all of them is linear.
        let end = names + usize::from(record.name_bytes);
        let name = model.names.get(names..end).ok_or(error(Kind::Extent, at))?;
        if usize::from(record.name_offset) != names {
            return Err(error(Kind::Extent, at));
        }
        core::str::from_utf8(name).map_err(|_| error(Kind::Reserved, at))?;
        names = end;
        tensor(model, record, at)?;
    }
    if names != model.names.len() {
        return Err(error(Kind::Extent, Place::Section(Section::Names as u8)));
    }
    core::str::from_utf8(model.card_bytes())
        .map(|_| ())
        .map_err(|_| error(Kind::Reserved, Place::Section(Section::Card as u8)))
}

fn tensor(model: &Model<'_>, record: &TensorRecord, at: Place) -> Verified {
    let ty = ElementType::from_code(record.ty).ok_or(error(Kind::Type, at))?;
    let rank = usize::from(record.rank);
    let (shape, rest) = record.shape.split_at_checked(rank).ok_or(error(Kind::Shape, at))?;
    let elements = shape.iter().try_fold(1u64, |n, &d| n.checked_mul(u64::from(d))).unwrap_or(0);
    if rest.iter().any(|&d| d != 1) || elements == 0 || elements > MAX_ELEMENTS {
        return Err(error(Kind::Shape, at));
    }
    let (low, high) = ty.range();
    let scale = f32::from_bits(record.scale);
    if !(low..=high).contains(&record.zero_point) || !scale.is_finite() || scale < 0.0 {
        return Err(error(Kind::Attribute, at));
    }
    let storage = model.storages.get(usize::from(record.storage)).ok_or(error(Kind::Index, at))?;
    let bytes = elements * ty.bytes() as u64;
    let needed = if storage.ring_rows == 0 {
        bytes
    } else {
        // A ring keeps some rows of an image; the image has one batch entry.
        let &[1, height, width, channels] = shape else { return Err(error(Kind::Chain, at)) };
        u64::from(storage.ring_rows).min(u64::from(height)) * u64::from(width) * u64::from(channels) * ty.bytes() as u64
    };
    // Not one byte more: what a step reads is what another wrote, never what was in the arena before.
    if needed != u64::from(storage.bytes) || !(storage.offset as usize).is_multiple_of(ty.bytes()) {
        return Err(error(Kind::Shape, at));
    }
    Ok(())
}

fn each_step(model: &Model<'_>, checks: &impl FindCheck) -> Verified {
    let (mut operands, mut constants, mut attributes, mut entries) = (0, 0, 0, 0u64);
    for (index, record) in model.steps.iter().enumerate() {
        let at = Place::Step(index as u16);
        let op = Op::from_code(record.op).ok_or(error(Kind::Operator, at))?;
        if record.rounding > 1 {
            return Err(error(Kind::Reserved, at));
        }
        if (op.inputs() != 0 && record.inputs != op.inputs()) || record.inputs == 0 {
            return Err(error(Kind::Arity, at));
        }
        // Operands, constants and attributes follow one another, so that looking at all of them is linear.
        let starts = [record.operand, record.constant, record.attribute].map(usize::from);
        if starts != [operands, constants, attributes] {
            return Err(error(Kind::Extent, at));
        }
        operands += usize::from(record.inputs) + usize::from(op.states()) + 1;
        let extents = model.const_extents.iter().skip(constants).take(op.const_types().len());
        constants += op.const_types().len();
        attributes += op.attr_count();
        for (extent, &ty) in extents.zip(op.const_types()) {
            let end = u64::from(extent.offset) + u64::from(extent.bytes);
            let whole = (extent.offset | extent.bytes).is_multiple_of(ty.bytes() as u32);
            if end > model.constants.len() as u64 || !whole {
                return Err(error(Kind::Constant, at));
            }
        }
        let step = model.step(index as u16).ok_or(error(Kind::Extent, at))?;
        entries = entries.saturating_add(check::entries(&step));
        if entries > MAX_CHECKED_ENTRIES {
            return Err(error(Kind::TooMany, at));
        }
        if let Some(scratch) = step.scratch {
            let storage = model.storages.get(usize::from(scratch)).ok_or(error(Kind::Index, at))?;
            if storage.kind != STORAGE_ARENA || storage.ring_rows != 0 {
                return Err(error(Kind::Overlap, at));
            }
        }
        let output = tensor_of(model, step.output, at)?;
        for &input in step.inputs {
            let input = tensor_of(model, input, at)?;
            let in_place = input.storage == output.storage && overwrites(model, &step);
            if (input.storage == output.storage && !in_place) || step.scratch == Some(input.storage) {
                return Err(error(Kind::Overlap, at));
            }
        }
        states_apart(model, &step, &output, at)?;
        if step.scratch == Some(output.storage) || model.constant_tensor(&output).is_some() {
            return Err(error(Kind::Overlap, at));
        }
        let check = checks.find(op, step.variant).ok_or(error(Kind::Operator, at))?;
        check.step(model, &step, &output).map_err(|kind| error(kind, at))?;
    }
    let lengths = [model.operands.len(), model.const_extents.len(), model.attributes.len()];
    for (section, (end, length)) in [Section::Operands, Section::ConstExtents, Section::Attributes]
        .into_iter()
        .zip([operands, constants, attributes].into_iter().zip(lengths))
    {
        if end != length {
            return Err(error(Kind::Extent, Place::Section(section as u8)));
        }
    }
    Ok(())
}

/// Whether a step may write each value where it read it: an operator that goes value by value without broadcasting, of which one
/// input lies where the output does, in the same form.
fn overwrites(model: &Model<'_>, step: &Step<'_>) -> bool {
    let form = |tensor: &u16| model.tensor(*tensor).map(|tensor| (tensor.storage, tensor.shape, tensor.ty.bytes()));
    let lies_there = step.inputs.iter().filter(|&input| form(input) == form(&step.output)).count();
    step.op.is_in_place() && schedule::is_row_wise(model, step) && lies_there == 1
}

/// Each state operand is a state, and no other operand of the step lies in the same storage. (Scratch is no state.)
fn states_apart(model: &Model<'_>, step: &Step<'_>, output: &Tensor<'_>, at: Place) -> Verified {
    for (index, &state) in step.states.iter().enumerate() {
        let state = tensor_of(model, state, at)?.storage;
        if model.storages.get(usize::from(state)).is_none_or(|storage| storage.kind != STORAGE_STATE) {
            return Err(error(Kind::State, at));
        }
        let shares = |tensor: &u16| model.tensor(*tensor).is_some_and(|tensor| tensor.storage == state);
        let shared = step.inputs.iter().any(shares) || step.states.iter().skip(index + 1).any(shares);
        if shared || output.storage == state {
            return Err(error(Kind::Overlap, at));
        }
    }
    Ok(())
}

fn tensor_of<'a>(model: &Model<'a>, index: u16, at: Place) -> Result<Tensor<'a>, FormatError> {
    model.tensor(index).ok_or(error(Kind::Index, at))
}

/// One bit per storage: has anything been written there yet?
struct Written([u32; MAX_STORAGES / 32]);

impl Written {
    fn set(&mut self, storage: u16) {
        if let Some(word) = self.0.get_mut(usize::from(storage / 32)) {
            *word |= 1 << (storage % 32);
        }
    }

    fn clear(&mut self, storage: u16) {
        if let Some(word) = self.0.get_mut(usize::from(storage / 32)) {
            *word &= !(1 << (storage % 32));
        }
    }

    fn get(&self, storage: u16) -> bool {
        self.0.get(usize::from(storage / 32)).is_some_and(|word| word >> (storage % 32) & 1 == 1)
    }
}

fn chains(model: &Model<'_>) -> Verified {
    let mut written = Written([0; MAX_STORAGES / 32]);
    for (index, _) in model.storages.iter().enumerate().filter(|(_, storage)| storage.kind == STORAGE_STATE) {
        written.set(index as u16);
    }
    let last_chain = model.chains.len().saturating_sub(1) as u16;
    for (index, &input) in model.inputs.iter().enumerate() {
        let at = Place::Input(index as u16);
        let storage = arena_storage(model, input, at)?;
        let taken = written.get(tensor_of(model, input, at)?.storage);
        // Only the first input may come row by row, into a ring that the first chain reads.
        if taken || storage.first_chain != 0 || (storage.ring_rows != 0 && index != 0) {
            return Err(error(Kind::Lifetime, at));
        }
        let tensor = tensor_of(model, input, at)?;
        if storage.ring_rows != 0 && tensor.ty != ElementType::I8 {
            return Err(error(Kind::Type, at));
        }
        written.set(tensor.storage);
    }
    let mut next_step = 0u16;
    for (index, chain) in model.chains.iter().enumerate() {
        let (chain_index, at) = (index as u16, Place::Chain(index as u16));
        if chain.step != next_step || chain.steps == 0 || usize::from(chain.steps) > MAX_CHAIN_STEPS {
            return Err(error(Kind::Chain, at));
        }
        next_step = next_step.checked_add(chain.steps).ok_or(error(Kind::Chain, at))?;
        let mut handed = [false; MAX_CHAIN_STEPS];
        for (handed, number) in handed.iter_mut().zip(chain.step..next_step) {
            *handed = schedule::hands_over(model, chain.step..next_step, number);
        }
        for number in chain.step..next_step {
            let at = Place::Step(number);
            let step = model.step(number).ok_or(error(Kind::Index, at))?;
            let (earlier, scratch) = (chain.step..number, step.scratch);
            let last = number + 1 == next_step;
            let output = tensor_of(model, step.output, at)?;
            let storage = output.storage;
            for &input in step.inputs {
                let tensor = tensor_of(model, input, at)?;
                if model.constant_tensor(&tensor).is_some() {
                    continue;
                }
                alive(model, &written, tensor.storage, chain_index, at)?;
                // What an earlier step of the chain writes is read as that very tensor, and as it was written last: its rows
                // are counted.
                let (mut made_here, mut stored_here) = (false, false);
                for output in earlier.clone().filter_map(|number| model.step_output(number)) {
                    if lies_in(model, output, tensor.storage) {
                        (made_here, stored_here) = (output == input, true);
                    }
                }
                let given = model.inputs.first() == Some(&input);
                if made_here != stored_here || (is_ring(model, tensor.storage) && !made_here && !given) {
                    return Err(error(Kind::Chain, at));
                }
            }
            // Inside a chain rows are gone after their readers; a state stays.
            if !last && is_state(model, storage) {
                return Err(error(Kind::State, at));
            }
            // Rows of all steps of a chain are alive at once. Only what a step overwrites has been written, and nobody else
            // reads it; and what is handed over at once is gone when the step after next runs.
            let overwritten = schedule::in_place(model, &step).and_then(|input| step.inputs.get(input));
            let handed = |number: u16| handed.get(usize::from(number - chain.step)) == Some(&true);
            let hands_over = handed(number);
            for (before, step) in earlier.clone().zip(steps(model, earlier)) {
                let gone = |before: u16| hands_over && handed(before) && before + 1 < number;
                let reads_gone = before > chain.step && gone(before - 1);
                let uses = |storage: u16, gone: bool, reads_gone: bool| {
                    let writes = lies_in(model, step.output, storage) && Some(&step.output) != overwritten && !gone;
                    writes || (step.inputs.iter().any(|&x| lies_in(model, x, storage)) && !reads_gone)
                };
                let scratch_used = scratch.is_some_and(|scratch| uses(scratch, false, false));
                if uses(storage, gone(before), reads_gone) || step.scratch == Some(storage) || scratch_used {
                    return Err(error(Kind::Overlap, at));
                }
            }
            written.set(storage);
            alive(model, &written, storage, chain_index, at)?;
            if last && is_ring(model, storage) {
                return Err(error(Kind::Chain, at));
            }
            if let Some(scratch) = step.scratch {
                written.set(scratch);
                alive(model, &written, scratch, chain_index, at)?;
                // What a kernel leaves there means nothing.
                written.clear(scratch);
            }
        }
        walk(model, chain.step..next_step, at)?;
        // What the steps but the last wrote exists row by row, and not all of it: it is gone with the chain.
        let last = model.step_output(next_step - 1).ok_or(error(Kind::Index, at))?;
        for step in steps(model, chain.step..next_step - 1) {
            let storage = tensor_of(model, step.output, at)?.storage;
            if !lies_in(model, last, storage) {
                written.clear(storage);
            }
        }
    }
    if usize::from(next_step) != model.steps.len() {
        return Err(error(Kind::Chain, Place::Section(Section::Chains as u8)));
    }
    for (index, &output) in model.outputs.iter().enumerate() {
        let at = Place::Output(index as u16);
        let storage = arena_storage(model, output, at)?;
        let alive_at_end = model.chains.is_empty() || storage.last_chain == last_chain;
        if !written.get(tensor_of(model, output, at)?.storage) || !alive_at_end || storage.ring_rows != 0 {
            return Err(error(Kind::Lifetime, at));
        }
    }
    Ok(())
}

/// A chain of several steps, or one that reads rows as the caller gives them, comes to its end: no ring is too small for its
/// readers. Takes at most a turn for each unit of work.
fn walk(model: &Model<'_>, steps: core::ops::Range<u16>, at: Place) -> Verified {
    let reads_ring = self::steps(model, steps.clone()).any(|step| {
        step.inputs.iter().any(|&input| model.tensor(input).is_some_and(|tensor| is_ring(model, tensor.storage)))
    });
    if steps.len() == 1 && !reads_ring {
        return Ok(());
    }
    let mut schedule = Schedule::EMPTY;
    schedule.set(model, steps).map_err(|step| error(Kind::Chain, Place::Step(step)))?;
    let mut done: Done = [0; MAX_CHAIN_STEPS];
    let (mut given, mut from) = (0, 0);
    while !schedule.is_finished(&done) {
        if let Some(turn) = schedule.next(&done, given, from) {
            schedule.note(&mut done, turn.place, turn.units.end);
            from = schedule.from_after(turn.place);
        } else if schedule.has_room(&done, given) {
            given += 1;
            from = 0;
        } else {
            return Err(error(Kind::Chain, at));
        }
    }
    Ok(())
}

fn steps<'a>(model: &Model<'a>, numbers: core::ops::Range<u16>) -> impl Iterator<Item = Step<'a>> {
    let model = *model;
    numbers.filter_map(move |number| model.step(number))
}

fn lies_in(model: &Model<'_>, tensor: u16, storage: u16) -> bool {
    model.tensors.get(usize::from(tensor)).is_some_and(|tensor| tensor.storage == storage)
}

fn is_state(model: &Model<'_>, storage: u16) -> bool {
    model.storages.get(usize::from(storage)).is_some_and(|s| s.kind == STORAGE_STATE)
}

fn is_ring(model: &Model<'_>, storage: u16) -> bool {
    model.storages.get(usize::from(storage)).is_some_and(|s| s.ring_rows != 0)
}

fn arena_storage<'a>(model: &Model<'a>, tensor: u16, at: Place) -> Result<&'a StorageRecord, FormatError> {
    let tensor = tensor_of(model, tensor, at)?;
    let storage = model.storages.get(usize::from(tensor.storage)).ok_or(error(Kind::Index, at))?;
    if storage.kind == STORAGE_ARENA { Ok(storage) } else { Err(error(Kind::Lifetime, at)) }
}

fn alive(model: &Model<'_>, written: &Written, storage: u16, chain: u16, at: Place) -> Verified {
    let record = model.storages.get(usize::from(storage)).ok_or(error(Kind::Index, at))?;
    if written.get(storage) && record.first_chain <= chain && chain <= record.last_chain {
        Ok(())
    } else {
        Err(error(Kind::Lifetime, at))
    }
}

fn summary(model: &Model<'_>) -> Verified {
    let arena = model.storages.iter().filter(|s| s.in_arena()).map(|s| s.offset + s.bytes).max();
    let operators = model.steps.iter().fold(0u64, |set, step| set | 1u64.checked_shl(u32::from(step.op)).unwrap_or(0));
    if arena.unwrap_or(0) != model.header.arena_bytes || operators != model.operators() {
        return Err(error(Kind::Summary, Place::Header));
    }
    Ok(())
}
