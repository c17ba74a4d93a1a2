//! Names the Arm profile in `cfg`, which stable Rust does not tell: `tanbo_profile = "v6m" | "v7m" | "v7em" | "v8m.main"`.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-check-cfg=cfg(tanbo_profile, values(\"v6m\", \"v7m\", \"v7em\", \"v8m.main\"))");
    let target = std::env::var("TARGET").unwrap_or_default();
    if let Some(rest) = target.strip_prefix("thumb")
        && let Some((profile, _)) = rest.split_once('-')
    {
        println!("cargo:rustc-cfg=tanbo_profile=\"{profile}\"");
    }
}
