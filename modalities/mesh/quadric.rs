//! Squared distances to planes, summed, in three dimensions or in six.

/// The error of moving a corner: the quadric of Garland and Heckbert (1997), and with colours beside the position, six-dimensional,
/// of Garland and Heckbert (1998).
#[derive(Clone, Copy, Debug)]
pub(super) struct Quadric<const N: usize> {
    matrix: [[f64; N]; N],
    vector: [f64; N],
    constant: f64,
}

impl<const N: usize> Quadric<N> {
    pub(super) const ZERO: Self = Self { matrix: [[0.0; N]; N], vector: [0.0; N], constant: 0.0 };

    /// Squared distance to the plane through three points, times `weight`. Zero where they span no plane.
    pub(super) fn of_plane([p, q, r]: [[f64; N]; 3], weight: f64) -> Self {
        let Some(first) = unit(minus(q, p)) else { return Self::ZERO };
        let rest = minus(r, p);
        let Some(second) = unit(minus(rest, scaled(first, dot(rest, first)))) else { return Self::ZERO };
        let (along, across) = (dot(p, first), dot(p, second));
        let entry = |i: usize, j: usize| f64::from(u8::from(i == j)) - first[i] * first[j] - second[i] * second[j];
        Self {
            matrix: std::array::from_fn(|i| std::array::from_fn(|j| weight * entry(i, j))),
            vector: std::array::from_fn(|i| weight * (along * first[i] + across * second[i] - p[i])),
            constant: weight * (dot(p, p) - along * along - across * across),
        }
    }

    /// Squared distance to a point, times `weight`.
    pub(super) fn of_point(point: [f64; N], weight: f64) -> Self {
        Self {
            matrix: std::array::from_fn(|i| std::array::from_fn(|j| weight * f64::from(u8::from(i == j)))),
            vector: scaled(point, -weight),
            constant: weight * dot(point, point),
        }
    }

    pub(super) fn plus(&self, other: &Self) -> Self {
        Self {
            matrix: std::array::from_fn(|i| std::array::from_fn(|j| self.matrix[i][j] + other.matrix[i][j])),
            vector: std::array::from_fn(|i| self.vector[i] + other.vector[i]),
            constant: self.constant + other.constant,
        }
    }

    pub(super) fn error(&self, at: &[f64; N]) -> f64 {
        let turned: [f64; N] = std::array::from_fn(|i| dot(self.matrix[i], *at));
        (dot(turned, *at) + 2.0 * dot(self.vector, *at) + self.constant).max(0.0)
    }

    /// The point of least error; `None` where the planes do not fix one. By Cholesky's decomposition.
    pub(super) fn lowest(&self) -> Option<[f64; N]> {
        let largest = (0..N).map(|i| self.matrix[i][i]).fold(0.0, f64::max);
        let mut lower = [[0.0; N]; N];
        for i in 0..N {
            for j in 0..=i {
                let rest = self.matrix[i][j] - (0..j).map(|k| lower[i][k] * lower[j][k]).sum::<f64>();
                if i == j {
                    // Below this the point would run far away along a nearly free direction.
                    if rest <= 1e-4 * largest {
                        return None;
                    }
                    lower[i][i] = rest.sqrt();
                } else {
                    lower[i][j] = rest / lower[j][j];
                }
            }
        }
        let mut solution = self.vector.map(|value| -value);
        for i in 0..N {
            let known: f64 = (0..i).map(|k| lower[i][k] * solution[k]).sum();
            solution[i] = (solution[i] - known) / lower[i][i];
        }
        for i in (0..N).rev() {
            let known: f64 = (i + 1..N).map(|k| lower[k][i] * solution[k]).sum();
            solution[i] = (solution[i] - known) / lower[i][i];
        }
        Some(solution)
    }
}

fn dot<const N: usize>(a: [f64; N], b: [f64; N]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn minus<const N: usize>(a: [f64; N], b: [f64; N]) -> [f64; N] {
    std::array::from_fn(|i| a[i] - b[i])
}

fn scaled<const N: usize>(a: [f64; N], by: f64) -> [f64; N] {
    a.map(|value| value * by)
}

fn unit<const N: usize>(a: [f64; N]) -> Option<[f64; N]> {
    let length = dot(a, a).sqrt();
    (length > 1e-12).then(|| scaled(a, 1.0 / length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_planes_meet_where_the_error_is_zero() {
        // x = 1, y = 2 and z = 3.
        let planes: [[[f64; 3]; 3]; 3] = [
            [[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [1.0, 0.0, 1.0]],
            [[0.0, 2.0, 0.0], [1.0, 2.0, 0.0], [0.0, 2.0, 1.0]],
            [[0.0, 0.0, 3.0], [1.0, 0.0, 3.0], [0.0, 1.0, 3.0]],
        ];
        let sum = planes.iter().fold(Quadric::ZERO, |sum, plane| sum.plus(&Quadric::of_plane(*plane, 2.0)));
        let lowest = sum.lowest().unwrap();
        assert!(lowest.iter().zip([1.0, 2.0, 3.0]).all(|(a, b)| (a - b).abs() < 1e-9), "{lowest:?}");
        assert!(sum.error(&lowest) < 1e-12);
        // Squared distances, times the weight.
        assert!((sum.error(&[2.0, 2.0, 1.0]) - 2.0 * (1.0 + 4.0)).abs() < 1e-9);
        assert!(Quadric::of_plane(planes[0], 1.0).lowest().is_none());
    }
}
