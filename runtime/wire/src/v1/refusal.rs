//! Why a node does not take a model or firmware, in words: the numbers are `tanbo-release`'s, `tanbo-node`'s and `tanbo-boot`'s.

/// Returns what a refusal's number means and what to do about it; `None` for one of a later release.
pub const fn refusal(code: u8) -> Option<(&'static str, &'static str)> {
    const AGAIN: &str = "send it again";
    const DAMAGED: &str = "check it with `tanbo verify`, then sign the artifact again";
    const SIGN: &str = "sign it with `tanbo sign`";
    const COMPILE: &str = "compile the model for this board";
    Some(match code {
        1 => ("the bytes are no artifact", "send what `tanbo sign` has written"),
        2 => ("it is cut off, or something follows it", DAMAGED),
        3 => ("its content is not what its hash says", DAMAGED),
        4 => ("it is not signed", SIGN),
        5 => ("its signature is of another kind", "sign it with a `tanbo sign` of the firmware's release"),
        6 => ("its signature section is damaged", DAMAGED),
        7 => (
            "the key that signed it is not among those that the node trusts",
            "sign it with one that was given to `tanbo provision write --key`",
        ),
        8 => ("its signature is not the key's", DAMAGED),
        9 => ("a key that the node trusts is none of P-256", "write the node's identity again"),
        10 => (
            "no record of a signature stands at its end: it is cut off, or not signed",
            "check it with `tanbo verify`, and send what `tanbo sign` has written",
        ),
        16 => ("it is a model for something else", "sign it with the --name of this node's models"),
        17 => (
            "its version is not above the one that the node has, or below the firmware's",
            "sign it with a higher --version",
        ),
        18 => ("its version was tried too often", "sign it with a higher --version, once what went wrong is found"),
        19 => ("the verifier refuses it, or it has an operator that the firmware has not", COMPILE),
        20 => ("it is packed for another core", "compile it with --target portable or that core's family"),
        21 => ("it needs a larger arena than the node has", "compile it with --arena for this board"),
        22 => ("it is packed for kernels that the firmware has not", COMPILE),
        23 => ("its front end is for another sensor or rate", "compile it with the front end of this node"),
        24 => (
            "it does not compute there what it computed where it was signed",
            "keep the artifact and tell who makes the firmware",
        ),
        25 => ("it is longer than a slot", "compile a smaller one, with --flash-budget"),
        26 | 27 => ("not all of it came", AGAIN),
        28 => (
            "the node's slot does not hold what was written",
            "send it again; if that does not help, the flash is worn out",
        ),
        29 => ("a trial is going on", "wait for its end, then send it again"),
        40 => ("it is firmware for another board", "sign the image of this node's board"),
        41 => ("its version is not above that of the firmware that runs", "sign it with a higher --version"),
        42 => ("it is longer than the node's room for firmware", "leave features out: the board's README says which"),
        43 => (
            "the firmware that runs is on trial, or another is to be started",
            "wait for the end of the trial, then send it again",
        ),
        44 => (
            "the node has no boot loader: no firmware comes over its line",
            "flash it through a probe; the board's README says whether it can have a boot loader",
        ),
        45 => (
            "the node's flash does not hold what was written",
            "send it again; if that does not help, the flash is worn out",
        ),
        64..=127 => (
            "it has an operator that the firmware has not",
            "compile a model without it, or build the firmware with it: `operators` of tanbo-release",
        ),
        _ => return None,
    })
}

/// Returns the number of the operator that a refusal names, if it names one: 64 is added to it.
pub const fn refused_operator(code: u8) -> Option<u8> {
    if code & 0xc0 == 64 { Some(code & 0x3f) } else { None }
}
