//! Signatures of another implementation, and what is refused.

use tanbo::{Arena, Engine, Model};
use tanbo_format::hash::signed;
use tanbo_format::record::HEADER_BYTES;
use tanbo_release::*;

const ARENA_BYTES: usize = 4096;
const SEED: u32 = 1;
const RUNS: u8 = 8;

fn golden() -> Golden {
    let model = Model::parse(tanbo_zoo::SEISMIC).expect("a model");
    let mut arena = Arena::<ARENA_BYTES>::new();
    let ops = tanbo::table_or_reference(tanbo::Family::Portable);
    let mut engine = Engine::new(&model, ops, arena.as_mut()).expect("an engine");
    Golden::of(&mut engine, SEED, RUNS, |_| ()).expect("outputs")
}

fn signer() -> Signer {
    Signer::from_pem(include_str!("../golden/key.pem")).expect("a key")
}

fn release(version: u32) -> Vec<u8> {
    signer().sign(tanbo_zoo::SEISMIC, Name::new("seismic").expect("a name"), version, golden()).expect("a release")
}

#[test]
fn a_signature_of_another_implementation_is_read_and_verified() {
    let public = PublicKey::from_pem(include_str!("../golden/key.pub.pem")).expect("a key");
    assert_eq!(public, signer().public());
    assert_eq!(PublicKey::from_bytes(&public.to_bytes()), Ok(public));
    assert_eq!(public.to_pem().as_deref(), Ok(include_str!("../golden/key.pub.pem")));
    assert_eq!(signer().to_pem().as_deref(), Ok(include_str!("../golden/key.pem")));

    let section = hex::decode(include_str!("../golden/seismic.signature").trim()).expect("hexadecimal");
    let artifact = signed(tanbo_zoo::SEISMIC, &section).expect("an artifact");
    let golden = Golden { seed: 0x1234, runs: 4, digest: core::array::from_fn(|n| n as u8) };
    let name = Name::new("seismic").expect("a name");
    let expected = Release { name, version: 7, golden, key: public.id() };
    assert_eq!(verify(&artifact, &[public]), Ok(expected));
    assert_eq!(expected.to_bytes(*section.last_chunk().expect("64 bytes")).as_slice(), section);
}

#[test]
fn signing_is_repeatable_and_replaces_a_signature() {
    let (one, two) = (release(1), release(2));
    assert_eq!(one, release(1));
    let again = signer().sign(&one, Name::new("seismic").expect("a name"), 2, golden());
    assert_eq!(again.as_ref(), Some(&two));
    assert_eq!(one.len(), tanbo_zoo::SEISMIC.len() + RECORD_BYTES);
    // The content, its hash, and so the model are the same.
    let aligned = tanbo_format::emit::Aligned::new(&two);
    let model = Model::parse(&aligned).expect("a model");
    assert_eq!(model.stated_hash(), Model::parse(tanbo_zoo::SEISMIC).expect("a model").stated_hash());
}

#[test]
fn one_flipped_bit_anywhere_is_refused() {
    let (artifact, keys) = (release(3), [signer().public()]);
    verify(&artifact, &keys).expect("a release");
    let mut hostile = artifact.clone();
    let content = HEADER_BYTES..artifact.len() - RECORD_BYTES;
    for at in (0..artifact.len()).filter(|at| !content.contains(at) || at % 7 == 0) {
        // Every bit of header and section, some of the content.
        let bits = if content.contains(&at) { at % 8..at % 8 + 1 } else { 0..8 };
        for bit in bits {
            hostile[at] ^= 1 << bit;
            assert!(verify(&hostile, &keys).is_err(), "bit {bit} of byte {at}");
            hostile[at] ^= 1 << bit;
        }
    }
}

