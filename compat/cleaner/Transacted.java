import java.io.File;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.FeatureUpdate;
import org.apache.kafka.clients.admin.UpdateFeaturesOptions;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.record.internal.FileRecords;
import org.apache.kafka.common.record.internal.Record;
import org.apache.kafka.common.record.internal.RecordBatch;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Compaction of what transactions wrote. `write` has Apache Kafka's producers write it to Apache Kafka; its directory is
 * then copied, and `compare` lets each broker compact one copy, in rounds, and compares after each what a reader is
 * given, each batch that is left and the indexes of aborted transactions. `again` writes a record, for which what is
 * known of producers is needed, and compares what readers are given.
 * Arguments: the action; a seed; the time in ms; name, address and data folder of each broker.
 */
public final class Transacted {
    private static final String[] CODECS = {"none", "gzip", "snappy", "lz4", "zstd"};
    private static final int STEPS = 14;
    private static final int KEYS = 40;
    /** Each step's records are so much younger than those of the one before, which is more than `segment.ms`. */
    private static final long STEP_MS = 100_000;
    /** Records are younger than the markers, which have the broker's time, so that it is they that close segments. */
    private static final long AHEAD_MS = 10_000_000;
    private static final int ROUNDS = 4;
    private static final String[] ISOLATIONS = {"read_committed", "read_uncommitted"};
    /** Nothing is compacted before it is asked for. */
    private static final Map<String, String> COMMON = Map.of("cleanup.policy", "compact", "segment.ms", "60000",
            "min.cleanable.dirty.ratio", "1.0", "index.interval.bytes", "300", "file.delete.delay.ms", "100",
            "message.timestamp.after.max.ms", "86400000");
    private static final Map<String, Map<String, String>> TOPICS = new TreeMap<>(Map.of(
            "transacted-gone", Map.of("delete.retention.ms", "1"),
            "transacted-kept", Map.of("delete.retention.ms", "86400000"),
            // Its indexes do not fit into one segment.
            "transacted-apart", Map.of("delete.retention.ms", "1", "segment.index.bytes", "240")));

    private final Side side;
    private final long beginMs;
    private final TreeMap<String, KafkaProducer<String, String>> producers = new TreeMap<>();

    private Transacted(Side side, long nowMs) {
        this.side = side;
        this.beginMs = nowMs + AHEAD_MS;
    }

    public static void main(String[] arguments) throws Exception {
        long seed = Long.parseLong(arguments[1]);
        long nowMs = Long.parseLong(arguments[2]);
        List<Side> sides = new ArrayList<>();
        for (int i = 3; i < arguments.length; i += 3) {
            sides.add(new Side(arguments[i], arguments[i + 1], arguments[i + 2]));
        }
        switch (arguments[0]) {
            case "write" -> System.out.println(new Transacted(sides.get(0), nowMs).write(seed));
            case "compare" -> inParallel(topic -> compare(sides, topic, seed, nowMs));
            case "again" -> inParallel(topic -> topic + ": " + Side.same(sides, topic, side -> again(side, topic, nowMs)).lines().count());
            default -> throw new IllegalArgumentException(arguments[0]);
        }
        System.exit(0);
    }

    interface Told {
        String of(String topic);
    }

    private static void inParallel(Told told) {
        List<CompletableFuture<String>> all = TOPICS.keySet().stream()
                .map(topic -> CompletableFuture.supplyAsync(() -> told.of(topic), task -> new Thread(task).start()))
                .toList();
        for (CompletableFuture<String> it : all) System.out.println(it.join());
    }

    /** The history, the same in each topic: a transaction spans all of them. */
    private String write(long seed) throws Exception {
        for (Map.Entry<String, Map<String, String>> topic : TOPICS.entrySet()) {
            Map<String, String> configs = new HashMap<>(COMMON);
            configs.putAll(topic.getValue());
            side.create(topic.getKey(), configs);
        }
        Random random = new Random(seed);
        // With transaction.version 2 each transaction has an epoch of its own; without, all of a producer have one.
        long records = part(random, "second", 0);
        side.admin.updateFeatures(Map.of("transaction.version", new FeatureUpdate((short) 1, FeatureUpdate.UpgradeType.SAFE_DOWNGRADE)),
                new UpdateFeaturesOptions()).all().get();
        records += part(random, "first", STEPS);
        side.admin.updateFeatures(Map.of("transaction.version", new FeatureUpdate((short) 2, FeatureUpdate.UpgradeType.UPGRADE)),
                new UpdateFeaturesOptions()).all().get();
        // Begins a segment, so that all before it may be compacted.
        send(producer("closer", false), List.of(record("closer", 2 * STEPS, "closed")));
        return records + " records in each of " + TOPICS.size() + " topics";
    }

