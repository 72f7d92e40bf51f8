//! Kafka's names in Rust's manner of writing.

/// `TopicId` and `topicId` become `topic_id`; `KRaftVersion` becomes `kraft_version`.
pub fn snake_case(name: &str) -> String {
    let name = name.replace("KRaft", "Kraft").replace("2Pc", "TwoPc");
    let mut snake = String::new();
    let mut last_was_small = false;
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            if last_was_small {
                snake.push('_');
            }
            last_was_small = false;
        } else {
            last_was_small = true;
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

/// A field's name in Rust.
pub fn field(name: &str) -> String {
    let name = snake_case(name);
    if matches!(name.as_str(), "match" | "type" | "ref" | "use" | "move" | "final") {
        format!("r#{name}")
    } else {
        name
    }
}

/// `UNKNOWN_TOPIC_ID` becomes `UnknownTopicId`.
pub fn camel_case(screaming: &str) -> String {
    screaming
        .split('_')
        .flat_map(|word| {
            let (first, rest) = word.split_at(word.len().min(1));
            [first.to_ascii_uppercase(), rest.to_ascii_lowercase()]
        })
        .collect()
}
