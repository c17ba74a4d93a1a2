//! The plugin's estimate of Cortex-M4 cycles, instruction by instruction, against the timings that the Technical Reference
//! Manual states. Needs the C compilers for this machine and for ARM, no emulator.

use object::{Object as _, ObjectSection as _};
use std::{fs, path::Path, process::Command};

/// Instructions, each with its cycles, and the refill where it is a branch that is taken.
const CASES: &[(&str, u32, u32)] = &[
    // Data processing and multiplies.
    ("movs r0, #1", 1, 0),
    ("add.w r3, r4, r5, lsl #3", 1, 0),
    ("mul r0, r1, r2", 1, 0),
    ("smull r0, r1, r2, r3", 1, 0),
    ("smlald r0, r1, r2, r3", 1, 0),
    ("smlad r0, r1, r2, r3", 1, 0),
    ("smmlar r0, r1, r2, r3", 1, 0),
    ("sxtb16 r0, r1, ror #8", 1, 0),
    ("pkhbt r0, r1, r2, lsl #16", 1, 0),
    ("ssat r0, #8, r1, asr #3", 1, 0),
    ("sdiv r0, r1, r2", 7, 0),
    ("udiv r0, r1, r2", 7, 0),
    ("mrs r0, primask", 2, 0),
    // Loads pipeline behind loads; the manual's examples: 3, 3, 3 and 4 in all.
    ("nop", 1, 0),
    ("ldr r0, [r1]", 2, 0),
    ("ldr r1, [r2]", 1, 0),
    ("nop", 1, 0),
    ("ldr r0, [r1, r2]", 2, 0),
    ("str r0, [r3, #20]", 1, 0),
    ("nop", 1, 0),
    ("ldr r0, [r1, r2]", 2, 0),
    ("str r1, [r3, r2]", 1, 0),
    ("nop", 1, 0),
    ("ldr r0, [r1, r5]", 2, 0),
    ("ldr r1, [r2]", 1, 0),
    ("ldr.w r2, [r3, #4]", 1, 0),
    // Not where the address was just loaded; after a store nothing pipelines.
    ("ldrb r4, [r2]", 2, 0),
    ("str r4, [r3]", 1, 0),
    ("ldrsh.w r4, [r3, #2]", 2, 0),
    ("nop", 1, 0),
    ("str r4, [r3, r5]", 2, 0),
    ("ldrd r0, r1, [r2]", 3, 0),
    ("strd r0, r1, [r2, #8]", 3, 0),
    ("ldr r0, [r1], #4", 2, 0),
    ("ldr r2, [r1], #4", 2, 0),
    ("ldr r3, [pc, #8]", 1, 0),
    // An address that was just computed waits a cycle.
    ("adds r1, r1, #4", 1, 0),
    ("ldr r0, [r1]", 3, 0),
    ("add r2, r3, r4", 1, 0),
    ("str r5, [r2]", 2, 0),
    ("movw r6, #1234", 1, 0),
    ("ldr r0, [r1]", 2, 0),
    // Many registers.
    ("nop", 1, 0),
    ("ldmia r0!, {r1, r2, r3}", 4, 0),
    ("ldmia.w r0, {r1, r2, r3, r8, r9}", 6, 0),
    ("stmia.w r0!, {r8, r9}", 3, 0),
    ("push {r4, r5, lr}", 4, 0),
    ("pop {r4, r5, pc}", 4, 2),
    ("pop.w {r4, r8, pc}", 4, 2),
    // Branches.
    ("beq .", 1, 1),
    ("b .", 1, 1),
    ("bl .", 1, 1),
    ("bne.w .", 1, 1),
    ("cbz r0, .+4", 1, 1),
    ("bx lr", 1, 2),
    ("blx r3", 1, 2),
    ("mov pc, r0", 1, 2),
    ("ldr pc, [r0]", 3, 2),
    ("tbb [pc, r0]", 4, 2),
    // IT folds behind an instruction of 16 bits.
    ("nop", 1, 0),
    ("it eq", 0, 0),
    ("moveq r0, r1", 1, 0),
    ("add.w r8, r8, #1", 1, 0),
    ("it ne", 1, 0),
    ("addne r0, r1", 1, 0),
    // Floating point.
    ("vadd.f32 s0, s1, s2", 1, 0),
    ("vmul.f32 s0, s1, s2", 1, 0),
    ("vmla.f32 s0, s1, s2", 3, 0),
    ("vfma.f32 s0, s1, s2", 3, 0),
    ("vdiv.f32 s0, s1, s2", 14, 0),
    ("vsqrt.f32 s0, s1", 14, 0),
    ("vcvt.f32.s32 s0, s1", 1, 0),
    ("vmov s0, r0", 1, 0),
    ("vmov r0, r1, d0", 2, 0),
    ("vldr s0, [r0]", 2, 0),
    ("vldr d0, [r0]", 3, 0),
    ("vpush {d8, d9}", 5, 0),
    ("vldmia r0!, {s0, s1, s2}", 4, 0),
];

/// Reads instructions, writes the cycles and the refill of each.
const DRIVER: &str = r#"
#include <stdio.h>
#include "cortex_m4.h"
int main(void)
{
    struct timing before = {0};
    bool narrow_before = false;
    unsigned char b[4];
    while (fread(b, 1, 2, stdin) == 2) {
        unsigned first = b[0] | b[1] << 8;
        bool is_wide = first >> 11 >= 0x1d;
        if (is_wide && fread(b + 2, 1, 2, stdin) != 2)
            return 1;
        struct timing now = is_wide ? wide(first, b[2] | b[3] << 8) : narrow(first);
        printf("%u %u\n", cycles_after(&now, &before, narrow_before), now.refill);
        before = now;
        narrow_before = !is_wide;
    }
    return 0;
}
"#;

fn run(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e} (cargo xtask setup installs it)"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn cycles_are_those_of_the_manual() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let at = |name: &str| dir.path().join(name);
    let lines: Vec<&str> = CASES.iter().map(|case| case.0).collect();
    let source = format!(".syntax unified\n.cpu cortex-m4\n.fpu fpv4-sp-d16\n.thumb\n{}\n", lines.join("\n"));
    fs::write(at("cases.s"), source).expect("source");
    run(Command::new("arm-linux-gnueabihf-gcc").arg("-c").arg(at("cases.s")).arg("-o").arg(at("cases.o")));
    let object = fs::read(at("cases.o")).expect("object file");
    let object = object::File::parse(&*object).expect("ELF");
    let text = object.section_by_name(".text").and_then(|section| section.data().ok()).expect(".text");
    fs::write(at("cases.bin"), text).expect("instructions");

    fs::write(at("driver.c"), DRIVER).expect("driver");
    let plugin = Path::new(env!("CARGO_MANIFEST_DIR")).join("plugin");
    run(Command::new("cc").arg("-I").arg(plugin).arg(at("driver.c")).arg("-o").arg(at("driver")));
    let stdin = fs::File::open(at("cases.bin")).expect("instructions");
    let printed = run(Command::new(at("driver")).stdin(stdin));
    let printed = String::from_utf8(printed).expect("text");
    assert_eq!(printed.lines().count(), CASES.len(), "an instruction was read as another number of them");
    for ((instruction, cycles, refill), line) in CASES.iter().zip(printed.lines()) {
        assert_eq!(line, format!("{cycles} {refill}"), "{instruction}");
    }
}
