//! What NVIDIA's driver says of its GPUs, for errors that name the cause and caches that name the GPU.

use super::provider_error;
use crate::error::{Result, one_line};
use libloading::{Library, Symbol};
use std::ffi::{CStr, c_char, c_int, c_uint};

/// A GPU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Gpu {
    /// Its marketing name.
    pub(super) name: String,
    /// The version of the instruction set, such as 9.0.
    pub(super) capability: (c_int, c_int),
}

const DRIVER: &str = if cfg!(windows) { "nvcuda.dll" } else { "libcuda.so.1" };
const TENSORRT: &str = if cfg!(windows) { "nvinfer_10.dll" } else { "libnvinfer.so.10" };

/// `CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR` and `_MINOR` of the CUDA driver API.
const CAPABILITY: [c_int; 2] = [75, 76];

type Init = unsafe extern "C" fn(c_uint) -> c_int;
type Count = unsafe extern "C" fn(*mut c_int) -> c_int;
type Get = unsafe extern "C" fn(*mut c_int, c_int) -> c_int;
type Name = unsafe extern "C" fn(*mut c_char, c_int, c_int) -> c_int;
type Attribute = unsafe extern "C" fn(*mut c_int, c_int, c_int) -> c_int;

/// The GPU of a number.
///
/// # Errors
/// `Provider` when there is no driver, no GPU, or none of that number.
#[allow(unsafe_code)]
pub(super) fn gpu(number: u32) -> Result<Gpu> {
    // SAFETY: the functions have had these types since CUDA 4; every pointer is to a live value of
    // the size told, and a status other than zero ends the look-up.
    let found = unsafe {
        Library::new(DRIVER).map_err(|cause| one_line(&cause)).and_then(|driver| {
            let found = ask(&driver, number).map_err(|cause| one_line(&cause));
            // The driver stays for the provider.
            std::mem::forget(driver);
            found
        })
    };
    match found {
        Ok(Ok(gpu)) => Ok(gpu),
        Ok(Err(said)) => Err(provider_error(said)),
        Err(cause) => Err(provider_error(format!("there is no NVIDIA driver on this machine ({cause})"))),
    }
}

#[allow(unsafe_code)]
unsafe fn ask(
    driver: &Library,
    number: u32,
) -> std::result::Result<std::result::Result<Gpu, String>, libloading::Error> {
    // SAFETY: see `gpu`.
    unsafe {
        let init: Symbol<'_, Init> = driver.get(b"cuInit")?;
        let count: Symbol<'_, Count> = driver.get(b"cuDeviceGetCount")?;
        let get: Symbol<'_, Get> = driver.get(b"cuDeviceGet")?;
        let name: Symbol<'_, Name> = driver.get(b"cuDeviceGetName")?;
        let attribute: Symbol<'_, Attribute> = driver.get(b"cuDeviceGetAttribute")?;
        let (mut gpus, mut device) = (0, 0);
        let status = init(0);
        if status != 0 || count(&raw mut gpus) != 0 {
            return Ok(Err(format!("the NVIDIA driver finds no GPU it can use (status {status})")));
        }
        let index = c_int::try_from(number).unwrap_or(c_int::MAX);
        if index >= gpus || get(&raw mut device, index) != 0 {
            return Ok(Err(format!("there is no GPU {number}; the NVIDIA driver finds {gpus}, counted from 0")));
        }
        let mut text = [0; 256];
        name(text.as_mut_ptr(), 256, device);
        let mut capability = [0; 2];
        for (value, which) in capability.iter_mut().zip(CAPABILITY) {
            attribute(&raw mut *value, which, device);
        }
        let name = CStr::from_ptr(text.as_ptr()).to_string_lossy().into_owned();
        Ok(Ok(Gpu { name, capability: (capability[0], capability[1]) }))
    }
}

/// The version of TensorRT, as the loader finds it.
///
/// # Errors
/// `Provider` when it is not there.
#[allow(unsafe_code)]
pub(super) fn tensorrt_version() -> Result<i32> {
    // SAFETY: the function has had this type since TensorRT 4.
    let version = unsafe {
        Library::new(TENSORRT).and_then(|library| {
            let version = library.get::<unsafe extern "C" fn() -> i32>(b"getInferLibVersion").map(|version| version());
            std::mem::forget(library);
            version
        })
    };
    version.map_err(|cause| {
        let cause = one_line(&cause);
        provider_error(format!(
            "TensorRT 10 is not on this machine ({cause}): install it, for instance with `pip install tensorrt-cu13`, \
             and put its libraries where the loader finds them (LD_LIBRARY_PATH)"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On a machine without one, the error says so; on a machine with one, there is no GPU 4000.
    #[test]
    fn what_is_not_there_is_said() {
        let error = gpu(4000).unwrap_err().to_string();
        assert!(error.contains("NVIDIA driver"), "{error}");
        if let Err(error) = tensorrt_version() {
            assert!(error.to_string().contains("tensorrt-cu13"), "{error}");
        }
    }
}
