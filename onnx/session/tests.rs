use super::*;
use crate::testing::{data, graph, ready};
use std::time::{Duration, Instant};

fn run(graph: &mut Graph) -> Result<()> {
    graph.run(&Cancel::new())
}

fn values(graph: &Graph, output: &str) -> Vec<f32> {
    let output = graph.output(output).unwrap();
    graph.output_f32(output).unwrap().iter().copied().collect()
}

#[test]
fn a_graph_describes_itself() {
    let graph = graph("add.onnx");
    let x = &graph.inputs()[0];
    assert_eq!((x.name.as_str(), x.dtype), ("x", tensor::DType::F32));
    assert_eq!(x.shape, [crate::Dim::Symbol("batch".into()), crate::Dim::Fixed(3)]);
    assert_eq!(graph.input_of(&["sample", "y", "x"]), Some(1));
    assert_eq!(graph.output_of(&["noise", "sum"]), Some(0));
    assert_eq!(graph.input("sum"), None);
    assert_eq!(graph.metadata("made_by").as_deref(), Some("make_graphs.py"));
    assert_eq!(graph.metadata("absent"), None);
    assert_eq!(graph.provider(), "cpu");
}

#[test]
fn inputs_stay_set_and_shapes_may_change() {
    let mut graph = graph("add.onnx");
    graph.set_f32(0, &[1, 3], &[1.0, 2.0, 3.0]).unwrap();
    graph.set_i64(1, &[1, 3], &[10, 20, 30]).unwrap();
    run(&mut graph).unwrap();
    assert_eq!(values(&graph, "sum"), [11.0, 22.0, 33.0]);
    graph.set_f32(0, &[1, 3], &[0.0, 0.5, 1.0]).unwrap();
    run(&mut graph).unwrap();
    assert_eq!(values(&graph, "sum"), [10.0, 20.5, 31.0]);
    let rows = [[1.0f32, 1.0, 1.0], [2.0, 2.0, 2.0]];
    graph.stack_f32(0, &[3], &mut rows.iter().map(|row| row.as_slice()), 2).unwrap();
    graph.set_f32(1, &[2, 3], &[0.0; 6]).unwrap();
    run(&mut graph).unwrap();
    assert_eq!(graph.output_shape(0).unwrap(), [2, 3]);
    let mut tail = [0.0; 2];
    graph.read_f32(0, 4, &mut tail).unwrap();
    assert_eq!(tail, [2.0, 2.0]);
}

#[test]
fn every_element_type_is_cast_in_and_out() {
    let mut graph = graph("casts.onnx");
    let given = [1.0f32, 0.0, 2.75, 100.0];
    let expected: [(&str, [f32; 4]); 8] = [
        ("f32", given),
        ("f16", given),
        ("bf16", given),
        ("f64", given),
        ("i64", [1.0, 0.0, 2.0, 100.0]),
        ("i32", [1.0, 0.0, 2.0, 100.0]),
        ("u8", [1.0, 0.0, 2.0, 100.0]),
        ("bool", [1.0, 0.0, 1.0, 1.0]),
    ];
    for (name, _) in expected {
        let input = graph.input(name).unwrap();
        graph.set_f32(input, &[4], &given).unwrap();
    }
    run(&mut graph).unwrap();
    for (name, expected) in expected {
        assert_eq!(values(&graph, &format!("{name}_cast")), expected, "{name} into the graph");
        assert_eq!(values(&graph, &format!("{name}_same")), expected, "{name} out of the graph");
    }
    for (name, _) in expected {
        let input = graph.input(name).unwrap();
        graph.set_i64(input, &[2], &[0, 7]).unwrap();
    }
    run(&mut graph).unwrap();
    for (name, _) in expected {
        let expected = if name == "bool" { [0.0, 1.0] } else { [0.0, 7.0] };
        assert_eq!(values(&graph, &format!("{name}_cast")), expected, "{name} from i64");
    }
}

