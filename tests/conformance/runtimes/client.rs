// SPDX-License-Identifier: LGPL-2.1-or-later
// The device copies one page to another: std, and libc by extern "C" alone.
use std::fs::{self, File, OpenOptions};
use std::io::{Error, ErrorKind, Result};
use std::os::raw::{c_int, c_ulong, c_void};
use std::os::unix::fs::FileExt;
use std::os::unix::io::AsRawFd;
use std::path::PathBuf;
use std::ptr;

extern "C" {
    fn ioctl(fd: c_int, number: c_ulong, ...) -> c_int;
    fn mmap(at: *mut c_void, len: usize, prot: c_int, flags: c_int, fd: c_int, offset: i64)
        -> *mut c_void;
}

const IOVA: u64 = 0x1000_0000;

#[repr(C)]
struct Region {
    argsz: u32,
    flags: u32,
    index: u32,
    cap: u32,
    size: u64,
    offset: u64,
}

#[repr(C)]
struct Map {
    size: u32,
    flags: u32,
    ioas: u32,
    reserved: u32,
    va: u64,
    length: u64,
    iova: u64,
}

fn call<T>(file: &File, number: c_ulong, mut data: T) -> Result<T> {
    match unsafe { ioctl(file.as_raw_fd(), number, &mut data as *mut T) } {
        0 => Ok(data),
        _ => Err(Error::last_os_error()),
    }
}

fn region(device: &File, index: u32) -> Result<u64> {
    let info = Region { argsz: 32, flags: 0, index, cap: 0, size: 0, offset: 0 };
    Ok(call(device, 0x3b6c, info)?.offset)
}

fn map(len: usize, flags: c_int, fd: c_int, offset: i64) -> Result<*mut u8> {
    let at = unsafe { mmap(ptr::null_mut(), len, 3, flags, fd, offset) };
    if at as isize == -1 {
        return Err(Error::last_os_error());
    }
    Ok(at as *mut u8)
}

fn cdev() -> Result<PathBuf> {
    for entry in fs::read_dir("/sys/bus/pci/devices")? {
        let path = entry?.path();
        if fs::read_to_string(path.join("vendor"))?.trim() != "0x1234" {
            continue;
        }
        if let Some(node) = fs::read_dir(path.join("vfio-dev"))?.next() {
            return Ok(PathBuf::from("/dev/vfio/devices").join(node?.file_name()));
        }
    }
    Err(Error::new(ErrorKind::NotFound, "no device"))
}

fn main() -> Result<()> {
    let device = OpenOptions::new().read(true).write(true).open(cdev()?)?;
    let iommu = OpenOptions::new().read(true).write(true).open("/dev/iommu")?;
    call(&device, 0x3b76, [16u32, 0, iommu.as_raw_fd() as u32, 0])?;
    let ioas = call(&iommu, 0x3b81, [12u32, 0, 0])?[2];
    call(&device, 0x3b77, [12u32, 0, ioas])?;
    let memory = map(8192, 0x22, -1, 0)?;
    let va = memory as u64;
    call(&iommu, 0x3b85,
         Map { size: 40, flags: 7, ioas, reserved: 0, va, length: 8192, iova: IOVA })?;
    let pages = unsafe { std::slice::from_raw_parts_mut(memory, 8192) };
    for (i, byte) in pages[..4096].iter_mut().enumerate() {
        *byte = (i * 7) as u8;
    }

    device.write_all_at(&[6, 0], region(&device, 7)? + 4)?;
    let bar = map(4096, 1, device.as_raw_fd(), region(&device, 0)? as i64)? as *mut u32;
    for page in 0..2u32 {
        unsafe {
            ptr::write_volatile(bar, IOVA as u32 + 4096 * page);
            ptr::write_volatile(bar.add(1), 0);
            ptr::write_volatile(bar.add(2), if page == 0 { 3 } else { 1 });
            while ptr::read_volatile(bar.add(2)) & 1 != 0 {}
        }
    }
    let pages = unsafe { std::slice::from_raw_parts(memory, 8192) };
    assert!(pages[..4096] == pages[4096..], "not what was copied");
    println!("copied");
    Ok(())
}
