//! The checks that a secret handshake and a box stream must make, and where each is tested.
//!
//! | # | check | test |
//! |---|---|---|
//! | 1 | a hello is 64 bytes with the right code, before anything is computed | `handshake::tests::a_flipped_bit_in_any_message_is_refused_by_its_receiver`, `networks_do_not_hear_each_other` |
//! | 2 | another app key or protocol gets no byte | [`hostile::whoever_is_not_of_the_network_gets_no_byte`] |
//! | 3 | a server answers no hello whose secrets are zero | [`hostile::a_hello_of_small_order_gets_no_byte_and_harms_nobody`], `handshake::vectors::bad_hellos_of_clients_get_no_answer` |
//! | 4 | a client proves itself to no such hello, nor to its own | [`hostile::a_client_says_nothing_more_to_a_bad_hello`], `handshake::vectors::bad_hellos_of_servers_get_no_proof` |
//! | 5 | a bad server key is refused before anything is dialed | [`dialing::a_key_that_nobody_can_hold_is_refused_before_the_dial`], the core's `key_args::tests` |
//! | 6, 7 | signatures are strict, the secret of the client's key is not zero | `handshake::vectors::only_the_honest_proof_of_a_client_is_taken`, `…::a_client_that_does_not_know_the_server_is_refused_at_its_hello_and_again_at_its_proof` |
//! | 8 | our own key is accepted, and told | [`authorizing::our_own_key_is_told_and_may_be_refused`] |
//! | 9 | authorization stands between the client's proof and ours | [`authorizing::every_refusal_looks_alike_to_the_client`] |
//! | 10 | a hook that hangs, fails or panics refuses | [`authorizing::a_hook_that_fails_or_panics_refuses_and_harms_nobody`], [`deadline::a_hook_that_never_answers_is_cut_off`] |
//! | 11 | the server's proof is of the dialed key, over this handshake | `handshake::vectors::only_the_honest_proof_of_a_server_is_taken` |
//! | 12 | one deadline; bytes behind a message are kept | [`deadline::a_slow_peer_is_cut_off_at_the_deadline`], `layer::tests::bytes_behind_a_proof_belong_to_the_stream`, [`dialing::a_server_that_speaks_at_once_is_heard_whole`] |
//! | 13 | failures look alike, and nothing is written after one | [`authorizing::every_refusal_looks_alike_to_the_client`], [`hostile::after_a_changed_byte_its_receiver_says_nothing_more`] |
//! | 14 | secrets are wiped | `handshake::tests::the_secrets_of_a_handshake_are_wiped_when_it_ends` |
//! | 15 | keys are made of seeds | the core's `Identity` |
//! | 16 | a frame has 4096 bytes at most | `tests::endings::a_frame_that_is_too_long_is_refused_at_its_header` |
//! | 17 | nothing comes after a goodbye | `tests::endings::a_goodbye_ends_the_reading_for_ever` |
//! | 18 | the nonce counts only what was verified; errors are for good | `box_stream::vectors::a_flipped_bit_anywhere_ends_the_stream_before_its_frame` |
//! | 19 | every cut is an error | `box_stream::vectors::a_stream_cut_anywhere_is_truncated_behind_its_whole_frames`, `tests::endings::a_cut_anywhere_is_an_error_behind_the_whole_frames` |
//! | 20 | one goodbye, and nothing is written behind it | `tests::endings::the_goodbye_is_said_once_and_nothing_behind_it`, `tests::turns::two_writers_and_an_end_never_break_the_stream` |
//! | 21 | nonces carry | `box_stream::vectors::nonces_carry_and_wrap_as_in_javascript` |
//! | 22 | empty frames are passed over, not without end | `tests::turns::empty_frames_give_others_their_turn_and_end_in_an_error` |

#![expect(clippy::unwrap_used, reason = "what cannot go on has failed")]

mod authorizing;
mod conformance;
mod deadline;
mod dialing;
mod hostile;
mod support;