    /** Records that a few producers write in so many steps, each of which begins a segment; how many. */
    private long part(Random random, String part, int firstStep) throws Exception {
        String[] busy = {part + "-a", part + "-b", part + "-c"};
        Map<String, Boolean> open = new HashMap<>();
        long count = 0;
        for (int step = firstStep; step < firstStep + STEPS; step++) {
            int at = step - firstStep;
            // Without transactions; its newer records replace all it wrote before, and others those.
            if (at < 5) count += send(producer(part + "-plain", false), List.of(record("plain" + at % 2, step, "plain")));
            // Idle for ever after a transaction whose keys come again.
            if (at == 1) count += transaction(part + "-idle", true, List.of(record("k1", step, "idle"), record("k2", step, "idle")));
            // Idle after one that was aborted, and after one that deletes.
            if (at == 2) count += transaction(part + "-quitter", false, List.of(record("k3", step, "quits")));
            if (at == 2) count += transaction(part + "-deleter", true, List.of(record("k4", step, null), record("deleted", step, null)));
            // Nothing but its last transaction is left of it, of which nothing is left.
            if (at == 3 || at == 6) count += transaction(part + "-twice", true, List.of(record("twice", step, "t")));
            // One that is aborted only after records in many segments.
            if (at == 2) producer(part + "-long", true).beginTransaction();
            if (2 <= at && at < 8) count += send(producer(part + "-long", true), List.of(record("k5", step, "long"), record("long", step, null)));
            if (at == 8) producer(part + "-long", true).abortTransaction();
            for (String name : busy) {
                KafkaProducer<String, String> producer = producer(name, true);
                if (!open.getOrDefault(name, false)) producer.beginTransaction();
                for (int batch = random.nextInt(3); batch >= 0; batch--) {
                    List<ProducerRecord<String, String>> records = new ArrayList<>();
                    for (int i = random.nextInt(8); i >= 0; i--) {
                        String key = "k" + random.nextInt(1 + random.nextInt(KEYS));
                        String value = random.nextInt(5) == 0 ? null : name + "-" + step + "x".repeat(random.nextInt(150));
                        records.add(record(key, step, value));
                    }
                    count += send(producer, records);
                }
                boolean ends = random.nextInt(3) > 0 || at == STEPS - 1;
                open.put(name, !ends);
                if (ends && random.nextInt(5) < 3) producer.commitTransaction();
                else if (ends) producer.abortTransaction();
            }
        }
        producers.values().forEach(KafkaProducer::close);
        producers.clear();
        return count;
    }

    private long transaction(String name, boolean commits, List<ProducerRecord<String, String>> records) throws Exception {
        KafkaProducer<String, String> producer = producer(name, true);
        producer.beginTransaction();
        send(producer, records);
        if (commits) producer.commitTransaction();
        else producer.abortTransaction();
        return records.size();
    }

    private KafkaProducer<String, String> producer(String name, boolean isTransactional) {
        return producers.computeIfAbsent(name, it -> {
            Properties properties = properties(side, CODECS[producers.size() % CODECS.length]);
            if (isTransactional) properties.put("transactional.id", name);
            KafkaProducer<String, String> producer = new KafkaProducer<>(properties);
            if (isTransactional) producer.initTransactions();
            return producer;
        });
    }

