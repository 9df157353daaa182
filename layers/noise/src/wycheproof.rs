//! The agreements of Wycheproof.

use serde_json::Value;
use zeroize::Zeroizing;

use crate::crypto::shared;

#[test]
fn every_agreement_is_that_of_wycheproof_but_the_zero_which_is_none() {
    let suite = include_str!("../../core/tests/vectors/wycheproof/x25519_test.json");
    let suite: Value = serde_json::from_str(suite).unwrap();
    let (mut seen, mut zeros) = (0, 0);
    for group in suite["testGroups"].as_array().unwrap() {
        for case in group["tests"].as_array().unwrap() {
            let bytes = |name: &str| -> [u8; 32] {
                let text = case[name].as_str().unwrap();
                hex::decode(text).unwrap().try_into().unwrap()
            };
            let ours = shared(&Zeroizing::new(bytes("private")), &bytes("public"));
            let theirs = Some(bytes("shared")).filter(|secret| *secret != [0; 32]);
            assert_eq!(ours.map(|secret| *secret), theirs, "{}", case["tcId"]);
            seen += 1;
            zeros += usize::from(theirs.is_none());
        }
    }
    assert_eq!((seen, zeros), (518, 31));
    println!("measured noise\tWycheproof, X25519\t{seen} cases");
}
