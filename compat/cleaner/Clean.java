import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import java.util.stream.StreamSupport;
import org.apache.kafka.clients.admin.ListOffsetsResult.ListOffsetsResultInfo;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;

/**
 * The same history into two brokers, both compact it, both are read: the same records must be at the same offsets.
 * Arguments: name, address and data folder of each; `write`, or `read` for what was written; a seed; the time in ms.
 *
 * What is left of the history does not depend on how often it was compacted on the way, so that nothing has to be
 * timed: tombstones go with the second cleaning at the latest, which the second round of writing causes, or stay.
 */
public final class Clean {
    private static final String[] CODECS = {"none", "gzip", "snappy", "lz4", "zstd"};
    private static final int SEGMENTS = 10;
    private static final int KEYS = 60;
    /** Each segment's records are so much younger than those of the one before, which is more than `segment.ms`. */
    private static final long STEP_MS = 2000;
    /** Where the history begins, before now. */
    private static final long AGE_MS = 10_000_000;
    /** Between the two rounds. */
    private static final long BREAK_MS = 5_000_000;
    /** In one of the topics, the second round is too young to be compacted. */
    private static final String LAG_MS = "7000000";
    private static final Map<String, String> COMMON = Map.of("cleanup.policy", "compact", "segment.ms", "1000",
            "min.cleanable.dirty.ratio", "0.01", "index.interval.bytes", "500", "file.delete.delay.ms", "100");
    private static final Map<String, Map<String, String>> TOPICS = new TreeMap<>(Map.of(
            "cleaned-keys", Map.of("delete.retention.ms", "1"),
            "cleaned-tombstones", Map.of("delete.retention.ms", "86400000"),
            // Here it is not segment.ms that closes segments.
            "cleaned-recompressed", Map.of("delete.retention.ms", "1", "compression.type", "zstd",
                    "segment.ms", "604800000", "max.compaction.lag.ms", "1000"),
            "cleaned-late", Map.of("delete.retention.ms", "86400000", "min.compaction.lag.ms", LAG_MS)));

    private final Side side;
    private final String topic;
    private final TopicPartition partition;
    private final long beginMs;
    /** What was written, by offset. */
    private final TreeMap<Long, ProducerRecord<String, String>> written = new TreeMap<>();
    /** Where each segment begins. */
    private final List<Long> bases = new ArrayList<>();

    private Clean(Side side, String topic, long nowMs) {
        this.side = side;
        this.topic = topic;
        this.partition = new TopicPartition(topic, 0);
        this.beginMs = nowMs - AGE_MS;
    }

    public static void main(String[] arguments) throws Exception {
        List<Side> sides = List.of(new Side(arguments[0], arguments[1], arguments[2]),
                new Side(arguments[3], arguments[4], arguments[5]));
        boolean writes = arguments[6].equals("write");
        long seed = Long.parseLong(arguments[7]);
        long nowMs = Long.parseLong(arguments[8]);
        List<CompletableFuture<String>> told = TOPICS.keySet().stream()
                .map(topic -> CompletableFuture.supplyAsync(() -> compare(sides, topic, writes, seed, nowMs), task -> new Thread(task).start()))
                .toList();
        for (CompletableFuture<String> it : told) System.out.println(it.get());
        sides.forEach(Side::close);
        System.exit(0);
    }

    /** One topic on both sides; what was seen, the same each time. */
    private static String compare(List<Side> sides, String topic, boolean writes, long seed, long nowMs) {
        String history = writes ? Side.same(sides, topic, side -> new Clean(side, topic, nowMs).write(seed)) : "";
        String found = Side.same(sides, topic, side -> new Clean(side, topic, nowMs).read());
        String anywhere = Side.same(sides, topic, side -> new Clean(side, topic, nowMs).readFromAnywhere(found));
        if (writes && !found.equals(history.substring(history.indexOf('\n') + 1))) {
            throw new IllegalStateException(topic + ": both have\n" + found + "of\n" + history);
        }
        String all = writes ? " of " + history.lines().findFirst().orElseThrow() : "";
        return topic + ": " + found.lines().count() + all + " records, " + Integer.toHexString((found + anywhere).hashCode());
    }

    /** Two rounds, each until it is compacted; how many records there were, and those that must be left. */
    private String write(long seed) throws Exception {
        Map<String, String> configs = new HashMap<>(COMMON);
        configs.putAll(TOPICS.get(topic));
        side.create(topic, configs);
        Random random = new Random(seed + topic.hashCode());
        List<KafkaProducer<String, String>> producers = new ArrayList<>();
        for (String codec : CODECS) producers.add(side.producer(codec));
        for (int segment = 0; segment < SEGMENTS; segment++) write(producers, random, segment, 0, true);
        close(producers.get(0), SEGMENTS, 0);
        long cleanedTo = bases.get(SEGMENTS);
        side.untilCleaned(partition, cleanedTo);
        for (int segment = 1; segment <= SEGMENTS; segment++) {
            write(producers, random, SEGMENTS + segment, BREAK_MS, false);
        }
        close(producers.get(0), 2 * SEGMENTS + 1, BREAK_MS);
        // The segment that was the active one of the first round is old enough.
        cleanedTo = bases.get(configs.containsKey("min.compaction.lag.ms") ? SEGMENTS + 1 : 2 * SEGMENTS + 1);
        side.untilCleaned(partition, cleanedTo);
        producers.forEach(KafkaProducer::close);
        return written.size() + "\n" + left(cleanedTo, configs.get("delete.retention.ms").equals("1"));
    }

