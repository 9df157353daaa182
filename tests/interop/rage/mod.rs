//! Our hosts of ragep2p against those of libocr: package `ragep2p` (`v1`) and, where libocr has it, `ragep2p/ragep2pnew`
//! (`new`).

/// Makes of each function one test for each version of the host in Go, each version of ours, and each of the two as the one
/// that dials. It gets both hosts, connected.
macro_rules! each_pair {
    ($($(#[$doc:meta])* async fn $test:ident($pair:ident) $body:block)+) => {$(
        $(#[$doc])*
        mod $test {
            use super::*;

            async fn check(go: &'static str, version: Version, dials: Dials) {
                let case = Case { go, version, dials };
                let run = async {
                    let Some($pair) = case.connected().await else {
                        return;
                    };
                    $body
                };
                timeout(PATIENCE, run).await.expect("it ends in time");
            }

            each_pair! { @
                we_dial_v1 = "v1" V1 Ours, we_dial_v1_as_v2 = "v1" V2 Ours,
                we_dial_new = "new" V1 Ours, we_dial_new_as_v2 = "new" V2 Ours,
                v1_dials_us = "v1" V1 Theirs, v1_dials_us_as_v2 = "v1" V2 Theirs,
                new_dials_us = "new" V1 Theirs, new_dials_us_as_v2 = "new" V2 Theirs
            }
        }
    )+};
    (@ $($name:ident = $go:literal $version:ident $dials:ident),+) => {$(
        #[tokio::test]
        async fn $name() {
            check($go, Version::$version, Dials::$dials).await;
        }
    )+};
}

#[path = "../../ragep2p/lab.rs"]
#[expect(dead_code, reason = "some of it is for other tests")]
mod lab;

mod connections;
mod discovery;
mod floods;
mod go_itself;
mod healing;
mod limits;
mod mesh;
mod messages;
mod obedient;
mod pair;
mod raw;
mod requests;
mod streams;
mod victim;
mod violations;
