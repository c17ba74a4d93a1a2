//! Each model that is not taken has its error, is not committed and leaves the slot erased.

use tanbo::{Family, Model, Op, op_set};
use tanbo_board_api::Slots as _;
use tanbo_node::slots::{Demands, Refusal};
use tanbo_node::update::{Update, UpdateError};
use tanbo_release::{Golden, Name, ReleaseError, SelfTestError, Signer};

use crate::world::{World, demands, golden, name, now, release, signer};
use crate::{install, window};

/// What becomes of a model at a node that runs version 5.
fn refused(bytes: &[u8], version: u32, change: impl Fn(&mut Demands<'_>)) -> Refusal {
    let keys = [signer().public()];
    let mut world = World::new(14 << 10, 8);
    let mut book = world.book();
    let mut update = Update::new(demands(&keys));
    install(&mut update, &mut world, &mut book, &release(5), 5).expect("a trial");
    window(&mut update, &mut world, &mut book, true).expect("a window");
    window(&mut update, &mut world, &mut book, true).expect("a window");
    let before = world.selected();

    let mut changed = demands(&keys);
    change(&mut changed);
    let mut update = Update::new(changed);
    let refusal = match install(&mut update, &mut world, &mut book, bytes, version) {
        Err(UpdateError::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    };
    assert!(tanbo_wire::v1::refusal(refusal.code()).is_some(), "{refusal}: no words for an operator");
    assert_eq!(world.selected(), before);
    assert_eq!(now(update.window(true, &mut world, &mut book)), Ok(tanbo_node::update::Verdict::Settled));
    assert!(world.bytes(1).iter().all(|byte| *byte == 0xff), "{refusal}: something is left");
    let mut update = Update::new(demands(&keys));
    let running = now(update.start(&mut world, &book)).expect("slots").expect("a model");
    assert_eq!((running.slot, running.release.version), (0, 5));
    refusal
}

/// As [`refused`], at a node with the usual demands.
fn usual(bytes: &[u8], version: u32) -> Refusal {
    refused(bytes, version, |_| ())
}

#[test]
fn wrong_key_older_truncated_flipped_wrong_family_and_all_others() {
    let key = signer().public().id();
    let stranger = Signer::generate().expect("a key");
    let theirs = stranger.sign(tanbo_zoo::SEISMIC, name(), 6, golden()).expect("a release");
    assert_eq!(usual(&theirs, 6), Refusal::Release(ReleaseError::UnknownKey(stranger.public().id())));
    let mut claimed = theirs;
    let end = claimed.len();
    claimed[end - 72..end - 64].copy_from_slice(&key.0);
    assert_eq!(usual(&claimed, 6), Refusal::Release(ReleaseError::Signature(key)));

    for version in [1, 4, 5] {
        assert_eq!(usual(&release(version), version), Refusal::Older { version, least: 6 });
        // Offered as newer than it is.
        assert_eq!(usual(&release(version), 6), Refusal::Older { version, least: 6 });
    }
    let firmware = refused(&release(6), 6, |demands| demands.least_version = 8);
    assert_eq!(firmware, Refusal::Older { version: 6, least: 8 });

    let mut flipped = release(6);
    for at in [192, 3000, 10_400] {
        flipped[at] ^= 2;
        assert_eq!(usual(&flipped, 6), Refusal::Release(ReleaseError::Hash));
        flipped[at] ^= 2;
    }
    let mut changed = release(6);
    changed[10_496 + 4] = 9;
    assert_eq!(usual(&changed, 9), Refusal::Release(ReleaseError::Signature(key)));

    // Cut off: its header says more than was offered; or it lies about that too.
    let mut short = release(6);
    short.truncate(9000);
    short[8..12].copy_from_slice(&9000u32.to_le_bytes());
    assert_eq!(usual(&short, 6), Refusal::Release(ReleaseError::Hash));
    assert_eq!(usual(tanbo_zoo::SEISMIC, 6), Refusal::Release(ReleaseError::Unsigned));

    let model = Model::parse(tanbo_zoo::SEISMIC).expect("a model");
    let packed = tanbo::pack::repack(&model, Family::M0).expect("an artifact");
    let packed = signer().sign(&packed, name(), 6, golden()).expect("a release");
    assert_eq!(usual(&packed, 6), Refusal::Family(Family::M0));

    let other = Name::new("flood").expect("a name");
    let flood = signer().sign(tanbo_zoo::SEISMIC, other, 6, golden()).expect("a release");
    assert_eq!(usual(&flood, 6), Refusal::OtherName(other));
    let wrong = Golden { seed: 77, ..golden() };
    let wrong = signer().sign(tanbo_zoo::SEISMIC, name(), 6, wrong).expect("a release");
    assert_eq!(usual(&wrong, 6), Refusal::SelfTest(SelfTestError::Outputs));

    let needed = model.arena_bytes();
    let arena = refused(&release(6), 6, |demands| demands.arena_bytes = needed - 1);
    assert_eq!(arena, Refusal::Arena { needed, room: needed - 1 });
    static FEW: tanbo::OpSet = op_set!(tanbo::Reference: Conv2d);
    let operator = refused(&release(6), 6, |demands| demands.operators = &FEW);
    assert_eq!(operator, Refusal::Operator(Op::FullyConnected));
    assert_eq!(operator.code(), 64 + Op::FullyConnected as u8);
    assert_eq!(refused(&release(6), 6, |demands| demands.rate.numerator = 0), Refusal::FrontEnd);
}

#[test]
fn what_is_too_long_is_refused_before_it_comes() {
    let keys = [signer().public()];
    let mut world = World::new(8 << 10, 8);
    let mut book = world.book();
    let mut update = Update::new(demands(&keys));
    let refused = install(&mut update, &mut world, &mut book, &release(1), 1);
    let bytes = release(1).len();
    assert_eq!(refused, Err(UpdateError::Refused(Refusal::TooLong { bytes, room: 8 << 10 })));
    assert_eq!(now(update.try_out(1, &mut world, &mut book)), Err(UpdateError::Refused(Refusal::NotNow)));
}

#[test]
fn memory_that_does_not_hold_what_is_written_is_noticed() {
    let keys = [signer().public()];
    let mut world = World::new(12 << 10, 1);
    let book = world.book();
    let mut update = Update::new(demands(&keys));
    let bytes = release(1);
    now(update.begin(&crate::offer(&bytes, 1), &mut world, &book)).expect("an offer");
    // A byte that is 0xff in the model, and so is not written, but not in the slot.
    let at = bytes.iter().skip(200).position(|byte| *byte == 0xff).expect("such a byte") + 200;
    now(update.write(0, &bytes[..at], &mut world, &book)).expect("a part");
    world.rot(0, at);
    let refused = now(update.write(at, &bytes[at..at + 64], &mut world, &book));
    assert_eq!(refused, Err(UpdateError::Refused(Refusal::Memory { at })));
}

#[test]
fn codes_of_refusals_are_all_different() {
    let all = [
        Refusal::Release(ReleaseError::NoArtifact),
        Refusal::Release(ReleaseError::Hash),
        Refusal::OtherName(name()),
        Refusal::Older { version: 1, least: 2 },
        Refusal::GivenUp { version: 1 },
        Refusal::Family(Family::M0),
        Refusal::FrontEnd,
        Refusal::NotNow,
    ];
    let codes: std::collections::BTreeSet<u8> = all.iter().map(|refusal| refusal.code()).collect();
    assert_eq!(codes.len(), all.len());
    assert!(!codes.contains(&0));
}
