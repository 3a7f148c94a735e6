//! Turns the features `leaky` and `memcheck` into the `--cfg` that the product's files know.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(yinxin_leaky)");
    println!("cargo::rustc-check-cfg=cfg(yinxin_memcheck)");
    for (feature, cfg) in [("CARGO_FEATURE_LEAKY", "yinxin_leaky"), ("CARGO_FEATURE_MEMCHECK", "yinxin_memcheck")] {
        if std::env::var_os(feature).is_some() {
            println!("cargo::rustc-cfg={cfg}");
        }
    }
}
