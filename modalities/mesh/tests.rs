use super::field::Queries;
use super::solids::{BOX, Solid, solids};
use super::*;
use crate::Info;
use edrun_onnx::Cancel;
use std::collections::HashMap;
use std::path::Path;

const CELLS: usize = 128;

/// The mesh in the coordinates of the solids, -1..=1.
fn extracted(solid: &mut Solid, how: &Extraction) -> Extracted {
    let mut made = extract(solid, how, &Cancel::new()).unwrap_or_else(|error| panic!("{}: {error:#}", solid.name));
    made.mesh.positions.iter_mut().for_each(|p| *p *= 2.0);
    made
}

fn error<T>(result: anyhow::Result<T>) -> String {
    result.err().map(|e| format!("{e:#}")).unwrap_or_default()
}

fn plain(cells: usize) -> Extraction {
    Extraction { cells, ..Extraction::default() }
}

/// 2 (points - edges + squares - cubes) of the lattice points inside: the Euler characteristic of a solid's surface, without
/// any mesh.
fn lattice_characteristic(solid: &Solid, cells: i32) -> i64 {
    let side = cells as usize + 1;
    let at = |i: i32| 2.0 * i as f32 / cells as f32 - 1.0;
    let mut inside = vec![false; side.pow(3)];
    let index = |x: i32, y: i32, z: i32| (z as usize * side + y as usize) * side + x as usize;
    for (x, y, z) in points(cells + 1) {
        inside[index(x, y, z)] = (solid.distance)(Vec3::new(at(x), at(y), at(z))) < 0.0;
    }
    let mut sum = 0;
    for (x, y, z) in points(cells + 1) {
        // The box of points that reaches one further along the axes in `span`.
        for span in 0..8 {
            let (dx, dy, dz) = (span & 1, span >> 1 & 1, span >> 2 & 1);
            let fits = x + dx <= cells && y + dy <= cells && z + dz <= cells;
            let all = |i: i32| inside[index(x + (i & 1 & dx), y + (i >> 1 & 1 & dy), z + (i >> 2 & 1 & dz))];
            if fits && (0..8).all(all) {
                sum += 1 - 2 * i64::from((dx + dy + dz) % 2);
            }
        }
    }
    2 * sum
}

fn points(side: i32) -> impl Iterator<Item = (i32, i32, i32)> {
    (0..side).flat_map(move |z| (0..side).flat_map(move |y| (0..side).map(move |x| (x, y, z))))
}

/// Distance from a point to the nearest point of a triangle.
fn to_triangle(p: Vec3, [a, b, c]: [Vec3; 3]) -> f32 {
    let to_line = |a: Vec3, b: Vec3| {
        let share = ((p - a).dot(b - a) / (b - a).length_squared().max(1e-20)).clamp(0.0, 1.0);
        p.distance(a.lerp(b, share))
    };
    let normal = (b - a).cross(c - a);
    let inside = [(a, b), (b, c), (c, a)].iter().all(|(a, b)| normal.dot((*b - *a).cross(p - *a)) >= 0.0);
    let flat = if inside { (p - a).dot(normal.normalize_or_zero()).abs() } else { f32::MAX };
    flat.min(to_line(a, b)).min(to_line(b, c)).min(to_line(c, a))
}

/// The largest distance from points of the solid's surface to the mesh.
fn farthest_from_mesh(solid: &Solid, mesh: &Mesh, step: f32) -> f32 {
    let bucket = |p: Vec3| (p / (2.0 * step)).floor().to_array().map(|v| v as i32);
    let mut buckets: HashMap<[i32; 3], Vec<[Vec3; 3]>> = HashMap::new();
    for &triangle in &mesh.triangles {
        let corners = mesh.corners(triangle);
        for place in corners.map(bucket) {
            buckets.entry(place).or_default().push(corners);
        }
    }
    let mut farthest = 0.0f32;
    let mut count = 0;
    for point in surface_points(solid) {
        let [x, y, z] = bucket(point);
        let around = points(3).flat_map(|(i, j, k)| buckets.get(&[x + i - 1, y + j - 1, z + k - 1])).flatten();
        farthest = farthest.max(around.map(|&triangle| to_triangle(point, triangle)).fold(f32::MAX, f32::min));
        count += 1;
    }
    assert!(count > 1000, "{}: {count} points on the surface", solid.name);
    farthest
}

