//! System calls without the C library.
//!
//! Its wrappers store an error in `errno`, a variable of the thread. The processes of a script share memory and were not
//! made as threads, so they would share that variable, and one could read the other's error. Here an error is a value.

use std::arch::asm;

use libc::c_long;

/// An error number.
pub(crate) type Errno = i32;

/// Makes system call `$name` of the `libc` crate with up to six arguments, each a number or a pointer.
///
/// Unsafe as the call itself is: pointers must be valid for what the kernel does with them.
macro_rules! sys {
    ($name:ident $(, $argument:expr)* $(,)?) => {
        $crate::raw::call(libc::$name, &[$($argument as usize),*])
    };
}
pub(crate) use sys;

/// See [`sys!`].
#[inline(always)]
pub(crate) unsafe fn call(number: c_long, arguments: &[usize]) -> Result<c_long, Errno> {
    let argument = |n: usize| arguments.get(n).copied().unwrap_or(0);
    let answer: isize;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the calling convention of syscall(2) for x86-64; the caller answers for what the call does.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number as isize => answer,
            in("rdi") argument(0),
            in("rsi") argument(1),
            in("rdx") argument(2),
            in("r10") argument(3),
            in("r8") argument(4),
            in("r9") argument(5),
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: the calling convention of syscall(2) for arm64; the caller answers for what the call does.
    unsafe {
        asm!(
            "svc 0",
            in("x8") number,
            inlateout("x0") argument(0) as isize => answer,
            in("x1") argument(1),
            in("x2") argument(2),
            in("x3") argument(3),
            in("x4") argument(4),
            in("x5") argument(5),
            options(nostack),
        );
    }
    if (-4095..0).contains(&answer) { Err(-answer as Errno) } else { Ok(answer as c_long) }
}
