//! What is left of keys in the memory of a process that has dropped them.

use std::{
    fs::{self, File},
    ops::Range,
    os::unix::fs::FileExt as _,
    path::Path,
    process::Command,
};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tower::Layer as _;
use tower_multiserver::{
    AppKey, Identity, KeyFile, MultiServer, Scope, Seed, net::Net, noise::NoiseLayer, shs::ShsLayer,
};
use zeroize::Zeroizing;

const PAGE: usize = 1 << 16;

/// No secret is longer.
const LONGEST: usize = 64;

/// Keeps what is searched for from being found.
const MASK: u8 = 0x5a;

/// A secret that this process knows only in another form.
struct Masked {
    name: &'static str,
    bytes: Vec<u8>,
}

impl Masked {
    fn of(name: &'static str, secret: &[u8]) -> Self {
        let bytes = secret.iter().map(|byte| byte ^ MASK).collect();
        Self { name, bytes }
    }

    fn is_at(&self, memory: &[u8]) -> bool {
        let mut bytes = self.bytes.iter().zip(memory);
        memory.len() >= self.bytes.len() && bytes.all(|(masked, byte)| masked ^ MASK == *byte)
    }
}

/// Where each secret stands in the memory of this process that can be written to: the address, and the mapping around it.
fn found(secrets: &[Masked]) -> Vec<(&'static str, usize, Range<usize>)> {
    let maps = fs::read_to_string("/proc/self/maps").expect("Linux tells it");
    let memory = File::open("/proc/self/mem").expect("one's own");
    let mut page = vec![0; PAGE + LONGEST];
    // What was read of other places is not looked for in here.
    let own = page.as_ptr() as usize..page.as_ptr() as usize + page.len();
    let mut begins = [false; 256];
    for secret in secrets {
        begins[usize::from(secret.bytes[0] ^ MASK)] = true;
    }
    let mut found = Vec::new();
    for map in maps.lines().filter(|line| line.contains(" rw")) {
        let (range, _) = map.split_once(' ').expect("a range");
        let (start, end) = range.split_once('-').expect("a range");
        let address = |text| usize::from_str_radix(text, 16).expect("an address");
        let (start, end) = (address(start), address(end));
        for at in (start..end).step_by(PAGE) {
            let wanted = page.len().min(end - at);
            let Ok(count) = memory.read_at(&mut page[..wanted], at as u64) else {
                break;
            };
            for offset in 0..count.min(PAGE) {
                let here = &page[offset..count];
                if !begins[usize::from(here[0])] {
                    continue;
                }
                for secret in secrets {
                    if secret.is_at(here) && !own.contains(&(at + offset)) {
                        found.push((secret.name, at + offset, start..end));
                    }
                }
            }
        }
    }
    found
}

/// Handshakes of both layers with the identity of a file, and with the seed of an invite. What was secret in them, and an
/// address on the stack.
#[inline(never)]
fn use_them(at: &Path) -> (Vec<Masked>, usize) {
    let local = 0_u8;
    let bob = KeyFile::load(at).expect("a key file");
    let (alice, guest) = (
        Seed::generate().expect("randomness"),
        Seed::generate().expect("randomness"),
    );
    let network = Seed::generate().expect("randomness");
    let app_key = AppKey::from_bytes(*network.as_bytes());
    let secrets = vec![
        Masked::of("the seed of the file", bob.seed().as_bytes()),
        Masked::of("its text", &bob.seed().to_base64().as_bytes()[..40]),
        Masked::of("its X25519 secret", &*bob.x25519_secret()),
        Masked::of("the seed of the client", alice.as_bytes()),
        Masked::of("the seed of the invite", guest.as_bytes()),
        Masked::of("the app key", app_key.as_bytes()),
    ];
    let stacks = |identity: Identity| {
        let noise = NoiseLayer::new(identity.clone()).app_key(app_key.clone());
        MultiServer::new()
            .stack(
                ShsLayer::new(identity)
                    .app_key(app_key.clone())
                    .layer(Net::new()),
            )
            .stack(noise.layer(Net::new()))
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(async {
        let server = stacks(bob)
            .listen("net:127.0.0.1:0~shs;net:127.0.0.1:0~noise")
            .await;
        let mut server = server.expect("listening");
        let client = stacks(Identity::from_seed(&alice));
        for address in server.addresses(Scope::Device).expect("addresses").iter() {
            for invite in [false, true] {
                let mut to = Zeroizing::new(String::with_capacity(1024));
                to.push_str(&address.to_string());
                if invite {
                    to.push(':');
                    to.push_str(&guest.to_base64());
                }
                let (dialed, accepted) = tokio::join!(client.dial(to.as_str()), server.next());
                let (mut dialed, mut accepted) = (
                    dialed.expect("dialed"),
                    accepted.expect("one").expect("accepted"),
                );
                dialed.write_all(b"hello").await.expect("sent");
                accepted.read_exact(&mut [0; 5]).await.expect("heard");
            }
        }
        // All of them are there, or they could not be missed.
        let there = found(&secrets);
        for name in [
            "the seed of the file",
            "the seed of the client",
            "the app key",
        ] {
            assert!(there.iter().any(|(found, ..)| *found == name), "{name}");
        }
    });
    (secrets, &raw const local as usize)
}

#[test]
#[ignore = "has a process of its own; the test below runs it"]
fn in_a_process_of_its_own() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("secret");
    drop(KeyFile::load_or_create(&path).expect("a key file"));
    let (secrets, local) =
        std::thread::scope(|scope| scope.spawn(|| use_them(&path)).join()).expect("no panic");
    let left = found(&secrets);
    // The stack of that thread is kept for the next. What was moved over it, such as results, was copied.
    let (stack, heap): (Vec<_>, Vec<_>) = left
        .into_iter()
        .partition(|(_, _, mapping)| mapping.contains(&local));
    let names: Vec<_> = stack.iter().map(|(name, ..)| name).collect();
    println!(
        "\nmeasured exposure\tmemory after use\t{} copies of {} secrets on the heap, {} on the stack {names:?}",
        heap.len(),
        secrets.len(),
        stack.len(),
    );
    assert!(heap.is_empty(), "{heap:x?}");
}

#[test]
fn no_key_is_left_in_memory() {
    let this = std::env::current_exe().expect("it runs");
    let test = "memory::in_a_process_of_its_own";
    let scan = Command::new(this)
        .args(["--exact", test, "--ignored", "--nocapture"])
        .output()
        .expect("it starts");
    let said = String::from_utf8_lossy(&scan.stdout);
    println!("{said}");
    assert!(
        scan.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&scan.stderr)
    );
}