/// Quantised weights do not quantise what they are multiplied with.
#[test]
fn int8_weights_are_multiplied_in_f32() {
    let mut graph = graph("quantised.onnx");
    let x: Vec<f32> = (0..64).map(|i| (f64::from(i) * 0.7).sin() as f32).collect();
    graph.set_f32(0, &[1, 64], &x).unwrap();
    run(&mut graph).unwrap();
    let weight = |row: usize, column: usize| ((37 * (16 * row + column)) % 255) as f64 / 128.0 - 127.0 / 128.0;
    for (column, got) in values(&graph, "y").into_iter().enumerate() {
        let want: f64 = x.iter().enumerate().map(|(row, x)| f64::from(*x) * weight(row, column)).sum();
        assert!((f64::from(got) - want).abs() < 1e-5, "column {column}: {got}, not {want}");
    }
}

#[test]
fn a_scalar_has_no_axes() {
    let mut graph = graph("scalar.onnx");
    assert_eq!(graph.inputs()[0].shape, []);
    graph.set_i64(0, &[], &[21]).unwrap();
    run(&mut graph).unwrap();
    assert_eq!(values(&graph, "twice"), [42.0]);
    assert_eq!(graph.output_shape(0).unwrap(), [] as [usize; 0]);
}

#[test]
fn output_shapes_may_depend_on_values() {
    let mut graph = graph("nonzero.onnx");
    for (given, expected) in [([1.0, 0.0, 1.0], vec![0.0, 2.0]), ([0.0, 0.0, 1.0], vec![2.0])] {
        graph.set_f32(0, &[3], &given).unwrap();
        run(&mut graph).unwrap();
        assert_eq!(values(&graph, "places"), expected);
    }
    graph.set_f32(0, &[3], &[0.0; 3]).unwrap();
    run(&mut graph).unwrap();
    assert_eq!(graph.output_shape(0).unwrap(), [1, 0]);
}

#[test]
fn not_a_number_is_handed_on() {
    let mut graph = graph("log.onnx");
    graph.set_f32(0, &[2], &[-1.0, 1.0]).unwrap();
    run(&mut graph).unwrap();
    let result = values(&graph, "y");
    assert!(result[0].is_nan());
    assert_eq!(result[1], 0.0);
}

#[test]
fn wrong_inputs_say_what_was_expected_and_given() {
    let row: &[f32] = &[1.0, 2.0, 3.0];
    type Try<'a> = &'a dyn Fn(&mut Graph) -> Result<()>;
    let cases: [(Try<'_>, &str); 9] = [
        (&|g| g.set_f32(0, &[3], row), "is f32 [batch, 3], not [3]"),
        (&|g| g.set_f32(0, &[1, 1, 3], row), "is f32 [batch, 3], not [1, 1, 3]"),
        (&|g| g.set_f32(0, &[3, 1], row), "is f32 [batch, 3], not [3, 1]"),
        (&|g| g.set_f32(0, &[2, 3], row), "has 6 elements as [2, 3], not 3"),
        (&|g| g.set_f32(7, &[3], row), "has 2 inputs, so there is no input number 7"),
        (&|g| g.stack_f32(0, &[3], &mut std::iter::once(row), 2), "needs 2 rows, not 1"),
        (&|g| g.stack_f32(0, &[3], &mut [row, row].into_iter(), 1), "takes 1 rows of [3]"),
        (&|g| g.stack_f32(0, &[3], &mut std::iter::once(&row[1..]), 1), "a row of 2 elements"),
        (&run, "cannot run before its inputs are set: `x` (f32 [batch, 3]), `y`"),
    ];
    for (attempt, expected) in cases {
        let mut graph = graph("add.onnx");
        let error = attempt(&mut graph).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Input);
        let text = error.to_string();
        assert!(text.contains(expected) && text.contains("add.onnx"), "{text}");
    }
}

#[test]
fn infinity_does_not_become_an_integer() {
    let mut graph = graph("casts.onnx");
    let input = graph.input("i64").unwrap();
    let error = graph.set_f32(input, &[2], &[1.0, f32::INFINITY]).unwrap_err();
    assert!(error.to_string().contains("not finite cannot become i64"), "{error}");
    assert!(run(&mut graph).unwrap_err().to_string().contains("`i64`"));
}

