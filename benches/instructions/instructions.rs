//! Instructions of what every connection does.

use std::hint::black_box;

use gungraun::{library_benchmark, library_benchmark_group, main};
use multiserver_instructions::*;

#[library_benchmark]
#[bench::full_frames(shs_frames(64 * 1024))]
#[bench::small_frame(shs_frames(64))]
fn shs_seals(frames: Frames<Sealer, Opener>) -> usize {
    black_box(seal_shs(frames))
}

#[library_benchmark]
#[bench::full_frames(shs_frames(64 * 1024))]
#[bench::small_frame(shs_frames(64))]
fn shs_opens(frames: Frames<Sealer, Opener>) -> usize {
    black_box(open_shs(frames))
}

#[library_benchmark]
#[bench::full_frame(noise_frames(64_000))]
fn noise_seals(frames: Frames<NoiseSealer, NoiseOpener>) -> usize {
    black_box(seal_noise(frames))
}

#[library_benchmark]
#[bench::full_frame(noise_frames(64_000))]
fn noise_opens(frames: Frames<NoiseSealer, NoiseOpener>) -> usize {
    black_box(open_noise(frames))
}

#[library_benchmark]
#[bench::both_sides(identities())]
fn shs_shakes_hands(identities: (Identity, Identity)) -> bool {
    black_box(shake_hands(identities))
}

#[library_benchmark]
#[bench::one(boxed(1))]
#[bench::eleven(boxed(11))]
fn boxed_layers(ends: (BoxIo, DuplexStream)) -> (BoxIo, DuplexStream) {
    black_box(ping(ends))
}

#[library_benchmark]
#[bench::ten(by_hand())]
fn dial_by_hand(dials: Dials) -> Dials {
    black_box(dial(dials))
}

#[library_benchmark]
#[bench::ten(through_middlewares())]
fn dial_through_middlewares(dials: Dials) -> Dials {
    black_box(dial(dials))
}

library_benchmark_group!(
    name = all,
    benchmarks = [
        shs_seals,
        shs_opens,
        noise_seals,
        noise_opens,
        shs_shakes_hands,
        boxed_layers
    ]
);

// Beside each other, so that it is told how much more the second costs.
library_benchmark_group!(
    name = dials,
    compare_by_id = true,
    benchmarks = [dial_by_hand, dial_through_middlewares]
);

main!(library_benchmark_groups = [all, dials]);