/// Points of the region walked down to the surface.
fn surface_points(solid: &Solid) -> Vec<Vec3> {
    let at = |i: i32| 0.97 * (2.0 * i as f32 / 14.0 - 1.0);
    let f = solid.distance;
    let gradient = |p: Vec3| {
        let along = |axis: Vec3| (f(p + axis * 1e-3) - f(p - axis * 1e-3)) / 2e-3;
        Vec3::new(along(Vec3::X), along(Vec3::Y), along(Vec3::Z))
    };
    let walk = |(x, y, z): (i32, i32, i32)| {
        let mut p = Vec3::new(at(x), at(y) + 0.003, at(z) + 0.007);
        for _ in 0..40 {
            let slope = gradient(p);
            p -= slope * f(p) / slope.length_squared().max(0.1);
        }
        (f(p).abs() < 1e-4).then_some(p)
    };
    points(15).filter_map(walk).collect()
}

#[test]
fn surfaces_are_closed_and_where_they_should_be() {
    let step = 2.0 / CELLS as f32;
    for mut solid in solids() {
        let characteristic = lattice_characteristic(&solid, CELLS as i32);
        assert_eq!(solid.euler_characteristic.unwrap_or(characteristic), characteristic, "{}", solid.name);
        for sharp in [false, true] {
            let what = format!("{}, sharp {sharp}", solid.name);
            let made = extracted(&mut solid, &Extraction { sharp, ..plain(CELLS) });
            let mesh = &made.mesh;
            let topology = mesh.topology();
            assert!(topology.is_watertight(), "{what}: {topology:?}");
            assert_eq!(topology.euler_characteristic, characteristic, "{what}");
            let (volume, _) = mesh.volume_and_area();
            let exact = solid.volume.unwrap_or_else(|| lattice_volume(&solid));
            assert!((volume / exact - 1.0).abs() < 0.01, "{what}: volume {volume} of {exact}");
            let middles = mesh.triangles.iter().map(|&t| mesh.corners(t).iter().sum::<Vec3>() / 3.0);
            let away =
                mesh.positions.iter().copied().chain(middles).map(|p| (solid.distance)(p).abs()).fold(0.0, f32::max);
            assert!(away < step, "{what}: the mesh leaves the surface by {away}");
            let away = farthest_from_mesh(&solid, mesh, step);
            assert!(away < step, "{what}: the surface leaves the mesh by {away}");
        }
    }
}

fn lattice_volume(solid: &Solid) -> f64 {
    let cells = 200;
    let at = |i: i32| 2.0 * (i as f32 + 0.5) / cells as f32 - 1.0;
    let inside = points(cells).filter(|&(x, y, z)| (solid.distance)(Vec3::new(at(x), at(y), at(z))) < 0.0).count();
    inside as f64 * (2.0 / f64::from(cells)).powi(3)
}

#[test]
fn normals_point_outwards_and_colours_come_along() {
    let mut sphere = solids().remove(0);
    let mesh = extracted(&mut sphere, &plain(64)).mesh;
    let shaded = normals::shaded(&mesh);
    // Nothing is creased, so every corner is there once.
    assert!((shaded.places.len(), &shaded.triangles) == (mesh.positions.len(), &mesh.triangles));
    assert_eq!(mesh.colours.len(), mesh.positions.len());
    for ((position, normal), colour) in mesh.positions.iter().zip(&shaded.normals).zip(&mesh.colours) {
        assert!(position.normalize().dot(*normal) > 0.99, "{position} {normal}");
        assert_eq!(*colour, if position.y > 0.0 { Vec3::X } else { Vec3::Z });
    }
}

