//! Virtual machines: a kernel, and a first file system with the programs in it. The machine ends as its first process does.

use std::fs;

use super::{Job, Process, Way, Ways, words};
use crate::bench::{ground::Ground, method::Found, process::Line, root::PROGRAM};

/// What the guest prints when all has gone well.
const DONE: &str = "palisade-bench-done";
/// Megabytes.
const MEMORY: u32 = 192;
/// The first process's end is a panic, and a panic is the end at once.
const KERNEL_LINE: &str = "quiet loglevel=0 panic=-1 reboot=t mitigations=off rdinit=/init";

/// What the guest's first process does.
fn guest(job: Job<'_>) -> String {
    let inner = match job {
        Job::Nothing => PROGRAM.to_owned(),
        Job::Script(script) => format!("(\n{script}\n)"),
    };
    format!("exec </dev/console >/dev/console 2>&1\nmount -t proc proc /proc 2>/dev/null\n{inner} && echo {DONE}")
}

fn files(ground: &Ground, name: &str) -> Result<(String, String, String), String> {
    let kernel = ground.kernel.as_ref().map(|path| path.display().to_string()).unwrap_or_default();
    let nothing = ground.initramfs(&format!("{name}-nothing"), &guest(Job::Nothing))?;
    let question = ground.initramfs(&format!("{name}-question"), &guest(Job::Script(&ground.question())))?;
    Ok((kernel, nothing.display().to_string(), question.display().to_string()))
}

fn qemu(ground: &Ground, found: &Found, machine: &'static str, console: &'static str) -> Ways {
    let (kernel, nothing, question) = files(ground, "qemu")?;
    let way = |note, accelerator: &'static str, cpu: &'static str| {
        let (program, kernel) = (found.program().to_owned(), kernel.clone());
        let (nothing, question) = (nothing.clone(), question.clone());
        let line = move |job: Job<'_>| {
            let initramfs = if job == Job::Nothing { &nothing } else { &question };
            let rest = format!(
                "-M {machine} -accel {accelerator} -cpu {cpu} -m {MEMORY} -nodefaults -no-user-config -display none \
                 -serial stdio -no-reboot -kernel {kernel} -initrd {initramfs} -append"
            );
            let mut words = words(&program, &rest);
            words.push(format!("console={console} {KERNEL_LINE}"));
            Ok(Line { words, says: Some(DONE.to_owned()), ..Line::default() })
        };
        Way::Process(Process { note, line: Box::new(line), daemon: None })
    };
    let emulated = way("emulated processor (TCG)", "tcg", "max");
    let kvm = fs::File::options().read(true).write(true).open("/dev/kvm").is_ok();
    Ok(kvm.then(|| way("KVM", "kvm", "host")).into_iter().chain([emulated]).collect())
}

pub(in crate::bench) fn pc(ground: &Ground, found: &Found) -> Ways {
    if cfg!(target_arch = "aarch64") {
        return qemu(ground, found, "virt", "ttyAMA0");
    }
    qemu(ground, found, "q35", "ttyS0")
}

pub(in crate::bench) fn microvm(ground: &Ground, found: &Found) -> Ways {
    if cfg!(target_arch = "aarch64") {
        return Err("this machine is one of x86 only".to_owned());
    }
    qemu(ground, found, "microvm,acpi=off,isa-serial=on,rtc=on", "ttyS0")
}

// Not seen at work: no host of ours can run it.
pub(in crate::bench) fn firecracker(ground: &Ground, found: &Found) -> Ways {
    let (kernel, nothing, question) = files(ground, "firecracker")?;
    let configuration = |name: &str, initramfs: &str| {
        let path = ground.path().join(format!("firecracker-{name}.json"));
        let text = serde_json::json!({
            "boot-source": {
                "kernel_image_path": kernel,
                "initrd_path": initramfs,
                "boot_args": format!("console=ttyS0 pci=off reboot=k {KERNEL_LINE}"),
            },
            "drives": [],
            "machine-config": { "vcpu_count": 1, "mem_size_mib": MEMORY },
        });
        fs::write(&path, text.to_string()).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok::<_, String>(path.display().to_string())
    };
    let (nothing, question) = (configuration("nothing", &nothing)?, configuration("question", &question)?);
    let program = found.program().to_owned();
    let line = move |job: Job<'_>| {
        let configuration = if job == Job::Nothing { &nothing } else { &question };
        let words = words(&program, &format!("--no-api --config-file {configuration}"));
        Ok(Line { words, says: Some(DONE.to_owned()), ..Line::default() })
    };
    Ok(vec![Way::Process(Process { note: "KVM", line: Box::new(line), daemon: None })])
}

// Not seen at work: no host of ours can run it.
pub(in crate::bench) fn kata(ground: &Ground, _: &Found) -> Ways {
    let name = ground.name();
    let rest = format!("run --rm --runtime io.containerd.kata.v2 --rootfs {} {name}", ground.root()?.display());
    Ok(vec![super::before(words("ctr", &rest))])
}
