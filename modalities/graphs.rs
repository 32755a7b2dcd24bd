//! What every graph here is asked for: ports under one of their known names, and finite numbers.

use anyhow::{Context, Result, bail};
use edrun_onnx::Graph;

/// The input of `component`'s graph that has the first of `names` that is there.
pub fn input(graph: &Graph, component: &str, names: &[&str]) -> Result<usize> {
    graph.input_of(names).with_context(|| lacks("input", component, names))
}

/// The output of `component`'s graph that has the first of `names` that is there.
pub fn output(graph: &Graph, component: &str, names: &[&str]) -> Result<usize> {
    graph.output_of(names).with_context(|| lacks("output", component, names))
}

fn lacks(what: &str, component: &str, names: &[&str]) -> String {
    format!("the graph of {component} has no {what} called {}: export it with optimum-cli", names.join(" or "))
}

/// Refuses numbers that are infinite or not numbers; `component` is the graph that made them.
pub fn finite(component: &str, values: &[f32]) -> Result<()> {
    let bad = values.iter().filter(|v| !v.is_finite()).count();
    if bad > 0 {
        bail!(
            "{component} gave {bad} values of {} that are not finite: if its graph is float16, use its float32 export (its input may also have overflowed)",
            values.len()
        );
    }
    Ok(())
}
