#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| memlink_fuzz_run::run(memlink_fuzz::urls, input));