#[test]
fn creases_have_a_normal_on_each_side() {
    let mut mesh = extracted(&mut solids().remove(2), &Extraction { sharp: true, ..plain(32) }).mesh;
    mesh.colours.clear();
    simplify(&mut mesh, 12, &Cancel::new()).unwrap();
    let shaded = normals::shaded(&mesh);
    assert_eq!(shaded.places.len(), 24);
    for (triangle, old) in shaded.triangles.iter().zip(&mesh.triangles) {
        assert_eq!(triangle.map(|i| shaded.places[i as usize]), *old);
        for normal in triangle.map(|i| shaded.normals[i as usize]) {
            assert!(normal.dot(normals::flat_normal(mesh.corners(*old))) > 0.9999);
        }
    }
}

#[test]
fn hierarchies_find_what_dense_grids_find_with_fewer_questions() {
    for mut solid in solids() {
        let dense = extracted(&mut solid, &Extraction { refine: false, ..plain(64) });
        let refined = extracted(&mut solid, &plain(64));
        assert_eq!(dense.queries, 65u64.pow(3));
        assert_eq!(dense.mesh.topology(), refined.mesh.topology(), "{}", solid.name);
        assert_eq!(dense.mesh.triangles.len(), refined.mesh.triangles.len(), "{}", solid.name);
        solid.asked = 0;
        let fine = extracted(&mut solid, &plain(256));
        assert_eq!(fine.queries, solid.asked, "what is reported is what was asked");
        assert!(fine.queries * 5 <= 257u64.pow(3), "{}: {} points", solid.name, fine.queries);
    }
}

#[test]
fn fields_that_saturate_are_followed_along_their_surface() {
    let mut ball = solids().remove(0);
    ball.distance = |p| ((p.length() - 0.8) * 200.0).clamp(-10.0, 10.0);
    let made = extracted(&mut ball, &plain(256));
    assert!(made.mesh.topology().is_watertight());
    assert_eq!(made.mesh.topology().euler_characteristic, 2);
    assert!(made.queries * 5 <= 257u64.pow(3), "{} points", made.queries);
}

#[test]
fn thin_walls_between_coarse_points_are_found() {
    let mut sheet = solids().remove(0);
    // Thinner than a quarter of a coarse cell, and lying between two coarse planes.
    sheet.distance = |p| {
        let q = p.abs() - Vec3::new(0.6, 0.6, 0.0);
        let q = Vec3::new(q.x, q.y, (p.z - 0.031).abs() - 0.007);
        q.max(Vec3::ZERO).length() + q.max_element().min(0.0)
    };
    let made = extracted(&mut sheet, &plain(256));
    assert!(made.mesh.topology().is_watertight());
    assert!((made.mesh.volume_and_area().0 / (1.2 * 1.2 * 0.014) - 1.0).abs() < 0.02);
}

#[test]
fn what_reaches_beyond_the_region_ends_at_it() {
    let mut all = solids().remove(0);
    all.distance = |p| p.x.abs() - 0.4;
    let mesh = extracted(&mut all, &plain(64)).mesh;
    assert!(mesh.topology().is_watertight());
    let (low, high) = mesh.bounds();
    assert!(low.y >= -1.0 && high.y <= 1.0 && high.y > 0.99, "{low} {high}");
    assert!((mesh.volume_and_area().0 / (0.8 * 4.0) - 1.0).abs() < 0.01);
}

#[test]
fn sharp_edges_are_kept_when_asked_for() {
    let mut cuboid = solids().remove(2);
    let reach = |solid: &mut Solid, sharp| {
        let mesh = extracted(solid, &Extraction { sharp, ..plain(64) }).mesh;
        // How near the mesh comes to the box's corners.
        (0..8usize)
            .map(|c| Vec3::from_array(std::array::from_fn(|i| if c >> i & 1 == 1 { BOX[i] } else { -BOX[i] })))
            .map(|corner| mesh.positions.iter().map(|p| p.distance(corner)).fold(f32::MAX, f32::min))
            .fold(0.0, f32::max)
    };
    let (rounded, sharp) = (reach(&mut cuboid, false), reach(&mut cuboid, true));
    assert!(rounded > 0.03 && sharp < 0.001, "{rounded} {sharp}");
    let (volume, _) = extracted(&mut cuboid, &Extraction { sharp: true, ..plain(64) }).mesh.volume_and_area();
    assert!((volume / cuboid.volume.unwrap() - 1.0).abs() < 1e-3);
}

