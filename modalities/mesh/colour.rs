//! Colours as people see them and as light adds up.

/// A channel of sRGB, 0..=1, as linear light (IEC 61966-2-1).
pub(super) fn to_linear(value: f32) -> f32 {
    if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
}

/// Linear light, 0..=1, as a channel of sRGB.
pub(super) fn to_srgb(value: f32) -> f32 {
    if value <= 0.003_130_8 { value * 12.92 } else { 1.055 * value.powf(1.0 / 2.4) - 0.055 }
}
