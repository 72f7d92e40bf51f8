#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    ottla_fuzz::chosen_message(input, |entry| entry.name.ends_with("Request"));
});