#[test]
fn fields_that_cannot_be_meshed_are_refused() {
    let with = |distance: fn(Vec3) -> f32| Solid { distance, ..solids().remove(0) };
    let cases: [(Solid, Extraction, &str); 6] = [
        (with(|_| 1.0), plain(32), "empty object"),
        (with(|_| f32::NAN), plain(32), "not finite"),
        (with(|p| if p.x > 0.5 { f32::NAN } else { p.length() - 0.5 }), plain(64), "not finite"),
        (with(|p| p.length() - 0.8), plain(0), "8 to 2048"),
        (with(|p| p.length() - 0.8), Extraction { memory: 1 << 20, ..plain(512) }, "MiB"),
        (with(|p| p.length() - 0.8), Extraction { memory: 100 << 10, ..plain(64) }, "MiB"),
    ];
    for (mut solid, how, want) in cases {
        let given = error(extract(&mut solid, &how, &Cancel::new()));
        assert!(given.contains(want), "wanted {want}, got {given:?}");
    }
    // A dense grid is refused before anything is asked for.
    let mut ball = solids().remove(0);
    let given = error(extract(&mut ball, &Extraction { refine: false, ..plain(1024) }, &Cancel::new()));
    assert!(given.contains("4096 MiB or more") && ball.asked == 0, "{given}");
    assert!(error(Queries::new(&mut ball, 10, &Cancel::new())).contains("64 bytes"));
}

#[test]
fn queries_are_cut_to_the_memory_allowed() {
    let mut ball = solids().remove(0);
    let mut queries = Queries::new(&mut ball, 64 * 100, &Cancel::new()).unwrap();
    queries.distances(&vec![Vec3::ZERO; 250]).unwrap();
    assert_eq!(queries.asked(), 250);
    assert_eq!(ball.largest_query, 100);
}

#[test]
fn crumbs_and_hollows_are_swept_away() {
    let mut both = solids().remove(0);
    // A shell, a hollow in it, and a crumb beside it.
    both.distance = |p| (p.length() - 0.6).max(0.3 - p.length()).min(p.distance(Vec3::splat(0.8)) - 0.05);
    let mesh = extracted(&mut both, &plain(64)).mesh;
    assert_eq!(mesh.topology().parts, 3);
    for (share, parts) in [(0.0, 3), (0.001, 2), (0.05, 1)] {
        let mut swept = mesh.clone();
        assert_eq!(drop_parts(&mut swept, share), 3 - parts);
        assert_eq!(swept.topology().parts, parts, "{share}");
        assert!(swept.topology().is_watertight());
        assert_eq!(swept.positions.len(), swept.colours.len());
    }
}

#[test]
fn simplified_meshes_keep_their_shape() {
    for (mut solid, faces, share) in [(0, 2000, 0.01), (1, 2000, 0.01), (2, 100, 0.002), (3, 20_000, 0.02)]
        .map(|(i, faces, share)| (solids().remove(i), faces, share))
    {
        let mut mesh = extracted(&mut solid, &Extraction { sharp: true, ..plain(64) }).mesh;
        let (before, volume) = (mesh.topology(), mesh.volume_and_area().0);
        simplify(&mut mesh, faces, &Cancel::new()).unwrap();
        assert!(mesh.triangles.len() <= faces, "{}: {}", solid.name, mesh.triangles.len());
        assert_eq!(mesh.topology(), before, "{}", solid.name);
        assert!((mesh.volume_and_area().0 / volume - 1.0).abs() < share, "{}", solid.name);
        let away = mesh.positions.iter().map(|p| (solid.distance)(*p).abs()).fold(0.0, f32::max);
        assert!(away < 2.0 / 64.0, "{}: {away}", solid.name);
    }
}