    /** One segment: rewritten keys, some of them deleted, in a few batches of the producers in turn. */
    private void write(List<KafkaProducer<String, String>> producers, Random random, int segment, long afterMs,
            boolean deletes) throws Exception {
        for (int batch = 0; batch < 3; batch++) {
            List<ProducerRecord<String, String>> records = new ArrayList<>();
            for (int count = 1 + random.nextInt(30); count > 0; count--) {
                // Some keys are written often.
                String key = "k" + random.nextInt(1 + random.nextInt(KEYS));
                String value = key + "-" + segment + "-" + batch + "-" + count + "-" + "x".repeat(random.nextInt(200));
                if (deletes && random.nextInt(6) == 0) value = null;
                ProducerRecord<String, String> record =
                        new ProducerRecord<>(topic, 0, timeMs(segment, afterMs) + random.nextInt(500), key, value);
                if (random.nextInt(4) == 0) record.headers().add("h" + count, new byte[] {(byte) count});
                records.add(record);
            }
            send(producers.get((segment + batch) % producers.size()), records);
        }
    }

    private long timeMs(int segment, long afterMs) {
        return beginMs + segment * STEP_MS + afterMs;
    }

    /** A record that begins a segment, so that all before it may be compacted. */
    private void close(KafkaProducer<String, String> producer, int segment, long afterMs) throws Exception {
        send(producer, List.of(new ProducerRecord<>(topic, 0, timeMs(segment, afterMs), "last", "of round " + segment)));
    }

    private void send(KafkaProducer<String, String> producer, List<ProducerRecord<String, String>> records)
            throws Exception {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (ProducerRecord<String, String> record : records) sent.add(producer.send(record));
        producer.flush();
        for (int i = 0; i < records.size(); i++) {
            long offset = sent.get(i).get().offset();
            if (offset != written.size()) throw new IllegalStateException(offset + ", not " + written.size());
            if (offset == 0 || written.get(offset - 1).timestamp() + 1000 < records.get(i).timestamp()) bases.add(offset);
            written.put(offset, records.get(i));
        }
    }

    /** What a topic that is compacted up to an offset must have. */
    private String left(long cleanedTo, boolean deletes) {
        Map<String, Long> last = new HashMap<>();
        written.headMap(cleanedTo).forEach((offset, record) -> last.put(record.key(), offset));
        StringBuilder left = new StringBuilder();
        written.forEach((offset, it) -> {
            boolean stays = last.getOrDefault(it.key(), -1L).equals(offset) && !(deletes && it.value() == null);
            if (cleanedTo <= offset || stays) {
                left.append(line(offset, it.timestamp(), it.key(), it.value(), headers(it.headers())));
            }
        });
        return left.toString();
    }

    private static String headers(Iterable<org.apache.kafka.common.header.Header> headers) {
        return StreamSupport.stream(headers.spliterator(), false).map(it -> it.key() + "=" + it.value()[0])
                .collect(Collectors.joining(","));
    }

    private static String line(long offset, long timestamp, String key, String value, String headers) {
        return offset + " " + timestamp + " " + key + " " + value + " " + headers + "\n";
    }

    /** All records, from the first on. */
    private String read() throws Exception {
        StringBuilder found = new StringBuilder();
        try (KafkaConsumer<String, String> consumer = side.consumer(partition, "none")) {
            consumer.seekToBeginning(List.of(partition));
            long end = side.end(partition);
            side.until("the end of " + topic, () -> {
                for (ConsumerRecord<String, String> it : consumer.poll(Duration.ofMillis(50))) {
                    found.append(line(it.offset(), it.timestamp(), it.key(), it.value(), headers(it.headers())));
                }
                return consumer.position(partition) >= end;
            });
        }
        return found.toString();
    }

    /** The record that is found first from offsets everywhere on, and where times are found. */
    private String readFromAnywhere(String all) throws Exception {
        StringBuilder told = new StringBuilder("starts at " + side.start(partition) + "\n");
        long end = side.end(partition);
        try (KafkaConsumer<String, String> consumer = side.consumer(partition, "none")) {
            for (long from = 0; from < end; from += 1 + end / 40) {
                consumer.seek(partition, from);
                List<Long> first = new ArrayList<>();
                side.until("a record at or behind offset " + from + " of " + topic, () -> {
                    for (ConsumerRecord<String, String> it : consumer.poll(Duration.ofMillis(50))) first.add(it.offset());
                    return !first.isEmpty();
                });
                long wanted = from;
                long next = all.lines().mapToLong(line -> Long.parseLong(line.substring(0, line.indexOf(' '))))
                        .filter(offset -> wanted <= offset).findFirst().orElseThrow();
                if (first.get(0) != next) throw new IllegalStateException("from " + from + " on: " + first.get(0));
            }
        }
        Map<String, OffsetSpec> asked = new LinkedHashMap<>();
        for (int step = -1; step < 2 * SEGMENTS + 4; step++) {
            for (long afterMs : new long[] {0, BREAK_MS}) {
                long time = timeMs(step, afterMs) + 100;
                asked.put(step + " steps and " + afterMs, OffsetSpec.forTimestamp(time));
            }
        }
        asked.put("the greatest", OffsetSpec.maxTimestamp());
        for (Map.Entry<String, OffsetSpec> it : asked.entrySet()) {
            ListOffsetsResultInfo found =
                    side.admin.listOffsets(Map.of(partition, it.getValue())).partitionResult(partition).get();
            told.append(it.getKey() + ": " + found.offset() + " at " + (found.timestamp() - beginMs) + "\n");
        }
        return told.toString();
    }
}