#[test]
fn each_refusal_has_its_error() {
    let (artifact, keys) = (release(3), [signer().public()]);
    let len = artifact.len();
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = artifact.clone();
        change(&mut bytes);
        verify(&bytes, &keys)
    };
    for short in 0..HEADER_BYTES {
        assert_eq!(verify(&artifact[..short], &keys), Err(ReleaseError::NoArtifact));
    }
    for short in HEADER_BYTES..len {
        let refused = Err(ReleaseError::Length { stated: len, given: short });
        assert_eq!(verify(&artifact[..short], &keys), refused);
    }
    assert_eq!(with(&|bytes| bytes.push(0)), Err(ReleaseError::Length { stated: len, given: len + 1 }));
    assert_eq!(with(&|bytes| bytes[HEADER_BYTES] ^= 1), Err(ReleaseError::Hash));
    assert_eq!(verify(tanbo_zoo::SEISMIC, &keys), Err(ReleaseError::Unsigned));
    let section = len - RECORD_BYTES;
    assert_eq!(with(&|bytes| bytes[section] = 2), Err(ReleaseError::Scheme(2)));
    assert_eq!(with(&|bytes| bytes[section + 1] = 0), Err(ReleaseError::Record("golden runs")));
    assert_eq!(with(&|bytes| bytes[section + 2] = 1), Err(ReleaseError::Record("reserved bytes")));
    assert_eq!(with(&|bytes| bytes[section + 4] = 0), Err(ReleaseError::Record("version")));
    assert_eq!(with(&|bytes| bytes[section + 8] = b'S'), Err(ReleaseError::Record("name")));
    let key = signer().public().id();
    // A version, a name, a self-test that nobody signed.
    for at in [4, 8, 16, 24] {
        let other = if at == 8 { b'x' } else { 9 };
        assert_eq!(with(&|bytes| bytes[section + at] = other), Err(ReleaseError::Signature(key)));
    }
    let long = signed(&artifact, &[1; RECORD_BYTES + 1]).expect("an artifact");
    assert_eq!(verify(&long, &keys), Err(ReleaseError::Record("length")));

    // A stranger's key, and a stranger who claims to be somebody else.
    let stranger = Signer::generate().expect("a key");
    let name = Name::new("seismic").expect("a name");
    let mut theirs = stranger.sign(tanbo_zoo::SEISMIC, name, 9, golden()).expect("a release");
    assert_eq!(verify(&theirs, &keys), Err(ReleaseError::UnknownKey(stranger.public().id())));
    assert!(verify(&theirs, &[keys[0], stranger.public()]).is_ok());
    theirs[len - 72..len - 64].copy_from_slice(&key.0);
    assert_eq!(verify(&theirs, &keys), Err(ReleaseError::Signature(key)));
    assert_eq!(verify(&artifact, &[]), Err(ReleaseError::UnknownKey(key)));
    // Signatures of zeros, which carelessly written verifiers take.
    let zeros = with(&|bytes| bytes[len - 64..].fill(0));
    assert_eq!(zeros, Err(ReleaseError::Signature(key)));
}

#[test]
fn no_bytes_make_it_panic() {
    let (artifact, keys) = (release(3), [signer().public()]);
    let mut random = fastrand::Rng::with_seed(7);
    for _ in 0..5_000 {
        let mut bytes = artifact.clone();
        // In the header and the section, where lengths are; the hash is made right, so that it is not all that refuses.
        for _ in 0..random.usize(1..6) {
            let at =
                if random.bool() { random.usize(..HEADER_BYTES) } else { bytes.len() - random.usize(1..=RECORD_BYTES) };
            bytes[at] = random.u8(..);
        }
        bytes.truncate(random.usize(bytes.len() / 2..=bytes.len() * 2));
        let hash = tanbo_format::hash::content_hash(&bytes);
        if let Some(place) = bytes.get_mut(HEADER_BYTES - 32..HEADER_BYTES) {
            place.copy_from_slice(&hash);
        }
        assert!(verify(&bytes, &keys).is_err() || bytes == artifact);
    }
    assert_eq!(PublicKey::from_bytes(&[4; KEY_BYTES]), Err(ReleaseError::NoKey));
    assert_eq!(PublicKey::from_bytes(&[0; KEY_BYTES]), Err(ReleaseError::NoKey));
}

#[test]
fn a_model_that_computes_something_else_fails_its_self_test() {
    let golden = golden();
    let model = Model::parse(tanbo_zoo::SEISMIC).expect("a model");
    let mut arena = Arena::<ARENA_BYTES>::new();
    let ops = tanbo::table_or_reference(tanbo::best_family());
    let mut engine = Engine::new(&model, ops, arena.as_mut()).expect("an engine");
    assert_eq!(golden.test(&mut engine), Ok(()));
    assert_eq!(Golden { seed: SEED + 1, ..golden }.test(&mut engine), Err(SelfTestError::Outputs));
    let mut seen = std::collections::BTreeSet::new();
    Golden::of(&mut engine, SEED, RUNS, |digest| _ = seen.insert(digest)).expect("outputs");
    assert!(seen.len() > 1, "the outputs say nothing of the inputs");
}

#[test]
fn names() {
    for text in ["a", "seismic", "rice-awd", "12345678"] {
        let name = Name::new(text).expect("a name");
        assert_eq!((name.as_str(), Name::from_bytes(name.to_bytes())), (text, Ok(name)));
    }
    for text in ["", "Seismic", "a b", "ninechars", "a\0", "é"] {
        assert_eq!(Name::new(text), Err(NameError), "{text:?}");
    }
    assert_eq!(Name::from_bytes(*b"a\0b\0\0\0\0\0"), Err(NameError));
}