#[test]
fn a_box_needs_twelve_triangles() {
    let mut cuboid = solids().remove(2);
    let mut mesh = extracted(&mut cuboid, &Extraction { sharp: true, ..plain(64) }).mesh;
    mesh.colours.clear();
    simplify(&mut mesh, 12, &Cancel::new()).unwrap();
    assert_eq!((mesh.triangles.len(), mesh.positions.len()), (12, 8));
    assert!((mesh.volume_and_area().0 / cuboid.volume.unwrap() - 1.0).abs() < 1e-3);
    assert!(error(simplify(&mut mesh, 0, &Cancel::new())).contains("0 faces"));
    simplify(&mut mesh, 4, &Cancel::new()).unwrap();
    assert!(mesh.topology().is_watertight());
}

#[test]
fn simplifying_keeps_the_border_between_colours() {
    let mut sphere = solids().remove(0);
    let mut mesh = extracted(&mut sphere, &plain(64)).mesh;
    simplify(&mut mesh, 1500, &Cancel::new()).unwrap();
    let wrong = mesh.positions.iter().zip(&mesh.colours).filter(|(p, c)| {
        let want = if p.y > 0.0 { Vec3::X } else { Vec3::Z };
        p.y.abs() > 0.08 && c.distance(want) > 0.1
    });
    assert_eq!(wrong.count(), 0);
}

fn info() -> Info {
    Info {
        parameters: "a café, 漢字 😀\nSteps: 8".into(), json: r#"{"seed":7,"prompt":"a \"red\" chair"}"#.into()
    }
}

fn some_mesh() -> Mesh {
    let mut mesh = extracted(&mut solids().remove(1), &plain(32)).mesh;
    drop_parts(&mut mesh, 0.01);
    mesh
}

#[test]
fn every_format_keeps_how_it_was_made() {
    let dir = tempfile::tempdir().unwrap();
    for ending in FORMATS.iter().flat_map(|f| f.extensions) {
        let path = dir.path().join(format!("a.{}", ending.to_uppercase()));
        some_mesh().save(&path, &info()).unwrap();
        assert_eq!(read_info(&path).unwrap(), Some(info()), "{ending}");
        let path = dir.path().join(format!("b.{ending}"));
        some_mesh().save(&path, &Info::default()).unwrap();
        assert_eq!(read_info(&path).unwrap(), None, "{ending}");
    }
    assert_eq!(FORMATS.len(), 4);
}

#[test]
fn glb_files_are_read_by_another_reader() {
    let mesh = some_mesh();
    let bytes = (glb::FORMAT.encode)(&mesh, &info()).unwrap();
    let file = gltf::Gltf::from_slice(&bytes).unwrap();
    let primitive = file.meshes().next().unwrap().primitives().next().unwrap();
    let reader = primitive.reader(|_| file.blob.as_deref());
    let positions: Vec<Vec3> = reader.read_positions().unwrap().map(Vec3::from_array).collect();
    assert_eq!(positions, mesh.positions);
    assert!(reader.read_normals().unwrap().all(|n| (Vec3::from_array(n).length() - 1.0).abs() < 1e-5));
    assert_eq!(reader.read_indices().unwrap().into_u32().collect::<Vec<_>>(), mesh.triangles.as_flattened());
    let colours = reader.read_colors(0).unwrap().into_rgb_f32().map(Vec3::from_array);
    for (linear, srgb) in colours.zip(&mesh.colours) {
        assert!(linear.distance(Vec3::from_array(srgb.to_array().map(colour::to_linear))) < 1e-4);
    }
    let (low, high) = mesh.bounds();
    assert_eq!(primitive.bounding_box(), gltf::mesh::BoundingBox { min: low.to_array(), max: high.to_array() });
}