#[test]
fn axes_that_disagree_fail_in_the_run_and_the_graph_stays_usable() {
    let mut graph = graph("add.onnx");
    graph.set_f32(0, &[2, 3], &[1.0; 6]).unwrap();
    graph.set_f32(1, &[4, 3], &[1.0; 12]).unwrap();
    let error = run(&mut graph).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Run);
    assert!(!error.to_string().contains('\n'));
    assert_eq!(graph.output_f32(0).unwrap_err().kind(), ErrorKind::Output);
    graph.set_f32(1, &[2, 3], &[1.0; 6]).unwrap();
    run(&mut graph).unwrap();
    assert_eq!(values(&graph, "sum"), [2.0; 6]);
}

#[test]
fn outputs_are_read_within_their_bounds() {
    let mut graph = graph("scalar.onnx");
    assert!(graph.output_f32(0).unwrap_err().to_string().contains("has not run"));
    assert!(graph.output_shape(3).unwrap_err().to_string().contains("no output number 3"));
    graph.set_f32(0, &[], &[1.0]).unwrap();
    run(&mut graph).unwrap();
    let error = graph.read_f32(0, 1, &mut [0.0]).unwrap_err();
    assert!(error.to_string().contains("has 1 elements"), "{error}");
}

#[test]
fn another_thread_stops_a_run() {
    let mut graph = graph("slow.onnx");
    graph.set_i64(0, &[2], &[1500, 1500]).unwrap();
    let cancel = Cancel::new();
    let (switch, began) = (cancel.clone(), Instant::now());
    let stopper = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        switch.cancel();
    });
    let error = graph.run(&cancel).unwrap_err();
    stopper.join().unwrap();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert!(error.to_string().contains("slow.onnx was stopped on request"), "{error}");
    let stopped_after = began.elapsed();
    graph.set_i64(0, &[2], &[4, 4]).unwrap();
    assert_eq!(graph.run(&cancel).unwrap_err().kind(), ErrorKind::Cancelled);
    run(&mut graph).unwrap();
    assert_eq!(graph.output_shape(0).unwrap(), [4, 4]);
    assert!(stopped_after < Duration::from_secs(20), "{stopped_after:?}");
}

#[test]
fn a_thrown_switch_stops_loading() {
    ready();
    let cancel = Cancel::new();
    cancel.cancel();
    let error = Graph::load_cancellable(&data("add.onnx"), &GraphOptions::default(), &cancel).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
}

#[test]
fn graphs_move_between_threads() {
    let mut graph = graph("scalar.onnx");
    let result = std::thread::spawn(move || {
        graph.set_f32(0, &[], &[1.5]).unwrap();
        run(&mut graph).unwrap();
        values(&graph, "twice")
    });
    assert_eq!(result.join().unwrap(), [3.0]);
}

#[test]
fn an_absent_provider_is_an_error() {
    let runtime = ready();
    if crate::provider::available(runtime).contains(&"openvino") {
        return;
    }
    let providers = Providers::parse(&["openvino,cpu"], &[]).unwrap();
    let options = GraphOptions { providers, ..GraphOptions::default() };
    let error = Graph::load(&data("add.onnx"), &options).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Provider);
    for part in ["`openvino` is not in ONNX Runtime", "which offers cpu", "edrun runtime install openvino"] {
        assert!(error.to_string().contains(part), "{error}");
    }
    let graph = crate::testing::load(&data("add.onnx"), &GraphOptions { fallback: true, ..options });
    assert_eq!(graph.provider(), "cpu");
    assert!(graph.fallback().unwrap().contains("`openvino` is not in ONNX Runtime"));
    assert_eq!(graph.assigned(), [Assigned { provider: "cpu".into(), nodes: 1 }]);
}

#[test]
fn the_processor_takes_its_settings() {
    for text in ["cpu:threads=1", "cpu:arena=off", "cpu:threads=2:arena=on"] {
        let providers = Providers::parse(&[text], &[]).unwrap();
        let options = GraphOptions { providers, threads: Some(2), ..GraphOptions::default() };
        let mut graph = crate::testing::load(&data("scalar.onnx"), &options);
        assert_eq!(graph.provider(), text);
        graph.set_f32(0, &[], &[2.0]).unwrap();
        run(&mut graph).unwrap();
        assert_eq!(values(&graph, "twice"), [4.0]);
    }
}
