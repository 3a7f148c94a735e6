//! Turns the features into the `--cfg` that the product's files know.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    for feature in ["leaky", "memcheck", "portable"] {
        if std::env::var_os(format!("CARGO_FEATURE_{}", feature.to_uppercase())).is_some() {
            println!("cargo::rustc-cfg=yinxin_{feature}");
        }
    }
}