    private static Properties properties(Side side, String codec) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", side.bootstrap);
        properties.put("key.serializer", StringSerializer.class.getName());
        properties.put("value.serializer", StringSerializer.class.getName());
        properties.put("compression.type", codec);
        properties.put("linger.ms", Side.LINGER_MS);
        properties.put("delivery.timeout.ms", "" + 2 * Side.PATIENCE_MS);
        return properties;
    }

    /** To be sent to each topic. */
    private ProducerRecord<String, String> record(String key, int step, String value) {
        return new ProducerRecord<>("", 0, beginMs + step * STEP_MS, key, value);
    }

    /** One batch in each topic. */
    private static long send(KafkaProducer<String, String> producer, List<ProducerRecord<String, String>> records) throws Exception {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (String topic : TOPICS.keySet()) {
            for (ProducerRecord<String, String> it : records) {
                sent.add(producer.send(new ProducerRecord<>(topic, 0, it.timestamp(), it.key(), it.value())));
            }
        }
        producer.flush();
        for (Future<RecordMetadata> it : sent) it.get();
        return records.size();
    }

    /** Rounds of compaction on all sides; what was left after each. */
    private static String compare(List<Side> sides, String topic, long seed, long nowMs) {
        String before = Side.same(sides, topic, side -> read(side, topic) + files(side, topic));
        StringBuilder told = new StringBuilder(topic + ": " + summary(before));
        for (int i = 0; i < ROUNDS; i++) {
            int round = i;
            String after = Side.same(sides, topic + " in round " + round, side -> {
                new Transacted(side, nowMs).round(topic, seed, round);
                return read(side, topic) + files(side, topic);
            });
            told.append(", then " + summary(after));
        }
        return told.toString();
    }

    private static String summary(String all) {
        List<String> lines = all.lines().toList();
        return lines.stream().filter(it -> it.startsWith("read_committed")).count() + " records in "
                + lines.stream().filter(it -> it.startsWith("batch") && it.contains("control no")).count() + " batches, "
                + lines.stream().filter(it -> it.startsWith("batch") && it.contains("control yes")).count() + " markers, "
                + lines.stream().filter(it -> it.startsWith("aborted")).count() + " aborted";
    }

    private static String again(Side side, String topic, long nowMs) throws Exception {
        try (KafkaProducer<String, String> producer = withoutSequence(side, 0)) {
            Future<RecordMetadata> sent = producer.send(new ProducerRecord<>(topic, 0, nowMs, "again", "again"));
            producer.flush();
            sent.get();
        }
        return read(side, topic);
    }

    private static KafkaProducer<String, String> withoutSequence(Side side, int codec) {
        Properties properties = properties(side, CODECS[codec % CODECS.length]);
        properties.put("enable.idempotence", "false");
        return new KafkaProducer<>(properties);
    }

    /**
     * Compacts all but the active segment, in the later rounds with a few more records in it. What a compaction marks for
     * deletion the next one takes: so each side compacts after each segment that is closed, neither more often nor less.
     */
    private void round(String topic, long seed, int round) throws Exception {
        TopicPartition partition = new TopicPartition(topic, 0);
        if (round == 0) {
            side.set(topic, "min.cleanable.dirty.ratio", "0.001");
        } else {
            Random random = new Random(seed + round);
            try (KafkaProducer<String, String> producer = withoutSequence(side, round)) {
                int step = 2 * STEPS + 2 * round;
                // The second of them writes nothing that replaces anything.
                for (int i = 0; i < 15 && round != 2; i++) {
                    ProducerRecord<String, String> it = record("k" + random.nextInt(KEYS), step, random.nextInt(3) == 0 ? null : "new");
                    producer.send(new ProducerRecord<>(topic, 0, it.timestamp(), it.key(), it.value()));
                }
                producer.flush();
                untilCompacted(side, partition);
                ProducerRecord<String, String> it = record("closer", step + 1, "closed");
                Future<RecordMetadata> closed = producer.send(new ProducerRecord<>(topic, 0, it.timestamp(), it.key(), it.value()));
                producer.flush();
                closed.get();
            }
        }
        untilCompacted(side, partition);
    }

    private static void untilCompacted(Side side, TopicPartition partition) throws Exception {
        List<String> logs = side.files(partition, ".log");
        side.untilCleaned(partition, Side.base(logs.get(logs.size() - 1)));
    }

    /** All records as readers of both kinds are given them. */
    private static String read(Side side, String topic) throws Exception {
        StringBuilder found = new StringBuilder();
        TopicPartition partition = new TopicPartition(topic, 0);
        for (String isolation : ISOLATIONS) {
            Properties properties = new Properties();
            properties.put("bootstrap.servers", side.bootstrap);
            properties.put("key.deserializer", StringDeserializer.class.getName());
            properties.put("value.deserializer", StringDeserializer.class.getName());
            properties.put("isolation.level", isolation);
            properties.put("max.partition.fetch.bytes", "2000");
            properties.put("fetch.max.wait.ms", "50");
            try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(properties)) {
                consumer.assign(List.of(partition));
                consumer.seekToBeginning(List.of(partition));
                long end = consumer.endOffsets(List.of(partition)).get(partition);
                side.until("the end of " + topic, () -> {
                    for (ConsumerRecord<String, String> it : consumer.poll(Duration.ofMillis(50))) {
                        found.append(isolation + " " + it.offset() + " " + it.timestamp() + " " + it.key() + " " + it.value() + "\n");
                    }
                    return consumer.position(partition) >= end;
                });
            }
        }
        return found.toString();
    }

    /** Each batch and each entry of an index of aborted transactions, as they lie in the files. */
    private static String files(Side side, String topic) throws Exception {
        TopicPartition partition = new TopicPartition(topic, 0);
        Path folder = side.data.resolve(partition.toString());
        StringBuilder found = new StringBuilder();
        for (String name : side.files(partition, ".log")) {
            found.append("segment " + name + "\n");
            try (FileRecords records = FileRecords.open(new File(folder.toFile(), name), false)) {
                for (RecordBatch it : records.batches()) {
                    List<String> offsets = new ArrayList<>();
                    for (Record record : it) offsets.add(record.offset() + (record.hasValue() ? "" : " deletes"));
                    found.append("batch " + it.baseOffset() + " to " + it.lastOffset() + " of producer " + it.producerId()
                            + " epoch " + it.producerEpoch() + " sequence " + it.baseSequence() + " to " + it.lastSequence()
                            + (it.isTransactional() ? " transactional" : "") + " control " + (it.isControlBatch() ? "yes" : "no")
                            // The horizon itself depends on when the round was.
                            + (it.deleteHorizonMs().isPresent() ? " with a horizon" : "") + " newest " + it.maxTimestamp()
                            + " " + it.compressionType() + " leader epoch " + (it.partitionLeaderEpoch() >= 0) + " records " + offsets + "\n");
                }
            }
        }
        for (String name : side.files(partition, ".txnindex")) {
            ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(folder.resolve(name)));
            while (bytes.hasRemaining()) {
                found.append("aborted " + name + " version " + bytes.getShort() + " producer " + bytes.getLong() + " from "
                        + bytes.getLong() + " to " + bytes.getLong() + " stable " + bytes.getLong() + "\n");
            }
        }
        return found.toString();
    }
}