/// The counts that a PLY or OBJ file states, and the bytes or lines that hold them.
#[test]
fn text_and_binary_formats_hold_what_they_state() {
    let mesh = some_mesh();
    let (corners, faces) = (mesh.positions.len(), mesh.triangles.len());
    let stl = (stl::FORMAT.encode)(&mesh, &info()).unwrap();
    assert_eq!(stl.len(), 84 + 50 * faces);
    assert_eq!(stl[80..84], (faces as u32).to_le_bytes());
    let ply = (ply::FORMAT.encode)(&mesh, &info()).unwrap();
    let end = ply.windows(11).position(|w| w == b"end_header\n").unwrap() + 11;
    assert_eq!(ply.len() - end, corners * (12 + 3) + faces * 13);
    let head = String::from_utf8(ply[..end].to_vec()).unwrap();
    assert!(head.contains(&format!("element vertex {corners}\n")) && head.contains(&format!("element face {faces}\n")));
    let obj = String::from_utf8((obj::FORMAT.encode)(&mesh, &info()).unwrap()).unwrap();
    let lines = |mark: &str| obj.lines().filter(|line| line.starts_with(mark)).count();
    assert_eq!((lines("v "), lines("vn "), lines("f ")), (corners, corners, faces));
    let first = obj.lines().find_map(|line| line.strip_prefix("v ")).unwrap();
    let first: Vec<f32> = first.split(' ').map(|number| number.parse().unwrap()).collect();
    assert_eq!(first[..3], mesh.positions[0].to_array());
}

#[test]
fn damaged_files_are_errors_or_nothing_and_never_a_panic() {
    let dir = tempfile::tempdir().unwrap();
    let mut small = some_mesh();
    simplify(&mut small, 20, &Cancel::new()).unwrap();
    for format in FORMATS {
        let bytes = (format.encode)(&small, &info()).unwrap();
        (0..bytes.len()).for_each(|length| drop((format.info)(&bytes[..length])));
        for at in 0..bytes.len().min(700) {
            let mut changed = bytes.clone();
            changed[at] ^= 0xff;
            let _ = (format.info)(&changed);
        }
    }
    let path = dir.path().join("a.glb");
    std::fs::write(&path, "no mesh").unwrap();
    assert!(error(read_info(&path)).contains("is not a mesh of a known format"));
    for name in ["a", "a.fbx", ".glb"] {
        assert!(error(check_extension(Path::new(name))).contains(".glb, .obj, .ply, .stl"), "{name}");
    }
    assert!(error(Mesh::default().save(&dir.path().join("b.glb"), &info())).contains("no surface"));
    assert!(!dir.path().join("b.glb").exists());
}

#[test]
fn turntables_show_the_mesh_in_its_colours() {
    let dir = tempfile::tempdir().unwrap();
    let mesh = some_mesh();
    let table = Turntable { side: 48, frames: 6, ..Turntable::default() };
    let views = table.views(&mesh, 4, &Cancel::new()).unwrap();
    for view in &views {
        let at = |x: usize, y: usize| &view.rgb[3 * (y * view.width + x)..][..3];
        let share =
            |test: &dyn Fn(&[f32]) -> bool| view.rgb.chunks(3).filter(|p| test(p)).count() as f32 / (48.0 * 48.0);
        // The torus fills its middle half; its hole and the corners of the picture show the background.
        assert!(at(0, 0).iter().all(|v| (v - 0.96).abs() < 0.01));
        let (red, blue) = (share(&|p| p[0] > p[2] + 0.1), share(&|p| p[2] > p[0] + 0.1));
        assert!(red > 0.15 && blue > 0.05 && red + blue < 0.6, "{red} {blue}");
    }
    for name in ["a.gif", "a.png", "a.jpg"] {
        let path = dir.path().join(name);
        table.save(&mesh, &path, &info(), &Cancel::new()).unwrap();
        assert_eq!(Info::of(&crate::info::about(&path).unwrap().texts), Some(info()), "{name}");
    }
    let mut reader =
        gif::DecodeOptions::new().read_info(std::fs::File::open(dir.path().join("a.gif")).unwrap()).unwrap();
    let mut frames = 0;
    while let Some(frame) = reader.read_next_frame().unwrap() {
        assert_eq!((frame.width, frame.height, frame.delay), (48, 48, 60));
        frames += 1;
    }
    assert_eq!(frames, 6);
    let sheet = crate::image::Picture::open(&dir.path().join("a.png")).unwrap();
    assert_eq!((sheet.width, sheet.height), (4 * 48, 2 * 48));
    assert!(error(Turntable::check_extension(Path::new("a.mkv"))).contains(".webm, .gif, .webp, .png"));
}
