//! NVIDIA GPUs through TensorRT, which builds an engine for each graph: slowly once, then kept.

use super::setting::{Kind, OPTIONS, Setting};
use super::{Context, Native, Provider, ProviderChoice, nvidia};
use crate::cache;
use crate::error::Result;
use crate::port::{Dim, Port};
use crate::proto::Outline;
use crate::runtime::cache_dir;
use crate::session::Expected;
use ort::ep::TensorRT;
use std::path::PathBuf;

pub(super) const PROVIDER: Provider = Provider {
    name: "tensorrt",
    aliases: &["trt"],
    description: "NVIDIA GPUs through TensorRT; the first start builds engines for minutes, later ones load them",
    ort_name: "TensorrtExecutionProvider",
    bridge: Some("tensorrt"),
    settings: &[
        Setting::new("fp16", Kind::Switch, "trt_fp16_enable", "compute in f16 where it is faster; default off"),
        Setting::new("bf16", Kind::Switch, "trt_bf16_enable", "compute in bf16 where it is faster; default off"),
        Setting::new("int8", Kind::Switch, "trt_int8_enable", "use the int8 of a quantised graph; default off"),
        Setting::own("cache", Kind::Folder, "where engines are kept; default a folder of edrun's cache"),
        Setting::new(
            "workspace",
            Kind::Size,
            "trt_max_workspace_size",
            "the most memory that building an engine may take; default all",
        ),
        Setting::new(
            "level",
            Kind::Number(0, 5),
            "trt_builder_optimization_level",
            "how long to search for the fastest engine; default 3",
        ),
        Setting::new(
            "norm-f32",
            Kind::Switch,
            "trt_layer_norm_fp32_fallback",
            "keep normalisations in f32; default on with fp16 and bf16",
        ),
        OPTIONS,
    ],
    device_key: Some("device_id"),
    remedy: "run `edrun runtime install cuda` (Linux on x86-64) and install TensorRT 10, or name a library with --ort-lib",
    long: Some("TensorRT builds an engine, which is kept"),
    host_memory: false,
    saves_graphs: false,
    complete,
    build: |native| Some(native.apply(TensorRT::default()).build()),
    check_machine: |choice| {
        nvidia::gpu(choice.device.unwrap_or(0))?;
        nvidia::tensorrt_version().map(drop)
    },
};

fn complete(choice: &ProviderChoice, context: &Context<'_>, native: &mut Native) -> Result<()> {
    let gpu = nvidia::gpu(choice.device.unwrap_or(0))?;
    let profiles = profiles(&Outline::read(context.graph)?.inputs, context.expected);
    // An engine serves one graph, one GPU, one TensorRT and the shapes it was built for.
    let facts = format!("{gpu:?} TensorRT {} {} {profiles:?}", nvidia::tensorrt_version()?, context.version);
    let folder = cache::identity(context.graph, context.described, &facts)?;
    keep_engines(&engines(choice).join(folder), native);
    if choice.switch("fp16") == Some(true) || choice.switch("bf16") == Some(true) {
        native.set_default("trt_layer_norm_fp32_fallback", "1");
    }
    if let Some([least, best, most]) = profiles {
        native.set("trt_profile_min_shapes", least);
        native.set("trt_profile_opt_shapes", best);
        native.set("trt_profile_max_shapes", most);
    }
    Ok(())
}

fn engines(choice: &ProviderChoice) -> PathBuf {
    choice.option("cache").map_or_else(|| cache_dir().join("tensorrt"), PathBuf::from)
}

fn keep_engines(folder: &std::path::Path, native: &mut Native) {
    let path = folder.display().to_string();
    for (switch, place) in
        [("trt_engine_cache_enable", "trt_engine_cache_path"), ("trt_timing_cache_enable", "trt_timing_cache_path")]
    {
        native.set(switch, "1");
        native.set(place, path.clone());
    }
}

/// The least, most likely and largest shapes of the inputs whose shapes vary: `x:1x4x64x64,...`.
///
/// TensorRT wants all of them or none; without them it learns shapes run by run, and builds anew.
fn profiles(inputs: &[Port], expected: &[Expected]) -> Option<[String; 3]> {
    let varying = inputs.iter().filter(|input| !input.shape.iter().all(|dim| matches!(dim, Dim::Fixed(_))));
    let found: Option<Vec<_>> = varying
        .map(|input| Some((input.name.as_str(), expected.iter().find(|one| one.names.contains(&input.name))?)))
        .collect();
    let found = found.filter(|found| !found.is_empty())?;
    let list = |least: bool| {
        let shape = |(name, expected): &(&str, &Expected)| {
            let shape = if least { &expected.least } else { &expected.most };
            let axes: Vec<_> = shape.iter().map(ToString::to_string).collect();
            format!("{name}:{}", axes.join("x"))
        };
        found.iter().map(shape).collect::<Vec<_>>().join(",")
    };
    Some([list(true), list(false), list(false)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensor::DType;

    #[test]
    fn profiles_cover_every_input_that_varies_or_none() {
        let input =
            |name: &str, dim: Dim| Port { name: name.into(), dtype: DType::F32, shape: vec![Dim::Fixed(1), dim] };
        let inputs =
            [input("sample", Dim::Symbol("height".into())), input("fixed", Dim::Fixed(3)), input("t", Dim::Unknown)];
        let expected = |names: &[&str], least: &[usize], most: &[usize]| Expected {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            least: least.to_vec(),
            most: most.to_vec(),
        };
        let sample = expected(&["sample", "x"], &[1, 4, 64, 64], &[8, 4, 64, 64]);
        let both = [sample.clone(), expected(&["timestep", "t"], &[1], &[8])];
        let [least, best, most] = profiles(&inputs, &both).unwrap();
        assert_eq!(least, "sample:1x4x64x64,t:1");
        assert_eq!((best.as_str(), most.as_str()), ("sample:8x4x64x64,t:8", "sample:8x4x64x64,t:8"));
        assert_eq!(profiles(&inputs, &[sample]), None);
    }
}
